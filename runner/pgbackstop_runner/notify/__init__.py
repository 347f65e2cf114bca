"""Events told by Alertmanager: queued once they are durable, kept until accepted, never in the way."""

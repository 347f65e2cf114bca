"""The monitoring bundle as installed: rules, dashboards, and what Prometheus and Alertmanager are told."""

"""The web console: pages behind a login, served by the daemon, that show and start what the commands do."""

"""Schedules outside the daemon: what cron, systemd's timers and the Task Scheduler are told to start."""

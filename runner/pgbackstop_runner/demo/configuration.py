"""The files that the demo writes for its parts: what a person would write, with the demo's ports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pgbackstop_catalog.store import atomic
from pgbackstop_runner.demo.embedded import SUPERUSER
from pgbackstop_runner.demo.state import DemoFolder
from pgbackstop_runner.system import password_hash

SERVER = "shop"
ROLE = "pgbackstop"
CONSOLE_USER = "demo"
RULES = Path("alerts") / "pgbackstop.rules.yml"

_PGBACKSTOP = """\
# Written by 'pgbackstop demo' at each start; relative paths count from this folder.
# No plans are named, so these are the default ones: logical daily at 02:00 and physical on Sunday at
# 03:00, both UTC. WAL is archived continuously. 'pgbackstop config example' shows every key.
servers:
  {server}:
    host: 127.0.0.1
    port: {port}
    user: {role}
    password_file: passwords/{role}
    bin_dir: {bin_dir}
    heartbeat: {{enabled: true, interval: 5s}}  # drills measure by it what would be lost
    restore_role:
      user: {superuser}
      password_file: passwords/{superuser}
    application:  # what a restore stops, starts and checks
      stop: {{url: "http://127.0.0.1:{shop}/maintenance/stop"}}
      start: {{url: "http://127.0.0.1:{shop}/maintenance/start"}}
      check: {{url: "http://127.0.0.1:{shop}/health", timeout: 30s}}
storages:
  demo:
    kind: folder
    path: .
    reserve: 200MB
console:
  listen: 127.0.0.1:{console}
  name: "{name}"
  operations_outlive_daemon: false  # their folder is removed with the demo
  users:
    {user}: {{role: admin, password_hash: "{password_hash}"}}
"""
_NOTIFICATIONS = """\
notifications:
  alertmanager:
    url: http://127.0.0.1:{port}
"""
_PROMETHEUS = """\
# Written by 'pgbackstop demo' at each start.
global:
  scrape_interval: 15s
  evaluation_interval: 30s
rule_files: {rules}
scrape_configs:
  - job_name: pgbackstop
    static_configs:
      - targets: ["127.0.0.1:{exporter}"]
"""
_ALERTING = """\
alerting:
  alertmanagers:
    - static_configs:
        - targets: ["127.0.0.1:{port}"]
"""
_ALERTMANAGER = """\
# Written by 'pgbackstop demo' at each start. Nothing is sent anywhere: alerts are shown on its page.
route:
  receiver: page
  group_by: [server]
receivers:
  - name: page
"""


def write(home: DemoFolder, ports: Mapping[str, int], bin_dir: Path, *, alertmanager: bool) -> None:
    """``pgbackstop.yaml``."""
    text = _PGBACKSTOP.format(
        server=SERVER,
        port=ports["postgresql"],
        role=ROLE,
        bin_dir=json.dumps(str(bin_dir)),
        superuser=SUPERUSER,
        shop=ports["shop"],
        console=ports["console"],
        name=console_name(ports),
        user=CONSOLE_USER,
        password_hash=password_hash.hashed(home.password("console")),
    )
    if alertmanager:
        text += _NOTIFICATIONS.format(port=ports["alertmanager"])
    atomic.write(home.configuration, text.encode())


def console_name(ports: Mapping[str, int]) -> str:
    """By the server that this demo runs, so that it is told from a console of another one."""
    return f"demo of 127.0.0.1:{ports['postgresql']}"


def write_prometheus(home: DemoFolder, ports: Mapping[str, int], *, alertmanager: bool) -> Path:
    """``prometheus.yml``, with the shipped rules where they are at hand."""
    rules = [str(found)] if (found := shipped_rules()) else []
    text = _PROMETHEUS.format(rules=json.dumps(rules), exporter=ports["exporter"])
    if alertmanager:
        text += _ALERTING.format(port=ports["alertmanager"])
    path = home.folder / "prometheus.yml"
    atomic.write(path, text.encode())
    return path


def write_alertmanager(home: DemoFolder) -> Path:
    """``alertmanager.yml``."""
    path = home.folder / "alertmanager.yml"
    atomic.write(path, _ALERTMANAGER.encode())
    return path


def shipped_rules() -> Path | None:
    """The alert rules of the clone that we run from; None for a program that was installed alone."""
    return next((path for folder in Path(__file__).parents if (path := folder / RULES).is_file()), None)

"""Free labels of servers: what may be a label's name and its value. Imports nothing slow.

Prometheus' own rules, and what it, Alertmanager and our metrics use already: a label of that name would
replace theirs, or be replaced.
https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels
"""

from __future__ import annotations

import re
from typing import Final

MOST: Final = 32
MOST_LETTERS: Final = 200
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}")
# Ours: those of every metric. A test compares them with the exporter's contract.
OURS: Final = frozenset(
    {
        *("plan", "server", "database", "backup_type", "storage", "path", "group"),
        *("source", "collector", "channel", "queue", "host", "port", "reason"),
        *("version", "revision", "python_version"),
    }
)
THEIRS: Final = frozenset({"job", "instance", "le", "quantile", "alertname", "alertstate", "severity"})


def problem_of_name(name: str) -> str:
    """What is wrong with it as the name of a label; "" when nothing is."""
    if not _NAME.fullmatch(name):
        return "is no name of a label: write letters, digits and _, no digit first, at most 63"
    if name.startswith("__"):
        return "begins with __, which Prometheus keeps to itself; take another name"
    if name in OURS:
        return "is a label of pgbackstop's own metrics; take another name"
    if name in THEIRS:
        return "is a label that Prometheus or Alertmanager attaches; take another name"
    return ""


def problem_of_value(value: str) -> str:
    """What is wrong with it as the value of a label; "" when nothing is."""
    if not value:
        return "is empty, which Prometheus takes for no label; leave it out"
    if len(value) > MOST_LETTERS:
        return f"has more than {MOST_LETTERS} letters; make it shorter"
    if not value.isprintable():
        return "holds letters that cannot be printed; leave them out"
    return ""

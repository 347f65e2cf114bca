"""Names of the files that a logical backup holds."""

from __future__ import annotations

GLOBALS = "globals.sql"

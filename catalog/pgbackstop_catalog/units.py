"""Durations and sizes as people write them: ``25h``, ``1h30m``, ``500MB``, ``2GiB``."""

from __future__ import annotations

import re
from collections.abc import Collection

from pgbackstop_catalog.text import Said, said, said_of

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
BYTES = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
MOST_SECONDS = 36_525 * 86_400  # a century: what may be counted from any moment on record
MOST_BYTES = 2**63 - 1
_MOST_LETTERS = 40  # no number that means something is longer
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B?)", re.IGNORECASE)


def parse_duration(text: str) -> float:
    """Seconds of ``1h30m`` and the like. Raises ValueError for anything else."""
    parts = _DURATION_PART.findall(text) if len(text) <= _MOST_LETTERS else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        msg = f"{text[:_MOST_LETTERS]!r} is no duration: write it like 30s, 15m, 25h, 7d or 1h30m"
        raise ValueError(msg)
    seconds = sum(float(number) * SECONDS[unit] for number, unit in parts)
    if seconds > MOST_SECONDS:
        msg = f"{text!r} is more than a century: write at most 36525d"
        raise ValueError(msg)
    return seconds


def format_duration(seconds: float) -> Said:
    """The shortest readable form: ``0.4s``, ``12s``, ``3m05s``, ``2h10m``, ``8d4h``."""
    if seconds < 10:
        return said("{s:.1f}s", s=seconds)
    whole = round(seconds)
    if whole < 60:
        return said("{s}s", s=whole)
    if whole < 3600:
        return said("{m}m{s:02d}s", m=whole // 60, s=whole % 60)
    if whole < 86400:
        return said("{h}h{m:02d}m", h=whole // 3600, m=whole % 3600 // 60)
    return said("{d}d{h}h", d=whole // 86400, h=whole % 86400 // 3600)


def parse_size(text: str) -> int:
    """Bytes of ``500MB``, ``2GiB`` and the like. Raises ValueError for anything else."""
    match = _SIZE.fullmatch(text.strip()) if len(text) <= _MOST_LETTERS else None
    unit = match.group(2).upper() if match else "?"
    if match is None or (unit not in BYTES and unit + "B" not in BYTES):
        msg = f"{text[:_MOST_LETTERS]!r} is no size: write it like 500MB, 2GiB or 1048576"
        raise ValueError(msg)
    size = float(match.group(1)) * BYTES[unit if unit in BYTES else unit + "B"]
    if size > MOST_BYTES:
        msg = f"{text!r} is more than any disk holds: write at most 9000000TB"
        raise ValueError(msg)
    return int(size)


def format_count(number: float, what: str) -> Said:
    """``1 table``, ``3 tables``: of what has a plural by s."""
    return said_of(f"{{n:,g}} {what}", f"{{n:,.0f}} {what}s", number)


def format_rows(counts: Collection[int]) -> Said:
    """``1,204 rows in 3 tables``: a count for each table."""
    rows, tables = format_count(sum(counts), "row"), format_count(len(counts), "table")
    return said("{rows} in {tables}", rows=rows, tables=tables)


def format_missing(number: float, what: str) -> Said:
    """``1 segment is missing``, ``3 segments are missing``."""
    return said_of("{count} is missing", "{count} are missing", number, count=format_count(number, what))


def format_loss(before: int, after: int | None) -> str:
    """What became of a table's rows: ``1,204,331 → 0 rows``; None is a table that is gone."""
    return f"{before:,} rows → table gone" if after is None else f"{before:,} → {after:,} rows"


def format_size(size: int | float) -> Said:
    """Decimal units with at most one decimal: ``812 B``, ``4.2 MB``, ``1.3 GB``."""
    value = float(size)
    if abs(value) < 1000:
        return said("{n:.0f} B", n=value)
    for pattern in ("{n:.1f} kB", "{n:.1f} MB", "{n:.1f} GB"):
        value /= 1000
        if abs(value) < 1000:
            return said(pattern, n=value)
    return said("{n:.1f} TB", n=value / 1000)


def format_exact_duration(seconds: float) -> str:
    """A duration that ``parse_duration`` reads back to the same value: ``25h``, ``90s``, ``0.5s``."""
    for unit in ("w", "d", "h", "m"):
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{seconds / SECONDS[unit]:.0f}{unit}"
    from decimal import Decimal  # noqa: PLC0415 - a list starts from this module, and must start at once

    return f"{Decimal(repr(seconds)):f}".removesuffix(".0") + "s"


def format_exact_size(size: int) -> str:
    """A size that ``parse_size`` reads back to the same value: ``10GB``, ``64MiB``, ``1234``."""
    for unit in ("TB", "TIB", "GB", "GIB", "MB", "MIB", "KB", "KIB"):
        if size and size % BYTES[unit] == 0:
            return f"{size // BYTES[unit]}{unit.replace('I', 'i')}"
    return str(size)

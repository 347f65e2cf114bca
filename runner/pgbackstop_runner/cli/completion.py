"""Values for the completion of the shell: plans, servers, storages and ids, as they are at that moment.

They are read without the model, so that a key press is answered at once. Whatever is wrong, there is nothing
to complete: a shell has no place for an error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import typer

from pgbackstop_catalog import errors

# The newest: whoever looks for an older one types more of it.
_MOST_IDS = 50


def plans(ctx: typer.Context, incomplete: str) -> list[str]:
    """The plans of the configuration that begin so."""
    return _beginning(_plans(_document(ctx)), incomplete)


def servers(ctx: typer.Context, incomplete: str) -> list[str]:
    """The servers of the configuration that begin so."""
    return _beginning(_names(_document(ctx), "servers"), incomplete)


def plans_and_servers(ctx: typer.Context, incomplete: str) -> list[str]:
    """Both, where a command takes either."""
    document = _document(ctx)
    return _beginning([*_plans(document), *_names(document, "servers")], incomplete)


def storages(ctx: typer.Context, incomplete: str) -> list[str]:
    """The storages of the configuration that begin so."""
    return _beginning(_names(_document(ctx), "storages"), incomplete)


def backups(ctx: typer.Context, incomplete: str) -> list[str]:
    """The ids of the newest backups on record that begin so."""
    from pgbackstop_catalog.config import locate, locate_catalog  # noqa: PLC0415 - commands import us in vain
    from pgbackstop_catalog.store import opened  # noqa: PLC0415

    with contextlib.suppress(errors.PgbackstopError, OSError):
        place = locate_catalog.named_by(locate.find(_config(ctx)))
        found = opened.backup_list(place, lambda _error: None).ids()
        return list(islice((name for name in found if name.startswith(incomplete)), _MOST_IDS))
    return []


def plans_and_backups(ctx: typer.Context, incomplete: str) -> list[str]:
    """Both, where a command takes either."""
    return [*plans(ctx, incomplete), *backups(ctx, incomplete)]


def plans_servers_and_backups(ctx: typer.Context, incomplete: str) -> list[str]:
    """All three, where a command takes any."""
    return [*plans_and_servers(ctx, incomplete), *backups(ctx, incomplete)]


def _config(ctx: typer.Context) -> Path | None:
    """What stood before the command; nothing of it was carried out yet."""
    given = ctx.find_root().params.get("config")
    return Path(given) if given else None


def _document(ctx: typer.Context) -> dict[str, Any]:
    from pgbackstop_catalog.config import discovered, expand, locate  # noqa: PLC0415

    with contextlib.suppress(errors.PgbackstopError, OSError):
        file = locate.find(_config(ctx))
        value = locate.document(file).value
        if isinstance(value, dict):
            return expand.expand(value, discovered.servers(value, file)).value
    return {}


def _names(document: dict[str, Any], key: str) -> Iterator[str]:
    named = document.get(key)
    return map(str, named) if isinstance(named, dict) else iter(())


def _plans(document: dict[str, Any]) -> list[str]:
    """Those that are written down, else those that every server has."""
    if "plans" in document:
        return list(_names(document, "plans"))
    kinds = ("logical", "physical")
    return [f"{server}-{kind}" for server in _names(document, "servers") for kind in kinds]


def _beginning(names: Iterator[str] | list[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]

"""The demo's server: where its data can lie, which programs run it, and the shop in it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pgbackstop_catalog import errors
from pgbackstop_runner.demo import configuration, programs, shop
from pgbackstop_runner.demo.embedded import SUPERUSER, Embedded
from pgbackstop_runner.demo.state import DemoFolder, State
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.system import accounts
from pgbackstop_runner.system.accounts import Account

if TYPE_CHECKING:
    import psycopg

_FOLDER = "postgresql"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The server, what the next run must remember of it, and what a person should know."""

    server: Embedded
    state: State
    remarks: tuple[str, ...]


def prepare(home: DemoFolder, state: State) -> Stage:
    """Choose places and programs; nothing is started yet. Raises ConfigError."""
    who = accounts.account()
    folder, state = _data_folder(home, state, who)
    found, state = _runnable(programs.find(_major(folder)), state, who)
    home.password(SUPERUSER)
    server = Embedded(
        folder=folder,
        programs=found,
        who=who,
        port=state.ports["postgresql"],
        password_file=home.password_file(SUPERUSER),
        log=home.log(_FOLDER),
    )
    return Stage(server=server, state=state, remarks=_remarks(server, state, home))


def fill(home: DemoFolder, server: Embedded, say: Callable[[str], None]) -> None:
    """The shop, and the role that backs it up and its heartbeats, as the shipped scripts make them."""
    with contextlib.closing(server.connect()) as superuser:
        shop.create(superuser, home.password(shop.OWNER))
        for script in ("create-role.sql", "heartbeat.sql"):
            superuser.execute(resources.files("pgbackstop_runner").joinpath(script).read_bytes())
        shop.set_password(superuser, configuration.ROLE, home.password(configuration.ROLE))
    with contextlib.closing(connect_owner(home, server)) as owner:
        if not shop.is_filled(owner):
            say("Filling the shop: customers, products, orders and their items …")
            shop.fill(owner)


def connect_owner(home: DemoFolder, server: Embedded) -> psycopg.Connection:
    """A connection of the shop's owner. Raises psycopg's errors."""
    return server.connect(shop.DATABASE, user=shop.OWNER, password=home.password(shop.OWNER))


def _data_folder(home: DemoFolder, state: State, who: Account) -> tuple[Path, State]:
    inside = home.folder / _FOLDER
    inside.mkdir(mode=0o700, exist_ok=True)
    who.own(inside)
    if who.can_enter(inside):
        return inside, state
    state = _with_place(state, who)
    assert state.elsewhere is not None  # noqa: S101 - _with_place sets it
    outside = state.elsewhere / _FOLDER
    outside.mkdir(mode=0o700, exist_ok=True)
    who.own(outside)
    return outside, state


def _runnable(found: Binaries, state: State, who: Account) -> tuple[Binaries, State]:
    """The programs where ``who`` can run them, which may be a copy."""
    if who.can_run(Path(found.path("postgres"))):
        return found, state
    state = _with_place(state, who)
    assert state.elsewhere is not None  # noqa: S101 - _with_place sets it
    copy = programs.copied(found, state.elsewhere)
    if not who.can_run(Path(copy.path("postgres"))):
        raise errors.ConfigError(
            f"User {who.name or who.uid} cannot run the copy of PostgreSQL in {copy.folder}.",
            remedy="Run this as an ordinary user.",
        )
    return copy, state


def _with_place(state: State, who: Account) -> State:
    if state.elsewhere is None:
        return state.evolve(elsewhere=accounts.place_for(who, "pgbackstop-demo-"))
    if not state.elsewhere.is_dir():
        raise errors.ConfigError(
            f"The demo's database was in {state.elsewhere}, which is gone.",
            remedy="Remove the demo's folder and start again; its backups go with it.",
        )
    return state


def _major(folder: Path) -> int | None:
    """The major version that made the data in ``folder``; None where there are none."""
    try:
        return int((folder / "data" / "PG_VERSION").read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None
    except PermissionError as error:
        raise errors.ConfigError(
            f"The demo's database in {folder} belongs to another user.",
            remedy="Run the demo as that user, or choose another folder with --folder.",
        ) from error


def _remarks(server: Embedded, state: State, home: DemoFolder) -> tuple[str, ...]:
    if state.elsewhere is None:
        return ()
    what = [] if server.folder.is_relative_to(home.folder) else ["the database"]
    if server.programs.folder.is_relative_to(state.elsewhere):
        what.append("a copy of its programs")
    if not what:
        return ()
    name = server.who.name or server.who.uid
    verb = "is" if len(what) == 1 else "are"
    return (f"User {name} cannot enter this folder, so {' and '.join(what)} {verb} in {state.elsewhere}.",)

"""``pgbackstop catalog``: rebuild, assign, migrate, upgrade."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pgbackstop_catalog import errors, units
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import completion, options, prompts, removed_plan_text

if TYPE_CHECKING:
    from pgbackstop_runner.copy.rebuild_catalog import RebuildResult

app = typer.Typer(
    no_args_is_help=True, help="Repair the catalog.", rich_markup_mode=None, add_completion=False
)


@app.callback()
def _group() -> None:
    """Repair the catalog."""


@app.command(epilog=options.examples("catalog rebuild", "catalog rebuild --storage offsite"))
def rebuild(
    storage: Annotated[
        str | None, typer.Option(help="Only from this storage; from all of them when left out.")
    ] = None,
    *,
    json: options.Json = False,
) -> None:
    """Restore lost records from the backup.json beside each backup; nothing that is there is changed.

    What is no backup, or not what its record says, is named and left alone; the exit code is then 1.
    """
    opened = options.open_for_work()
    from pgbackstop_runner.copy import rebuild_catalog  # noqa: PLC0415 - pydantic, see pgbackstop_runner.main
    from pgbackstop_runner.storage import sources  # noqa: PLC0415

    # Folders come first, which hold the originals.
    names = [storage] if storage else sources.nearest_first(opened.config)
    outcomes = [rebuild_catalog.run(opened, name) for name in names]
    if json:
        terminal.document([_document(each) for each in outcomes])
    else:
        for each in outcomes:
            terminal.say(f"{each.storage}: {len(each.restored)} records restored, {each.known} were there.")
    problems = [problem for each in outcomes for problem in each.garbage]
    for problem in problems:
        terminal.complain(f"not a backup as it should be: {problem}")
    if problems:
        raise typer.Exit(1)


@app.command(epilog=options.examples("catalog assign old-shop shop-logical"))
def assign(
    removed_plan: Annotated[
        str, typer.Argument(help="A plan that was renamed, or taken out of the configuration.")
    ],
    plan: Annotated[
        str,
        typer.Argument(
            help="Who gets its backups: a plan of the same type and server.", autocompletion=completion.plans
        ),
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: options.Json = False,
) -> None:
    """Give the backups of a plan that is not in the configuration to one that is; its retention judges them.

    All records, copies and proofs go with them. What cannot be given is named, the rest goes on, and the exit
    code is then 1. Say it again to end what was interrupted.
    """
    opened = options.open_for_work()
    from pgbackstop_runner.backup import assign as backup_assign  # noqa: PLC0415 - pydantic, as above

    found = backup_assign.find(opened, removed_plan, plan)
    if not yes:
        what = removed_plan_text.sentence(removed_plan, len(found.backups), found.size_bytes)
        _ask(f"{what}. They become those of plan {plan}, whose retention judges them.")
    outcome = backup_assign.run(opened, removed_plan, plan)
    if json:
        given = [each.id for each in outcome.given]
        terminal.document({"given": given, "problems": list(outcome.problems)})
    else:
        records = units.format_count(len(outcome.given), "record")
        terminal.say(f"Given to plan {plan}: {records} of backups, of plan {removed_plan}.")
    for problem in outcome.problems:
        terminal.complain(f"not given: {problem}")
    if outcome.problems:
        raise typer.Exit(1)


@app.command(
    epilog=options.examples(
        "catalog migrate --from /var/lib/pgbackstop/catalog",
        "catalog migrate --to /var/lib/pgbackstop/catalog",
    )
)
def migrate(
    *,
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder, whose records the configured catalog gets.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--to", help="A folder, which gets the records of the configured catalog.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace records that differ, of a migration that was begun.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Bring all records from a folder into a catalog in PostgreSQL, or back; nothing is removed.

    Stop the daemon and the timers first. Say it again to go on with what was interrupted; a catalog that has
    other records is refused. A record that cannot be read is named and left; the exit code is then 1.
    """
    opened = options.open_for_work()
    from pgbackstop_catalog.store import opened as catalogs  # noqa: PLC0415 - pydantic, as above
    from pgbackstop_runner.copy import migrate_catalog  # noqa: PLC0415

    other = source or target
    if other is None or (source is not None and target is not None):
        raise errors.ConfigError("Which way?", remedy="Give --from FOLDER or --to FOLDER, one of them.")
    problems: list[str] = []
    folder, configured = (
        catalogs.catalog(place, lambda error: problems.append(str(error)))
        for place in (other.absolute(), opened.config.catalog_place())
    )
    here, there = (folder, configured) if source is not None else (configured, folder)
    with opened.state.held("rebuild", "A rebuild or migration of the catalog"):
        result = migrate_catalog.run(here, there, replace=replace, tell=_tell_written)
    if json:
        terminal.document({name: dict(getattr(result, name)) for name in ("written", "known", "total")})
    else:
        counted = ", ".join(f"{kind} {number}" for kind, number in sorted(result.total.items()))
        terminal.say(f"Written: {result.written.total()}; were there already: {result.known.total()}.")
        terminal.say(f"{there.location} has now: {counted or 'no record'}.")
    for problem in dict.fromkeys(problems):
        terminal.complain(f"not migrated: {problem}")
    if problems:
        raise typer.Exit(1)


def _tell_written(number: int) -> None:
    terminal.complain(f"{number} records written")


@app.command(epilog=options.examples("catalog upgrade"))
def upgrade() -> None:
    """Bring the schema of a catalog in PostgreSQL to what this version needs.

    Older versions refuse it from then on: upgrade pgbackstop on all hosts first. A catalog in a folder needs
    nothing.
    """
    opened = options.open_for_work()
    place = opened.config.catalog_database
    if place is None:
        terminal.say(f"The catalog is a folder, which needs no upgrade: {opened.catalog.location}.")
        return
    from pgbackstop_catalog.store.postgres import connection, schema  # noqa: PLC0415 - psycopg

    with connection.opened(place) as session:
        if schema.version(session) == 0:
            schema.require(session)
        applied = schema.migrate(session)
        now = schema.version(session)
    names = ", ".join(f"{each.number} {each.name}" for each in applied) or "nothing was to be done"
    terminal.say(f"The catalog's schema is {now}: {names}.")


def _ask(what: str) -> None:
    """Raises ConfigError where the answer is no."""
    if not prompts.somebody_is_there():
        raise errors.ConfigError(f"{what} Nobody is there to answer.", remedy="Give --yes.")
    terminal.say(what)
    prompts.go_on()


def _document(outcome: RebuildResult) -> dict[str, object]:
    return {
        "storage": outcome.storage,
        "restored": [each.id if each.kind == "backup" else each.backup for each in outcome.restored],
        "known": outcome.known,
        "garbage": list(outcome.garbage),
    }

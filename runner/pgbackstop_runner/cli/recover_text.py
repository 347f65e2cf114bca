"""What a recovery would do, and what it did, as a person reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pgbackstop_catalog import units
from pgbackstop_catalog.moments import format_time
from pgbackstop_runner import terminal

if TYPE_CHECKING:
    from pgbackstop_catalog.config.server import Server
    from pgbackstop_catalog.decisions.recovery import RecoveryPlan
    from pgbackstop_catalog.records.restore import Estimate
    from pgbackstop_runner.recover.run import RecoveryResult
    from pgbackstop_runner.storage.sources import Source


def show_plan(chosen: RecoveryPlan, into: Path, port: int | None) -> None:
    """What is recovered, to where and from what; ``port`` is that of the started server, if it is started."""
    backup = chosen.backup
    size = units.format_size(sum(each.size_bytes or 0 for each in chosen.chain))
    terminal.say(f"Recover {backup.server} to {chosen.target}, timeline {chosen.timeline}, into {into}")
    terminal.say(f"  from   {' + '.join(each.id for each in chosen.chain)} ({size})")
    terminal.say(f"  since  {chosen.reason}")
    if chosen.window is not None:
        terminal.say(f"  window {format_time(chosen.window.start)} to {format_time(chosen.window.end)}")
    then = f"started on port {port}" if port is not None else "left for you to start: see RECOVER.md there"
    terminal.say(f"  then   {then}; nothing that exists is replaced")


def show_loaded(chosen: RecoveryPlan, *, as_live: bool) -> None:
    """Which libraries the recovered server loads."""
    terminal.say(f"  loads  {_loads(chosen, as_live=as_live)}")


def _loads(chosen: RecoveryPlan, *, as_live: bool) -> str:
    facts = chosen.backup.server_facts
    names = ", ".join(facts.preload_libraries) if facts else ""
    if as_live:
        return f"what the live server does ({names or 'nothing on record'}); workers of extensions act"
    without = f" ({names} of the live server)" if names else ""
    return f"nothing before it is asked{without}, so that no extension's worker acts; else --as-live"


def show_source(source: Source) -> None:
    """The storage that is read where it is a further one, and those that were passed over."""
    if source.storage is not None:
        terminal.say(f"  bytes  all of them from {source.storage}: {source.reason}")
    for why in source.passed_over:
        terminal.say(f"         not from {why}")


def show_time(found: Estimate) -> None:
    """How long it should take, and why."""
    terminal.say(f"  time   about {units.format_duration(found.seconds)} ({found.reason})")


def show_outcome(outcome: RecoveryResult, live: Server, *, pause: bool) -> None:
    """Where the recovered server is, and what can be done with it."""
    from pgbackstop_runner.recover import handover  # noqa: PLC0415

    took = units.format_duration(outcome.seconds)
    if outcome.recovered is None:
        terminal.say(f"Ready in {took}; how to go on is in {outcome.data / handover.NAME}")
        return
    connect = handover.connect(outcome.recovered)
    if outcome.progress is not None and outcome.progress.paused:
        terminal.say(f"Paused at the target in {took}; look at it, and let it take over by the second line:")
        terminal.say(f"  {connect}")
        terminal.say(f"  {connect} -c 'select pg_wal_replay_resume()'")
    else:
        if pause:
            terminal.say(
                "It did not pause but took over: nothing was committed after the target to pause at."
            )
        terminal.say(f"Recovered in {took}; it runs beside the live server until you stop it:")
        terminal.say(f"  {connect}")
    terminal.say("Bring a lost table back into the live server, with the names in place of the capitals:")
    for line in handover.bring_back(outcome.recovered, live):
        terminal.say(f"  {line}")
    made = dict.fromkeys((outcome.data, outcome.recovered.socket_folder))
    terminal.say(f"Stop it, and then remove {' and '.join(map(str, made))}:")
    terminal.say(f"  {handover.stop(outcome.recovered)}")

"""The demo from beginning to end: a server, a shop, backups, WAL, metrics, one screen, and nothing left."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.errors import Interrupted
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner import terminal, workspace
from pgbackstop_runner.demo import components, configuration, database, metrics, screen
from pgbackstop_runner.demo import state as demo_state
from pgbackstop_runner.demo import status as demo_status
from pgbackstop_runner.demo.components import Components
from pgbackstop_runner.demo.state import DemoFolder, Running, State
from pgbackstop_runner.demo.status import DemoStatus
from pgbackstop_runner.demo.supervisor import Supervisor
from pgbackstop_runner.demo.traffic import OrderTraffic
from pgbackstop_runner.storage import identity
from pgbackstop_runner.system import prctl, processes, signals
from pgbackstop_runner.system.state_folder import StateFolder

REDRAW_SECONDS = 5
# A finished run is to be visible within 30 s; a loaded machine gets some more.
VISIBLE_SECONDS = 60.0
WINDOW_SECONDS = 30.0


def run(folder: Path, *, once: bool) -> None:
    """Run the demo in ``folder`` until a signal, or with ``once`` until one backup of each kind is made.

    Raises Busy where one runs there, PgbackstopError where a part does not do what it should.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # who pipes us into a log wants to follow it
    place = DemoFolder(folder=folder.absolute())
    place.prepare()
    catalog = FolderCatalog(place.folder / "catalog")
    catalog.create()
    with StateFolder(catalog.root).held("demo", f"A demo in {demo_status.shown(place.folder)}"):
        signals.install()
        prctl.adopt_orphans()
        with _crew(place) as (crew, state):
            seen, trickle = _raise_curtain(place, crew, state, watched=not once)
            try:
                _play_once(seen, trickle) if once else _play(seen, trickle)
            finally:
                trickle.stop()


@contextmanager
def _crew(place: DemoFolder) -> Iterator[tuple[Supervisor, State]]:
    """The processes of this run: those of a crashed one are ended before, all of ours after."""
    left = place.load()
    crashed = [processes.Identity(pid=each.pid, started=each.started) for each in left.running]
    if ended := processes.end_all(crashed):
        terminal.say(f"Ended {len(ended)} processes that a crashed demo had left here.")
    state = demo_state.with_free_ports(left.evolve(running=()))
    place.save(state)

    def remember(running: tuple[Running, ...]) -> None:
        # PostgreSQL is found by its data folder, and wants another signal.
        others = tuple(each for each in running if each.name != "postgresql")
        place.save(place.load().evolve(running=others))

    crew = Supervisor(place, remember)
    try:
        yield crew, state
    finally:
        with signals.deferred():
            ended_names = crew.stop()
        if ended_names:
            terminal.say(f"Stopped {', '.join(ended_names)}.")


def _raise_curtain(
    place: DemoFolder, crew: Supervisor, state: State, *, watched: bool
) -> tuple[DemoStatus, OrderTraffic]:
    """Start everything, in order; Prometheus and Alertmanager only where somebody will watch."""
    ready = database.prepare(place, state)
    place.save(ready.state)
    for remark in ready.remarks:
        terminal.say(remark)
    server = ready.server
    terminal.say(f"Starting PostgreSQL {server.programs.version} at 127.0.0.1:{server.port} …")
    if not server.is_created:
        server.create()
    server.start(lambda process: crew.join("postgresql", process))
    database.fill(place, server, terminal.say)
    parts = Components(
        home=place,
        crew=crew,
        ports=state.ports,
        alertmanager_program=components.program("alertmanager", "prometheus-alertmanager")
        if watched
        else None,
        prometheus_program=components.program("prometheus") if watched else None,
    )
    configuration.write(
        place, state.ports, server.programs.folder, alertmanager=parts.alertmanager_program is not None
    )
    identity.create_all(workspace.open_workspace(place.configuration, on_invalid_record=lambda _error: None))
    terminal.say("Starting the shop's application, the exporter, the daemon and its WAL receiver …")
    for start in (parts.shop, parts.alertmanager, parts.exporter, parts.prometheus, parts.daemon):
        start()
    trickle = OrderTraffic(f"{parts.url('shop')}/orders")
    trickle.start()
    return DemoStatus(home=place, server=server, cast=parts), trickle


def _back_up(seen: DemoStatus) -> None:
    """One run of each plan. Raises PgbackstopError where one fails; a run that is under way is as good."""
    config = workspace.open_workspace(seen.home.configuration, on_invalid_record=lambda _error: None).config
    for plan in config.plans:
        terminal.say(f"Backing up: plan {plan} …")
        status = seen.cast.crew.run("backup", components.command(seen.home, "backup", plan))
        if status not in {0, errors.Busy.exit_code}:
            log = seen.home.log("backup")
            raise errors.PgbackstopError(
                f"The backup of plan {plan} ended with exit status {status}: {processes.tail(log)}",
                remedy=f"See {log}.",
            )


def _play(seen: DemoStatus, trickle: OrderTraffic) -> None:
    try:
        _back_up(seen)
    except errors.PgbackstopError as error:
        # The rest of the demo is worth looking at all the more.
        seen.problems.append(error.problem)
    try:
        _show(seen, trickle)
    except Interrupted:
        terminal.say()  # Ctrl-C is how a demo ends: the answer goes below the terminal's ^C


def _show(seen: DemoStatus, trickle: OrderTraffic) -> None:
    """The screen, until a signal: redrawn on a terminal, once and what dies afterwards anywhere else."""
    live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if not live:
        _await_window(seen)
    drawn = False
    while True:
        fresh = _bury(seen)
        if live or not drawn:
            text = "\n".join(screen.lines(seen.view(trickle.orders)))
            if live:
                terminal.clear()
            terminal.say(text)
            drawn = True
        else:
            for problem in fresh:
                terminal.complain(problem)
        time.sleep(REDRAW_SECONDS)


def _await_window(seen: DemoStatus) -> None:
    """What is shown once should show a recovery window: the exporter needs a moment to notice it."""
    deadline = time.monotonic() + WINDOW_SECONDS
    while demo_status.window(seen.samples()) is None and not seen.problems and time.monotonic() < deadline:
        time.sleep(0.5)


def _bury(seen: DemoStatus) -> list[str]:
    """Note the parts that died by themselves; the others go on."""
    crew = seen.cast.crew
    fresh = [(part, crew.obituary(part)) for part in crew.dead()]
    for part, _ in fresh:
        crew.parts.remove(part)
    seen.problems += [words for _, words in fresh]
    return [words for _, words in fresh]


def _play_once(seen: DemoStatus, trickle: OrderTraffic) -> None:
    """One backup of each kind, the catalog, and the four metrics once they tell of those backups.

    Raises PgbackstopError where they do not.
    """
    _back_up(seen)
    trickle.stop()
    terminal.say()
    shown = subprocess.run(components.command(seen.home, "list"), capture_output=True, text=True, check=False)
    if shown.returncode != 0:
        raise errors.PgbackstopError(f"The catalog cannot be listed: {shown.stderr.strip()}")
    terminal.say(shown.stdout)
    for line in metrics.literal(_page_of(seen)):
        terminal.say(line)
    terminal.say()
    if dead := _bury(seen):
        raise errors.PgbackstopError("\n".join(dead))


def _page_of(seen: DemoStatus) -> str:
    """The exporter's page once it holds the newest backups."""
    deadline = time.monotonic() + VISIBLE_SECONDS
    backups = [each for each in seen.backups() if each.status is Status.SUCCEEDED]
    while True:
        page = seen.page()
        samples = metrics.samples(page)
        late = [each for each in backups if not metrics.tells_of(samples, each)]
        if backups and not late:
            return page
        if time.monotonic() > deadline:
            names = ", ".join(f"{each.plan} {each.database}".strip() for each in late) or "any backup"
            raise errors.PgbackstopError(
                f"After {VISIBLE_SECONDS:.0f} s the exporter does not tell of {names}.",
                remedy=f"See {seen.home.log('exporter')}.",
            )
        time.sleep(1)

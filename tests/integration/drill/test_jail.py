"""What a database contains is executed by a drill, and reaches nothing of the host."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_runner.system import jail
from pgbackstop_runner.system.jail_choice import Wish
from tests.integration.drill.conftest import backed_up, drills, remains
from tests.support import accounts, backups, confined, places
from tests.support.accounts import Account
from tests.support.backups import Site
from tests.support.confined import Attempt
from tests.support.databases import Database

pytestmark = pytest.mark.root
# It acts only in the throw-away server: the row is checked on the live one, too.
TRAP = """
    create function act() returns boolean language plpgsql as $act$
    begin
        if current_setting('cluster_name') <> 'pgbackstop_drill' then return true; end if;
        create temporary table said (line text);
        execute format('copy said from program %L', {command});
        raise exception '%', (select string_agg(line, ' ') from said);
    end $act$;
    create table trap (n int check (act()));
    insert into trap values (1);
"""
READER = """
    create function act() returns boolean language plpgsql as $act$
    declare path text; said text := '';
    begin
        if current_setting('cluster_name') <> 'pgbackstop_drill' then return true; end if;
        foreach path in array {paths} loop
            begin
                said := said || ' [' || encode(pg_read_binary_file(path), 'escape') || ']';
            exception when others then said := said || ' refused';
            end;
        end loop;
        raise exception 'READ%', said;
    end $act$;
    create table trap (n int check (act()));
    insert into trap values (1);
"""


@dataclass(frozen=True, kw_only=True)
class JailedSite:
    """A site whose drills are made by an account, in a jail of one kind."""

    site: Site
    mechanism: str
    runner: Account
    inside: Account

    def drill(self) -> subprocess.CompletedProcess[str]:
        return confined.run_as(self.runner, self.site, "drill", "daily")

    @property
    def message(self) -> str:
        (proof,) = drills(self.site)
        assert proof.jail == self.mechanism
        return proof.message


def jailed(database: Database, folder: Path, mechanism: Wish, runner: str, **plan: object) -> JailedSite:
    site = backed_up(database, folder / "site", **plan)
    secret = site.folder / "password"
    secret.write_text(database.server.password)
    secret.chmod(0o600)
    settings = yaml.safe_load(site.file.read_text())
    settings["servers"]["main"]["password_file"] = str(secret)
    settings["drills"] = {"jail": mechanism}
    settings["drill_folder"] = str(folder / "drills")
    site.file.write_text(yaml.safe_dump(settings))
    who = confined.account(runner)
    (folder / "drills").mkdir(mode=0o755)
    if who.uid:
        confined.give(site.folder, who)
        confined.give(folder / "drills", who)
    return JailedSite(
        site=site, mechanism=mechanism, runner=who, inside=who if who.uid else accounts.unprivileged()
    )


@pytest.fixture(params=["bubblewrap", "landlock"])
def mechanism(request: pytest.FixtureRequest) -> Wish:
    return confined.possible(request.param)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = places.make()
    yield made
    places.remove(made)


@dataclass
class Reachable:
    """What there is to be reached: sockets that listen, and a process of the jail's account."""

    path: Path
    abstract: str
    tcp: socket.socket
    udp: socket.socket
    victim: subprocess.Popen[bytes]


@pytest.fixture
def outside(folder: Path) -> Iterator[Reachable]:
    abstract = f"\0pgbackstop-{folder.name}"
    path = folder / "open.sock"
    victim = subprocess.Popen(["sleep", "600"], **accounts.unprivileged().credentials)
    with (
        socket.socket(socket.AF_UNIX) as by_path,
        socket.socket(socket.AF_UNIX) as by_name,
        socket.socket(socket.AF_INET) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        by_path.bind(str(path))
        path.chmod(0o777)
        by_name.bind(abstract)
        tcp.bind(("127.0.0.1", 0))
        udp.bind(("127.0.0.1", 0))
        for each in (by_path, by_name, tcp):
            each.listen()
        udp.setblocking(False)
        yield Reachable(path=path, abstract=abstract, tcp=tcp, udp=udp, victim=victim)
    victim.kill()
    victim.wait()


def attempts(where: JailedSite, outside: Reachable, mark: str) -> list[Attempt]:
    site = where.site
    dump = next(path for path in site.path(site.newest()).iterdir() if path.suffix == ".backup")
    words: list[tuple[str, str, *tuple[Any, ...]]] = [
        ("password", "reads", str(site.folder / "password")),
        ("configuration", "reads", str(site.file)),
        ("dump", "reads", str(dump)),
        ("catalog", "names", str(site.catalog.root)),
        ("dump is cut", "cuts", str(dump)),
        ("dump is closed", "closes", str(dump)),
        ("storage", "writes", str(site.store / "PWNED")),
        ("temporary file", "writes", f"/tmp/{mark}"),  # noqa: S108 - must fail
        ("home", "names", "/root"),
        ("runner's environment", "reads", f"/proc/{os.getpid()}/environ"),
        ("victim's environment", "reads", f"/proc/{outside.victim.pid}/environ"),
        ("shared memory", "writes", f"/dev/shm/{mark}"),  # noqa: S108 - must fail
        ("socket by path", "connects", int(socket.AF_UNIX), str(outside.path)),
        ("abstract socket", "connects", int(socket.AF_UNIX), outside.abstract),
        ("live server", "connects", int(socket.AF_INET), ["127.0.0.1", site.server.port]),
        ("listener", "connects", int(socket.AF_INET), list(outside.tcp.getsockname())),
        ("loopback of IPv6", "connects", int(socket.AF_INET6), ["::1", site.server.port]),
        ("datagram", "sends", list(outside.udp.getsockname())),
        ("signal", "kills", outside.victim.pid),
        ("process left behind", "stays", mark),
        ("nested folders", "nests", 3_000),
    ]
    return [Attempt(name=name, what=what, arguments=tuple(rest)) for name, what, *rest in words]


@pytest.mark.parametrize("runner", ["root", "nobody"])
def test_a_table_owner_reaches_nothing(
    database: Database, folder: Path, mechanism: Wish, runner: str, outside: Reachable
) -> None:
    """A CHECK constraint calls a function, and the drill loads the row as the superuser of its server."""
    where = jailed(database, folder, mechanism, runner)
    mark = str(10**8 + os.getpid())
    tried = attempts(where, outside, mark)
    quoted = confined.attack(*tried).replace("'", "''")
    database.execute(TRAP.format(command=f"'{quoted}'"))
    where.site.make("daily")
    if where.runner.uid:
        confined.give(where.site.folder, where.runner)
    done = where.drill()
    assert done.returncode == 1, done.stderr
    refused, reached = confined.outcome(where.message)
    assert refused + len(reached) == len(tried)
    # What is started ends with the rest; a namespace has shared memory of its own.
    assert set(reached) - {"shared memory"} == {"process left behind", "nested folders"}
    assert not Path("/dev/shm", mark).exists()  # noqa: S108 - looked at
    assert outside.victim.poll() is None
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert f"sleep {mark}" not in listed
    with pytest.raises(BlockingIOError):
        outside.udp.recv(20)
    assert not list(where.site.store.rglob("PWNED"))
    assert not remains(where.site)


@pytest.mark.parametrize("runner", ["root", "nobody"])
def test_a_file_cannot_be_read_into_the_record(
    database: Database, folder: Path, mechanism: Wish, runner: str
) -> None:
    """No shell is needed for that."""
    where = jailed(database, folder, mechanism, runner)
    secrets = [where.site.folder / "password", where.site.file, Path(f"/proc/{os.getpid()}/environ")]
    secrets += [Path("/etc/shadow"), Path("/root/.profile"), Path("/proc/1/environ")]
    paths = ", ".join(f"'{path}'" for path in secrets)
    database.execute(READER.format(paths=f"array[{paths}]"))
    where.site.make("daily")
    if where.runner.uid:
        confined.give(where.site.folder, where.runner)
    done = where.drill()
    assert done.returncode == 1, done.stderr
    assert "READ" in where.message
    assert database.server.password not in done.stderr + done.stdout + where.message
    assert "servers:" not in where.message
    # In a namespace process 1 is the jail's own first one.
    assert where.message.count(" refused") >= len(secrets) - 1


@pytest.mark.parametrize("runner", ["root", "nobody"])
@pytest.mark.parametrize("kind", ["custom", "directory", "plain"])
def test_a_good_backup_is_proven_in_each_jail(
    database: Database, folder: Path, mechanism: Wish, runner: str, kind: str
) -> None:
    where = jailed(database, folder, mechanism, runner, format=kind)
    done = where.drill()
    assert done.returncode == 0, done.stderr
    (proof,) = drills(where.site)
    assert (proof.status, proof.jail) == (Status.SUCCEEDED, mechanism)
    assert not remains(where.site)


def test_check_says_which_jail_it_is(database: Database, folder: Path, mechanism: Wish) -> None:
    where = jailed(database, folder, mechanism, "nobody")
    done = confined.run_as(where.runner, where.site, "check")
    assert done.returncode == 0, done.stderr
    assert f"jail of drills: {mechanism} (" in done.stdout
    (report,) = json.loads(confined.run_as(where.runner, where.site, "check", "--json").stdout)
    assert report["jail"]["mechanism"] == mechanism


def test_bubblewrap_in_a_unit_that_protects_proc() -> None:
    """ProtectKernelTunables= mounts over parts of /proc, and then the kernel lets none be mounted anew."""
    if refused := jail.host().bubblewrap_refused:
        pytest.skip(refused)
    who = confined.account("nobody")
    program, more = confined.interpreter(who.uid, who.gid)
    script = f"""
        mount --make-rprivate / && mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys &&
        exec setpriv --reuid={who.uid} --regid={who.gid} --clear-groups --no-new-privs --bounding-set=-all \\
            --inh-caps=-all {program} -c 'from pgbackstop_runner.system import jail; print(jail.host())'
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, **more},
    )
    assert "bubblewrap_refused=''" in done.stdout, done.stdout + done.stderr


def test_the_environment_of_root_is_not_for_the_account(database: Database, folder: Path) -> None:
    """Whoever runs the server may read the environment of its own processes."""
    site = backed_up(database, folder / "site")
    who = accounts.unprivileged()
    watcher = subprocess.Popen(
        ["/usr/bin/python3", "-c", _WATCH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **who.credentials,
    )
    assert watcher.stdout is not None
    assert watcher.stdout.readline() == "watching\n"
    done = site.run("drill", "daily", env={"AWS_SECRET_ACCESS_KEY": "not-for-others"})
    assert done.returncode == 0, done.stderr
    said, _ = watcher.communicate("over\n", timeout=backups.PATIENCE)
    seen = json.loads(said)
    assert seen["processes"], "no process of the account was seen"
    assert seen["leaked"] == []


_WATCH = r"""
import json, os, select, sys
print("watching", flush=True)
seen, leaked = set(), set()
while not select.select([sys.stdin], [], [], 0)[0]:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{pid}").st_uid == os.getuid() and int(pid) != os.getpid():
                text = open(f"/proc/{pid}/environ", "rb").read()
                seen.add(pid)
                if b"not-for-others" in text:
                    leaked.add(open(f"/proc/{pid}/cmdline").read())
        except OSError:
            pass
print(json.dumps({"processes": sorted(seen), "leaked": sorted(leaked)}))
"""

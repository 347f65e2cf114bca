"""Clients of the console that ask for nothing, for nonsense, or slowly: the daemon answers others."""

from __future__ import annotations

import contextlib

import psutil

from pgbackstop_runner.console.guard import COOKIE
from tests.integration.console.conftest import Site
from tests.integration.daemon.conftest import until
from tests.support.crowds import crowd, is_closed

CROWD = 250
_HEAD = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/x-www-form-urlencoded\r\n"
NONSENSE = {
    "no request": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "a long line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
    "a long header": b"GET / HTTP/1.1\r\na: " + b"b" * 1_000_000 + b"\r\n\r\n",
    "two lengths": b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a negative length": b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a path with zeros": b"GET /%00%ff/../..//etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
}


def answers(site: Site) -> bool:
    """Whether a page is answered now; where all places wait for the rest of a form, none is free."""
    try:
        return site.visit().get("/login").status == 200
    except OSError:
        return False


def form(site: Site, length: int) -> bytes:
    return _HEAD % site.port + b"Content-Length: %d\r\n\r\nname=" % length


def test_many_connections_take_neither_the_place_of_others_nor_the_daemon_s_files(site: Site) -> None:
    daemon = psutil.Process(site.daemon.pid)
    before = daemon.num_fds()
    kinds = (b"", b"GET / HTTP/1.1\r\n", form(site, 1000))
    with contextlib.ExitStack() as crowds:
        opened = [one for said in kinds for one in crowds.enter_context(crowd(site.port, CROWD, said=said))]
        assert daemon.num_fds() - before < CROWD
        until(lambda: answers(site), "a page between them")
        assert all(map(is_closed, opened))
    until(lambda: daemon.num_fds() <= before + 5, "the end of all of them")
    assert site.visit("ada").get("/").status == 200


def test_nonsense_is_answered_shortly_and_leaves_no_line(site: Site) -> None:
    log = site.folder / "log"
    before = log.stat().st_size
    for what, said in NONSENSE.items():
        with crowd(site.port, 20, said=said) as opened:
            assert all(map(is_closed, opened)) if what != "a path with zeros" else True, what
    assert log.stat().st_size - before < 4096, log.read_text()[before:][:4000]
    answer = site.visit().get("/login")
    assert (answer.status, answer.headers["Server"]) == (200, "pgbackstop")


_PART = b"--x\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: y\r\n\r\nz\r\n--x--\r\n"
UNREADABLE: tuple[tuple[dict[str, str], bytes], ...] = (
    ({"Content-Encoding": "gzip"}, b"no gzip"),
    ({"Transfer-Encoding": "chunked"}, b"no length\r\n"),
    ({"Content-Type": "multipart/form-data; boundary=x"}, _PART),
)


def test_what_cannot_be_read_is_refused_and_leaves_no_line(site: Site) -> None:
    log = site.folder / "log"
    before = log.stat().st_size
    for headers, body in UNREADABLE:
        sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        assert site.visit().send("POST", "/login", body, sent).status == 400, headers
    assert site.visit().send("GET", "/", None, {"Cookie": f"{COOKIE}=\xff\xfe"}).status == 303
    assert log.stat().st_size == before, log.read_text()[before:]

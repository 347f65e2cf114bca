"""Recovery of a server to a moment, from the console: the window, the plan, what is refused, and the rows."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import yaml

from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records.attempt import Status
from tests.integration.console.conftest import Site, console, deeds, ended, planned, running
from tests.integration.daemon.conftest import until
from tests.integration.recover import primary as primaries
from tests.integration.recover.primary import Clone, Primary
from tests.support import ports
from tests.support.fixtures import MakeServer

pytestmark = pytest.mark.integration
PATH = "/servers/main/recover"


@pytest.fixture
def primary(make_server: MakeServer) -> Iterator[Primary]:
    server = make_server(settings=primaries.SETTINGS)
    server.execute(primaries.BEATS)
    made = Primary(server)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def recoverable(primary: Primary) -> Iterator[Site]:
    """The daemon receives the WAL of a server with a backup and ten heartbeats after it."""
    port = ports.free()
    file = primary.site.file
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "console": console(port)}))
    with running(primary.site.folder, file, port) as made:
        until(primary.is_streaming, "the stream")
        primary.backup()
        primary.beat(1, 10)
        primary.caught_up()
        yield made


def test_an_admin_recovers_to_the_moment_before_a_mistake(recoverable: Site, primary: Primary) -> None:
    commits = primary.commits()
    ada, otto, vera = (recoverable.visit(each) for each in ("ada", "otto", "vera"))
    assert f'href="{PATH}"' in vera.get("/").text
    assert "Any from <time" in vera.get(PATH).text
    place, port = primary.target(), ports.free()
    # Typed without a zone, as the form says: UTC.
    moment = (commits[5] + (commits[6] - commits[5]) / 2).strftime("%Y-%m-%d %H:%M:%S.%f")
    form = {"moment": moment, "into": str(place), "port": str(port)}
    asked = f"{PATH}?{urlencode(form)}"
    refused = vera.get(asked).text
    assert "needs the role operator; yours is viewer." in refused
    assert "Recover main to time" not in refused
    assert "is not empty" not in vera.get(f"{PATH}?{urlencode({**form, 'into': '/etc'})}").text
    plan = planned(otto, asked)
    assert f"Recover main to time {moment}" in plan, plan
    assert f"started on port {port}; nothing that exists is replaced" in plan
    assert "To start it needs the role admin; yours is operator." in plan
    assert vera.post(PATH, form).status == 403
    assert otto.post(PATH, form).status == 403
    with primaries.ended(place):
        page = ended(ada, ada.post(PATH, form))
        assert "exit code 0" in page, page
        assert "it runs beside the live server until you stop it" in page
        assert Clone(data=place, port=port, said="").beats() == [1, 2, 3, 4, 5]
    done = next(recoverable.catalog.restores())
    assert (done.what, done.status, done.operator) == ("recover", Status.SUCCEEDED, "ada in the console")
    assert f'href="/restores/{done.id}"' in page
    assert "to time" in vera.get(f"/restores/{done.id}").text
    assert ("ada", "recover", "asked for") in deeds(recoverable)
    # The directory is not empty any more.
    assert "It cannot be done so" in planned(ada, asked)


def test_what_cannot_be_recovered_is_refused_in_a_sentence(recoverable: Site, primary: Primary) -> None:
    ada, place = recoverable.visit("ada"), str(primary.target())
    window = ada.get(PATH).text
    assert "Show the plan" in window
    early = format_time(min(primary.commits().values()) - timedelta(days=400))
    for moment, said in (
        (early, "is before the first moment"),
        ("2999-01-01 00:00:00", "is after the last moment"),
        ("noon", "is no time"),
    ):
        page = planned(ada, f"{PATH}?{urlencode({'moment': moment, 'into': place})}")
        assert "It cannot be done so" in page
        assert said in page.partition("It cannot be done so")[2], moment
        refused = ada.post(PATH, {"moment": moment, "into": place})
        assert (refused.status, "nothing was started" in refused.text) == (409, True)
    for wrong, said in (
        ({"into": "recovered"}, "no whole path"),
        ({"into": "/a\0b"}, "NUL"),
        ({"into": place, "port": "70000"}, "no port"),
        ({"into": place, "port": "²"}, "no port"),
    ):
        answer = ada.get(f"{PATH}?{urlencode(wrong)}")
        assert (answer.status, said in answer.text) == (400, True), wrong
    assert ada.get("/servers/nothing/recover").status == 404
    assert not list(recoverable.catalog.restores())

"""The demo's folder: secrets, remembered ports, and what a later run continues with."""

import socket
import stat
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.demo import state as demo_state


@pytest.fixture
def place(tmp_path: Path) -> demo_state.DemoFolder:
    found = demo_state.DemoFolder(folder=tmp_path / "demo")
    found.prepare()
    return found


def test_passwords_are_random_kept_and_private(place: demo_state.DemoFolder) -> None:
    first = place.password("one")
    assert place.password("one") == first != place.password("two")
    assert len(first) >= 32
    path = place.password_file("one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_state_survives(place: demo_state.DemoFolder) -> None:
    assert place.load() == demo_state.State()
    running = demo_state.Running(name="exporter", pid=4711, started=99)
    state = demo_state.State(ports={"exporter": 50000}, elsewhere=Path("/somewhere"), running=(running,))
    place.save(state)
    assert place.load() == state


def test_a_broken_state_is_one_clear_error(place: demo_state.DemoFolder) -> None:
    (place.folder / "state.json").write_text('{"ports": ')
    with pytest.raises(errors.CatalogError, match=r"state\.json"):
        place.load()


def test_free_ports_are_kept_and_taken_ones_replaced() -> None:
    first = demo_state.with_free_ports(demo_state.State()).ports
    assert set(first) == set(demo_state.PORTS)
    assert len(set(first.values())) == len(demo_state.PORTS)
    with socket.socket() as other:
        other.bind(("127.0.0.1", first["exporter"]))
        other.listen()
        second = demo_state.with_free_ports(demo_state.State(ports=first)).ports
    assert second["exporter"] != first["exporter"]
    assert {**second, "exporter": 0} == {**first, "exporter": 0}


def test_no_connection_is_given_the_port_of_a_part_that_has_not_begun() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(20):
        chosen = demo_state.with_free_ports(demo_state.State()).ports.values()
        assert all(1024 <= port < lowest for port in chosen)


def test_the_console_has_its_usual_port_where_that_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: set[int] = set()
    monkeypatch.setattr(demo_state, "_is_free", lambda port: port not in taken)
    assert demo_state.with_free_ports(demo_state.State()).ports["console"] == 9854
    taken.add(9854)
    assert demo_state.with_free_ports(demo_state.State()).ports["console"] != 9854
    remembered = demo_state.State(ports={"console": 9999})
    assert demo_state.with_free_ports(remembered).ports["console"] == 9999


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.ConfigError, match="cannot write its folder") as caught:
        demo_state.DemoFolder(folder=tmp_path / "file" / "demo").prepare()
    assert "--folder" in caught.value.remedy

"""Mutated configurations: whatever comes out, it is read, or refused with a sentence."""

import contextlib
import tempfile
from importlib import resources
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import load, locate_catalog, web_config
from pgbackstop_runner.backup import exposure
from pgbackstop_runner.notify import channels
from tests.fuzz.examples import fuzzed

EXAMPLE = resources.files("pgbackstop_runner").joinpath("example.yaml").read_text(encoding="utf-8")
SMALL = """\
servers: {main: {host: 10.0.0.1, port: 5432, wal: {retain_slot_bytes: 10GB}, connect_timeout: 10s}}
storages: {disk: {path: /s, reserve: 1GB}, cloud: {kind: s3, bucket: b}}
plans: {p: {server: main, backup_type: logical, copies: [cloud], max_age: 25h, schedule: "0 2 * * *"}}
daemon: {stop_timeout: 60}
"""
WEB = """\
tls_server_config: {cert_file: c.pem, key_file: k.pem, min_version: TLS12, cipher_suites: []}
http_server_config: {http2: true, headers: {X-Frame-Options: deny}}
basic_auth_users: {alice: $2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234}
rate_limit: {interval: 1s, burst: 5}
"""
# What YAML, its tags, numbers and our values make something of.
TOKENS = st.sampled_from(
    [
        *("&a ", "*a", "<<: *a", "!!python/object ", "!x ", "!!int ", "!!timestamp ", "!!binary ", "!!set "),
        *("2001-99-99", "0x", "0b", "1:99:99", ".inf", "-.nan", "1e999", "9" * 50, "9" * 5_000, "~", "yes"),
        *("{", "}", "[", "]", "? ", "- ", ": ", "\n", "\n  ", "|", ">", "%YAML 9.9\n", "---\n", "...\n", "#"),
        *('"', "'", "\\ud800", "\\0", "~nobody/x", "../", "/dev/zero", "s3", "folder", "999999d"),
        *("9" * 30 + "TB", "-1", "0", "\u2028", "\ufeff", "🐘"),
    ]
)
EDIT = st.tuples(st.integers(0, 10_000), st.integers(0, 40), TOKENS | st.text(max_size=6))
EDITS = st.lists(EDIT, min_size=1, max_size=6)


def edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    """The text with some places replaced."""
    for place, length, new in edits:
        start = place % (len(text) + 1)
        text = text[:start] + new + text[start + length :]
    return text


def read_by_all(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "file.yaml"
        file.write_bytes(text.encode(errors="surrogatepass"))
        for read in (locate_catalog.named_by, web_config.load):
            with contextlib.suppress(errors.ConfigError):
                read(file)
        with contextlib.suppress(errors.ConfigError):
            found = load.load(file)
            assert found.model_dump_json()
            channels.gaps(found.notifications)
            list(exposure.warnings(found))


@fuzzed
@given(st.sampled_from([EXAMPLE, SMALL, WEB]), EDITS)
def test_edited_files(text: str, edits: list[tuple[int, int, str]]) -> None:
    read_by_all(edited(text, edits))


@fuzzed
@given(st.lists(TOKENS | st.text(max_size=4), max_size=40))
def test_tokens_in_a_row(tokens: list[str]) -> None:
    read_by_all("".join(tokens))

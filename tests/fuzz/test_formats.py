"""Mutated files of a storage, and answers of others: they are read, or refused as what they are."""

import gzip
import hashlib
import io
import json
import struct
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pyrage  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records import codec, file_list, json_text
from pgbackstop_catalog.records.backup import Backup, FileList, StoredFile
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_runner.console import alerts
from pgbackstop_runner.formats import (
    backup_manifest,
    base_backup_files,
    dump_metadata,
    restore_errors,
    sql_script,
    table_selection,
    tar_extract,
    zstd_frames,
)
from pgbackstop_runner.notify import test_message
from pgbackstop_runner.restore import roles
from pgbackstop_runner.storage import age_keys, age_stream
from pgbackstop_runner.storage.protocol import StoreError
from pgbackstop_runner.storage.stored_backup import StoredBackup
from pgbackstop_runner.system import compression
from pgbackstop_runner.wal import segment_header
from tests.fuzz.examples import fuzzed
from tests.support import factories
from tests.unit.runner.formats.test_sql_script import DUMP

REFUSED = (errors.PgbackstopError, StoreError)
ROOM = 1 << 20
BACKUP = factories.backup(1, factories.NOW)
IDENTITY = pyrage.x25519.Identity.generate()


def tarred() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, kind, content in (
            ("PG_VERSION", tarfile.REGTYPE, b"17\n"),
            ("base", tarfile.DIRTYPE, b""),
            ("base/1", tarfile.REGTYPE, b"x" * 700),
            ("pg_tblspc/16385", tarfile.SYMTYPE, b""),
            ("postgresql.conf", tarfile.REGTYPE, b"port = 1\n"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def manifest() -> bytes:
    files = [{"Path": "base/1", "Size": 700}, {"Encoded-Path": "ff", "Size": 3}]
    ranges = [{"Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/3000000"}]
    head = f'{{ "Files": {json.dumps(files)},\n"WAL-Ranges": {json.dumps(ranges)},\n'
    return f'{head}"Manifest-Checksum": "{hashlib.sha256(head.encode()).hexdigest()}"}}\n'.encode()


def unpack(content: bytes) -> None:
    """Whatever it is, it stays in its folder and within its room."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "base.tar").write_bytes(content)
        (folder / backup_manifest.NAME).write_bytes(manifest())
        digest = hashlib.sha256(content).hexdigest()
        stored = StoredFile(path="base.tar", size_bytes=len(content), sha256=digest)
        source = StoredBackup(backup=BACKUP.evolve(files=(stored,)), folder=folder)
        target = folder / "data"
        target.mkdir()
        for read in (
            lambda: tar_extract.tar(source, stored, target, room=ROOM),
            lambda: base_backup_files.small_files(source, {"postgresql.conf"}, 100),
        ):
            try:
                read()
            except (*REFUSED, OSError):
                continue
        found = [path for path in folder.rglob("*") if path.is_relative_to(target)]
        assert not any(path.is_symlink() for path in found)
        assert sum(path.stat().st_size for path in found if path.is_file()) <= ROOM
        assert {path.name for path in folder.iterdir()} == {"base.tar", backup_manifest.NAME, "data"}


def dumped(content: bytes) -> None:
    found, heard = dump_metadata.DumpMetadata(), restore_errors.ScriptErrors(encoding="UTF8")
    whole = b""
    for piece in sql_script.pieces(io.BytesIO(content)):
        whole += piece.text
        if piece.kind == "command":
            dump_metadata.check_command(piece)
        elif piece.kind == "statement":
            found.note(piece.code)
            restore_errors.is_after_data(piece)
            heard.statements[whole.count(b"\n")] = piece
            restore_errors.entry_of(piece, found.encoding)
    assert whole == content
    assert isinstance(found.owner, str)
    for name in ("public.t", 'public."it\'s"'):
        table_selection.choose(BACKUP.evolve(row_counts={name: 1}), found, (name,), ())


def with_globals(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "globals.sql").write_bytes(content)
        found = roles.in_globals(Path(folder))
        assert {name for name, _code in roles.statements(Path(folder), found.roles)} <= found.roles | {""}


def listed(content: bytes) -> None:
    """The record fits to it, as where somebody has changed both."""
    lines = content.decode(errors="replace").split("\n")[:-1]
    count = len({line.partition("  ")[2] for line in lines})
    told = FileList(count=count, sha256=hashlib.sha256(content).hexdigest())
    record = BACKUP.evolve(files=(), file_list=told, size_bytes=count)
    for each in file_list.files(record, lambda: content, lambda _name: 1):
        path = PurePosixPath(each.path)
        assert not path.is_absolute()
        assert ".." not in path.parts


def decompress(suffix: str) -> Callable[[bytes], None]:
    def read(content: bytes) -> None:
        with compression.decompressed(suffix, io.BytesIO(content)) as plain:
            for _ in range(100):
                if not plain.read(1 << 16):
                    return

    return read


def framed(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        zstd_frames.is_whole(Path(file.name))


def keys(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "keys")
        path.write_bytes(content)
        path.chmod(0o600)
        for read in (age_keys.recipients, lambda each: age_keys.identities([each])):
            try:
                read(path)
            except REFUSED:
                continue


def alerted(content: bytes) -> None:
    try:
        found = json_text.parse(content)
    except ValueError:
        return
    if isinstance(found, list) and all(isinstance(each, dict) for each in found):
        alerts.chosen("there", found)


ALERT = {
    "labels": {"alertname": "BackupFailed", "severity": "critical"},
    "annotations": {"summary": "s", "runbook_url": "https://x/alerts/runbooks/b.md"},
    "startsAt": "2026-11-22T02:00:00Z",
    "status": {"state": "active"},
}
METRICS = b"""# TYPE alertmanager_notifications_total counter
alertmanager_notifications_total{integration="email",receiver_name="a"} 3
alertmanager_notification_requests_total{integration="slack",receiver_name="b"} 3
alertmanager_notification_requests_failed_total{integration="slack",receiver_name="b"} 1e+06
"""
GLOBALS = b"""SET client_encoding = 'UTF8';
CREATE ROLE "a b";
ALTER ROLE "a b" WITH SUPERUSER INHERIT PASSWORD 'SCRAM-SHA-256$4096:x';
GRANT "a b" TO c GRANTED BY postgres;
ALTER ROLE c IN DATABASE d SET search_path TO 'x';
"""
SUMS = f"{'0' * 64}  1.dat\n{'1' * 64}  a/2.dat\n".encode()
HEADER = struct.pack("<HHIQI4xQII", 0xD116, 2, 1, 0, 0, 7, 16 << 20, 8192)
# A file of the kind, and what reads it.
PARSERS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "tar": (tarred(), unpack),
    "manifest": (manifest(), lambda each: (backup_manifest.parse(each), backup_manifest.paths(each))),
    "dump": (DUMP, dumped),
    "globals": (GLOBALS, with_globals),
    "SHA256SUMS": (SUMS, listed),
    "zstd": (zstandard.compress(b"x" * 3000), decompress(".zst")),
    "zstd frames": (zstandard.compress(b"x" * 3000), framed),
    "gzip": (gzip.compress(b"x" * 3000, mtime=0), decompress(".gz")),
    "WAL header": (HEADER, segment_header.parse),
    "history": (
        b"1\t0/3000000\tno recovery target\n",
        lambda each: wal_segments.parse_history(each.decode()),
    ),
    "mark": (codec.encode(StorageMark.new("s")), lambda each: codec.decode(StorageMark, each, where="there")),
    "record": (codec.encode(BACKUP), lambda each: codec.decode(Backup, each, where="there")),
    "alerts": (json.dumps([ALERT]).encode(), alerted),
    "Alertmanager's metrics": (METRICS, lambda each: test_message.counts_in(each.decode())),
    "encrypted": (
        pyrage.encrypt(b"x" * 300, [IDENTITY.to_public()]),
        lambda each: age_stream.decrypted(each, [IDENTITY], "there"),
    ),
    "keys": (f"# made\n{IDENTITY}\n{IDENTITY.to_public()}\n".encode(), keys),
}
TOKENS = st.sampled_from(
    [
        *(
            b"\0",
            b"\xff" * 12,
            b"\x80" * 8,
            b"9" * 12,
            b"7" * 11 + b"\0",
            b"-1",
            b"1e999",
            b"NaN",
            b"../",
            b"/",
        ),
        *(
            b"'",
            b'"',
            b"\\",
            b"$$",
            b"$a$",
            b"/*",
            b"*/",
            b"--",
            b";",
            b"\n",
            b"\r\n",
            b"E'",
            b"U&'",
            b"(",
            b")",
        ),
        *(b"BEGIN ATOMIC ", b"COPY t FROM stdin;\n", b"\\.\n", b"\\! x\n", b"END", b"CASE ", b"OWNER TO x;"),
        *(
            b"SET client_encoding = '" + name + b"';"
            for name in (b"hex", b"idna", b"SJIS", b"EUC_JP", b"zip")
        ),
        *(b"undefined", b"{", b"[" * 40, b"]", b"null", b"true", b"1" * 5000, b"\\ud800", b"\x1b[2J", b"  "),
        *(
            b"AGE-SECRET-KEY-1",
            b"age1",
            b"ssh-rsa ",
            b"-> X25519 ",
            b"-> scrypt ",
            b"x",
            b"K",
            b"L",
            b"S",
            b"6",
        ),
    ]
)
EDIT = st.tuples(st.integers(0, 5_000), st.integers(0, 40), TOKENS | st.binary(max_size=6))


def edited(content: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """The file with some places replaced."""
    for place, length, new in edits:
        start = place % (len(content) + 1)
        content = content[:start] + new + content[start + length :]
    return content


@pytest.mark.parametrize("kind", PARSERS)
def test_edited_files(kind: str) -> None:
    content, read = PARSERS[kind]
    read(content)

    @fuzzed
    @given(st.lists(EDIT, min_size=1, max_size=5), st.integers(0, 40))
    def mutated(edits: list[tuple[int, int, bytes]], cut: int) -> None:
        changed = edited(content, edits)
        changed = changed[: len(changed) - cut] if cut > 30 else changed
        try:
            read(changed)
        except REFUSED:
            return
        except UnicodeDecodeError:
            assert kind in {"history", "Alertmanager's metrics"}  # which are decoded before

    mutated()

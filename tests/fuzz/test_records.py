"""Mutated records, states and WAL indexes: every reader goes on, and the metrics are served."""

import contextlib
import json
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.keep import Keep
from pgbackstop_catalog.decisions import retention, windows
from pgbackstop_catalog.store import listing, summary
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_catalog.store.wal_index import Index
from pgbackstop_exporter.families.samples import Families
from pgbackstop_exporter.snapshot import Settings, Snapshot
from pgbackstop_exporter.sources.catalog import CatalogSource
from pgbackstop_exporter.web import page
from pgbackstop_exporter.web.exposition import Form, Page
from tests.fuzz.examples import fuzzed
from tests.support.factories import NOW, config
from tests.unit.exporter import filled

WORDS = (
    *(
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "8999-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
    ),
    *(
        "2026-11-22T02:00:00",
        "zzz",
        "../x",
        "\ud800",
        "FFFFFFFF/FFFFFFFF",
        "0/0",
        "F" * 24,
        "00000001.history",
    ),
    *("running", "succeeded", "failed", "missed", "drill", "shop"),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([0, -1, 1, 2**31, 2**32, 2**63 - 1, 2**63, -(2**63), 10**30, 10**400]),
    st.sampled_from(WORDS),
    st.recursive(st.integers(), lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each)),
)
EDITS = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000), VALUES), min_size=1, max_size=4)


@cache
def files() -> dict[str, bytes]:
    """A catalog with everything in it, by path."""
    with tempfile.TemporaryDirectory() as folder:
        filled.fill(Path(folder))
        root = Path(folder) / "catalog"
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }


def edited(content: bytes, place: int, value: Any) -> bytes:
    """The document with one value replaced, somewhere in it."""
    document = json.loads(content)
    places: list[Callable[[Any], None]] = []
    _collect(document, places)
    if places:
        places[place % len(places)](value)
    return json.dumps(document, indent=2).encode(errors="surrogatepass") + b"\n"


def _collect(document: Any, places: list[Callable[[Any], None]]) -> None:
    pairs = list(document.items()) if isinstance(document, dict) else list(enumerate(document))
    for key, each in pairs:
        places.append(partial(document.__setitem__, key))
        if isinstance(each, dict | list):
            _collect(each, places)


@fuzzed
@given(EDITS)
def test_edited_catalogs(edits: list[tuple[int, int, Any]]) -> None:
    contents = dict(files())
    for number, place, value in edits:
        name = sorted(contents)[number % len(contents)]
        contents[name] = edited(contents[name], place, value)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "catalog"
        for name, content in contents.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        exported(Path(folder))
        listed(root)


def exported(folder: Path) -> None:
    facts = CatalogSource.of_folder(folder / "catalog").refresh()
    settings = Settings(config=config(folder), seen_at=0.0)
    now = time.time()
    families = page.build(Snapshot(settings=settings, catalog=facts), now=now)
    for form in Form:
        assert Page(families, [(form, False)]).body(form, extra=Families(), now=now, compressed=False)


def passed_over(_error: errors.CatalogError) -> None:
    """As a list does."""


def listed(root: Path) -> None:
    catalog = FolderCatalog(root)
    with contextlib.suppress(errors.NewerRecord):
        backups = list(catalog.backups())
        assert {each.id for each in summary.read(listing.newest_first(root, "backups"), passed_over)} >= {
            each.id for each in backups
        }
        for records in (catalog.copies(), catalog.proofs(), catalog.restores()):
            list(records)
        for plan in catalog.plans():
            catalog.totals(plan)
        assert windows.windows(backups, [], None, {}) is not None
        retention.decide(backups, Keep(last=1, daily=7), now=NOW)


LINE = {"name": "0" * 24, "path": "0/" + "0" * 24, "size_bytes": 1, "sha256": "0" * 64,
        "archived_at": "2026-11-22T02:00:00Z", "covers_until": "2026-11-22T02:00:00Z"}  # fmt: skip


@fuzzed
@given(st.lists(st.tuples(st.integers(0, 10), VALUES) | st.binary(max_size=20), max_size=6))
def test_edited_indexes(changes: list[tuple[int, Any] | bytes]) -> None:
    lines = [json.dumps(LINE).encode()]
    for change in changes:
        if isinstance(change, bytes):
            lines.append(change.replace(b"\n", b""))
        else:
            key = sorted(LINE)[change[0] % len(LINE)]
            lines.append(json.dumps({**LINE, key: change[1]}).encode())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "index.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        entries = Index(Path(folder)).refresh().values()
        assert entries
        windows.windows([], entries, None, {})

"""A WAL archive, and a storage that its WAL is copied to."""

from dataclasses import dataclass, field
from pathlib import Path

from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.decisions.wal_segments import format_lsn
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.source import ServerFacts
from pgbackstop_catalog.store import layout
from pgbackstop_runner.wal import archive_reader, copy_loop
from pgbackstop_runner.wal.archive import Archive
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import NOW
from tests.unit.runner import places
from tests.unit.runner.wal import makers
from tests.unit.runner.wal.makers import SIZE

FACTS = ServerFacts(
    version="17.5", version_number=170005, system_identifier=str(makers.SYSTEM), wal_segment_bytes=SIZE
)

NOW_DUE = {"interval": "0s", "copies_interval": "0s"}


@dataclass
class Copying:
    """A server's archive, a storage beside it, and a backup in both."""

    folder: Path
    encryption: dict[str, object] | None = None
    keep: dict[str, object] | None = None
    workspace: Workspace = field(init=False)
    archive: Archive = field(init=False)

    def __post_init__(self) -> None:
        settings = {"kind": "folder", "path": self.folder / "offsite", "encryption": self.encryption}
        settings |= {"keep": self.keep} if self.keep else {}
        offsite = {"offsite": settings}
        self.workspace = places.workspace(self.folder, copies=("offsite",), storages=offsite, verify=NOW_DUE)
        root = self.workspace.wal_archive("main")
        root.mkdir(parents=True)
        (root / "archive.json").write_bytes(codec.encode(makers.IDENTITY))
        self.archive = makers.opened(root)

    @property
    def offsite(self) -> Path:
        return self.folder / "offsite" / layout.wal_folder("main")

    def backup(self, number: int, segment: int, *, copied: bool = True) -> Backup:
        """One that starts in that segment."""
        lsn = format_lsn(segment * SIZE + 40)
        ended = NOW + number * factories.DAY
        record = factories.physical(
            number, ended, start_lsn=lsn, stop_lsn=lsn, timeline=1, server_facts=FACTS
        )
        self.workspace.catalog.put(record)
        if copied:
            self.copied(record)
        return record

    def copied(self, record: Backup, **changes: object) -> None:
        copy = Copy.of(record, "offsite", started_at=NOW).evolve(status=Status.SUCCEEDED, **changes)
        self.workspace.catalog.put(copy)
        mark = self.folder / "offsite" / str(record.location) / layout.RECORD_NAME
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text("{}")

    def archived(self, *numbers: int, fill: bytes = b"x") -> None:
        self.archive.take([makers.arrive(self.archive, number, fill) for number in numbers])

    def look(self) -> WalCopyState:
        """A copier that has just been started, and looks once."""
        (state,) = copy_loop.once(self.workspace, "main", ["offsite"])
        return state

    def there(self) -> list[int]:
        """The numbers of the segments that the storage has, and names in its index."""
        remote = archive_reader.read(self.workspace, "main", "offsite").remote
        assert remote is not None
        return [
            int(name[16:], 16) + 256 * 16 * int(name[8:16], 16)
            for name, entry in sorted(remote.entries.items())
            if remote.is_there(entry)
        ]

    def path(self, number: int) -> Path:
        name = makers.name(number)
        return self.offsite / name[:16] / f"{name}.lz4{'.age' if self.encryption else ''}"

"""The layout of a storage: paths relative to its root.

    backups/logical/<server>/<database>/<id>/     *.backup | *.sql.zst | dump folder, globals, backup.json
    backups/physical/<server>/<id>/               *.tar.zst, backup_manifest, backup.json
    backups/wal_archive/<server>/<16 digits>/     segments, as pgBackRest groups them
    storage.json                                  the mark: without it the storage is not there

In an encrypted storage every file but records and what is for people ends in ``.age`` besides.
A folder that ends in ``.partial`` is being written; one without ``backup.json`` was never finished.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import quote

from pgbackstop_catalog.records.attempt import BackupType

RECORD_NAME = "backup.json"
STORAGE_MARK = "storage.json"
PARTIAL_SUFFIX = ".partial"
CHECKSUMS_NAME = "SHA256SUMS"
RESTORE_NAME = "RESTORE.md"
ENCRYPTED_SUFFIX = ".age"
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def folder_name(name: str) -> str:
    """A database's name as a folder: percent-encoded where it is no plain word, so never a path."""
    if _PLAIN.fullmatch(name) and not name.endswith(PARTIAL_SUFFIX):
        return name
    # quote leaves dots and dashes alone: a folder must neither be hidden nor look like an option.
    return quote(name, safe="").replace(".", "%2E").replace("-", "%2D")


def backup_folder(*, backup_type: BackupType, server: str, database: str, backup_id: str) -> PurePosixPath:
    """The folder of one backup."""
    parent = PurePosixPath("backups", backup_type, server)
    if backup_type == "logical":
        parent /= folder_name(database)
    return parent / backup_id


def wal_folder(server: str) -> PurePosixPath:
    """The WAL archive of one server."""
    return PurePosixPath("backups", "wal_archive", server)

"""Why a storage is not there, each reason in a sentence with what to do."""

from __future__ import annotations

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.store import layout
from pgbackstop_catalog.text import said


class NotThere(errors.CatalogError):
    """A storage is not mounted, not the one that the catalog knows, or not made yet."""


class MarkDamaged(NotThere):
    """A mark, or what the catalog knows of it, is no record any more."""


def mixed(name: str, mark: StorageMark) -> NotThere:
    if mark.encryption is not None:
        return NotThere(
            f"The storage {name} is encrypted ({mark.encryption}), and the configuration does not say how.",
            remedy=f"Add storages.{name}.encryption.",
        )
    return NotThere(
        f"The storage {name} is not encrypted, and the configuration says that it is; nothing was touched.",
        remedy="Let encrypted copies go to another folder or prefix, as a storage with another name.",
    )


def missing(config: Config, name: str) -> NotThere:
    place = config.storages[name].place
    return NotThere(
        said(
            "The storage {name} is not there: {place} holds no {mark}.",
            name=name,
            place=place,
            mark=layout.STORAGE_MARK,
        ),
        remedy=said("Mount it; or, if it is a new one, run 'pgbackstop storage create {name}'.", name=name),
    )


def same(config: Config, name: str, other: str) -> NotThere:
    place = config.storages[name].place
    return NotThere(
        said(
            "{place} has the mark of the storage {other}: it is the same place, or was copied from it.",
            place=place,
            other=other,
        ),
        remedy=said(
            "Mount another one. What was copied becomes a storage of its own by "
            "'pgbackstop storage create {name} --replace'.",
            name=name,
        ),
    )


def another(config: Config, name: str, mark: StorageMark, known: StorageMark) -> NotThere:
    place = config.storages[name].place
    return NotThere(
        said(
            "{place} is not the storage {name}: it is {found}, and the catalog knows {known}.",
            place=place,
            name=name,
            found=mark.id,
            known=known.id,
        ),
        remedy=said(
            "Mount the right one; or, if this one takes its place, run "
            "'pgbackstop storage create {name} --replace'.",
            name=name,
        ),
    )

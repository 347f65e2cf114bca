"""New storages for tests, made as a person makes them."""

from pathlib import Path

from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner import workspace
from pgbackstop_runner.storage import identity
from pgbackstop_runner.workspace import Workspace


def catalog(root: Path) -> FolderCatalog:
    """A new catalog, alone."""
    found = FolderCatalog(root)
    found.create()
    return found


def create(opened: Workspace) -> Workspace:
    """Make the catalog and the folder storages of a configuration that are not there yet."""
    identity.create_all(opened, replace=True)
    return opened


def create_for(file: Path) -> None:
    """The same for a configuration file."""
    create(workspace.open_workspace(file, on_invalid_record=lambda _error: None))

"""Where the values of the configuration come from, as ``config show`` and ``config check`` say it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.config.load import Loaded
from pgbackstop_catalog.model import Model
from pgbackstop_runner import terminal

_NAMED: Final = ("servers", "groups", "plans", "storages")
_MOST_OWN: Final = 5


class Value(Model):
    """One value, and where it comes from; ``line`` is 0 for what does not stand in the file."""

    key: str
    value: Any
    origin: Literal["file", "group", "discovery", "service", "default"]
    group: str = ""
    source: str = ""
    line: int = 0

    @property
    def words(self) -> str:
        """Where it comes from, for people."""
        if self.origin == "discovery":
            return f"discovery {self.source}"
        if self.origin == "group":
            return f"group {self.group}, line {self.line}"
        return f"line {self.line}" if self.origin == "file" else self.origin


def values(loaded: Loaded, name: str | None) -> list[Value]:
    """Every value, or those of the server, plan, group or storage of that name. Raises NotFound."""
    document = loaded.config.model_dump(mode="json")
    found = [
        _value(loaded, loc, value)
        for loc, value in _leaves(document, ())
        if name is None or (loc[0] in _NAMED and loc[1:2] == (name,))
    ]
    if not found:
        raise errors.NotFound(
            f"No server, plan, group or storage is named {name!r}.",
            remedy="'pgbackstop config show' names them all.",
        )
    return found


def show(found: list[Value]) -> None:
    """A table, with a line for each value."""
    columns = [terminal.Column(title=each) for each in ("KEY", "VALUE", "FROM")]
    terminal.table(columns, ((each.key, _shown(each.value), each.words) for each in found))


def group_lines(loaded: Loaded) -> Iterator[str]:
    """A line for each group: its servers, its plans, and what some of them say themselves."""
    members, origins = loaded.origins.expanded.groups, loaded.origins
    for name, group in loaded.config.groups.items():
        number = sum(each == name for each in members.values())
        plans = ", ".join(group.plans) or "the two default plans"
        own = [".".join(loc) for loc in origins.own_of_group(name)]
        more = f" and {len(own) - _MOST_OWN} more" if len(own) > _MOST_OWN else ""
        changed = f"; changed for one: {', '.join(own[:_MOST_OWN])}{more}" if own else ""
        yield f"group {name}: {units.format_count(number, 'server')}, each with {plans}{changed}"


def _value(loaded: Loaded, loc: tuple[str, ...], value: Any) -> Value:
    key, origin = ".".join(loc), loaded.origins.of(loc)
    if origin is not None and origin.source:
        return Value(key=key, value=value, origin="discovery", source=origin.source)
    if origin is not None:
        kind: Literal["group", "file"] = "group" if origin.group else "file"
        line = loaded.origins.line(origin)
        return Value(key=key, value=value, origin=kind, group=origin.group, line=line)
    is_of_service = (
        loc[0] == "servers"
        and len(loc) > 2  # not where there are none
        and loaded.config.servers[loc[1]].service is not None
        and loc[2] in loaded.config.servers[loc[1]].model_fields_set
    )
    return Value(key=key, value=value, origin="service" if is_of_service else "default")


def _leaves(value: Any, loc: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from _leaves(each, (*loc, name))
    else:
        yield loc, value


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return "-" if value in (None, "", {}) else str(value)

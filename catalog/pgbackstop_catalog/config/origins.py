"""Where each value of a configuration comes from: a key of the file, a group, or a default."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pgbackstop_catalog.config.expand import Expanded, Loc, Servers, mapping
from pgbackstop_catalog.config.yaml_file import Document


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The key of the file that a value comes from; ``group`` or ``source`` gave it, or it stands there."""

    loc: Loc
    group: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        """For people: ``groups.payments.server.user``."""
        return ".".join(self.loc)


@dataclass(frozen=True, kw_only=True)
class Origins:
    """The origins of the values of one file."""

    document: Document
    expanded: Expanded
    discovered: Servers = field(default_factory=dict)

    def of(self, loc: Loc) -> Origin | None:
        """That of the value at ``loc`` of the configuration; None for a default."""
        if _has(self.document.value, loc):
            return Origin(loc=loc)
        if not _has(self.expanded.value, loc):  # a group's, say, whose place another key took
            return None
        if loc[:1] == ("servers",) and len(loc) > 1:
            return self._of_server(loc[1], loc[2:])
        if loc[:1] == ("plans",) and len(loc) > 1:
            return self._of_plan(loc[1], loc[2:])
        return None

    def nearest(self, loc: Loc) -> Origin:
        """That of the value, or of the nearest mapping around it that stands in the file."""
        for end in range(len(loc), 0, -1):
            if found := self.of(loc[:end]):
                return replace(found, loc=found.loc if found.source else (*found.loc, *loc[end:]))
        return Origin(loc=loc)

    def own_of_group(self, group: str) -> Iterator[Loc]:
        """What servers of a group, and plans that it made, say themselves."""
        servers = (("servers", name) for name, each in self.expanded.groups.items() if each == group)
        plans = (("plans", name) for name, each in self.expanded.plans.items() if each.group == group)
        for loc in (*servers, *plans):
            if _has(self.document.value, loc):
                own = _leaves(self.document.value[loc[0]][loc[1]], loc)
                yield from (each for each in own if each[2:] != ("group",))

    def line(self, origin: Origin) -> int:
        """Its line in the file."""
        return self.document.problem(origin.loc, "").line

    def _of_server(self, server: str, rest: Loc) -> Origin | None:
        source = self.expanded.sources.get(server, "")
        if source and _has(self.discovered.get(source, {}).get(server), rest):
            return Origin(loc=("discovery", source), source=source)
        group = self.expanded.groups.get(server)
        if group is None:
            return None
        places = [(*("groups", group), *rest)] if rest[:1] == ("labels",) else []
        places.append(("groups", group, "server", *rest) if rest else ("groups", group, "servers"))
        if rest == ("group",):
            places.append(("groups", group, "servers"))
        return self._first(places, group)

    def _of_plan(self, plan: str, rest: Loc) -> Origin | None:
        made = self.expanded.plans.get(plan)
        if made is None:
            return None
        template = ("groups", made.group, "plans", made.template)
        return self._first([template if rest == ("server",) else (*template, *rest)], made.group)

    def _first(self, places: list[Loc], group: str) -> Origin | None:
        there = (place for place in places if _has(self.document.value, place))
        return next((Origin(loc=place, group=group) for place in there), None)


def _leaves(value: Any, loc: Loc) -> Iterator[Loc]:
    if value and isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, (*loc, str(name)))
    else:
        yield loc


def _has(value: Any, loc: Loc) -> bool:
    for part in loc:
        if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
            continue
        named = mapping(value)
        if part not in named:
            return False
        value = named[part]
    return True

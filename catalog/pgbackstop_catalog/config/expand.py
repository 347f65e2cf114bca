"""Groups written out: the servers and plans that a file means, made of what stands in it. Pure.

It works on the file's plain content, before the model judges it, so that a value of a group is judged like
any other, and imports nothing slow, so that a list knows the names of plans, too. What is no group as it
should be is left alone: the model says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pgbackstop_catalog.config import hashed_schedule, locate, name_range

Loc = tuple[str, ...]
Servers = dict[str, dict[str, dict[str, Any]]]  # as pgbackstop_catalog.config.discovered has them
# Of these one alone may be given: a server's own takes the place of its group's.
_ONE_OF: Final = (("password_file", "password_env", "password_command"), ("command", "url"))


@dataclass(frozen=True, kw_only=True)
class PlanOfGroup:
    """Which template of which group a plan was made of, for which server."""

    group: str
    template: str
    server: str


@dataclass(frozen=True, kw_only=True)
class Expanded:
    """The content with every server and plan written out, and what they were made of.

    ``groups`` has the group of each server that is in one, ``sources`` whence each was discovered that was;
    ``problems`` are told at a place of the file.
    """

    value: dict[str, Any]
    groups: dict[str, str] = field(default_factory=dict)
    plans: dict[str, PlanOfGroup] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    problems: list[tuple[Loc, str]] = field(default_factory=list)


def expand(content: Mapping[str, Any], discovered: Servers | None = None) -> Expanded:
    """Write out the groups of a file's content, with the servers that were discovered."""
    found = Expanded(value=dict(content))
    if discovered:
        found.value["servers"] = _with_discovered(content.get("servers"), discovered, found)
    if discovered or mapping(content.get("groups")):
        found.value["servers"] = _servers(found)
        found.value["plans"] = _plans(content, found)
    _give_times(found.value)
    return found


def mapping(value: Any) -> dict[str, Any]:
    """The value where it is a mapping; else an empty one."""
    return value if isinstance(value, dict) else {}


def _with_discovered(servers: Any, discovered: Servers, found: Expanded) -> Any:
    """What the file says itself counts more, and null there leaves a server out; the first source wins.

    Null stays right while no source has the server.
    """
    if servers is not None and not isinstance(servers, dict):
        return servers
    known: dict[str, Any] = {}
    for source, each in discovered.items():
        for name, entry in each.items():
            if name not in known:
                known[name], found.sources[name] = entry, source
    left_in = {name: own for name, own in (servers or {}).items() if own is not None or name in known}
    return merged(known, left_in)


def _servers(found: Expanded) -> Any:
    groups, servers = mapping(found.value.get("groups")), found.value.get("servers")
    if servers is not None and not isinstance(servers, dict):
        return servers
    members = dict(_members(groups, found))
    written = {}
    for name, own in {**dict.fromkeys(members), **(servers or {})}.items():
        group = mapping(own).get("group", members.get(name))
        if not isinstance(group, str) or not isinstance(own, dict | None):
            written[name] = own
        elif group not in groups:
            place = ("servers", str(name), "group")
            found.problems.append((place, f"there is no group {group!r}; name one of {_names(groups)}"))
        elif members.get(name, group) != group:
            place = ("servers", str(name), "group")
            found.problems.append((place, f"group {members[name]!r} lists it, too; leave it in one of them"))
        else:
            found.groups[str(name)] = group
            written[name] = _server(mapping(groups[group]), str(name), group, own or {})
    return written


def _server(group: dict[str, Any], name: str, group_name: str, own: dict[str, Any]) -> dict[str, Any]:
    common = {"group": group_name, **mapping(group.get("server"))}
    if labels := mapping(group.get("labels")):
        common["labels"] = {**mapping(common.get("labels")), **labels}
    return mapping(merged(_filled(common, {"{server}": name}), own))


def _members(groups: Mapping[str, Any], found: Expanded) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    for group, each in groups.items():
        patterns = mapping(each).get("servers")
        for pattern in patterns if isinstance(patterns, list) else ():
            place = ("groups", str(group), "servers")
            try:
                names = name_range.names(str(pattern))
            except ValueError as error:
                found.problems.append((place, str(error)))
                continue
            for name in names:
                if seen.setdefault(name, group) != group:
                    found.problems.append((place, f"group {seen[name]!r} has server {name!r} already"))
                yield name, group


def _plans(content: Mapping[str, Any], found: Expanded) -> Any:
    groups, own = mapping(content.get("groups")), content.get("plans")
    if own is not None and not isinstance(own, dict):
        return own
    written = dict(own or {})
    for server, group in found.groups.items():
        for template, common in mapping(mapping(groups[group]).get("plans")).items():
            plan = PlanOfGroup(group=group, template=str(template), server=server)
            _add_plan(written, plan, mapping(common), found)
    if not set(own or {}) - set(found.plans):
        has_some = {each.server for each in found.plans.values()}
        for server in mapping(found.value["servers"]):
            if str(server) not in has_some:
                _add_default_plans(written, str(server), found)
    return written


def _add_plan(written: dict[Any, Any], plan: PlanOfGroup, common: dict[str, Any], found: Expanded) -> None:
    """Add it under its name, with what stands in the file under that name over it; null leaves it out."""
    name = f"{plan.server}-{plan.template}"
    place = ("groups", plan.group, "plans", plan.template)
    if name in found.plans:
        other = found.plans[name].server
        found.problems.append((place, f"makes a second plan {name!r}, of {plan.server} and of {other}"))
        return
    found.plans[name] = plan
    own = written.get(name, {})
    if own is None:
        del written[name]
        return
    filled = _filled(common, {"{server}": plan.server, "{plan}": name})
    written[name] = merged({"server": plan.server, **filled}, own)
    if mapping(own).get("server", plan.server) != plan.server:
        problem = f"group {plan.group!r} makes the plan of that name for {plan.server!r}; take another name"
        found.problems.append((("plans", name, "server"), problem))


def _add_default_plans(written: dict[Any, Any], server: str, found: Expanded) -> None:
    for kind in locate.DEFAULT_PLANS:
        name = f"{server}-{kind}"
        if made := found.plans.get(name):
            place = ("groups", made.group, "plans", made.template)
            found.problems.append((place, f"makes a second plan {name!r}, of {made.server} and of {server}"))
        written[name] = {"server": server, "backup_type": kind}


def merged(common: Any, own: Any) -> Any:
    """What is common with what is own over it, key by key; null takes away what is common."""
    if not (isinstance(common, dict) and isinstance(own, dict)):
        return own
    replaced = {key for keys in _ONE_OF if set(keys) & set(own) for key in keys}
    kept = {key: value for key, value in common.items() if key not in replaced}
    taken = {key for key in common if key in own and own[key] is None}
    return {
        **{key: value for key, value in kept.items() if key not in taken},
        **{key: merged(kept.get(key), value) for key, value in own.items() if key not in taken},
    }


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    """The value with the names in its texts."""
    if isinstance(value, dict):
        return {key: _filled(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, names) for each in value]
    if isinstance(value, str) and "{" in value:
        for mark, name in names.items():
            value = value.replace(mark, name)
    return value


def _give_times(value: dict[str, Any]) -> None:
    """Choose a time for each H of a schedule. What is wrong with one is the model's to say."""
    plans = value.get("plans")
    if isinstance(plans, dict):
        value["plans"] = {name: _timed(plan, str(name)) for name, plan in plans.items()}
    if isinstance(value.get("verify"), dict):
        value["verify"] = _timed(value["verify"], "verify")


def _timed(part: Any, name: str) -> Any:
    if not isinstance(part, dict):
        return part
    timed = dict(part)
    if isinstance(part.get("schedule"), str):
        try:
            timed["schedule"] = hashed_schedule.resolved(part["schedule"], name)
        except ValueError:
            return part
    if isinstance(part.get("drill"), dict):
        timed["drill"] = _timed(part["drill"], f"{name} drill")
    return timed


def _names(named: Mapping[Any, Any]) -> str:
    return ", ".join(sorted(map(str, named)))

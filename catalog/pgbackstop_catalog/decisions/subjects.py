"""What a plan backs up, one by one: its databases, or its server, each with the history of its own. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.decisions import history
from pgbackstop_catalog.decisions.attempts import Attempt, Subject
from pgbackstop_catalog.decisions.history import History


def histories(
    attempts: Iterable[Attempt], *, folding: frozenset[str] = frozenset()
) -> dict[Subject, History]:
    """The histories of one plan; that of a database includes the attempts for the whole plan."""
    by_subject: defaultdict[Subject, list[Attempt]] = defaultdict(list)
    for each in attempts:
        by_subject[each.subject].append(each)
    return {
        subject: history.summarise([*own, *_of_whole_plan(by_subject, subject)], folding=folding)
        for subject, own in list(by_subject.items())
    }


def _of_whole_plan(by_subject: Mapping[Subject, list[Attempt]], subject: Subject) -> list[Attempt]:
    return by_subject.get(subject._replace(database=""), []) if subject.database else []


def of(known: Mapping[Subject, History], subject: Subject) -> History:
    """That of the subject, else of the whole plan where it has no attempt of its own yet."""
    return known.get(subject) or known.get(subject._replace(database="")) or History()


def databases(
    plan: Plan, on_record: Iterable[Subject], dropped: frozenset[str], live: Iterable[str] | None
) -> tuple[str, ...]:
    """The databases that a plan is to back up; ``live`` are those that the server has, where it said so.

    A configured list is the answer itself. "all" means what the server has, as it last said. Until it has
    said so, it means every database on record, without those that the newest good runs did not find: a
    database that was dropped must not stay too old for ever. ``""`` stands for "none known yet", so that a
    plan that never ran is visible as never succeeded.
    """
    if not plan.is_logical:
        return ("",)
    if plan.databases != "all":
        names = set(plan.databases)
    elif live is not None:
        names = set(live)
    else:
        names = {each.database for each in on_record if each.server == plan.server} - dropped
    return tuple(sorted(names - set(plan.exclude_databases) - {""})) or ("",)

"""The records of one plan, as the facts that its metrics need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from pgbackstop_catalog.decisions import history, subjects
from pgbackstop_catalog.decisions.attempts import Attempt, Subject
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store import packed_records
from pgbackstop_catalog.store.packed_records import CopyDigest, ProofDigest
from pgbackstop_exporter.snapshot import CopyFacts, KeptBackup, PlanFacts, ProofFacts
from pgbackstop_exporter.sources.record_folders import Records

# A fold writes the tally at least twice, so a reader that finds it unchanged saw none begin or end.
_TRIES = 5


class PlanSource:
    """Reads one plan's records; ``facts`` are a new value whenever something changed."""

    __slots__ = ("_backups", "_copies", "_has_changed", "_proofs", "_tally", "facts")

    def __init__(self, records: Records, plan: str) -> None:
        self.facts = PlanFacts(tally=Totals(plan=plan))
        self._backups = records.cache(plan, packed_records.Attempts())
        self._copies = records.cache(plan, packed_records.Copies())
        self._proofs = records.cache(plan, packed_records.Proofs())
        self._tally = records.tally(plan)
        self._has_changed = False

    @property
    def problems(self) -> list[str]:
        """What was passed over, one sentence each."""
        shelves = (self._backups, self._copies, self._proofs)
        return [str(each) for shelf in shelves for each in shelf.problems.values()] + self._tally.problems

    @property
    def looked_at(self) -> int:
        """How many files were looked at so far."""
        return self._backups.looked_at + self._copies.looked_at + self._proofs.looked_at

    def refresh(self, *, thorough: bool) -> None:
        """Look for changes. Raises CatalogError; the facts then stay as they were."""
        self._refresh_counted(thorough)
        self._has_changed |= self._proofs.refresh(thorough=thorough)
        if self._has_changed or self.facts.tally != self._current_tally():
            self.facts = self._summarise()
            self._has_changed = False

    def _refresh_counted(self, thorough: bool) -> None:
        """Records and tally as of one moment: what is being folded is counted once."""
        for _ in range(_TRIES):
            self._tally.refresh()
            self._has_changed |= self._backups.refresh(thorough=thorough)
            self._has_changed |= self._copies.refresh(thorough=thorough)
            if not self._tally.refresh():
                break

    def _current_tally(self) -> Totals:
        return self._tally.value or Totals(plan=self.facts.tally.plan)

    def _summarise(self) -> PlanFacts:
        tally = self._current_tally()
        attempts = list(self._backups.digests())
        proofs = list(self._proofs.digests())
        return PlanFacts(
            histories=subjects.histories(attempts, folding=frozenset(tally.folding)),
            tally=tally,
            scheduled_until=max((each.scheduled for each in attempts), default=0.0),
            dropped=history.dropped(attempts),
            copies=_with_proofs(self._summarise_copies(tally, attempts), proofs),
            proofs=_proofs(proofs),
            kept=_kept(attempts),
            physical=tuple(
                each for each in attempts if each.subject.backup_type == "physical" and each.is_available
            ),
        )

    def _summarise_copies(
        self, tally: Totals, attempts: Sequence[Attempt]
    ) -> dict[tuple[Subject, str], CopyFacts]:
        found = defaultdict[tuple[Subject, str], list[CopyDigest]](list)
        for each in self._copies.digests():
            found[each.subject, each.storage].append(each)
        expired = {each.id for each in attempts if each.expired}
        facts = {key: _copies(copies, expired, frozenset(tally.folding)) for key, copies in found.items()}
        copied = {each.newest for each in facts.values()}
        finished = {each.id: each.finished for each in attempts if each.id in copied}
        return {key: replace(each, success=finished.get(each.newest, 0.0)) for key, each in facts.items()}


def _copies(copies: list[CopyDigest], expired: Set[str], folding: Set[str]) -> CopyFacts:
    """The facts of the copies of one subject in one storage; ids of backups sort by time."""
    own = [each for each in copies if each.backup not in expired]
    outliving = [each for each in copies if each.backup in expired]
    return CopyFacts(
        failures=sum(each.failures for each in copies if each.backup not in folding),
        newest=max((each.backup for each in copies if each.succeeded), default=""),
        damaged=sum(each.is_damaged for each in own),
        oldest_read=_oldest_read(own),
        outliving_damaged=sum(each.is_damaged for each in outliving),
        outliving_oldest_read=_oldest_read(outliving),
    )


def _oldest_read(copies: Iterable[CopyDigest]) -> float | None:
    """When of the copies that are kept the one was read that was read longest ago."""
    return min((each.last_read for each in copies if each.is_kept and each.last_read), default=None)


def _with_proofs(
    copies: dict[tuple[Subject, str], CopyFacts], proofs: Iterable[ProofDigest]
) -> dict[tuple[Subject, str], CopyFacts]:
    """The facts with when copies were last proven."""
    for each in proofs:
        key = (each.subject, each.copy_in)
        if each.succeeded and key in copies:
            known = copies[key]
            copies[key] = (
                replace(known, drilled=max(known.drilled, each.finished))
                if each.is_drill
                else replace(known, verified=max(known.verified, each.finished))
            )
    return copies


def _kept(attempts: Iterable[Attempt]) -> dict[Subject, dict[str, KeptBackup]]:
    found: defaultdict[Subject, dict[str, KeptBackup]] = defaultdict(dict)
    for each in attempts:
        if each.is_available:
            found[each.subject][each.id] = KeptBackup(each.storage, each.last_read)
    return dict(found)


def _proofs(proofs: Iterable[ProofDigest]) -> dict[Subject, ProofFacts]:
    found: dict[Subject, ProofFacts] = {}
    for each in sorted(proofs, key=lambda proof: proof.finished):
        known = found.get(each.subject, ProofFacts())
        found[each.subject] = _with(known, each)
    return found


def _with(known: ProofFacts, each: ProofDigest) -> ProofFacts:
    """The facts after one more proof, the newest so far."""
    if not each.is_drill:
        is_of_backup = each.succeeded and not each.copy_in
        return replace(known, verified=each.finished) if is_of_backup else known
    if not each.succeeded:
        return replace(known, drill_failure=each.finished)
    return replace(
        known,
        drill_success=each.finished,
        drill_duration=each.duration,
        proven_until=max(known.proven_until, each.proven_until),
    )

"""Metrics of plans and what they back up."""

from __future__ import annotations

from typing import Final

from pgbackstop_exporter.metrics import metric

LAST_SUCCESS: Final = metric.plan(
    "backup_last_success_time",
    "Unix time at which the newest successful backup was complete, in seconds; 0 = never.",
)
SIZE: Final = metric.plan(
    "backup_size_bytes", "Stored bytes of the newest successful backup; absent until there is one."
)
DURATION: Final = metric.plan(
    "backup_duration_seconds", "Wall time of the newest successful backup; absent until there is one."
)
AGE: Final = metric.plan(
    "backup_age_seconds",
    "Seconds since the newest successful backup was complete, computed at the scrape; absent until there is "
    "one.",
)
LAST_ATTEMPT: Final = metric.plan(
    "backup_last_attempt_timestamp_seconds", "Unix time at which the newest attempt started; 0 = never."
)
LAST_FAILURE: Final = metric.plan(
    "backup_last_failure_timestamp_seconds", "Unix time at which the newest failed attempt ended; 0 = never."
)
CONSECUTIVE_FAILURES: Final = metric.plan(
    "backup_consecutive_failures", "Failed attempts since the newest success."
)
FAILING: Final = metric.Metric(
    name="backup_failing_info",
    kind="gauge",
    labels=(*metric.PLAN, "reason"),
    help="1 while the newest attempt that ended has failed, with the reason; absent while it has succeeded.",
    source=metric.RECORDS,
)
RUNNING: Final = metric.plan("backup_running", "1 while a backup runs, else 0.", volatile=True)
RUNNING_START: Final = metric.plan(
    "backup_running_start_timestamp_seconds",
    "Unix time at which the running backup started; absent while none runs.",
    volatile=True,
)
PROGRESS: Final = metric.plan(
    "backup_progress_bytes",
    "Bytes that the running backup has written so far; absent while none runs.",
    volatile=True,
)
PROGRESS_AT: Final = metric.plan(
    "backup_progress_timestamp_seconds",
    "Unix time at which the running backup last wrote a byte, before the first one its start; absent while "
    "none runs.",
    volatile=True,
)
PROGRESS_EXPECTED: Final = metric.plan(
    "backup_progress_expected_bytes",
    "Bytes that the running backup expects to write; absent while none runs or nothing is known.",
    volatile=True,
)
ENABLED: Final = metric.plan(
    "backup_enabled", "1 when the plan is enabled, 0 while it is paused.", metric.CONFIG
)
MAX_AGE: Final = metric.plan(
    "backup_max_age_seconds",
    "Age at which the newest success is too old: the plan's own limit, else 25 h for daily logical plans and "
    "interval + maximum duration + grace for others, and an hour more after the clock was set back.",
    metric.CONFIG,
)
MAX_DURATION: Final = metric.plan(
    "backup_max_duration_seconds", "Time after which the plan has a running backup ended.", metric.CONFIG
)
STALL_TIMEOUT: Final = metric.plan(
    "backup_stall_timeout_seconds",
    "Longest time without a byte after which the plan has a running backup ended.",
    metric.CONFIG,
)
SCHEDULE_INTERVAL: Final = metric.plan(
    "backup_schedule_interval_seconds", "Longest pause between two due times of the schedule.", metric.CONFIG
)
NEXT_RUN: Final = metric.plan(
    "backup_next_run_timestamp_seconds",
    "Unix time of the first due run that is not handled yet; in the past while it is late.",
    "configuration and backup records",
)
FIRST_DUE: Final = metric.plan(
    "backup_first_due_timestamp_seconds",
    "Unix time at which the plan was due for the first time.",
    "state of the scheduler, else the age of the configuration file",
)
MISSED: Final = metric.counter(
    "backup_missed_runs_total",
    metric.PLAN,
    "Runs that were due and did not start.",
    "backup records and tallies",
)
LAST_MISSED: Final = metric.plan(
    "backup_last_missed_timestamp_seconds",
    "Unix time at which it was last found that due runs had not started; 0 = never.",
)
RUNS: Final = metric.counter(
    "backup_runs_total", metric.PLAN, "Attempts that ended, well or badly.", "backup records and tallies"
)
FAILURES: Final = metric.counter(
    "backup_run_failures_total",
    (*metric.PLAN, "reason"),
    "Attempts that failed.",
    "backup records and tallies",
)
AVAILABLE: Final = metric.plan(
    "backup_available",
    "Valid backups that are kept, without those whose files are gone or have another size.",
    "backup records and the storage",
)
MISSING: Final = metric.plan(
    "backup_missing",
    "Kept backups of which files are gone from their storage, though nobody expired them, or have another "
    "size than on record.",
    "backup records and the storage",
)
DAMAGED: Final = metric.plan(
    "backup_damaged",
    "Stored backups that were read back and are damaged, until they pass a verify, or 'pgbackstop ack'.",
)
VANISHED: Final = metric.plan(
    "backup_vanished_tables",
    "Tables whose rows backups of the last 30 days saw vanish, until 'pgbackstop ack'; absent where rows are "
    "not compared, as in physical plans.",
)
KEEP_MINIMUM: Final = metric.plan(
    "backup_keep_minimum",
    "Valid backups that the plan never keeps fewer of; absent until it has made as many.",
    "configuration, backup records and tallies",
)
STORED: Final = metric.plan("backup_stored_bytes", "Stored bytes of all valid backups that are kept.")
SOURCE_SIZE: Final = metric.plan(
    "backup_source_size_bytes",
    "Size of the database or server when it was last backed up; absent until it is known.",
)
SIZE_BASELINE: Final = metric.plan(
    "backup_size_baseline_bytes",
    "Median size of the last 10 successes of the same method; absent until there is one.",
)
SIZE_EXPECTED: Final = metric.plan(
    "backup_size_expected_bytes",
    "Stored bytes that the newest success should have: the median, or more where its source has grown since; "
    "absent until there is one, and for an incremental backup.",
)
DURATION_BASELINE: Final = metric.plan(
    "backup_duration_baseline_seconds",
    "Median duration of the last 10 successes of the same method; absent until there is one.",
)
OLDEST: Final = metric.plan(
    "backup_oldest_timestamp_seconds",
    "Unix time at which the oldest backup that is kept was complete; absent while none is.",
)
VERIFIED: Final = metric.plan(
    "backup_verified_timestamp_seconds",
    "Unix time at which a backup was last read back in full; 0 = never.",
    "backup and proof records",
)
OLDEST_VERIFICATION: Final = metric.plan(
    "backup_oldest_verification_timestamp_seconds",
    "Unix time at which that kept backup was read back in full whose reading is the longest ago; one that "
    "was never read back counts from when it was complete. Absent while none is kept.",
    "backup records and the storage",
)
VERIFICATION_MAX_AGE: Final = metric.plan(
    "backup_verification_max_age_seconds",
    "Age at which the newest reading of a kept backup is too old: verify.max_age; absent where backups are "
    "not read again on a schedule.",
    metric.CONFIG,
)
DRILL_SUCCESS: Final = metric.plan(
    "backup_drill_success_timestamp_seconds",
    "Unix time at which a restore drill last succeeded; 0 = never.",
    metric.PROOFS,
)
DRILL_FAILURE: Final = metric.plan(
    "backup_drill_failure_timestamp_seconds",
    "Unix time at which a restore drill last failed; 0 = never.",
    metric.PROOFS,
)
DRILL_DURATION: Final = metric.plan(
    "backup_drill_duration_seconds",
    "Wall time of the newest successful drill, the measured recovery time; absent until there is one.",
    metric.PROOFS,
)
PROOF_MAX_AGE: Final = metric.plan(
    "backup_proof_max_age_seconds",
    "Age at which the newest successful drill is too old: the plan's own limit, else the interval of its "
    "drills and a day; absent where the plan has no drills.",
    metric.CONFIG,
)
PROOF_FIRST_DUE: Final = metric.plan(
    "backup_proof_first_due_timestamp_seconds",
    "Unix time by which a drill should have succeeded for the first time: the first one after the first "
    "backup, its longest duration and the plan's grace; absent where the plan has no drills.",
    "configuration and state of the scheduler",
)
COPY_SUCCESS: Final = metric.plan_copy(
    "backup_copy_success_timestamp_seconds",
    "Unix time at which the newest backup that the storage has a whole copy of was complete; 0 = never.",
    metric.COPIES,
)
COPY_VERIFIED: Final = metric.plan_copy(
    "backup_copy_verified_timestamp_seconds",
    "Unix time at which a copy in the storage was last read back, every byte; 0 = never.",
    metric.PROOFS,
)
COPY_DRILLED: Final = metric.plan_copy(
    "backup_copy_drill_success_timestamp_seconds",
    "Unix time at which a copy in the storage was last restored for real, and checked; 0 = never.",
    metric.PROOFS,
)
COPY_FAILURES: Final = metric.counter(
    "backup_copy_failures_total",
    metric.PLAN_COPY,
    "Failed tries to copy to the storage.",
    "copy records and tallies",
)
COPY_DAMAGED: Final = metric.plan_copy(
    "backup_copy_damaged",
    "Copies in the storage that were read back and are damaged, until they are made anew.",
    metric.COPIES,
)
COPY_OLDEST_VERIFICATION: Final = metric.plan_copy(
    "backup_copy_oldest_verification_timestamp_seconds",
    "Unix time at which that good copy in the storage was read back whose reading is the longest ago; "
    "one that was never read back counts from when it was made and compared. Absent while none is kept, and "
    "where copies are not read again: by verify: false, or because no identity on this host opens them.",
    metric.COPIES,
)
RPO_TARGET: Final = metric.plan(
    "backup_rpo_target_seconds", "Data that may be lost, by the plan's own target.", metric.CONFIG
)
RTO_TARGET: Final = metric.plan(
    "backup_rto_target_seconds", "Time that a restore may take, by the plan's own target.", metric.CONFIG
)

GROUP: Final = metric.Group(
    title="Per plan and database",
    about='`database` is empty for a whole server, and for a logical plan of "all" databases as long as '
    "none is known. Series follow the configuration: a removed plan disappears with the reload.",
    metrics=(
        *(LAST_SUCCESS, SIZE, DURATION, AGE, LAST_ATTEMPT, LAST_FAILURE, CONSECUTIVE_FAILURES, FAILING),
        *(RUNNING, RUNNING_START, PROGRESS, PROGRESS_AT, PROGRESS_EXPECTED, MAX_DURATION, STALL_TIMEOUT),
        *(ENABLED, MAX_AGE, SCHEDULE_INTERVAL, NEXT_RUN, FIRST_DUE, MISSED, LAST_MISSED, RUNS, FAILURES),
        *(AVAILABLE, MISSING, DAMAGED, VANISHED, KEEP_MINIMUM, STORED, SOURCE_SIZE, OLDEST),
        *(SIZE_BASELINE, SIZE_EXPECTED, DURATION_BASELINE),
        *(VERIFIED, OLDEST_VERIFICATION, VERIFICATION_MAX_AGE),
        *(DRILL_SUCCESS, DRILL_FAILURE, DRILL_DURATION, PROOF_MAX_AGE, PROOF_FIRST_DUE),
        *(COPY_SUCCESS, COPY_VERIFIED, COPY_DRILLED, COPY_FAILURES),
        *(COPY_DAMAGED, COPY_OLDEST_VERIFICATION, RPO_TARGET, RTO_TARGET),
    ),
)

"""The daemon: it decides what is due, starts it as a child process, and sees to it that no run is lost.

    plan_state    one plan: what is due, waits, runs, was missed             pure
    memory        what the daemon must know after a restart                  pure, and one file
    ledger        what the records say of due times, and the daemon's own    pure, and the catalog
    wal_gaps      when a gap in the WAL wants a base backup                  pure
    backoff       pauses that grow                                           pure
    planner       all plans of a configuration
    children      processes that never outlive us
    runs          backups as children
    drills        drills as children, one at a time
    server_tasks  one endless task for each server that wants it
    receivers     WAL receivers as children
    heartbeats    rows that let drills measure what would be lost
    courier       notifications that wait
    service       the loop that wakes all of them

What is decided depends on the clock and the records alone, so a daemon that is killed at any moment and
started again decides the same.
"""

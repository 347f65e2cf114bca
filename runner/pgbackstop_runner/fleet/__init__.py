"""The fleet: several workers, on as many hosts, that share the runs of one catalog in PostgreSQL.

Each due time of a plan is one row of ``pgbackstop.due_run``. The database decides who runs it: an attempt is
claimed there, kept by heartbeats, and every change of its row asks whether the attempt is still the one.
"""

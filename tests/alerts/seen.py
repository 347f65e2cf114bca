"""What is red or orange on the first screen of Backup Status when the alert of a fault is due.

``tests/dashboards/test_faults.py`` compares it with what a real Prometheus answers; where the page changes on
purpose, take over what that test has found.
"""

SEEN = {
    "The daemon dies: nothing starts any more": "Need somebody **1**, Daemon **1 dead**",
    "Each backup fails": "Need somebody **1**",
    "No backup of a new installation succeeds": ", ".join(
        [
            "Need somebody **1**",
            "Restorable until **never**",
            "Last proven restore **never**",
        ]
    ),
    "The runner hangs in the middle of a backup": "Need somebody **1**",
    "Somebody deletes a backup": "Need somebody **1**",
    "A stored file was cut": "Need somebody **1**",
    "A data file is gone while its folder stays": "Need somebody **1**",
    "One bit flips in a stored backup": "Need somebody **1**",
    "Somebody deletes all backups of a database": "Need somebody **1**",
    "A backup finds two tables emptied that were full in the one before": "Need somebody **1**",
    "Backups cannot be restored": "Need somebody **2**, Restores **2 not proven**",
    "Drills do not run any more": "Restores **2 not proven**",
    "The receiver of WAL is gone": "Need somebody **1**, Of limit **400%**, Receiver **nobody**",
    "The receiver of WAL does not keep up": "Need somebody **1**, Of limit **1200%**",
    "WAL is lost before it was received": "Need somebody **1**, Gaps **1**",
    "The disk is full at once": "Need somebody **1**, Free on the fullest disk **0%**",
    "A file system finds itself damaged and turns read-only": ", ".join(
        [
            "Need somebody **1**",
            "Free on the fullest disk **read-only**",
        ]
    ),
    "The disk of the backups hangs": "Free on the fullest disk **not known**",
    "PostgreSQL is down": ", ".join(
        [
            "Need somebody **1**",
            "PostgreSQL **silent**",
            "Receiver **not known**",
            "PostgreSQL **1 silent**",
        ]
    ),
    "All hosts with workers die": "Need somebody **1**",
    "The catalog cannot be read": "Need somebody **1**, Catalog **1 unreadable**",
    "The exporter is down": ", ".join(
        [
            "Need somebody **not known**",
            "Restorable until **not known**",
            "Exporter **1 silent**",
            "Catalog **not known**",
            "Daemon **not known**",
            "PostgreSQL **not known**",
            "Restores **not known**",
            "Free on the fullest disk **not known**",
            "Next run **not known**",
            "Last proven restore **not known**",
        ]
    ),
}

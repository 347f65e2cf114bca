"""Workers that share the runs of many servers, and lists of servers that others keep."""

from tests.alerts.story import HELD, Case


def lost(story: str, workers: str | float, at: dict[int, str | None], *, is_catalog_up: bool = True) -> Case:
    return Case(
        alert="WorkerLost",
        story=story,
        series={"backup_workers_lost": workers, "backup_catalog_up": int(is_catalog_up)},
        at=at,
        labels={"host": "backup-2"},
    )


def without(
    story: str, workers: str | float, at: dict[int, str | None], *, is_catalog_up: bool = True
) -> Case:
    return Case(
        alert="QueueWithoutWorker",
        story=story,
        series={"backup_queue_workers": workers, "backup_catalog_up": int(is_catalog_up)},
        at=at,
        labels={"queue": "frankfurt"},
    )


def waits(
    story: str,
    since: str | float,
    at: dict[int, str | None],
    *,
    workers: int = 2,
    is_catalog_up: bool = True,
) -> Case:
    return Case(
        alert="QueueWaitTooLong",
        story=story,
        series={
            "backup_queue_waiting_since_timestamp_seconds": since,
            "backup_queue_max_wait_seconds": 3600,
            "backup_queue_workers": workers,
            "backup_catalog_up": int(is_catalog_up),
        },
        at=at,
        labels={"queue": "frankfurt"},
    )


def listed(story: str, taken: str | float, at: dict[int, str | None], *, limit: int = 3600) -> Case:
    return Case(
        alert="DiscoveryStale",
        story=story,
        series={
            "backup_discovery_last_success_timestamp_seconds": taken,
            "backup_discovery_max_age_seconds": limit,
        },
        at=at,
        labels={"source": "inventory"},
    )


ELSEWHERE = "the catalog cannot be read, which has an alert of its own"
CASES = [
    lost("killed, and started after half an hour", "0x5 1x30 0x60", {5: None, 8: "warning", 40: None}),
    lost("started anew at once by its supervisor", 0, {60: None}),
    lost(ELSEWHERE, 1, {60: None}, is_catalog_up=False),
    without("its only worker dies", "1x5 0x30 1x60", {9: None, 12: "critical", 38: None}),
    without("its only worker is restarted", "1x5 0x2 1x60", {8: None, 60: None}),
    without(ELSEWHERE, 0, {60: None}, is_catalog_up=False),
    waits(
        "one waits for more than an hour, and has room then",
        "0x9 600x80 0x60",
        {75: None, 77: "warning", 92: None},
    ),
    waits("one waits always, each for a short time", "0x9 600+60x90", {75: None, 90: None}),
    waits("none waits", 0, {120: None}),
    waits("nobody is there to take it, which has an alert of its own", 600, {120: None}, workers=0),
    waits(ELSEWHERE, 600, {120: None}, is_catalog_up=False),
    listed("not taken since ten minutes", f"0+60x10 600{HELD}", {70: None, 77: "warning"}),
    listed("one try of many fails", "0+60x10 600 0+60x600", {30: None, 120: None}),
    listed("it is taken again", "60x119 7200+60x600", {70: "warning", 125: None}),
    listed("it never was", 0, {70: "warning"}),
    listed("one that is asked for once a day", 60, {600: None}, limit=2 * 86400),
]

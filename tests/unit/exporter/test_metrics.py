"""The contract: every metric is emitted, nothing else is, and the reference says the same."""

from pathlib import Path

from pgbackstop_catalog.config import labels as free_labels
from pgbackstop_exporter import reference
from pgbackstop_exporter.metrics.contract import METRICS
from tests.unit.exporter import filled, pages_of

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"
LITERAL = {"backup_last_success_time", "backup_size_bytes", "backup_duration_seconds", "disk_free_bytes"}


def test_every_metric_is_emitted_and_nothing_else(tmp_path: Path) -> None:
    emitted = {name for name, _labels, _value in pages_of.samples(filled.snapshot(tmp_path))}
    assert emitted == {metric.name for metric in METRICS} - filled.OF_TROUBLE


def test_every_sample_has_exactly_the_labels_of_its_metric(tmp_path: Path) -> None:
    known = {metric.name: set(metric.labels) for metric in METRICS}
    for name, labels, _value in pages_of.samples(filled.snapshot(tmp_path)):
        assert set(labels) == known[name], name


def test_no_series_is_there_twice(tmp_path: Path) -> None:
    found = [
        (name, tuple(sorted(labels.items())))
        for name, labels, _ in pages_of.samples(filled.snapshot(tmp_path))
    ]
    assert len(found) == len(set(found))


def test_names_are_unique_and_those_of_the_specification_are_there() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    assert set(names) >= LITERAL


def test_names_and_help_follow_the_conventions() -> None:
    for metric in METRICS:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.help.endswith("."), metric.name
        assert not {"job", "instance", "type"} & set(metric.labels), metric.name


def test_the_reference_is_the_one_that_the_contract_gives() -> None:
    assert REFERENCE.read_text() == reference.as_markdown(), (
        "run: python -m pgbackstop_exporter.reference > docs/reference/metrics.md"
    )


def test_the_printed_contract_names_every_metric_with_labels_and_kind() -> None:
    text = reference.as_text()
    for metric in METRICS:
        labels = ", ".join(metric.labels) + (", …" if metric.free_labels else "")
        shown = f"{{{labels}}}" if labels else ""
        assert f"{metric.name}{shown} ({metric.kind})\n    {metric.help}\n" in text


def test_no_free_label_can_have_the_name_of_one_of_ours() -> None:
    assert {label for metric in METRICS for label in metric.labels} <= free_labels.OURS

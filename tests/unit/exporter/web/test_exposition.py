"""Pages: letter by letter what prometheus-client writes, compressed or not, in both formats."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import Metric as ClientMetric
from prometheus_client.openmetrics import exposition as client_exposition
from prometheus_client.openmetrics import parser as client_parser
from prometheus_client.registry import Collector

from pgbackstop_exporter.families import samples as families_samples
from pgbackstop_exporter.families import servers
from pgbackstop_exporter.families.samples import Families
from pgbackstop_exporter.metrics import contract, storage_metrics
from pgbackstop_exporter.web import exposition
from pgbackstop_exporter.web import page as web_page
from pgbackstop_exporter.web.exposition import Form, Page
from tests.support.factories import NOW
from tests.unit.exporter import filled

UNIX = NOW.timestamp()
# The client's modules have no types.
generate_openmetrics: Callable[[Collector], bytes] = client_exposition.generate_latest
parse_openmetrics: Callable[[str], Iterator[ClientMetric]] = client_parser.text_string_to_metric_families


class Client(Collector):
    """The same families for prometheus-client to write; it wants counters without their ending."""

    def __init__(self, found: Families, now: float) -> None:
        self._found, self._now = found, now

    def collect(self) -> Iterator[ClientMetric]:
        families: list[exposition.Family] = [*self._found.values.items()]
        families += [
            (metric, families_samples.ages(moments, self._now))
            for metric, moments in self._found.since.items()
        ]
        for metric, samples in families:
            name = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
            family = ClientMetric(name, metric.help, metric.kind)
            for where, value in samples:
                family.add_sample(metric.name, dict(where.pairs), value)
            yield family


@pytest.fixture
def found(tmp_path: Path) -> Families:
    return web_page.build(filled.snapshot(tmp_path), now=UNIX)


def by_client(found: Families, form: Form) -> bytes:
    client = Client(found, UNIX)
    return generate_latest(client) if form is Form.TEXT else generate_openmetrics(client)


@pytest.mark.parametrize("form", Form)
def test_a_page_is_what_the_client_writes(found: Families, form: Form) -> None:
    body = Page(found, [(form, False)]).body(form, extra=Families(), now=UNIX, compressed=False)
    assert body == by_client(found, form)


@pytest.mark.parametrize("form", Form)
def test_a_compressed_page_is_one_member_with_the_same_content(found: Families, form: Form) -> None:
    page = Page(found, [(form, False), (form, True)])
    body = page.body(form, extra=Families(), now=UNIX, compressed=True)
    assert gzip.decompress(body) == by_client(found, form)
    assert body.count(b"\x1f\x8b\x08") == 1
    assert len(body) < len(page.body(form, extra=Families(), now=UNIX, compressed=False)) / 5


@given(name=st.text(), number=st.floats(allow_nan=False).map(lambda number: number + 0.0))  # never -0.0
def test_any_label_and_any_number_is_written_as_the_client_does(name: str, number: float) -> None:
    found = Families()
    found.add(storage_metrics.DISK_FREE, families_samples.labels(path=name), number)
    text = exposition.render(found.values.items(), Form.TEXT)
    assert text.encode(errors="surrogatepass") == generate_latest(Client(found, UNIX))


def test_ages_grow_without_a_new_page(found: Families) -> None:
    page = Page(found, [(Form.TEXT, False)])
    texts = [page.body(Form.TEXT, extra=Families(), now=UNIX + n, compressed=False) for n in (0, 60)]
    assert (
        b'backup_age_seconds{backup_type="logical",database="shop",plan="daily",server="main"} 10800.0'
        in texts[0]
    )
    assert (
        b'backup_age_seconds{backup_type="logical",database="shop",plan="daily",server="main"} 10860.0'
        in texts[1]
    )


def test_a_page_is_built_in_the_forms_that_are_asked_for(found: Families) -> None:
    page = Page(found, [(Form.TEXT, True)])
    assert page.has(Form.TEXT, compressed=True)
    assert not page.has(Form.TEXT, compressed=False)
    assert not page.has(Form.OPENMETRICS, compressed=True)
    with pytest.raises(KeyError):
        page.body(Form.OPENMETRICS, extra=Families(), now=UNIX, compressed=True)


def test_openmetrics_parses_and_has_no_created_series(tmp_path: Path) -> None:
    snapshot = filled.snapshot(tmp_path)
    health = Families()
    servers.add_health(health, snapshot)
    page = Page(web_page.build(snapshot, now=UNIX), [(Form.OPENMETRICS, False)])
    text = page.body(Form.OPENMETRICS, extra=health, now=UNIX, compressed=False).decode()
    names = {sample.name for family in parse_openmetrics(text) for sample in family.samples}
    assert names == {metric.name for metric in contract.METRICS} - filled.OF_TROUBLE


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form.TEXT),
        ("*/*", Form.TEXT),
        ("text/plain;version=0.0.4", Form.TEXT),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75",
            Form.OPENMETRICS,
        ),
        ("application/openmetrics-text", Form.OPENMETRICS),
    ],
)
def test_the_client_chooses_the_format(accept: str, form: Form) -> None:
    assert Form.accepted(accept) is form

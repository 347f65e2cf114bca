"""Pages in the two text formats of Prometheus, rendered ahead except for what ages.

Rendering a sample takes prometheus-client about 20 µs, too long for the pages of a thousand plans; here
what does not age is rendered and compressed once per build, so that a scrape copies bytes. The text is
the same, byte for byte, as prometheus_client.generate_latest gives for the same families.
https://prometheus.io/docs/instrumenting/exposition_formats/
https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from itertools import chain, islice
from typing import Final, NamedTuple

from prometheus_client import utils
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST

from pgbackstop_exporter.families.samples import Families, Labels, ages
from pgbackstop_exporter.metrics.metric import Metric

Family = tuple[Metric, Iterable[tuple[Labels, float]]]

_LINES: Final = 500  # put together at a time
_OFTEN: Final = {0.0: "0.0", 1.0: "1.0"}
# https://www.rfc-editor.org/rfc/rfc1952: deflate, no flags, no time, fastest, unknown system
_GZIP_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
_LEVEL: Final = 1  # label texts repeat so much that higher levels gain little and cost much


_number: Callable[[float], str] = utils.floatToGoString


class Form(Enum):
    """A text format; the value is its content type."""

    TEXT = CONTENT_TYPE_PLAIN_0_0_4
    OPENMETRICS = CONTENT_TYPE_LATEST

    @classmethod
    def accepted(cls, accept: str) -> Form:
        """What a client wants, by its Accept header; text where it does not say."""
        try:
            _encoder, content_type = choose_encoder(accept)
        except (ValueError, TypeError):  # of a version that is no number
            return cls.TEXT
        return cls.OPENMETRICS if content_type.startswith("application/openmetrics-text") else cls.TEXT


def render(families: Iterable[Family], form: Form) -> str:
    """The families as text, without the end mark of OpenMetrics."""
    return "".join(part for family in families for part in _family(family, form))


def _family(family: Family, form: Form) -> Iterator[str]:
    metric, samples = family
    return _parts(metric, ((where.text, value) for where, value in samples), form)


def _parts(metric: Metric, samples: Iterable[tuple[str, float]], form: Form) -> Iterator[str]:
    name = metric.name
    yield _head(metric, form)
    lines = (f"{name}{where} {_OFTEN.get(value) or _number(value)}\n" for where, value in samples)
    while part := "".join(islice(lines, _LINES)):
        yield part


def _head(metric: Metric, form: Form) -> str:
    text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    if form is Form.TEXT:
        return f"# HELP {metric.name} {text}\n# TYPE {metric.name} {metric.kind}\n"
    name = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
    text = text.replace('"', r"\"")
    return f"# HELP {name} {text}\n# TYPE {name} {metric.kind}\n"


class Deflated(NamedTuple):
    """Compressed text that more may follow, and what the end of a gzip file says of it."""

    content: bytes
    checksum: int
    size: int


class _Moments(NamedTuple):
    """Samples that age: their labels as they stand in a page, one a line, and since when each counts.

    One text instead of many values that live as long as the page: those keep the memory that was taken
    beside them while it was built, 5 MB for a thousand plans.
    """

    labels: str
    since: array[float]

    @classmethod
    def of(cls, samples: Iterable[tuple[Labels, float]]) -> _Moments:
        where, since = zip(*samples, strict=True)
        return cls("\n".join(each.text for each in where), array("d", since))

    def parts(self, metric: Metric, form: Form, now: float) -> Iterator[str]:
        samples = zip(self.labels.split("\n"), self.since, strict=True)
        return _parts(metric, ages(samples, now), form)


class Page:
    """One build of the families, in the forms that were asked for; it does not hold the families."""

    def __init__(self, families: Families, forms: Iterable[tuple[Form, bool]]) -> None:
        self._moments = {metric: _Moments.of(samples) for metric, samples in families.since.items()}
        self._plain: dict[Form, bytes] = {}
        self._deflated: dict[Form, Deflated] = {}
        for form, compressed in forms:
            # Some lines at a time: those of a thousand plans at once would take three times the page.
            parts = (part.encode() for family in families.values.items() for part in _family(family, form))
            if compressed:
                self._deflated[form] = _deflate(parts)
            else:
                self._plain[form] = b"".join(parts)

    def has(self, form: Form, *, compressed: bool) -> bool:
        """Whether it was built in that form."""
        return form in (self._deflated if compressed else self._plain)

    def body(self, form: Form, *, extra: Families, now: float, compressed: bool) -> bytes:
        """The page as of ``now`` (Unix seconds), with the families ``extra`` after its own.

        Raises KeyError for a form that it was not built in.
        """
        tail = self._tail(form, extra, now)
        return _gzip(self._deflated[form], tail) if compressed else self._plain[form] + tail

    def _tail(self, form: Form, extra: Families, now: float) -> bytes:
        aged = (each.parts(metric, form, now) for metric, each in self._moments.items())
        text = "".join(chain.from_iterable(aged)) + render(extra.values.items(), form)
        return (text + "# EOF\n" if form is Form.OPENMETRICS else text).encode()


def _deflate(parts: Iterable[bytes]) -> Deflated:
    squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    content, checksum, size = [], 0, 0
    for part in parts:
        content.append(squeeze.compress(part))
        checksum = zlib.crc32(part, checksum)
        size += len(part)
    # A full flush ends on a byte and forgets what came before, so that anything may follow.
    content.append(squeeze.flush(zlib.Z_FULL_FLUSH))
    return Deflated(b"".join(content), checksum, size)


def _gzip(begun: Deflated, tail: bytes) -> bytes:
    """One gzip member: what was deflated before, and ``tail`` after it."""
    squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    size = (begun.size + len(tail)) & 0xFFFFFFFF
    end = struct.pack("<LL", zlib.crc32(tail, begun.checksum), size)
    return _GZIP_HEAD + begun.content + squeeze.compress(tail) + squeeze.flush() + end

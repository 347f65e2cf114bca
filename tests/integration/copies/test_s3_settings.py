"""What a bucket is asked, and how, seen by a proxy before a real server; and slow and dead servers."""

import io
import re
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.storage import S3Storage
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.storage import bucket as buckets
from pgbackstop_runner.storage import retries, s3
from pgbackstop_runner.storage.bucket import Bucket
from pgbackstop_runner.storage.protocol import Damaged, Lasting, StoreError
from tests.support.certificates import Authority
from tests.support.reverse_proxy import Answer, Request, ReverseProxy

WANTS_ONE = (
    b"<?xml version='1.0'?>\n<Error><Code>InvalidRequest</Code><Message>Content-MD5 OR x-amz-checksum- HTTP "
    b"header is required for Put Object requests with Object Lock parameters</Message></Error>"
)
MEGABYTES = 20
CUT_OFF = {
    "Content-Length": "4194304",
    "Content-Range": "bytes 0-4194303/20971520",
    "Last-Modified": "Sun, 22 Nov 2026 12:00:00 GMT",
}


@pytest.fixture
def proxy(endpoint: str) -> ReverseProxy:
    return ReverseProxy(server=endpoint)


@pytest.fixture
def address(proxy: ReverseProxy) -> Iterator[str]:
    with proxy.open() as found:
        yield found


def bucket(storage: S3Storage, **changes: Any) -> Bucket:
    return s3.connect("s3", storage.evolve(**changes))


def put(store: Bucket) -> bytes:
    """A small object, and one of several parts."""
    content = bytes(range(256)) * (MEGABYTES * 4096)
    store.put_bytes(b"small", "small")
    store.put(io.BytesIO(content), "large", len(content))
    with store.open("large", len(content)) as stream:
        assert stream.read() == content
    return content


def sent(proxy: ReverseProxy, header: str) -> set[str | None]:
    """The values of a header in all that has bytes of objects."""
    stored = [each for each in proxy.asked if each.method == "PUT"]
    assert len(stored) == 4  # one, and three parts
    return {each.headers.get(header) for each in stored}


@pytest.mark.parametrize("kind", ["sha256", "crc64nvme"])
def test_a_checksum_goes_with_each_part(
    storage: S3Storage, proxy: ReverseProxy, address: str, kind: str
) -> None:
    put(bucket(storage, endpoint=address, checksum=kind))
    assert None not in sent(proxy, f"x-amz-checksum-{kind}")


@pytest.mark.parametrize("checksum", [None, "none"])
def test_a_server_that_is_not_amazon_s_gets_none(
    storage: S3Storage, proxy: ReverseProxy, address: str, checksum: str | None
) -> None:
    put(bucket(storage, endpoint=address, checksum=checksum))
    assert not {name for each in proxy.asked for name in each.headers if "checksum" in name}


def test_a_bucket_that_wants_a_checksum_is_told_by_the_setting(
    storage: S3Storage, proxy: ReverseProxy, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket with object lock refuses what has none, with 400."""

    def refuses(asked: Request) -> Answer | None:
        has_one = any(name.startswith("x-amz-checksum") for name in asked.headers)
        return None if has_one or asked.method != "PUT" else Answer(status=400, body=WANTS_ONE)

    monkeypatch.setattr(proxy, "wants", refuses)
    with pytest.raises(StoreError) as refused:
        bucket(storage, endpoint=address).put_bytes(b"", "mark")
    assert "storages.s3.checksum: sha256" in refused.value.remedy
    bucket(storage, endpoint=address, checksum="sha256").put_bytes(b"", "mark")


@pytest.mark.parametrize(
    ("hours", "told"), [(2, "is 2h..m ahead of"), (-2.99, "is 2h5.m behind"), (None, "too much")]
)
def test_a_clock_that_is_wrong_is_told_with_the_offset(
    storage: S3Storage, proxy: ReverseProxy, address: str, hours: float | None, told: str
) -> None:
    """As Amazon's answers; others may leave their time out."""
    there = f"{utc_now() - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" if hours is not None else ""
    time = f"<ServerTime>{there}</ServerTime>" if there else ""
    proxy.answers = [refusal("RequestTimeTooSkewed", time)]
    with pytest.raises(StoreError) as refused:
        bucket(storage, endpoint=address).put_bytes(b"content", "any")
    assert re.match(f"This host's clock .*{told}", refused.value.remedy), refused.value.remedy


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId"])
def test_keys_that_expire_in_the_middle_of_an_upload_are_told_of(
    storage: S3Storage, proxy: ReverseProxy, address: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second part is refused; nothing is there afterwards, and the next attempt stores all of it."""

    def refuses(asked: Request) -> Answer | None:
        return refusal(code) if "partNumber=2" in asked.target else None

    store = bucket(storage, endpoint=address)
    content = b"x" * (buckets.PART_BYTES + 1)
    with monkeypatch.context() as refusing:
        refusing.setattr(proxy, "wants", refuses)
        with pytest.raises(StoreError) as refused:
            store.put(io.BytesIO(content), "big", len(content))
    assert "have expired or were replaced" in refused.value.remedy
    assert list(store.files("")) == []
    assert store.put(io.BytesIO(content), "big", len(content)).size_bytes == len(content)


def refusal(code: str, more: str = "") -> Answer:
    """What S3 answers to a request that it does not take."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.</Message>{more}</Error>"
    return Answer(status=403, body=body.encode())


def test_the_storage_class(storage: S3Storage, proxy: ReverseProxy, address: str) -> None:
    store = bucket(storage, endpoint=address, storage_class="STANDARD_IA")
    store.put_bytes(b"small", "small")
    store.put(io.BytesIO(bytes(10 * 2**20)), "large", 10 * 2**20)
    begun = [
        each for each in proxy.asked if each.method in {"PUT", "POST"} and "partNumber" not in each.target
    ]
    classes = [each.headers.get("x-amz-storage-class") for each in begun if "uploadId" not in each.target]
    assert classes == ["STANDARD_IA", "STANDARD_IA"]


def test_a_proxy_is_gone_through(storage: S3Storage, proxy: ReverseProxy, address: str) -> None:
    put(bucket(storage, proxy=address))
    assert all(each.target.startswith(str(storage.endpoint)) for each in proxy.asked)
    assert proxy.asked


def test_a_bucket_before_the_host(storage: S3Storage, proxy: ReverseProxy, address: str) -> None:
    """By a proxy, which needs no name service for the bucket's name."""
    proxy.answers = [Answer(status=404)]
    store = bucket(storage, endpoint="http://s3.example", addressing="virtual_host", proxy=address)
    assert store.mark() is None
    assert proxy.asked[0].target.startswith(
        f"http://{storage.bucket}.s3.example/{storage.prefix}storage.json"
    )


def test_a_private_authority_is_trusted_where_it_is_named(
    storage: S3Storage, proxy: ReverseProxy, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "authority")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*authority.issue("server"))
    with proxy.open(tls) as address:
        put(bucket(storage, endpoint=address, ca_file=authority.file))
        asked = len(proxy.asked)
        with pytest.raises(StoreError, match="The storage s3 cannot be used"):
            bucket(storage, endpoint=address).mark()
    assert len(proxy.asked) == asked


def test_what_is_no_certificate_is_refused_before_anything_is_asked(
    storage: S3Storage, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----\n")
    with pytest.raises(errors.ConfigError, match="Storage s3 cannot be used") as refused:
        bucket(storage, ca_file=tmp_path / "ca.pem")
    assert "secret" not in str(refused.value)


def test_a_slow_answer_takes_what_it_takes(
    storage: S3Storage, proxy: ReverseProxy, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is for silence: this object takes longer than that, and never so long between two pieces."""
    bucket(storage).put_bytes(bytes(1000), "object")
    monkeypatch.setattr(buckets, "SILENCE", "4s")
    monkeypatch.setattr(buckets, "RETRY", {"max_retries": 0})
    proxy.pieces, proxy.pause = 10, 0.5
    assert bucket(storage, endpoint=address).read("object") == bytes(1000)


def test_an_answer_that_stops_is_an_error(
    storage: S3Storage, proxy: ReverseProxy, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket(storage).put_bytes(bytes(1000), "object")
    monkeypatch.setattr(buckets, "SILENCE", "1s")
    monkeypatch.setattr(buckets, "RETRY", {"max_retries": 0})
    proxy.pieces, proxy.stops_after = 10, 5
    with pytest.raises(StoreError, match="object"):
        bucket(storage, endpoint=address).read("object")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as ever, with short pauses."""
    quick = {"init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=5)}
    monkeypatch.setattr(buckets, "RETRY_SENDING", {**buckets.RETRY_SENDING, "backoff": quick})
    monkeypatch.setattr(retries, "PAUSES", (0.01, 0.01, 0.01))


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_is_busy_is_asked_again(
    storage: S3Storage, proxy: ReverseProxy, address: str, status: int
) -> None:
    proxy.answers = [Answer(status=status), Answer(status=status)]
    store = bucket(storage, endpoint=address)
    store.put_bytes(b"bytes", "object")
    assert store.read("object") == b"bytes"
    assert [each.method for each in proxy.asked] == ["PUT", "PUT", "PUT", "HEAD", "GET"]


@pytest.mark.usefixtures("hasty")
def test_a_part_that_is_refused_for_a_while_ends_no_upload(
    storage: S3Storage, proxy: ReverseProxy, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = [Answer(status=503, headers={"Retry-After": "1"})] * 8

    def refuses(asked: Request) -> Answer | None:
        return busy.pop() if "partNumber=2" in asked.target and busy else None

    monkeypatch.setattr(proxy, "wants", refuses)
    put(bucket(storage, endpoint=address))
    assert not busy


@pytest.mark.usefixtures("hasty")
def test_a_server_that_stays_busy_is_told_of(
    storage: S3Storage, proxy: ReverseProxy, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "wants", lambda _asked: Answer(status=503))
    with pytest.raises(StoreError) as refused:
        bucket(storage, endpoint=address).put_bytes(b"bytes", "object")
    assert "storages.s3.rate_limit" in refused.value.remedy


@pytest.mark.usefixtures("hasty")
def test_a_range_that_is_cut_off_is_fetched_again(
    storage: S3Storage, proxy: ReverseProxy, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client does not do that: what has begun to come is not repeated."""
    cut = [Answer(status=206, headers=CUT_OFF, body=b"the beginning") for _ in range(2)]

    def cuts(asked: Request) -> Answer | None:
        return cut.pop() if cut and asked.method == "GET" and "range" in asked.headers else None

    monkeypatch.setattr(proxy, "wants", cuts)
    put(bucket(storage, endpoint=address))
    assert not cut


@pytest.mark.parametrize("size", [100, 10 * 2**20])
def test_an_object_that_is_replaced_while_it_is_read_is_told(storage: S3Storage, size: int) -> None:
    store, content = bucket(storage), bytes(30 * 2**20)
    store.put(io.BytesIO(content), "object", len(content))
    with store.open("object", len(content)) as stream:
        stream.read(1)
        store.put(io.BytesIO(b"x" * size), "object", size)
        with pytest.raises(Damaged, match=f"object has {size} of"):
            stream.read()


@pytest.mark.parametrize(("code", "is_lasting"), [("AccessDenied", True), ("ExpiredToken", False)])
def test_what_would_be_refused_again_is_told_from_what_would_not(
    storage: S3Storage, proxy: ReverseProxy, address: str, code: str, is_lasting: bool
) -> None:
    proxy.answers = [refusal(code)]
    with pytest.raises(StoreError) as refused:
        bucket(storage, endpoint=address).put_bytes(b"content", "any")
    assert isinstance(refused.value, Lasting) is is_lasting

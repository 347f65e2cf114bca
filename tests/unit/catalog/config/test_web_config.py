"""The web configuration file: what it may say, and what is said about what it may not."""

import re
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import web_config as config
from pgbackstop_catalog.config.yaml_file import BadConfig
from pgbackstop_exporter import main

HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "exporter.md"
PAIR = "  cert_file: a\n  key_file: b\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "web.yml"
    path.write_text(text)
    return path


def tls(folder: Path, lines: str) -> config.TlsConfig:
    found = config.load(write(folder, f"tls_server_config:\n{PAIR}{lines}")).tls_server_config
    assert found is not None
    return found


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "tls_server_config:\nbasic_auth_users:\n", "tls_server_config: {}\n"]
)
def test_a_file_that_asks_for_nothing(tmp_path: Path, text: str) -> None:
    assert config.load(write(tmp_path, text)) == config.WebConfig()


def test_paths_count_from_the_folder_of_the_file(tmp_path: Path) -> None:
    found = tls(tmp_path, "  client_ca_file: /etc/ca\n  client_auth_type: RequireAndVerifyClientCert\n")
    assert found.files == (tmp_path / "a", tmp_path / "b", Path("/etc/ca"))


def test_what_is_left_out_or_blank_is_the_formats_default(tmp_path: Path) -> None:
    found = tls(tmp_path, "  client_ca_file: ''\n  cipher_suites:\n")
    assert (found.min_version, found.max_version) == ("TLS12", "TLS13")
    assert found.client_auth_type == "NoClientCert"
    assert found.prefer_server_cipher_suites
    assert not found.verifies_clients


def test_suites_have_the_names_of_openssl(tmp_path: Path) -> None:
    names = "[TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256]"
    assert tls(tmp_path, f"  cipher_suites: {names}\n").openssl_ciphers == ["ECDHE-RSA-CHACHA20-POLY1305"]


def test_numbers_are_taken_for_text_and_blank_headers_for_none(tmp_path: Path) -> None:
    text = "http_server_config:\n  headers:\n    X-XSS-Protection: 0\n    X-Frame-Options: ''\n"
    assert config.load(write(tmp_path, text)).http_server_config.headers == {"X-XSS-Protection": "0"}


@pytest.mark.parametrize(("text", "seconds"), [("100ms", 0.1), ("0", 0.0), ("1m30s", 90.0)])
def test_the_rate_limits_interval(tmp_path: Path, text: str, seconds: float) -> None:
    found = config.load(write(tmp_path, f"rate_limit:\n  interval: {text}\n  burst: 1\n"))
    assert found.rate_limit.interval == seconds


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("min_version: TLS10", "min_version: TLS10 is broken (RFC 8996)"),
        ("max_version: TLS11", "max_version: TLS11 is broken"),
        ("min_version: SSL3", "unknown version 'SSL3'; write one of TLS12, TLS13"),
        ("{min_version: TLS13, max_version: TLS12}", "min_version TLS13 is above max_version TLS12"),
        ("client_auth_type: RequestClientCert", "RequestClientCert lets certificates in that nobody"),
        ("client_auth_type: RequireAnyClientCert", "write RequireAndVerifyClientCert"),
        ("client_auth_type: RequireClientCert", "write RequireAndVerifyClientCert"),
        ("client_auth_type: Maybe", "unknown policy 'Maybe'; write one of NoClientCert"),
        ("client_ca_file: c", "and no policy; add client_auth_type: RequireAndVerifyClientCert"),
        ("client_allowed_sans: [a]", "client_allowed_sans needs client_auth_type"),
        ("cipher_suites: [RC4]", "cipher_suites.0: unknown cipher suite 'RC4'; write one of TLS_ECDHE"),
        ("cipher_suites: RC4", "cipher_suites: must be a list"),
        ("{max_version: TLS12, cipher_suites: [TLS_AES_128_GCM_SHA256]}", "none that TLS 1.2 can use"),
        ("curve_preferences: [X448]", "unknown curve 'X448'"),
        ("curve_preferences: [X25519, CurveP256]", "keep one, or remove the key"),
        ("cert: x", "cert and cert_file are both given; keep one of them"),
        ("crt_file: x", "tls_server_config.crt_file: unknown key; remove it"),
    ],
)
def test_what_the_tls_section_may_not_say(tmp_path: Path, lines: str, problem: str) -> None:
    rows = lines.strip("{}").replace(", max", "\n  max").replace(", cipher", "\n  cipher")
    with pytest.raises(BadConfig) as refused:
        tls(tmp_path, f"  {rows}\n")
    assert problem in str(refused.value)
    assert re.match(rf"{tmp_path}/web.yml:\d+: tls_server_config", str(refused.value))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tls_server_config: {min_version: TLS13}", "tls_server_config: has no cert_file; add cert_file"),
        ("tls_server_config: {cert_file: a}", "has no key_file; add it"),
        ("tls_server_config: yes", "must be a mapping"),
        ("basic_auth_users: {alice: secret}", "basic_auth_users.alice: is no bcrypt hash; make one with"),
        ("basic_auth_users: {alice: }", "basic_auth_users.alice: must be text"),
        ("basic_auth_users: [alice]", "must be a mapping"),
        ("basic_auth_users: {a: b, a: c}", "a second time"),
        ("http_server_config: {headers: {X-Powered-By: us}}", "unknown header 'X-Powered-By'; write one of"),
        (
            "http_server_config: {headers: {X-Frame-Options: no}}",
            "http_server_config.headers.X-Frame-Options",
        ),
        ("http_server_config: {headers: {X-Frame-Options: allow}}", "write one of deny, sameorigin"),
        ('http_server_config: {headers: {X-XSS-Protection: "a\\r\\nb: c"}}', "must be one line"),
        ("rate_limit: {interval: 1s}", "write burst: 1 or more"),
        ("rate_limit: {interval: often, burst: 1}", "is no duration"),
        ("users: {}", "web.yml:1: users: unknown key; remove it"),
        ("[]", "must be a mapping"),
        ("a: [", "(YAML)"),
    ],
)
def test_what_the_file_may_not_say(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(errors.ConfigError) as refused:
        config.load(write(tmp_path, text))
    assert problem in str(refused.value)
    assert "secret" not in str(refused.value)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="it is a folder"):
        config.load(tmp_path)
    (tmp_path / "web.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(errors.ConfigError, match="no UTF-8 text"):
        config.load(tmp_path / "web.yml")


def test_no_secret_is_shown_by_the_values() -> None:
    found = config.WebConfig(
        tls_server_config=config.TlsConfig(cert="c", key="PRIVATE"), basic_auth_users={"a": HASH}
    )
    assert "PRIVATE" not in repr(found)
    assert HASH not in repr(found)


def keys() -> set[str]:
    """Of the file and its sections."""
    models = (config.WebConfig, config.TlsConfig, config.HttpConfig, config.RateLimit)
    return {name for each in models for name in each.model_fields}


def test_every_key_and_every_flag_is_in_the_reference() -> None:
    text = REFERENCE.read_text()
    assert {key for key in keys() if not re.search(rf"\b{key}:", text)} == set()
    flags = re.findall(r"--[a-z.-]+", main.parser().format_help())
    assert {flag for flag in flags if f"`{flag}`" not in text} == set()
    assert {name for name in (*config.HEADERS, *config.CURVES) if name not in text} == set()


def test_the_references_example_is_read(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", REFERENCE.read_text(), re.DOTALL)
    assert example is not None
    found = config.load(write(tmp_path, example.group(1)))
    assert found.tls_server_config is not None
    assert found.tls_server_config.verifies_clients
    assert found.rate_limit.burst == 20

"""Single sign-on in Debian's Chromium, by a real and certified provider with a private authority."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from pgbackstop_catalog.config.oidc import CALLBACK
from tests.integration.console.conftest import PASSWORD, Site, console, running
from tests.support import ports, storages
from tests.support.certificates import Authority
from tests.support.install_oidc_provider import PACKAGES, PROGRAM

PATIENCE = 60_000.0  # milliseconds; only what is broken ever takes so long
SECRET = "as long as it takes"


@dataclass(kw_only=True)
class SignOn:
    site: Site
    provider: subprocess.Popen[bytes]

    def audit(self) -> str:
        return (self.site.folder / "store" / "catalog" / "state" / "console-audit.jsonl").read_text()


@contextlib.contextmanager
def provided(authority: Authority, port: int, redirect_uri: str) -> Iterator[subprocess.Popen[bytes]]:
    node = shutil.which("node")
    if node is None or not PACKAGES.is_current():
        pytest.skip("no OpenID Connect provider: make test-tools installs it where npm is")
    certificate, key = authority.issue("provider")
    both = certificate.with_name("both.pem")
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    environment = os.environ | {
        "MODULES": str(PACKAGES.modules),
        "CERTIFICATE": str(both),
        "SECRET": SECRET,
    }
    with subprocess.Popen(
        [node, str(PROGRAM), str(port), redirect_uri],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as started:
        try:
            assert started.stdout is not None
            assert started.stdout.readline() == b"listening\n"
            yield started
        finally:
            started.kill()


@pytest.fixture
def sign_on(tmp_path: Path) -> Iterator[SignOn]:
    authority, port, provider_port = Authority(tmp_path / "authority"), ports.free(), ports.free()
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    settings = {
        "name": "House of keys",
        "issuer": f"https://localhost:{provider_port}",
        "client_id": "pgbackstop",
        "client_secret_file": str(secret),
        "roles": {"operator": ["olga"], "viewer": ["vera"]},
        "ca_file": str(authority.file),
    }
    document = {
        "servers": {"main": {"host": "127.0.0.1", "port": ports.free()}},
        "storages": {"disk": {"kind": "folder", "path": "store", "reserve": 0}},
        "console": console(port) | {"oidc": settings},
    }
    file = tmp_path / "pgbackstop.yaml"
    file.write_text(yaml.safe_dump(document))
    storages.create_for(file)
    redirect_uri = f"http://127.0.0.1:{port}{CALLBACK}"
    with (
        provided(authority, provider_port, redirect_uri) as provider,
        running(tmp_path, file, port) as site,
    ):
        yield SignOn(site=site, provider=provider)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        ignore_https_errors=True
    )  # of the provider: its authority is the tests' own
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def sign_in(page: Page, sign_on: SignOn, name: str) -> None:
    page.goto(sign_on.site.address)
    page.get_by_role("link", name="Log in by House of keys").click()
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def test_people_come_by_their_groups_and_by_a_password_when_the_provider_is_gone(
    sign_on: SignOn, page: Page
) -> None:
    sign_in(page, sign_on, "olga")
    expect(page.get_by_text("olga (House of keys) · operator")).to_be_visible(timeout=PATIENCE)
    expect(page).to_have_url(f"{sign_on.site.address}/")
    page.reload()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("link", name="Log out of House of keys, too").click()
    page.get_by_role("button", name=re.compile("Yes, sign me out")).click()
    page.wait_for_url(f"{sign_on.site.address}/login*")
    sign_in(page, sign_on, "mallory")
    expect(page.get_by_role("alert")).to_contain_text("mallory (House of keys) may not enter")
    sign_on.provider.kill()
    sign_on.provider.wait()
    page.goto(sign_on.site.address)
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_text("vera · viewer")).to_be_visible(timeout=PATIENCE)
    audit = sign_on.audit()
    assert '"olga (House of keys)"' in audit
    assert "refused: House of keys: mallory" in audit
    assert SECRET not in audit + (sign_on.site.folder / "log").read_text()

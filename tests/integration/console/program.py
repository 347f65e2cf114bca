"""A program that uses the API, each of whose answers must be as the document says."""

import json
import re
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest

from pgbackstop_catalog.config.oidc import Role
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner import workspace
from pgbackstop_runner.console import tokens
from pgbackstop_runner.console.api import document
from pgbackstop_runner.console.api.endpoint import BASE
from tests.integration.console.conftest import Answer, Site, Visit

WHOLE: dict[str, Any] = json.loads(document.text())
HOUR = 3600.0


@dataclass(kw_only=True)
class Program:
    """Somebody with a token, or with none. What is answered must be as the document says."""

    visit: Visit
    secret: str = ""

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        content = None if body is None else json.dumps(body)
        kind = {} if content is None else {"Content-Type": "application/json"}
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(method, path, content, {**kind, **sent})

    def send(self, method: str, path: str, body: str | bytes | None, sent: dict[str, str]) -> Answer:
        token = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        cookie = {"Cookie": self.visit.cookie} if self.visit.cookie else {}
        answer = self.visit.send(method, BASE + path, body, {**token, **cookie, **sent})
        check(method, BASE + path.partition("?")[0], answer)
        return answer

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return json.loads(answer.text)


def check(method: str, path: str, answer: Answer) -> None:
    """Each answer is one that the document announces, in the shape that it gives."""
    if answer.status >= 400:
        assert answer.headers["Content-Type"].startswith("application/problem+json"), answer
        assert json.loads(answer.text)["status"] == answer.status
        validate(json.loads(answer.text), {"$ref": "#/components/schemas/Problem"})
    found = [each for each in WHOLE["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each), path)]
    if not found or method.lower() not in WHOLE["paths"][found[0]]:
        assert answer.status in {404, 405}, answer
        return
    responses = WHOLE["paths"][found[0]][method.lower()]["responses"]
    assert str(answer.status) in responses, (method, path, answer)
    if answer.status < 400:
        schema = responses[str(answer.status)]["content"]["application/json"]["schema"]
        validate(json.loads(answer.text), schema)


def validate(value: object, schema: dict[str, Any]) -> None:
    jsonschema.validate(value, {**schema, "components": WHOLE["components"]})


def token(site: Site, name: str, role: Role, seconds: float = HOUR) -> Program:
    opened = workspace.open_workspace(site.folder / "pgbackstop.yaml", lambda error: pytest.fail(str(error)))
    # One that has ended was good once.
    made = utc_now() if seconds > 0 else utc_now().replace(year=2020)
    secret, _ = tokens.create(opened, name, role, seconds=abs(seconds), operator="us", now=made)
    return Program(visit=site.visit(), secret=secret)


def over(program: Program, place: str) -> Any:
    found = program.get(place)
    return found if found["state"] not in {"running", "ending"} else None

"""Where servers are learned from: lists in Prometheus' formats, in files or by HTTP."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from pgbackstop_catalog.config.types import Duration, HttpAddress
from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records.attempt import Name


class Discovery(Model):
    """A list of servers that somebody else keeps, as Prometheus takes it by file_sd and http_sd. The last
    good one counts until there is another.
    """

    files: tuple[Path, ...] = Field(
        default=(), description="files of that format, .json, .yml or .yaml; * stands for any letters"
    )
    url: HttpAddress | None = Field(default=None, description="or the address that gives it, as JSON")
    token_file: Path | None = Field(
        default=None, description="with url: a file, mode 0600, with the token that is sent as Bearer"
    )
    interval: Duration = Field(default=60.0, ge=5, description="how often the daemon asks for it")
    max_age: Duration = Field(
        default=3600.0,
        gt=0,
        description="how long its list may go without being taken before an alert says so",
    )
    timeout: Duration = Field(default=10.0, gt=0, le=300, description="with url: how long each step may take")
    group: Name | None = Field(default=None, description="the group of its servers where it names none")

    @model_validator(mode="after")
    def _one_way(self) -> Discovery:
        if bool(self.files) == (self.url is not None):
            msg = "give files or url, one of them"
            raise ValueError(msg)
        if self.token_file is not None and self.url is None:
            msg = "token_file is for a url"
            raise ValueError(msg)
        return self

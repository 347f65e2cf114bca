"""Files that somebody made to hang, fill or break the reader: one refused file each, with a sentence."""

import os
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import load, locate_catalog, web_config, yaml_file

GOOD = "servers: {main: {}}\nstorages: {disk: {path: /s}}\n"
HOSTILE = {
    "no date": "foo: 2001-99-99",
    "a tag of nobody": "foo: !bar x",
    "a tag of Python": "foo: !!python/object/apply:os.system [id]",
    "no truth": "foo: !!bool x",
    "no bytes": "foo: !!binary '=='",
    "a list as key": "{? [a, b] : c}",
    "a list to merge": "<<: [1, 2]",
    "text to merge": "<<: x",
    "a circle": "a: &a [*a]",
    "a circle of merges": "a: &a {<<: *a}",
    "an alias of nothing": "a: *b",
    "aliases that multiply": "\n".join(
        ["x0: &x0 {a: 1, b: 2}", *(f"x{n}: &x{n} {{a: *x{n - 1}, b: *x{n - 1}}}" for n in range(1, 30))]
    ),
    "aliases that go deep": "\n".join(["x0: &x0 []", *(f"x{n}: &x{n} [*x{n - 1}]" for n in range(1, 100))]),
    "a deep list": "a: " + "[" * 50_000,
    "a deep mapping": "a: " + "{a: " * 3_000 + "1" + "}" * 3_000,
    "deep by indentation": "\n".join(" " * n + "a:" for n in range(1_000)),
    "a port of 6,000 digits": "servers: {main: {port: " + "9" * 6_000 + "}}",
    "a number of base 60": "servers: {main: {port: 1" + ":59" * 5_000 + "}}",
    "no unicode": 'a: "\\ud800"',
    "a NUL": 'catalog: "/tmp/a\\0b"',
    "two documents": "a: 1\n---\nb: 1",
    "not closed": "a: [1",
    "a home of nobody": GOOD + "catalog: ~nosuchuser/x",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pgbackstop.yaml"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_with_a_sentence(file: Path, text: str) -> None:
    file.write_text(text)
    for read in (load.load, locate_catalog.named_by, web_config.load):
        with pytest.raises(errors.ConfigError) as refused:
            read(file)
        assert str(refused.value).startswith(f"{file}:")
        assert len(str(refused.value)) < 5_000


def test_where_the_slip_is(file: Path) -> None:
    file.write_text(GOOD + "log:\n  level: 2001-99-99\n")
    with pytest.raises(yaml_file.BadConfig) as refused:
        load.load(file)
    assert str(refused.value) == (
        f"{file}:4: (YAML): is read as timestamp and is none; quote it; mend the syntax here or just above"
    )


def test_a_home_of_nobody_names_its_key(file: Path) -> None:
    file.write_text(GOOD + "catalog: ~nosuchuser/x\n")
    with pytest.raises(yaml_file.BadConfig, match=r":3: catalog: '~nosuchuser/x' names a home"):
        locate_catalog.named_by(file)


def test_aliases_that_stand_for_little_are_welcome(file: Path) -> None:
    file.write_text("x: &x {host: a}\nservers: {main: *x, other: {<<: *x, port: 5433}}\n")
    found = yaml_file.read(file, what="The file", remedy="")
    assert found.value["servers"] == {"main": {"host": "a"}, "other": {"host": "a", "port": 5433}}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "it is no regular file"),
        (lambda file: file.symlink_to("/dev/zero"), "it is no regular file"),
        (lambda file: file.symlink_to(file), "it is no regular file"),
        (lambda file: file.mkdir(), "it is a folder"),
        (lambda file: file.write_text("#" * 1_000_001), "it is larger than 1000000 bytes"),
        (lambda file: file.write_bytes(b"\xff"), "it is no UTF-8 text"),
    ],
    ids=["a pipe", "a device", "a circle", "a folder", "too large", "binary"],
)
def test_what_is_no_file_is_not_waited_for(file: Path, make: object, reason: str) -> None:
    assert callable(make)
    make(file)
    for read in (load.load, locate_catalog.named_by, web_config.load):
        with pytest.raises(errors.ConfigError, match=reason):
            read(file)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("daemon: {stop_timeout: .inf}", "daemon.stop_timeout: "),
        ("daemon: {stop_timeout: .nan}", "daemon.stop_timeout: "),
        ("daemon: {stop_timeout: 1.0e+300}", "daemon.stop_timeout: "),
        (f"daemon: {{stop_timeout: {'9' * 30}d}}", "is more than a century"),
        (f"daemon: {{stop_timeout: {'9' * 300_000}}}", ":2: (YAML): is read as int and is none"),
        (f"daemon: {{stop_timeout: '{'9' * 300_000}'}}", "is no duration"),
        (f"storages: {{disk: {{path: /s, reserve: {'9' * 30}TB}}}}", "is more than any disk holds"),
        (f"storages: {{disk: {{path: /s, reserve: '{'9' * 300_000}x'}}}}", "is no size"),
    ],
)
def test_numbers_without_bounds_are_refused(file: Path, setting: str, sentence: str) -> None:
    file.write_text("servers: {main: {}}\n" + setting + "\n")
    with pytest.raises(errors.ConfigError) as refused:
        load.load(file)
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 2_000

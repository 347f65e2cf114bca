"""The console in other languages: all that it says has a translation, and numbers are written as there."""

import gettext
import io
import re
import string
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest
from jinja2 import nodes

from pgbackstop_catalog import units
from pgbackstop_catalog.text import Said, joined, said
from pgbackstop_runner.console import language, render
from pgbackstop_runner.overview import words
from pgbackstop_runner.recover import integrity_checks
from pgbackstop_runner.restore import content_checks, plan_text
from tests.support import translations

RUSSIAN = language.language("ru")
OURS = {"UTC", "WAL", "PostgreSQL", "pgbackstop", "SHA256SUMS"}


def each_of(texts: Any) -> tuple[str, ...]:
    """Of the singular and the plural, where it has both."""
    return tuple(texts) if isinstance(texts, tuple) else (texts,)


def fields(pattern: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None}


def test_all_that_the_console_says_is_in_the_catalog_and_nothing_else() -> None:
    """Mend it by ``python -m tests.support.translations``, and translate what is new."""
    known = {message.id for message in translations.translated("ru") if message.id}
    assert known == translations.said()


def test_each_sentence_has_a_translation_with_the_same_values() -> None:
    for message in translations.translated("ru"):
        if not message.id:
            continue
        patterns, made = each_of(message.id), each_of(message.string)
        assert all(made), message.id
        assert not message.fuzzy, message.id
        assert len(made) == (3 if len(patterns) > 1 else 1), message.id
        wanted = set.union(*map(fields, patterns))
        for each in made:
            assert fields(each) - {"n"} == wanted - {"n"}, each
            assert fields(each) <= wanted | ({"n"} if len(patterns) > 1 else set()), each


def test_what_the_console_reads_is_what_was_translated() -> None:
    found = gettext.GNUTranslations(io.BytesIO(translations.compiled(translations.translated("ru"))))
    file = translations.FOLDER / "ru.mo"
    with file.open("rb") as opened:
        assert vars(gettext.GNUTranslations(opened))["_catalog"] == vars(found)["_catalog"]


class _Texts(HTMLParser):
    """What a person reads in a template that nobody translates."""

    found: str = ""

    def handle_data(self, data: str) -> None:
        self.found += f" {data} "

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "meta":
            return
        said = {"title", "placeholder", "alt", "aria-label", "data-label"}
        self.found += "".join(f" {value} " for name, value in attrs if name in said)


def untranslated(source: str, environment: jinja2.Environment) -> set[str]:
    parser = _Texts()
    for data in environment.parse(source).find_all(nodes.TemplateData):
        parser.feed(data.data)
    return set(re.findall(r"[A-Za-z]{2,}", parser.found)) - OURS


def test_no_template_says_anything_that_cannot_be_translated() -> None:
    environment = render.environment()
    assert untranslated('<p title="here">A {{ _("word") }}</p> left', environment) == {"here", "left"}
    for path in translations.TEMPLATES.glob("*.html"):
        assert untranslated(path.read_text(), environment) == set(), path.name


def put_together() -> Iterator[Said]:
    """Sentences whose pattern is made when they are said."""
    yield from (units.format_size(10**power) for power in range(14))
    yield from (units.format_count(1, what) for what in ("table", "WAL segment", "segment"))
    yield from (units.format_duration(seconds) for seconds in (1, 30, 100, 5000, 10**6))


def test_sizes_and_durations_have_a_translation() -> None:
    known = {each_of(message)[0] for message in translations.said()}
    assert {made.pattern for made in put_together()} <= known


def test_every_step_of_an_operation_is_a_word() -> None:
    source = "".join(path.read_text() for path in (translations.ROOT / "runner").rglob("*.py"))
    steps = set(re.findall(r'(?:\.step\(|_step\(request, current, )"([^"]+)"', source))
    assert len(steps) > 20
    assert steps <= translations.said()


def test_every_check_of_a_restore_or_recovery_is_a_word() -> None:
    source = "".join(Path(str(each.__file__)).read_text() for each in (content_checks, integrity_checks))
    found = set(re.findall(r'CheckResult\(\s*name="([^"]+)"', source))
    assert len(found) > 7
    assert found <= translations.said()


def test_what_a_plan_names_is_a_word() -> None:
    found = set(re.findall(r'yield\s+\(?\s*"([^"]+)",', Path(plan_text.__file__).read_text()))
    assert len(found) > 15
    assert {each if each.isupper() else each.capitalize() for each in found} <= translations.said()


def test_numbers_dates_and_plurals_are_those_of_the_language() -> None:
    moment = datetime(2026, 11, 22, 2, 3, 4, tzinfo=UTC)
    assert RUSSIAN.sentence(words.shown(moment)) == "22.11.2026 02:03:04"
    assert RUSSIAN.sentence(units.format_size(1_234_000_000)) == "1,2 ГБ"
    assert RUSSIAN.sentence(units.format_duration(93_784)) == "1 д 2 ч"
    assert RUSSIAN.number(1204331) == "1\u00a0204\u00a0331"
    counted = [RUSSIAN.sentence(units.format_count(n, "table")) for n in (1, 2, 5, 11, 21, 1204)]
    assert counted == ["1 таблица", "2 таблицы", "5 таблиц", "11 таблиц", "21 таблица", "1\u00a0204 таблицы"]
    assert language.language("en").sentence(units.format_count(1204, "table")) == "1,204 tables"


def test_what_a_sentence_is_made_of_is_said_in_the_language_too() -> None:
    age = said("the newest drill is {age} old", age=units.format_duration(7500))
    whole = joined("; ", [age, "as a program {said} it"])
    assert RUSSIAN.sentence(whole) == "последнему пробному восстановлению 2 ч 05 мин; as a program {said} it"


def test_values_are_escaped_and_markup_is_not() -> None:
    made = RUSSIAN.say("Plan {name}", name="<b>&")
    assert made == "План &lt;b&gt;&amp;"
    assert RUSSIAN.say("Plan {name}", name=made) == "План План &lt;b&gt;&amp;"


def test_of_an_unknown_word_nothing_is_made() -> None:
    assert RUSSIAN.word("{nothing} of 100%") == "{nothing} of 100%"
    assert RUSSIAN.word("") == ""
    assert RUSSIAN.sentence("Plan {name}") == "Plan {name}"


@pytest.mark.parametrize(
    ("chosen", "accepted", "wanted"),
    [
        ("", "", "en"),
        ("", "ru-RU,ru;q=0.9,en-US;q=0.8", "ru"),
        ("", "de,ru;q=0.5,en;q=0.7", "en"),
        ("", "de,en;q=0.1,ru;q=0.5", "ru"),
        ("", "ru;q=0", "en"),
        ("", "fr, *;q=0.5", "en"),
        ("en", "ru", "en"),
        ("ru", "en", "ru"),
        ("../../etc", "ru", "ru"),
        ("", "ru;q=x, ;;;=, \x00, q=1," + "de," * 10_000, "en"),
    ],
)
def test_the_language_is_the_chosen_one_else_the_browsers(chosen: str, accepted: str, wanted: str) -> None:
    assert language.wanted(chosen, accepted) == wanted

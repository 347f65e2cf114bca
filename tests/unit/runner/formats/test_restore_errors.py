"""What pg_restore and psql say of entries that failed, as they said it."""

import pytest

from pgbackstop_runner.formats.restore_errors import ArchiveErrors, Contents, ScriptErrors, _Room, has_rows_of
from pgbackstop_runner.formats.sql_script import Statement

LIST = (
    ";     TOC Entries: 4",
    "215; 1259 16385 TABLE public goods postgres",
    "3400; 0 16385 TABLE DATA public goods postgres",
    "3401; 0 16390 TABLE DATA public conf postgres",
    "3210; 2606 16394 FK CONSTRAINT public orders orders_good_fkey postgres",
    "3211; 1259 16395 INDEX public goods_name postgres",
)
AFTER_DATA = LIST[4:]
KEY = (
    "pg_restore: from TOC entry 3210; 2606 16394 FK CONSTRAINT orders orders_good_fkey postgres",
    'pg_restore: error: could not execute query: ERROR:  insert or update on table "orders" violates it',
    "DETAIL:  Key (good)=(7) is not present.",
    "Command was: ALTER TABLE ONLY public.orders",
    "    ADD CONSTRAINT orders_good_fkey FOREIGN KEY (good) REFERENCES public.goods(id);",
    "",
)
INDEX = (
    "pg_restore: from TOC entry 3211; 1259 16395 INDEX goods_name postgres",
    "pg_restore: error: could not execute query: ERROR:  function helper(text) does not exist",
    "Command was: CREATE INDEX goods_name ON public.goods USING btree (public.plainly(name));",
)
ROWS = (
    "pg_restore: from TOC entry {}; 0 16385 TABLE DATA goods postgres",
    'pg_restore: error: COPY failed for table "goods": ERROR:  duplicate key value',
    "CONTEXT:  COPY goods, line 1",
)
NOISE = (
    "pg_restore: launching item 3211 INDEX goods_name",
    "pg_restore: finished item 3211 INDEX goods_name",
)


def heard(*lines: str, ignored: int = 0) -> ArchiveErrors:
    errors = ArchiveErrors(contents=Contents.of(LIST, AFTER_DATA, "UTF8"))
    for line in lines:
        errors.hear(line)
    if ignored:
        errors.hear(f"pg_restore: warning: errors ignored on restore: {ignored}")
    return errors


def test_an_error_among_the_words_of_another_job_is_known_by_its_entry() -> None:
    """Jobs write a line in several pieces: "finished item 7 …" and "error: " may share one."""
    mixed = "pg_restore: finished item 3400 TABLE DATA goodserror: could not execute query: ERROR:  violates"
    errors = heard(KEY[0], mixed, ignored=2)
    (missing,) = errors.missing() or ()
    assert missing.entry == "FK CONSTRAINT public orders orders_good_fkey postgres"
    assert "stands among what was said of others" in missing.error
    assert errors.hear(mixed)
    needed = "pg_restore: from TOC entry 3400; 0 16385 TABLE DATA goods postgres"
    assert heard(needed, mixed, ignored=1).missing() is None
    assert heard(KEY[0], mixed).missing() is None


def test_an_entry_that_is_needed_is_known_among_the_words_of_another_job() -> None:
    """One had written "pg_restore: error: " when the other wrote header and error of its own entry."""
    needed = "pg_restore: pg_restore: error: from TOC entry 3400; 0 16385 TABLE DATA goods postgres"
    words = KEY[1].removeprefix("pg_restore: error: ")
    assert heard(KEY[0], needed, words, f"pg_restore: {ROWS[1]}", ignored=3).missing() is None


def test_each_entry_has_its_error_and_its_statement() -> None:
    missing = heard(NOISE[0], *KEY, *NOISE, *INDEX, ignored=2).missing()
    assert missing is not None
    key, index = missing
    assert key.entry == "FK CONSTRAINT public orders orders_good_fkey postgres"
    assert key.error.startswith(
        'ERROR: insert or update on table "orders" violates it DETAIL: Key (good)=(7)'
    )
    assert key.statement.startswith("ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_good_fkey")
    assert index.error == "ERROR: function helper(text) does not exist"


def test_jobs_that_speak_at_the_same_time_lose_no_entry() -> None:
    """A prefix stands before another job's line, and two headers before two errors."""
    lines = (
        KEY[0],
        f"pg_restore: {INDEX[0]}",
        f"pg_restore: {NOISE[0]}",
        KEY[1].removeprefix("pg_restore: "),
    )
    missing = heard(*lines, *KEY[2:], *INDEX[1:], ignored=4).missing()
    assert missing is not None
    assert {each.entry.split()[0] for each in missing} == {"FK", "INDEX"}
    assert len(missing) == 3


def test_rows_of_an_extension_may_be_missing_and_those_of_a_table_may_not() -> None:
    configuration = heard(ROWS[0].format(3401), *ROWS[1:], ignored=1)
    missing = configuration.missing()
    assert missing is not None
    assert has_rows_of(missing, "public", "conf")
    assert not has_rows_of(missing, "public", "con")
    table = heard(ROWS[0].format(3400), *ROWS[1:], *KEY, ignored=2)
    assert table.missing() is None
    assert table.fatal[:2] == list(ROWS[1:])


@pytest.mark.parametrize(
    "lines",
    [
        ("pg_restore: error: could not execute query: ERROR:  unrecognized parameter",),  # of no entry
        (*KEY[:1], "pg_restore: error: could not execute query: server closed the connection unexpectedly"),
        (
            *KEY[:1],
            "pg_restore: error: could not execute query: ERROR:  No space left on device",
        ),
        (),
    ],
)
def test_what_is_no_fault_of_an_entry_ends_it(lines: tuple[str, ...]) -> None:
    assert heard(*lines, ignored=len(lines[-1:])).missing() is None


def test_one_that_does_not_come_to_its_end_says_nothing_of_entries() -> None:
    assert heard(*KEY).missing() is None


SCRIPT = Statement(
    kind="statement",
    text=b"\n--\n-- Name: goods_name; Type: INDEX; Schema: public; Owner: postgres\n--\n\nCREATE INDEX x;",
    code=b"CREATE INDEX x;",
)


@pytest.mark.parametrize("severity", ["ERROR", "FEHLER", "ОШИБКА"])
def test_psql_is_understood_in_any_language(severity: str) -> None:
    errors = ScriptErrors(encoding="UTF8", statements={17: SCRIPT})
    errors.hear("psql:<stdin>:9: NOTICE:  00000: nothing to do")
    errors.hear(f"psql:<stdin>:17: {severity}:  42883: function helper(text) does not exist")
    errors.hear("LOCATION:  ParseFuncOrColumn, parse_func.c:630")
    (missing,) = errors.missing() or ()
    assert missing.entry == "INDEX public goods_name"
    assert (missing.error, missing.statement) == ("function helper(text) does not exist", "CREATE INDEX x;")


@pytest.mark.parametrize("state", ["53100", "53200", "57014", "57P01", "58030"])
def test_what_the_server_lacks_is_no_missing_entry(state: str) -> None:
    errors = ScriptErrors(encoding="UTF8", statements={17: SCRIPT})
    errors.hear(f"psql:<stdin>:17: ERROR:  {state}: whatever it is called")
    assert errors.missing() is None


def test_a_message_without_an_end_takes_no_memory_and_is_no_number() -> None:
    """A function of the database raises what it likes: 10^8 line feeds, what looks like our tool's words."""
    digits = "9" * 5000
    forged = (
        f"pg_restore: warning: errors ignored on restore: {digits}",
        f"pg_restore: from TOC entry {digits}; 1 1 INDEX",
        f"psql:<stdin>:{digits}: ERROR:  42P01: nothing",
    )
    errors = heard(*INDEX, *forged, *INDEX[:2])
    for number in range(100_000):
        errors.hear("")
        errors.hear(f"pg_restore: from TOC entry {number}; 1 1 INDEX")
        errors.hear("pg_restore: error: could not execute query: ERROR:  forged")
        errors.hear("forged")
    kept = (errors.fatal, errors._seen, errors._errors, *(lines for _entry, lines in errors._errors))
    assert max(map(len, kept)) < 2000
    assert errors.missing() is None
    script = ScriptErrors(encoding="UTF8")
    for line in forged:
        script.hear(line)
    assert script.missing() == ()


def test_long_words_of_many_errors_take_bounded_memory_and_name_each_entry() -> None:
    long = "x" * 8000
    archive = ArchiveErrors(contents=Contents.of(LIST, AFTER_DATA, "UTF8"), _room=_Room(letters=20_000))
    script = ScriptErrors(encoding="UTF8", statements={17: SCRIPT}, _room=_Room(letters=20_000))
    for _ in range(100):
        for line in (*INDEX[:2], long):
            archive.hear(line)
        for line in (f"psql:<stdin>:17: ERROR:  P0001: {long}", long):
            script.hear(line)
    assert len("".join(line for _entry, lines in archive._errors for line in lines)) < 100_000
    assert len("".join(script.lines)) < 100_000
    assert {each.entry for each in script.missing() or ()} == {"INDEX public goods_name"}

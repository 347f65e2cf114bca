"""Names in the bytes of a dump, which has the encoding of its database, and inside of us, as text. Pure.

In Japanese and Korean encodings PostgreSQL has more letters than Python, and maps some to others: a name
of the dump would not be what the server, or a person, says. A test compares all that there are.
"""

from __future__ import annotations

import codecs
import re
from functools import cache
from typing import NamedTuple

_OF_POSTGRESQL = re.compile(
    r"(?:LATIN|ISO_8859_|WIN)\d{1,4}|KOI8[RU]|EUC_(?:JP|CN|KR|JIS_2004)|BIG5|GBK|GB18030|UHC|JOHAB"
    r"|SJIS|SHIFT_JIS_2004"
)


def decoded(raw: bytes, encoding: str) -> str:
    """Text of the dump; ``encoding`` is its client_encoding, as PostgreSQL calls it."""
    text = raw.decode(_codec(encoding), errors=_HANDLER)
    return text if raw.isascii() else text.translate(_differences(_codec(encoding)).instead)


def encoded(text: str, encoding: str) -> bytes:
    """The same bytes again."""
    pythons = text if text.isascii() else text.translate(_differences(_codec(encoding)).back)
    return pythons.encode(_codec(encoding), errors=_HANDLER)


def _codec(encoding: str) -> str:
    """Python's name for it: https://www.postgresql.org/docs/current/multibyte.html#MULTIBYTE-CHARSET-SUPPORTED

    SQL_ASCII is whatever the clients sent; what Python does not know (EUC_TW, MULE_INTERNAL) stays as it is.
    Python has more codecs than PostgreSQL has encodings, and somebody may have changed what a dump says.
    """
    if _OF_POSTGRESQL.fullmatch(encoding) is None:
        return "utf-8"
    try:
        return codecs.lookup(encoding.replace("WIN", "cp").replace("KOI8", "koi8_")).name
    except LookupError:
        return "utf-8"


class _Differences(NamedTuple):
    """``letters`` are what Python does not have; ``instead`` is PostgreSQL's for letters of Python's."""

    letters: dict[bytes, str]
    instead: dict[int, int]

    @property
    def back(self) -> dict[int, int]:
        return {ours: pythons for pythons, ours in self.instead.items()}


_HANGUL = {b"\xa2\xe8": "㉾", b"\xa4\xd4": "\u3164"}


@cache
def _differences(codec: str) -> _Differences:
    if codec == "euc_jp":
        instead = str.maketrans("〜‖−¢£¬¦", "～∥－￠￡￢￤")  # noqa: RUF001
        return _Differences(_nec_letters() | _ibm_letters(), instead)
    if codec == "euc_jis_2004":
        return _Differences({}, str.maketrans("￣―￥⦅⦆", "‾—¥｟｠"))
    return _Differences(_HANGUL if codec == "euc_kr" else {}, {})


def _nec_letters() -> dict[bytes, str]:
    """Row 13 of JIS X 0208, as Windows has it (87 40 to 87 9C)."""
    found = {}
    for cell in range(1, 0x5F):
        letter = bytes([0x87, cell + 0x3F + (cell >= 0x40)]).decode("cp932", errors="ignore")
        if letter:
            found[bytes([0xAD, 0xA0 + cell])] = letter
    return found


def _ibm_letters() -> dict[bytes, str]:
    """Those of Windows's from FA 40 to FC 4B that JIS X 0212 does not have, from 8F F3 F3 on."""
    trails = [*range(0x40, 0x7F), *range(0x80, 0xFD)]
    cells = [bytes([lead, trail]) for lead in (0xFA, 0xFB, 0xFC) for trail in trails]
    letters = [each.decode("cp932") for each in cells if each < b"\xfc\x4c"]
    lacking = [each for each in letters if each == "№" or not each.encode("euc_jp", errors="ignore")]
    places = [(0xF3, trail) for trail in range(0xF3, 0xFF)] + [(0xF4, trail) for trail in range(0xA1, 0xFF)]
    others = (each for each in lacking if each not in "￢￤∵")
    return {bytes([0x8F, *place]): letter for place, letter in zip(places, others, strict=True)}


def _undefined(error: UnicodeError) -> tuple[str | bytes, int]:
    """What Python's codec does not know: PostgreSQL's letter, else the byte as it is (surrogateescape)."""
    if isinstance(error, UnicodeDecodeError):
        for size in (3, 2):
            raw = error.object[error.start : error.start + size]
            if letter := _differences(error.encoding).letters.get(raw):
                return letter, error.start + len(raw)
    elif isinstance(error, UnicodeEncodeError):
        for raw, letter in _differences(error.encoding).letters.items():
            if letter == error.object[error.start]:
                return raw, error.start + 1
    return codecs.lookup_error("surrogateescape")(error)


_HANDLER = "pgbackstop_names"
codecs.register_error(_HANDLER, _undefined)

"""Names in the bytes of a dump, which has the encoding of its database, and inside of us, as text. Pure."""

from __future__ import annotations

import codecs


def decoded(raw: bytes, encoding: str) -> str:
    """Text of the dump; ``encoding`` is its client_encoding, as PostgreSQL calls it."""
    return raw.decode(_codec(encoding), errors="surrogateescape")


def encoded(text: str, encoding: str) -> bytes:
    """The same bytes again."""
    return text.encode(_codec(encoding), errors="surrogateescape")


def _codec(encoding: str) -> str:
    """Python's name for it: https://www.postgresql.org/docs/current/multibyte.html#MULTIBYTE-CHARSET-SUPPORTED

    SQL_ASCII is whatever the clients sent; what Python does not know (EUC_TW, MULE_INTERNAL) stays as it is.
    """
    try:
        return codecs.lookup(encoding.replace("WIN", "cp").replace("KOI8", "koi8_")).name
    except LookupError:
        return "utf-8"

"""Entries of a tar file as pg_basebackup writes them: each with one header, which has its name and size."""

from __future__ import annotations

import tarfile
from typing import Self

# Headers about the next entry, which Python reads whole into memory, and one inside of the other; and files
# that are larger than their bytes. A size below zero would take all that follows, and make room for more.
_EXTENDING = frozenset(
    {
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.GNUTYPE_SPARSE,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    }
)


class PlainMember(tarfile.TarInfo):
    """An entry; reading raises tarfile.ReadError for a header that extends another, or has no true size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDING or member.size < 0:
            raise tarfile.ReadError("it has a kind of header that pg_basebackup never writes")
        return member

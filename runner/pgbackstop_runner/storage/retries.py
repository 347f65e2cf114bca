"""What a storage did not do is tried again after growing pauses, unless that changes nothing.

Single requests are repeated by the clients themselves (obstore, asyncssh's connection). This is for what is
larger than one: a range of a long download here, and a whole copy where its file can be opened again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pgbackstop_runner.storage.protocol import Damaged, Lasting, Sealed, StoreError
from pgbackstop_runner.system import log, pauses

PAUSES = (1.0, 5.0, 20.0)  # seconds at most, before each further attempt
FINAL = (Damaged, Lasting, Sealed)  # to try again changes nothing

T = TypeVar("T")


def again(do: Callable[[], T], *, gives_up: Callable[[float], bool]) -> T:
    """What ``do`` returns; ``gives_up`` waits for so many seconds, and says whether nobody wants it any more.

    Raises StoreError: what it raised last, at once where that is final.
    """
    for pause in PAUSES:
        try:
            return do()
        except FINAL:
            raise
        except StoreError as error:
            log.logger().warning("tried again", message=error.problem)
            if gives_up(pauses.left_to_chance(pause)):
                raise
    return do()

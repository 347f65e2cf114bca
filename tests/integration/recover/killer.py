"""``pgbackstop`` that ends by SIGKILL as soon as a file is there: ``killer.py FILE WORDS...``.

Python tells of each file that is opened, moved or removed before that is done, so that nothing that comes
after the file is done, however busy the machine is.
"""

import os
import signal
import sys

from pgbackstop_runner import main

FILE, *WORDS = sys.argv[1:]


def look(_event: str, _given: tuple[object, ...]) -> None:
    if os.path.lexists(FILE):
        signal.raise_signal(signal.SIGKILL)


sys.addaudithook(look)
sys.argv = ["pgbackstop", *WORDS]
main.run()

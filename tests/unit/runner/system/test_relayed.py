"""What a process tells another one of its works, in order."""

import json
import select
import socket
import threading

from pgbackstop_runner.system import relayed
from pgbackstop_runner.system.meter import Work

LONG = 60.0  # seconds


class Slow(Work):
    """A work that takes its time to say how far it has come, when it is asked again."""

    def __init__(self) -> None:
        self.asked, self.answers = threading.Event(), threading.Event()
        super().__init__(what="dump")

    def __getattribute__(self, name: str) -> object:
        if name == "done" and threading.current_thread() is not threading.main_thread():
            self.asked.set()
            assert self.answers.wait(LONG)
        return super().__getattribute__(name)


def test_what_is_repeated_comes_never_after_what_is_newer() -> None:
    source, to = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with source, to:
        source.settimeout(LONG)
        relay, work = relayed._Relay(to), Slow()
        relay.show((work,))
        assert work.asked.wait(LONG)
        ended = threading.Thread(target=relay.show, args=((),))
        ended.start()
        ended.join(1)  # it waits for its turn; without one it would be through by now
        work.answers.set()
        while json.loads(source.recv(1000))["works"]:
            pass
        ended.join()
        assert select.select([source], [], [], 1)[0] == []

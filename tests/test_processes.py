"""Copies of a process: they answer, end when nobody is left to ask them, and pass over signals."""

import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator

import pytest

from twofold.processes import Process, can_copy, processors

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system copies no processes")


def echo(messages: Iterator[bytes], give: Callable[[bytes], None]) -> None:
    for message in messages:
        give(b"%d " % os.getpid() + message)


def test_it_answers_in_order_messages_of_any_length() -> None:
    process = Process(echo)
    sent = [b"", b"a", os.urandom(3_000_000), b"end"]
    got = []
    for message in sent:
        process.send(message)
        got.append(process.receive())
    process.finish()
    answers = [(reply or b"").split(b" ", 1) for reply in got]
    assert [answer for _, answer in answers] == sent
    assert {int(who) for who, _ in answers} != {os.getpid()}
    assert process.receive() is None
    assert process.wait() == 0


def test_each_ends_though_others_live() -> None:
    first = Process(echo)
    second = Process(echo, [first])
    first.finish()
    assert first.receive() is None  # it would never end if the second held its messages open
    assert first.wait() == 0
    second.send(b"still there")
    assert (second.receive() or b"").endswith(b"still there")
    second.finish()
    assert second.wait() == 0


def test_how_it_ended_is_told() -> None:
    def die(messages: Iterator[bytes], give: Callable[[bytes], None]) -> None:
        for message in messages:
            give(message)
            os.kill(os.getpid(), signal.SIGKILL)

    def fail(messages: Iterator[bytes], give: Callable[[bytes], None]) -> None:
        raise RuntimeError(next(messages), give)

    for serve, code in ((die, -signal.SIGKILL), (fail, 1)):
        process = Process(serve)
        process.send(b"now")
        while process.receive() is not None:
            pass
        process.finish()
        assert process.wait() == code


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_signals_are_for_the_process_that_made_it(name: str) -> None:
    process = Process(echo)
    process.send(b"who")
    who = int((process.receive() or b"").split()[0])
    os.kill(who, getattr(signal, name))
    process.send(b"there")
    assert process.receive() == b"%d there" % who
    process.finish()
    assert process.wait() == 0


def test_it_ends_when_the_process_that_made_it_is_killed() -> None:
    code = textwrap.dedent(
        """
        import os, signal
        from twofold.processes import Process

        def serve(messages, give):
            give(b"begun")
            for _ in messages:
                pass

        process = Process(serve)
        process.receive()
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    ours, theirs = os.pipe()  # its end is told once no process holds it any more
    started = subprocess.Popen([sys.executable, "-c", code], pass_fds=[theirs])
    os.close(theirs)
    assert started.wait(30) == -signal.SIGKILL
    assert select.select([ours], [], [], 30)[0] == [ours]
    assert os.read(ours, 1) == b""
    os.close(ours)


def test_no_copy_while_other_threads_are_at_work() -> None:
    code = textwrap.dedent(
        """
        import threading
        from twofold.processes import can_copy
        alone = can_copy()
        gate = threading.Event()
        thread = threading.Thread(target=gate.wait)
        thread.start()
        print(alone, can_copy())
        gate.set()
        thread.join()
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.split() == [b"True", b"False"]
    assert can_copy() is (threading.active_count() == 1)


def test_processors_are_those_we_may_use() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from twofold.processes import processors; print(processors())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"1\n"
    assert processors() == len(os.sched_getaffinity(0))

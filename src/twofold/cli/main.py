"""From words to an exit code: one run, and every way in which it can end.

    done                                     what the verb returned
    words not understood                     2
    a deliberate error                       its exit code; one sentence and a hint, no traceback
    Ctrl-C; terminated, hung up              130; 143: what was stored stays, run again to resume
    nobody reads the list any more           0
    anything else is a bug                   1; the details go into a file

The exit codes are a contract: docs/manual/exit-codes.md.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import click

from twofold.cli import bugs
from twofold.cli.render.output import Output, OutputClosed
from twofold.cli.root import full_name, root
from twofold.cli.run import Run
from twofold.errors import TwofoldError, UsageError

INTERRUPTED, TERMINATED = 130, 143
Failure = tuple[str, str, str]
"""Kind, message and hint."""

RESUME = "run again to resume; what is stored already is not stored again"
ELSEWHERE = "go to another one, or name all places by their whole paths"
NO_MEMORY = "end other programs, or give this one more memory, and run again"


class Stopped(KeyboardInterrupt):
    """A signal asked us to end."""

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


def run(words: Sequence[str]) -> int:
    """Do what the words say; the exit code. Raises nothing."""
    this = Run()
    verb, failure, code = _outcome(this, list(words))
    try:
        if failure:
            this.session.begin_anyhow(verb, json=_wants_json(words)).fail(*failure)
        session = this.session_if_any()
        if session is not None:
            session.end(code)
        Output(sys.stdout, stop_when_closed=False).flush()
    except OutputClosed:
        return code
    except TwofoldError as error:  # the last words do not fit on the disk
        sys.stderr.write(f"error: {error.message}\n")
        return code or error.exit_code
    except KeyboardInterrupt:
        return code or INTERRUPTED
    return code


def _outcome(this: Run, words: list[str]) -> tuple[str, Failure | None, int]:
    """The verb if it matters, why it failed if it did, and the exit code."""
    try:
        with _signals(), root.make_context("twofold", words, obj=this) as ctx:
            return "", None, int(root.invoke(ctx) or 0)
    except click.exceptions.Exit as end:
        return "", None, end.exit_code
    except (OutputClosed, BrokenPipeError):
        return "", None, 0
    except click.UsageError as error:
        return full_name(error.ctx), _misunderstood(error), UsageError.exit_code
    except TwofoldError as error:
        return "", (type(error).__name__, error.message, error.hint), error.exit_code
    except (KeyboardInterrupt, click.Abort) as stop:
        code = stop.exit_code if isinstance(stop, Stopped) else INTERRUPTED
        return "", ("Interrupted", "interrupted", RESUME), code
    except MemoryError:
        return "", ("NoMemory", "there is not enough memory", NO_MEMORY), 1
    except Exception as error:  # noqa: BLE001 (the last line of defence: it is told, and the run ends)
        return "", *_unexpected(this, error)


def _unexpected(this: Run, error: Exception) -> tuple[Failure, int]:
    """A bug, unless no relative path could be found from where we were started."""
    try:
        os.getcwd()
    except FileNotFoundError:
        if isinstance(error, FileNotFoundError):
            return ("UsageError", "the folder you are in is gone", ELSEWHERE), UsageError.exit_code
    return bugs.told(error, verbose=(this.given("verbose") or 0) > 1), 1


def _misunderstood(error: click.UsageError) -> Failure:
    path = error.ctx.command_path if error.ctx else "twofold"
    return "UsageError", error.format_message(), f"see '{path} --help'"


def _wants_json(words: Sequence[str]) -> bool:
    """Whether records were asked for, in words that may make no sense otherwise."""
    before = words[: words.index("--")] if "--" in words else words
    variable = os.environ.get("TWOFOLD_JSON", "").lower()
    return "--json" in before or variable in ("1", "true", "t", "yes", "y", "on")


@contextmanager
def _signals() -> Iterator[None]:
    """Turn the first signal into an orderly end; a second one ends at once."""
    wanted = {"SIGINT": INTERRUPTED, "SIGTERM": TERMINATED, "SIGHUP": TERMINATED}
    wanted["SIGBREAK"] = INTERRUPTED
    numbers = {
        getattr(signal, name): code for name, code in wanted.items() if hasattr(signal, name)
    }
    before: dict[int, Any] = {}

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        raise Stopped(numbers[number])

    with suppress(ValueError):  # not the main thread: somebody else handles signals
        for number in numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

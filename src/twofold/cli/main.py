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

from twofold import __version__, clock
from twofold.cli.render.base import Failure, OutputClosed
from twofold.cli.render.words import printable, utc_time
from twofold.cli.root import full_name, root
from twofold.cli.session import Session
from twofold.errors import TwofoldError, UsageError

INTERRUPTED, TERMINATED = 130, 143
RESUME = "run again to resume; what is stored already is not stored again"


class Stopped(KeyboardInterrupt):
    """A signal asked us to end."""

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


def main() -> None:
    """The ``twofold`` command."""
    _mend_streams()
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Do what the words say; the exit code. Raises nothing."""
    session = Session()
    verb, failure, code = _outcome(session, list(words))
    try:
        if failure:
            session.begin_anyhow(verb, json=_wants_json(words)).fail(failure)
        session.end(code)
    except OutputClosed:
        return code
    except TwofoldError as error:  # the last words do not fit on the disk
        sys.stderr.write(f"error: {error.message}\n")
        return code or error.exit_code
    except KeyboardInterrupt:
        return code or INTERRUPTED
    return code


def _outcome(session: Session, words: list[str]) -> tuple[str, Failure | None, int]:
    """The verb as far as known, why it failed if it did, and the exit code."""
    try:
        with _signals(), root.make_context("twofold", words, obj=session) as ctx:
            return "", None, int(root.invoke(ctx) or 0)
    except click.exceptions.Exit as end:
        return "", None, end.exit_code
    except (OutputClosed, BrokenPipeError):
        return "", None, 0
    except click.UsageError as error:
        return full_name(error.ctx), _misunderstood(error), UsageError.exit_code
    except TwofoldError as error:
        return "", Failure.of(error), error.exit_code
    except (KeyboardInterrupt, click.Abort) as stop:
        code = stop.exit_code if isinstance(stop, Stopped) else INTERRUPTED
        return "", Failure("Interrupted", "interrupted", RESUME), code
    except Exception as error:  # noqa: BLE001 (the last line of defence: it is told, and the run ends)
        return "", _bug(session, error), 1


def _misunderstood(error: click.UsageError) -> Failure:
    path = error.ctx.command_path if error.ctx else "twofold"
    return Failure("UsageError", error.format_message(), f"see '{path} --help'")


def _wants_json(words: Sequence[str]) -> bool:
    """Whether records were asked for, in words that may make no sense otherwise."""
    before = words[: words.index("--")] if "--" in words else words
    variable = os.environ.get("TWOFOLD_JSON", "").lower()
    return "--json" in before or variable in ("1", "true", "t", "yes", "y", "on")


def _bug(session: Session, error: Exception) -> Failure:
    """What is our fault: one sentence, and the details where they can be found."""
    import traceback

    details = "".join(traceback.format_exception(error))
    if session.given.verbosity() > 1 or os.environ.get("TWOFOLD_DEBUG", "0") not in ("", "0"):
        for line in details.splitlines():
            sys.stderr.write(printable(line) + "\n")
    message = f"this is a bug in Twofold: {type(error).__name__}: {error}"
    kept = _kept(details)
    where = f"the details are in {kept}" if kept else "TWOFOLD_DEBUG=1 shows the details"
    return Failure("Bug", message, f"{where}; please report it")


def _kept(details: str) -> str:
    """Write the details into a file of their own; its path, empty when that failed too."""
    try:
        from platformdirs import user_state_path

        folder = user_state_path("twofold", appauthor=False)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"bug-{utc_time(clock.now_ns()).replace(':', '')}.txt"
        path.write_text(f"twofold {__version__}, Python {sys.version}\n{details}", "utf-8")
    except OSError:
        return ""
    return str(path)


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


def _mend_streams() -> None:
    """Give output a place to go and a way to write every character."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # started without a console, or closed by whoever started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        else:
            stream.reconfigure(errors="backslashreplace")

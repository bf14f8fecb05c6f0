"""The ``twofold`` command: quick to begin, and quick to end.

Most commands take less time than Python needs to load and to take apart what they are made of. So
nobody looks for rings among objects while modules are loaded, whose objects all stay, and when
everything is said and no other thread is left, the process ends where it stands: nothing remains
to be done but giving back memory piece by piece, which the system does at once.
"""

import atexit
import gc
import os
import sys
import threading
from contextlib import suppress

INTERRUPTED = 130
"""As ``main`` has it, which may not be loaded yet."""
_COLLECT_AFTER = 50_000
"""Objects made before rings among them are looked for: we make millions, and next to no rings."""


def main() -> None:
    """The ``twofold`` command."""
    _mend_streams()
    try:
        code = _run()
    except KeyboardInterrupt:  # while modules are loaded, before anybody listens to signals
        sys.stderr.write("error: interrupted\n")
        code = INTERRUPTED
    _end(code)


def _run() -> int:
    gc.disable()
    from twofold.cli.main import run

    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
    gc.enable()
    return run(sys.argv[1:])


def _end(code: int) -> None:
    """End the process; what others asked to be done at its end is done."""
    if threading.active_count() > 1:
        sys.exit(code)  # waits for them
    atexit._run_exitfuncs()  # noqa: SLF001 (the only way to call them; it is in the documentation of none)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _mend_streams() -> None:
    """Give output a place to go and a way to write every character."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # started without a console, or closed by whoever started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        else:
            stream.reconfigure(errors="backslashreplace")

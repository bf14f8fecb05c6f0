"""What is our fault: one sentence for the user, and the details where they can be found."""

import os
import sys


def told(error: Exception, *, verbose: bool) -> tuple[str, str, str]:
    """Kind, message and hint; the traceback goes into a file, and on stderr when asked for."""
    import traceback

    from twofold.cli.render.words import printable

    details = "".join(traceback.format_exception(error))
    if verbose or os.environ.get("TWOFOLD_DEBUG", "0") not in ("", "0"):
        sys.stderr.writelines(printable(line) + "\n" for line in details.splitlines())
    kept = _kept(details)
    where = f"the details are in {kept}" if kept else "TWOFOLD_DEBUG=1 shows the details"
    message = f"this is a bug in Twofold: {type(error).__name__}: {error}"
    return "Bug", message, f"{where}; please report it"


def _kept(details: str) -> str:
    """Write the details into a file of their own; its path, empty when that failed too."""
    from twofold import __version__, clock
    from twofold.cli.render.words import utc_time
    from twofold.own_folders import state_folder

    folder = state_folder()
    path = folder / f"bug-{utc_time(clock.now_ns()).replace(':', '')}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(f"twofold {__version__}, Python {sys.version}\n{details}", "utf-8")
    except OSError:
        return ""
    return str(path)

"""Whether the tables of a volume are up to date, and if not, why.

Windows writes a change into $LogFile first and into the tables some time later; contents of files
are written before that or not at all. So after a power failure clusters may belong to files, though
the map calls them free and no record names them: only the log does. The same holds for a volume of
a Windows that sleeps, which it also does when it is shut down with "fast start". And a volume that
is marked for checking may have lost clusters for any reason.

Nobody who takes such a volume's map at its word gets all files back. The log is not replayed here,
so ``doubt`` says that everything is to be kept.

A hibernation file begins with ``hibr`` while Windows sleeps, ``rstr`` while it wakes up and
``wake`` after that (older ones in small letters). Who restores such a file restores a memory in
which tables of this and of other disks are, as they were then.
"""

from typing import NamedTuple

from twofold.disk.ntfs import journal
from twofold.disk.ntfs.files import Files
from twofold.disk.ntfs.system import ROOT
from twofold.disk.ntfs.values import DOS
from twofold.errors import FormatError

_LOG_FILE = 2
_HIBERNATION = b"hiberfil.sys"
_ASLEEP = (b"hibr", b"rstr")
_MEMORY = (*_ASLEEP, b"wake")
_SLEEPS = "Windows is asleep on it, as after a shutdown with fast start"


class State(NamedTuple):
    """Of a volume. ``clean``: nothing waits to be written to its tables."""

    clean: bool
    doubt: str = ""
    """Why the map of clusters cannot be relied on, as half a sentence; "" when it can."""
    memory: int = 0
    """Number of a hibernation file from which a Windows might wake up, 0 if there is none."""


def state_of(files: Files, *, marked: bool, frozen: bool) -> State:
    """What is known. ``marked``: for checking.

    ``frozen``: the volume was flushed before it was frozen, whatever its log says.
    """
    memory, reason = 0, ""
    try:
        reason = journal.waiting(files.open(_LOG_FILE))
        memory, asleep = _memory(files)
        if asleep:
            reason = _SLEEPS
    except FormatError as error:
        reason = reason or f"its log or root directory cannot be read ({error.message})"
    if marked:
        reason = "it is marked for checking"
    return State(not reason, "" if frozen and not marked else reason, memory)


def _memory(files: Files) -> tuple[int, bool]:
    """Number of a hibernation file with something in it, and whether Windows sleeps."""
    for number, name in files.names(ROOT):
        if name.space != DOS and name.name.lower() == _HIBERNATION:
            magic = files.open(number).read(0, 4).lower()
            return number if magic in _MEMORY else 0, magic in _ASLEEP
    return 0, False

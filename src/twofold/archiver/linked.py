"""Files of several names: each is read once, and what was read is kept for the names to come.

What is kept is little, as all names may be far apart: the content, whatever an entry does not say
of itself, and the state that both belong to as the bytes of its numbers. It goes with the last of
the names.
"""

import struct

import msgspec

from twofold.archiver.reading import Job
from twofold.platform import FLAG_FAILED, FLAG_FAR_TIME, Entry, Extras, state_of

_STATE = struct.Struct("<QqqIIII")  # what state_of gives
_UNCOMPARED = FLAG_FAILED | FLAG_FAR_TIME


class Linked(msgspec.Struct, eq=False, gc=False):
    """A file that was read under one of its names. ``racy``: a change could hide behind its times.

    ``extras``: None if it has none.
    """

    job: Job
    extras: Extras | None = None
    racy: bool = False
    state: bytes = b""
    left: int = 0
    """Names not met yet."""


class LinkedFiles:
    """Those of one run that have names to come."""

    def __init__(self) -> None:
        self._devices: dict[int, dict[int, Linked]] = {}

    def note(self, device: int, entry: Entry, read: Linked) -> None:
        """A file was read in this state; nothing is kept of one that has no other name."""
        if entry.links == 1 or not entry.inode:
            return
        state = _state_of(entry)
        if state:
            read.state, read.left = state, entry.links - 1
            self._devices.setdefault(device, {})[entry.inode] = read

    def find(self, device: int, entry: Entry) -> Linked | None:
        """The file that an entry is a further name of, if it was read in the state it is in."""
        if entry.links == 1 or not entry.inode:
            return None
        found = self._devices.get(device, {}).get(entry.inode)
        return found if found is not None and found.state == _state_of(entry) else None

    def take(self, device: int, entry: Entry) -> Linked | None:
        """``find``, for a name that is done with then."""
        found = self.find(device, entry)
        if found is not None:
            found.left -= 1
            if not found.left:
                del self._devices[device][entry.inode]
        return found


def _state_of(entry: Entry) -> bytes:
    """Empty for times too far away for it."""
    if entry.flags & _UNCOMPARED:
        return b""
    try:
        return _STATE.pack(*state_of(entry))
    except struct.error:
        return b""

"""Whether a file is still what an entry says of it.

Used after reading: if size, times, owner, mode and inode are those that were listed before, and the
times are old enough that no later change can hide behind them, the listing tells all there is to
know, and nobody needs a second entry.
"""

from twofold.platform.base import Entry, SmallRead

NOTHING_SETTLED = -(1 << 63)
"""As ``settled``: no time is old enough, so every file is told of."""


def state_of(entry: Entry) -> tuple[int, int, int, int, int, int, int]:
    """Size, times, mode, owners and number of names: what any change of a file shows in."""
    return entry[1:8]


def is_same_state(one: Entry, other: Entry) -> bool:
    """Whether nothing happened to a file between two looks at it."""
    return state_of(one) == state_of(other)


def is_as_listed(listed: Entry, read: SmallRead, settled: int) -> bool:
    """Whether a file was read whole, as it was listed, and has nothing else to be told of.

    ``settled``: times up to this one (ns since 1970) cannot hide a change.
    """
    entry = read.entry
    return (
        entry is not None
        and read.extras is None
        and not listed.flags
        and read.length == entry.size
        and is_same_state(listed, entry)
        and listed.mtime_ns <= settled
        and listed.ctime_ns <= settled
        and (not listed.inode or listed.inode == entry.inode)
    )

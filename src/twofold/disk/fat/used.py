"""Which clusters are in use, from all copies of the FAT.

A cluster is in use when its entry is not zero. Clusters marked bad are not: nothing may be stored
in them, and to read them is what they are marked against. The marks themselves are in the FAT,
which is kept as it is. A chain that ends in such a mark is damaged; its stream has the cluster.

Copies that should be equal and are not make the map wider: in use is what any copy says. A chain
is still followed in the first one, as all systems do.
"""

from collections.abc import Sequence

import msgspec

from twofold.disk.clusters.table import EntryForm, Location, decode


class Used(msgspec.Struct, frozen=True):
    """What all copies say."""

    bits: bytearray
    """One bit per cluster."""
    free: int
    """Clusters whose entry is zero in the active copy; bad ones are not among them."""
    equal: bool
    """Whether the copies say the same."""


def read_used(active: Location, copies: Sequence[Location]) -> Used:
    """Read the copies of a FAT side by side, piece by piece."""
    bits = bytearray()
    free, equal = 0, True
    for first, count in active.pieces():
        entries = decode(active.raw(first, count), count, active.form)
        used = used_bits(entries, active.form)
        free += count_free(entries, active.form)
        for copy in copies:
            others = decode(copy.raw(first, count), count, copy.form)
            if others != entries:
                equal = False
                used |= used_bits(others, copy.form)
        bits += used.to_bytes((count + 7) // 8, "little")  # only the last piece has an odd end
    return Used(bits, free, equal)


def used_bits(entries: Sequence[int], form: EntryForm) -> int:
    """A number whose bit n tells whether entry n is in use."""
    if not any(entries):
        return 0
    unused = (0, form.bad)
    mask = form.mask
    digits = bytes([48 if entry & mask in unused else 49 for entry in entries])
    return int(digits[::-1], 2)


def count_free(entries: Sequence[int], form: EntryForm) -> int:
    """How many entries are zero."""
    if not any(entries):
        return len(entries)
    mask = form.mask
    return sum([not entry & mask for entry in entries])

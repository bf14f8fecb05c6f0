"""Names the target cannot tell apart: ``A`` and ``a``, or two ways to write ``ä``.

Where a file system may take two names for one, the second would quietly replace the first. Only
there are the names of a directory kept in mind while it is restored.
"""

import os
import unicodedata

_EXACT = frozenset("bcachefs btrfs ext2 ext3 ext4 f2fs jfs nilfs2 ramfs reiserfs tmpfs xfs".split())


class Folds:
    """The names met in one directory of the target."""

    def __init__(self, fs_type: str) -> None:
        self._met: dict[str, bytes] | None = None if fs_type in _EXACT else {}

    def clash(self, name: bytes) -> bytes | None:
        """An earlier name that may mean the same entry here; None when there is none."""
        if self._met is None:
            return None
        folded = unicodedata.normalize("NFC", os.fsdecode(name)).casefold().rstrip(". ")
        earlier = self._met.setdefault(folded, name)
        return None if earlier == name else earlier

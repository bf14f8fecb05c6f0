"""Names the target cannot tell apart: ``A`` and ``a``, or two ways to write ``ä``.

Where two names may mean one entry, the second would quietly replace the first. Whether that is so
is found out by asking for a name in other letters; below a directory that is blind for case all
new ones are taken for blind too. Only then the names of a directory are kept in mind.
"""

import os
import unicodedata
from collections.abc import Iterable

from twofold.platform import TargetDir

_BLIND = frozenset("cifs exfat fat fuseblk hfs hfsplus msdos ntfs ntfs3 smb3 smbfs vfat".split())


class Folds:
    """The names met in one directory of the target."""

    def __init__(self, *, blind: bool) -> None:
        self.blind = blind
        self._met: dict[str, bytes] = {}

    @classmethod
    def of_existing(cls, folder: TargetDir, names: Iterable[bytes]) -> "Folds":
        """For a directory that was there, with its names."""
        return cls(blind=folder.fs_type in _BLIND or _answers_to_another(folder, names))

    def clash(self, name: bytes) -> bytes | None:
        """An earlier name that may mean the same entry here; None when there is none."""
        if not self.blind:
            return None
        folded = unicodedata.normalize("NFC", os.fsdecode(name)).casefold().rstrip(". ")
        earlier = self._met.setdefault(folded, name)
        return None if earlier == name else earlier


def _answers_to_another(folder: TargetDir, names: Iterable[bytes]) -> bool:
    """Whether an entry is also found under its name in other letters. OSError."""
    for name in names:
        other = name.swapcase()
        if other != name:
            one, two = folder.existing(name), folder.existing(other)
            return one is not None and two is not None and one.inode == two.inode
    return False

"""What is said about a volume: what is special, what is not understood, what was left out.

That only the check sums of the superblock and the groups are verified is not said: it holds for
every volume that has them, and nobody can do anything about it.
"""

from twofold.disk.ext import features
from twofold.disk.ext.superblock import Superblock

_MOST = 20

_TOLD = {
    "compression": "some files may be compressed by an old extension; they are kept as they are",
    "encrypt": "some directories may be encrypted; their files are kept as they are",
    "casefold": "some directories may ignore upper and lower case",
    "shared_blocks": "files share blocks; the volume can only be read",
    "needs_recovery": "it was not unmounted: the newest changes are in its journal, and read there",
    "orphan_present": "files that were deleted while open wait to be removed",
    "mmp": "several computers may be using the volume",
}


class Notes:
    """Sentences, and how many inodes were left out."""

    def __init__(self, sb: Superblock, doubtful: int, lost: str = "") -> None:
        """``lost``: why the journal could not be followed."""
        self._fixed = list(_fixed(sb, doubtful))
        if lost:
            told = _TOLD["needs_recovery"]
            other = f"its journal cannot be followed ({lost}), so all of it counts as in use"
            self._fixed = [other if note == told else note for note in self._fixed]
        self.left_out: dict[int, str] = {}
        self.more = 0
        self.unfit = 0
        """Groups whose bitmap of blocks cannot be right."""
        self.rootless = False
        """Whether there is no root directory."""

    def leave_out(self, inode: int, why: str) -> None:
        """An inode could not be understood; the first few are named."""
        if inode in self.left_out:
            return
        if len(self.left_out) < _MOST:
            self.left_out[inode] = why
        else:
            self.more += 1

    def sentences(self) -> tuple[str, ...]:
        """All that is to be said so far."""
        told = [f"inode {inode} was left out: {why}" for inode, why in self.left_out.items()]
        more = [f"{self.more} more inodes were left out"] if self.more else []
        return (*self._fixed, *self._kept(), *told, *more)

    def _kept(self) -> list[str]:
        if self.rootless:
            return ["it has no root directory, so all of it counts as in use"]
        told = f"the maps of blocks of {self.unfit} groups are damaged; all of these are kept"
        return [told] if self.unfit else []


def feature_names(sb: Superblock) -> list[str]:
    """As e2fsprogs prints them."""
    return features.names(sb.compat, sb.incompat, sb.ro_compat)


def _fixed(sb: Superblock, doubtful: int) -> list[str]:
    found = [_TOLD[name] for name in feature_names(sb) if name in _TOLD]
    unknown = [name for name in feature_names(sb) if name.startswith("FEATURE_")]
    if unknown:
        found.append(f"features that are not known: {' '.join(unknown)}")
    if sb.unsettled:
        found.append(f"{sb.unsettled}, so all of it counts as in use")
    if doubtful:
        found.append(f"the descriptors of {doubtful} groups are damaged; all of these are kept")
    if sb.compat & features.HAS_JOURNAL and not sb.long(224):
        found.append("the journal is on another device")
    return found

"""Why a target would not take an entry, in words that help: file systems answer with numbers.

A driver that cannot have a name with a colon says that there is no such file; one that knows no
links says that this is not permitted, or that something is not implemented.
"""

import errno
import os

from twofold.format.pages import NodeKind

_ODD = frozenset(b'<>:"\\|?*') | frozenset(range(32))
"""What no name of Windows holds, and so none of FAT, exFAT and most network drives."""
_OF_NAMES = (errno.EINVAL, errno.ENOENT, errno.EILSEQ)
_UNKNOWN_KIND = (errno.EPERM, errno.ENOSYS, errno.ENOTSUP)
_DEVICES = (NodeKind.CHARACTER_DEVICE, NodeKind.BLOCK_DEVICE)


def words_for(error: OSError, name: bytes, kind: int = NodeKind.FILE) -> str:
    """Why an entry of this name and kind could not be made."""
    if error.errno in _OF_NAMES and _is_odd(name):
        return "the target's file system takes no such name"
    if error.errno in _UNKNOWN_KIND:
        if kind in _DEVICES:
            return "the target takes no device files, or only from an administrator"
        if kind == NodeKind.SYMLINK:
            return "the target takes no symbolic links"
        if kind in (NodeKind.FIFO, NodeKind.SOCKET):
            return "the target takes no special files"
    return error.strerror or str(error)


def _is_odd(name: bytes) -> bool:
    """Whether there are file systems in use that hold no such name."""
    if not _ODD.isdisjoint(name) or name.endswith((b".", b" ")):
        return True
    try:
        os.fsdecode(name).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False

"""What a file system is called and how far its file numbers and time stamps can be trusted."""

import ctypes
import sys
from ctypes import wintypes

from twofold.platform.base import Entry

assert sys.platform == "win32"

_SECOND = 1_000_000_000
_TICK = 16_000_000  # the system's clock steps 15.6 ms unless a program asked for finer steps
_REMOTE_DRIVE = 4

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel.GetDriveTypeW.argtypes = [wintypes.LPCWSTR]


def fs_type(path: str) -> str:
    """``NTFS``, ``ReFS``, ``exFAT``, ...; ``smb`` for all on another machine; empty if untold."""
    root = ctypes.create_unicode_buffer(1024)
    if not _kernel.GetVolumePathNameW(path, root, len(root)):
        return ""
    if _kernel.GetDriveTypeW(root.value) == _REMOTE_DRIVE or root.value.startswith("\\\\?\\UNC\\"):
        return "smb"
    name = ctypes.create_unicode_buffer(64)
    if not _kernel.GetVolumeInformationW(root, None, 0, None, None, None, name, len(name)):
        return ""
    return name.value


def stable_inodes(fs_type: str) -> bool:
    """Whether file numbers survive a remount."""
    return fs_type not in ("smb", "FAT", "FAT32", "exFAT", "UDF", "CDFS")


def timestamp_granularity_ns(fs_type: str, entry: Entry) -> int:  # noqa: ARG001 - as elsewhere
    """Coarsest step, in ns, with which this file system stamps changes."""
    if fs_type in ("NTFS", "ReFS"):
        return _TICK
    # another machine's clock may differ from ours by a minute; FAT steps by two seconds
    return 60 * _SECOND if fs_type == "smb" else 2 * _SECOND

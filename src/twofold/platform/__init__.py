"""The door to the operating system: ``current()``, and everything that may be used from outside.

This is the only place that asks which system we are on. Modules of one system begin with an
assertion of it, at which a type checker for the other system stops reading.
"""

import sys
from functools import cache

from twofold.platform.base import (
    DEEPEST,
    FLAG_AWAY,
    FLAG_FAILED,
    FLAG_FAR_TIME,
    FLAG_RACY,
    ONLY_OPEN,
    RECORD,
    RECORD_SIZE,
    Attributes,
    Buffer,
    Dropped,
    Entry,
    Extras,
    Hole,
    Machine,
    Platform,
    Seen,
    SmallRead,
    SourceDir,
    SourceFile,
    Steps,
    TargetDir,
    TargetFile,
)
from twofold.platform.devices import Disk, DiskInfo, Mount, PartitionInfo
from twofold.platform.listing import (
    in_slices,
    iterate,
    names_of,
    pack_listing,
    pack_record,
    records,
    validate,
    with_flags,
    with_records,
    without_inodes,
)
from twofold.platform.names import is_temporary
from twofold.platform.unchanged import NOTHING_SETTLED, is_same_state, state_of
from twofold.platform.walk import HandleStack, TargetCache

__all__ = [
    "DEEPEST",
    "FLAG_AWAY",
    "FLAG_FAILED",
    "FLAG_FAR_TIME",
    "FLAG_RACY",
    "NOTHING_SETTLED",
    "ONLY_OPEN",
    "RECORD",
    "RECORD_SIZE",
    "Attributes",
    "Buffer",
    "Disk",
    "DiskInfo",
    "Dropped",
    "Entry",
    "Extras",
    "HandleStack",
    "Hole",
    "Machine",
    "Mount",
    "PartitionInfo",
    "Platform",
    "Seen",
    "SmallRead",
    "SourceDir",
    "SourceFile",
    "Steps",
    "TargetCache",
    "TargetDir",
    "TargetFile",
    "current",
    "in_slices",
    "is_same_state",
    "is_temporary",
    "iterate",
    "names_of",
    "pack_listing",
    "pack_record",
    "records",
    "state_of",
    "validate",
    "with_flags",
    "with_records",
    "without_inodes",
]


@cache
def current() -> Platform:
    """The operating system we run on, made once. ImportError on one we do not know."""
    if sys.platform == "win32":
        from twofold.platform.windows.door import WindowsPlatform

        return WindowsPlatform()
    if sys.platform == "linux":
        from twofold.platform.linux.door import LinuxPlatform

        return LinuxPlatform()
    raise ImportError(f"Twofold does not run on {sys.platform} yet")

"""What the engines need of disks, as protocols and plain data; no system call in here.

A disk is a block device or a regular file that stands for one. Whoever reads it sees bytes at
offsets; whoever writes it has asked ``uses_of`` before, and holds a device for itself from opening
to closing, so that nothing can be mounted from it in between.
"""

from typing import NamedTuple, Protocol

import msgspec


class Disk(Protocol):
    """An open block device or disk-image file; is a ``twofold.disk.base.BlockReader`` as well.

    Several threads may read and write at the same time. Big transfers leave little behind in the
    memory of the system, so that imaging a disk does not push out what other programs use.
    """

    @property
    def path(self) -> bytes: ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def sector_size(self) -> int:
        """Bytes of a logical sector; 512 for a file."""
        ...

    @property
    def is_device(self) -> bool:
        """Whether it is a device rather than a regular file."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes.

        FormatError when the range is not inside; OSError when the device cannot read all of it.
        """
        ...

    def read_into(self, view: memoryview, offset: int) -> int:
        """Read until the view is full or the disk ends; bytes read. OSError."""
        ...

    def write_at(self, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Write all bytes. OSError; ENOSPC, before anything is written, when not all is inside."""
        ...

    def write_zeros(self, offset: int, length: int) -> None:
        """Make a range read as zeros, freeing its storage where that is possible. OSError."""
        ...

    def discard(self, offset: int, length: int) -> bool:
        """Tell the device that nobody needs a range any more; whether it took notice.

        What the range reads as afterwards is not known.
        """
        ...

    def resize(self, size: int) -> None:
        """Set the length of a file; new bytes read as zeros. OSError (EINVAL for a device)."""
        ...

    def sync(self) -> None:
        """Make everything written durable. OSError."""
        ...

    def reread_partitions(self) -> bool:
        """Have the system take notice of a new partition table; whether it did."""
        ...

    def close(self) -> None:
        """Close; safe to call twice."""
        ...


class Mount(NamedTuple):
    """A file system in use that has something to do with a disk."""

    device: bytes
    """Path of the device that holds the file system."""
    point: bytes
    """The directory where it is seen (a drive letter or folder on Windows)."""
    fs_type: str
    writable: bool
    """Whether its content may change; if so, an image taken meanwhile is not of one moment."""


class PartitionInfo(msgspec.Struct, frozen=True):
    """A partition as the system sees it; bytes."""

    path: bytes
    number: int
    start: int
    size: int
    mount_points: tuple[bytes, ...] = ()
    """Of the file system on it, and of those on volumes that it is a part of."""


class DiskInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A whole disk as the system sees it; texts are empty where the system does not tell."""

    path: bytes
    size: int
    sector_size: int
    model: str = ""
    serial: str = ""
    transport: str = ""
    """How it is attached: ``nvme``, ``sata``, ``usb``, ``virtio``, ``mmc``, ``raid``, ..."""
    removable: bool = False
    """Whether the drive or its medium is made to be taken away."""
    read_only: bool = False
    partitions: tuple[PartitionInfo, ...] = ()
    """By number."""
    mount_points: tuple[bytes, ...] = ()
    """Of everything on it, whether on partitions or not."""

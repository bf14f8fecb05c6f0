"""How large a disk may be that is written as a container, known before anything is written."""

from typing import NamedTuple

from twofold.errors import UsageError

_GIB, _TIB = 1024**3, 1024**4


class Limit(NamedTuple):
    """The largest disk, in bytes, and what is said of a larger one."""

    largest: int
    sentence: str

    def check(self, size: int) -> None:
        """``UsageError`` for a disk of more bytes."""
        if size > self.largest:
            raise UsageError(self.sentence)


VHD = Limit(2040 * _GIB, "a VHD holds at most 2040 GiB; VHDX holds more")
VHDX = Limit(64 * _TIB, "a VHDX holds at most 64 TiB")
VMDK = Limit(
    2 * _TIB - 64 * 1024,  # sectors of the file must have numbers of 32 bits
    "a VMDK of one file holds less than 2 TiB; VHDX and QCOW2 hold more",
)

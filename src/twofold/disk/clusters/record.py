"""What a directory says of one file, in the terms FAT and exFAT share."""

from typing import NamedTuple

from twofold.disk.base import FileFacts, Kind
from twofold.disk.clusters.chain import Allocation
from twofold.disk.clusters.times import Moment

DIRECTORY = 0x10
"""Of the attributes of Windows."""

DISCARDED = frozenset(
    (b"pagefile.sys", b"swapfile.sys", b"hiberfil.sys", b"win386.swp", b"386spart.par")
)
"""Paging and hibernation files of Windows, all versions; they lie in the root."""


class Record(NamedTuple):
    """A file or directory as its directory entry describes it."""

    number: int
    """Offset of the entry on the volume in slots of 32 bytes."""
    name: bytes
    """UTF-8, surrogates passed."""
    attributes: int
    main: Allocation
    valid: int
    """Bytes ever written, at most the size."""
    modified: Moment
    created: Moment
    short_name: bytes | None = None
    further: tuple[tuple[bytes, Allocation], ...] = ()
    """Clusters that belong to the file besides its content, and what for."""

    @property
    def kind(self) -> Kind:
        """File or directory, there is nothing else."""
        return Kind.DIRECTORY if self.attributes & DIRECTORY else Kind.FILE

    def facts(self) -> FileFacts:
        """All that is known of the file."""
        return FileFacts(
            kind=self.kind,
            size=self.main.size or 0,
            modified_ns=self.modified.nanoseconds(),
            created_ns=self.created.nanoseconds(),
            attributes=self.attributes,
            short_name=self.short_name,
        )


def encode_name(units: bytes) -> bytes | None:
    """UTF-16 (little endian) as UTF-8, surrogates passed; None when no file can be so named."""
    name = units.decode("utf-16-le", "surrogatepass")
    return name.encode("utf-8", "surrogatepass") if usable(name) else None


def usable(name: str) -> bool:
    """Whether a name can be one step of a path."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name

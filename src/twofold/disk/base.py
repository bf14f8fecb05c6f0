"""The terms of this package: what parsers read from, and what they tell about a file system.

A file system divides its volume into

    [0, origin)                         always in use (boot sector, tables); may be empty
    units 0 .. units-1 of ``unit`` bytes, beginning at ``origin``
    whatever follows the last unit      always in use (NTFS keeps its boot sector's copy there)

Units (clusters, blocks) are in use as the allocation map says, or because a stream claims them.
Nobody relies on a parser understanding everything: units in use that no stream claims are kept as
they are, so a parser's fault costs deduplication and never a byte.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

HOLE = -1
"""``Run.first`` of units that are not stored: they read as zeros."""


class BlockReader(Protocol):
    """Random access to the bytes of a disk, a partition or a disk image."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def sector_size(self) -> int:
        """Bytes of a logical sector, 512 or 4096."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes.

        FormatError when the range is not inside, OSError when the device cannot read it.
        """
        ...


class SparseBlocks(BlockReader, Protocol):
    """A reader that may know of zeros without reading them."""

    def hole(self, offset: int) -> int:
        """How many bytes from there on are known to be zeros; 0 when that is not known.

        Raises as ``read``.
        """
        ...


@runtime_checkable
class FrozenBlocks(BlockReader, Protocol):
    """A reader that may know of a point-in-time view of file systems that were flushed for it."""

    @property
    def frozen(self) -> bool:
        """Whether the file systems brought their tables up to date before it was made."""
        ...


class TornBlocks(BlockReader, Protocol):
    """A reader that gives zeros for what it could not read, and remembers where."""

    def unread(self, offset: int, length: int) -> list[tuple[int, int]]:
        """(first byte, bytes) in a range of what could not be read so far, ascending."""
        ...


class HastyBlocks(BlockReader, Protocol):
    """A reader that can put off what the disk does not give at once."""

    def glance(self, offset: int, length: int) -> bytes | None:
        """Exactly ``length`` bytes; None where ``read`` is to be asked in the end."""
        ...


@runtime_checkable
class AloneBlocks(BlockReader, Protocol):
    """A reader that can do without reading more than it was asked for."""

    def read_alone(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes, and nothing else of the disk."""
        ...


@runtime_checkable
class PhysicalBlocks(BlockReader, Protocol):
    """A reader that knows the disk under it."""

    @property
    def physical_sector(self) -> int:
        """Bytes that it writes at once, which are often more than a sector; 0 when not known."""
        ...


class Run(NamedTuple):
    """Neighbouring units of a stream: the first one (or ``HOLE``) and how many."""

    first: int
    units: int


class Role(Enum):
    """What the units of a stream hold."""

    FILE = "file"
    """The content as programs read it; beyond ``valid`` they read zeros whatever is stored."""
    CODED = "coded"
    """Content in a form of the file system's own (compressed, encrypted), kept as it is."""
    META = "meta"
    """The file system's own tables, directories, logs."""


class Stream(NamedTuple):
    """Content stored in units. ``runs`` cover at least ``size`` bytes, in the stream's order."""

    owner: int
    """Number of the file (MFT record, inode, ...)."""
    name: bytes
    """Attribute or stream name in UTF-8 (surrogates passed), empty for the main one."""
    role: Role
    size: int
    valid: int
    """Bytes from the start that were ever written, at most ``size``."""
    runs: tuple[Run, ...]
    stamp: bytes = b""
    """Changes whenever the content may have changed in place; empty when nothing proves that."""
    discard: bool = False
    """Content nobody wants back (page file, hibernation file): may be restored as zeros."""
    asleep: bool = False
    """A memory that a system might wake up with; not if its first unit is restored as zeros."""


class Kind(Enum):
    """What a name stands for."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"


class DirectoryEntry(NamedTuple):
    """A name in a directory. Names are bytes: UTF-8 where the file system has Unicode names."""

    name: bytes
    file: int
    kind: Kind


class FileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one file; None where the file system does not keep it."""

    kind: Kind
    size: int = 0
    links: int = 1
    modified_ns: int | None = None
    """Since 1970, as all times; local times of FAT are taken as UTC."""
    changed_ns: int | None = None
    created_ns: int | None = None
    mode: int | None = None
    """POSIX type and permissions."""
    uid: int | None = None
    gid: int | None = None
    device: int | None = None
    attributes: int | None = None
    """Windows file attributes."""
    target: bytes | None = None
    """Where a symbolic link or junction leads, as stored."""
    reparse: tuple[int, bytes] | None = None
    """Tag and data of a reparse point."""
    security: bytes | None = None
    """A Windows security descriptor, self-relative."""
    short_name: bytes | None = None
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    streams: Mapping[bytes, int] = msgspec.field(default_factory=dict)
    """Further named streams of content, and their sizes."""
    encrypted: bool = False
    """The content cannot be read without a key we do not have."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A file system as a whole."""

    kind: str
    """``ntfs``, ``ext2``, ``ext3``, ``ext4``, ``fat12``, ``fat16``, ``fat32``, ``exfat``, ..."""
    label: str = ""
    serial: str = ""
    """UUID or volume serial number as its own tools write it."""
    unit: int
    units: int
    origin: int = 0
    clean: bool = True
    """Whether it was unmounted properly."""
    doubt: str = ""
    """Why units may be in use that the allocation map calls free, as half a sentence.

    Then all units are to be kept, and streams prove nothing. "" when the map can be relied on.
    """
    version: str = ""
    notes: tuple[str, ...] = ()
    """Sentences about what is not understood or not as it should be."""

    def in_use(self, units: int, size: int) -> int:
        """Bytes in use of a volume of ``size`` bytes that has ``units`` units in use.

        What lies before and behind the units is always in use: boot sectors and tables of FAT, the
        last sector of NTFS, the rest of a partition that is larger than its file system.
        """
        return size - (self.units - units) * self.unit


class Content(Protocol):
    """The content of one stream as programs read it."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at an offset, fewer only at the end.

        FormatError when they cannot be decoded, OSError when the device cannot read them.
        """
        ...


@runtime_checkable
class SparseContent(Content, Protocol):
    """Content that knows which parts of it are not stored."""

    def holes(self) -> Iterator[tuple[int, int]]:
        """(start, length) of parts that read as zeros and have no place, ascending; in bytes."""
        ...


class PlainFile(NamedTuple):
    """A file of which its record tells everything but perhaps the content."""

    size: int
    inside: bool
    """Whether the record holds the content as well."""


@runtime_checkable
class RecordedFiles(Protocol):
    """A file system with one record for each file."""

    def record(self, file: int) -> bytes:
        """The record as it lies on the disk. FormatError, OSError."""
        ...

    def plain(self, file: int) -> PlainFile | None:
        """What the record of a plain file tells; None for any other, and for a damaged one.

        Two files of one number with equal records, and equal contents outside of them, are equal.
        """
        ...


class FileSystem(Protocol):
    """A file system that is understood. Opened by the parser's ``open_...`` function.

    All methods raise FormatError on damage, and OSError when the device cannot read. Memory stays
    within a few tens of bytes per file for ``streams``, and small for everything else.
    """

    @property
    def facts(self) -> Facts: ...

    def allocation(self) -> bytearray:
        """One bit per unit, unit 0 in the lowest bit of the first byte; set means in use."""
        ...

    def streams(self) -> Iterator[Stream]:
        """Every stream that claims units, one pass in a cheap order.

        A file that cannot be understood is left out (its units stay in use by the map).
        """
        ...

    def root(self) -> int:
        """The number of the root directory."""
        ...

    def facts_of(self, file: int) -> FileFacts: ...

    def entries(self, directory: int) -> Iterator[DirectoryEntry]:
        """The children, without ``.`` and ``..``, in the order of the directory."""
        ...

    def open(self, file: int, stream: bytes = b"") -> Content:
        """The content of a file, decoded where the file system compresses. FormatError if none."""
        ...


class UsedBlocks(Protocol):
    """A file system of which only what is in use is understood: all of it is kept as it is.

    Methods raise as those of ``FileSystem``.
    """

    @property
    def facts(self) -> Facts: ...

    def allocation(self) -> bytearray:
        """As ``FileSystem.allocation``; more than is in use when in doubt."""
        ...

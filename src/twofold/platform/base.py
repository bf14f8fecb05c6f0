"""What the engines need from an operating system, as protocols; no system call in here.

Source side: directories are walked by handle (``SourceDir``), never by path string, so depth and
path length are unlimited and a swapped symlink cannot lead the walk away. Target side: every
write goes through ``TargetDir`` handles opened component by component without following links.

A **packed listing** is what ``SourceDir.scan`` returns: the entries of one directory sorted by
name bytes, each a 56-byte ``RECORD`` followed by the name; equal bytes mean an unchanged
directory. The layout is specified in ``docs/format/metadata.md`` and never holds access times.

Handles are not thread-safe one by one (different handles may be used from different threads);
``close`` may be called twice; anything else on a closed handle raises OSError.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import msgspec

from twofold.platform.devices import Disk, DiskInfo, Mount

Buffer = bytes | bytearray | memoryview

# inode, size, mtime ns, ctime ns, mode, uid, gid, links, name length, flags
RECORD = struct.Struct("<QQqqIIIIHH4x")
RECORD_SIZE = RECORD.size
"""Bytes of one record without its name (56)."""

FLAG_RACY = 1
"""Set in a *stored* record that must never prove its file unchanged."""

FLAG_FAILED = 2
"""Set where an entry could not be read; such a record never proves anything either.

``scan`` sets it for a name that is listed but cannot be examined: then ``size`` is the errno and
every other number is 0. The archiver sets it in the *stored* record of an entry that failed later.
"""

FLAG_FAR_TIME = 4
"""Set where a time does not fit 64 bits of nanoseconds (years 1677 to 2262).

The record then holds it modulo 2**64, which is enough to compare; ``stat_child`` gives the time.
"""

FLAG_AWAY = 8
"""Set where the content lies elsewhere (a cloud placeholder): reading it would fetch it."""


class Entry(NamedTuple):
    """One decoded record of a packed listing; times in ns since 1970, size in bytes."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    mode: int
    uid: int
    gid: int
    links: int
    flags: int
    name: bytes


class Hole(msgspec.Struct, frozen=True):
    """A range of a source file that the file system reports as unallocated; bytes."""

    start: int
    length: int


class Extras(msgspec.Struct):
    """What a directory record does not hold of an entry; empty fields mean "has none"."""

    xattrs: list[tuple[bytes, bytes]] = msgspec.field(default_factory=list)
    flags: int = 0  # inode flags as FS_IOC_GETFLAGS gives them (linux), attributes (windows)
    target: bytes = b""  # of a symbolic link
    device: int = 0  # st_rdev of a device node
    problems: list[str] = msgspec.field(default_factory=list)  # what could not be read, in words


class SmallRead(NamedTuple):
    """Result for one file of a batch: its bytes lie at [offset, offset+length) of the buffer.

    ``error`` is an errno (0 is success). ``entry`` is the fstat of the open handle taken after
    reading (name empty), so the caller can see whether the file changed under the read; None when
    it failed. ``extras`` were read through the same handle; None when there are none.
    """

    offset: int
    length: int
    error: int
    entry: Entry | None
    extras: Extras | None = None


class SourceFile(Protocol):
    """An open regular file of the source."""

    def stat(self) -> Entry:
        """A fresh fstat (name empty)."""
        ...

    def read_into(self, view: memoryview, offset: int) -> int:
        """Read at an offset until the view is full or the file ends; bytes read. OSError."""
        ...

    def holes(self, size: int) -> Iterator[Hole]:
        """Unallocated ranges below ``size`` as the file system reports them; none if it cannot."""
        ...

    def extras(self) -> Extras:
        """Extended attributes and flags, read through the open handle."""
        ...

    def close(self) -> None: ...


class Seen(NamedTuple):
    """A directory listed from afar; identities are (device, inode), of the one above it first."""

    above: tuple[int, int]
    identity: tuple[int, int]
    listing: bytes


class SourceDir(Protocol):
    """An open directory of the source."""

    @property
    def device(self) -> int:
        """Device number; changes where another file system begins."""
        ...

    @property
    def identity(self) -> tuple[int, int]:
        """(device, inode) as they were when the directory was opened."""
        ...

    @property
    def fs_type(self) -> str:
        """File system name as the system calls it (``ext4``, ``cifs``, ``NTFS``)."""
        ...

    def scan(self) -> bytes:
        """The packed listing, without ``.`` and ``..``. OSError if the listing itself fails.

        A name that vanishes meanwhile is left out; one that cannot be examined for any other
        reason stays in, marked ``FLAG_FAILED``, so that it is counted.
        """
        ...

    def scan_tree(self, names: tuple[bytes, ...], depths: bytes, limit: int) -> list[Seen | None]:
        """List many directories below this one, in preorder; see ``scan_tree`` of tree.py."""
        ...

    def stat_self(self) -> Entry:
        """A fresh fstat of the directory itself (name empty)."""
        ...

    def stat_child(self, name: bytes) -> Entry:
        """A fresh lstat of a child; its times are exact even beyond 64 bits. OSError."""
        ...

    def open_dir(self, name: bytes) -> "SourceDir":
        """Open a subdirectory; refuses symbolic links. OSError."""
        ...

    def open_parent(self) -> "SourceDir":
        """Open ``..``; compare its ``identity``, for we may have been moved. OSError."""
        ...

    def open_file(self, name: bytes) -> SourceFile:
        """Open a regular file for reading without following links, blocking or touching atime."""
        ...

    def read_batch(
        self, wanted: Sequence[Entry], buffer: memoryview, settled: int
    ) -> list[SmallRead | None]:
        """Read small files whole, back to back into ``buffer``; None for what ``is_as_listed``.

        At most ``size + 1`` bytes are read of each, so growth shows as length > size.
        The buffer holds at least all sizes and a byte more for each, else ValueError.
        """
        ...

    def extras(self, name: bytes, mode: int) -> Extras:
        """Extras of any child, without following it and without opening special files. OSError."""
        ...

    def extras_self(self) -> Extras:
        """Extras of the directory itself, through the open handle."""
        ...

    def close(self) -> None: ...


class Attributes(msgspec.Struct, frozen=True, array_like=True):
    """Metadata to give a restored entry. None means: leave as the system made it.

    An empty ``xattrs`` therefore removes access control lists inherited from the directory.
    Set-user-id and set-group-id bits are only given together with the owner they speak for.
    """

    mode: int
    mtime_ns: int
    uid: int | None = None
    gid: int | None = None
    xattrs: Sequence[tuple[bytes, bytes]] | None = None
    flags: int | None = None


class Dropped(NamedTuple):
    """What a file system takes without a word and does not keep; by default, nothing."""

    mode: bool = False
    owner: tuple[int, int] | None = None
    """(user, group) that everything there belongs to, whoever it is given to."""
    xattrs: tuple[bytes, ...] = ()
    """How the names of such extended attributes begin."""


ONLY_OPEN = 0x80
"""Added to the depth of a directory that is only on the way to others."""

DEEPEST = 64
"""Levels that may be gone down in one go."""


class Steps(NamedTuple):
    """Directories to go to, told as a tree in preorder: names, and depths from 1 on."""

    names: tuple[bytes, ...]
    depths: bytes

    @property
    def goals(self) -> int:
        """Directories that are not only on the way."""
        return sum(depth < ONLY_OPEN for depth in self.depths)


class TargetFile(Protocol):
    """A new regular file under a temporary name in its final directory."""

    def resize(self, size: int) -> None:
        """Set the length; the content reads as zeros."""
        ...

    def write_at(self, data: Buffer, offset: int) -> None:
        """Write all bytes at an offset (pwrite). OSError."""
        ...

    def allocate(self, start: int, length: int) -> None:
        """Back a zero range with storage, where the file system can."""
        ...

    def read_into(self, view: memoryview, offset: int) -> int:
        """Read back for verification."""
        ...

    def finish(self, attributes: Attributes) -> list[str]:
        """Apply metadata, then rename over the final name; returns losses in words. OSError."""
        ...

    def abort(self) -> None:
        """Close and remove the temporary file; safe to call twice."""
        ...


class TargetDir(Protocol):
    """An open directory of the restore target.

    Every name must be a single component (not empty, ``.``, ``..``, or with a separator), else
    OSError EINVAL. What stands at a name is replaced, never followed; a directory in the place
    of something else, or the other way round, is an OSError (EISDIR, ENOTDIR, EEXIST).
    """

    @property
    def device(self) -> int:
        """Device number; changes where another file system begins."""
        ...

    @property
    def identity(self) -> tuple[int, int]:
        """(device, inode) as they were when the directory was opened."""
        ...

    @property
    def fs_type(self) -> str:
        """File system name as the system calls it."""
        ...

    @property
    def listed(self) -> bool:
        """Whether we may list it; one that we may only pass has no ``names``."""
        ...

    def dropped(self) -> Dropped:
        """What the file system here would drop in silence; tried on a file that is removed."""
        ...

    def existing(self, name: bytes) -> Entry | None:
        """lstat of a child, None if there is none."""
        ...

    def names(self) -> list[bytes]:
        """All children. OSError."""
        ...

    def open_dir(self, name: bytes) -> "TargetDir":
        """Open a child directory; refuses symbolic links. OSError."""
        ...

    def open_parent(self) -> "TargetDir":
        """Open ``..``; compare its ``identity``, for we may have been moved. OSError."""
        ...

    def make_dir(self, name: bytes, *, flags: int = 0) -> "TargetDir":
        """Create (0700) and open a child directory. OSError.

        Of ``flags`` those are set at once that only take effect on something empty.
        """
        ...

    def create_file(self, name: bytes, *, flags: int = 0) -> TargetFile:
        """Begin a new file that will be called ``name``; ``flags`` as for ``make_dir``."""
        ...

    def write_batch(
        self,
        names: Sequence[bytes],
        data: Sequence[Buffer],
        attributes: Sequence[Attributes],
    ) -> list[tuple[int, list[str]]]:
        """Create small files whole (temp, write, metadata, rename); per file (errno, losses)."""
        ...

    def write_below(
        self,
        steps: Steps,
        counts: Sequence[int],
        names: Sequence[bytes],
        data: Sequence[Buffer],
        attributes: Sequence[Attributes],
    ) -> int:
        """``write_batch`` in many directories below this one, ``counts`` files in each goal.

        How many files are there, from the first one on, without any loss; the next one and those
        behind it are left to ``write_batch``, which may find nothing unusual about them.
        """
        ...

    def apply_below(self, steps: Steps, attributes: Sequence[Attributes]) -> int:
        """``apply_self`` of the goals of ``steps``; how many from the first on, without loss."""
        ...

    def read_link(self, name: bytes) -> bytes:
        """Target of a symbolic link child."""
        ...

    def open_existing(self, name: bytes) -> SourceFile:
        """Open an existing regular child for comparing. OSError."""
        ...

    def make_symlink(self, name: bytes, target: bytes, attributes: Attributes) -> list[str]:
        """Create a symbolic link atomically over nothing or over what is called ``name``."""
        ...

    def make_special(self, name: bytes, device: int, attributes: Attributes) -> list[str]:
        """Create a FIFO, socket or device node by the file type in ``attributes.mode``."""
        ...

    def link_from(self, source: "TargetDir", source_name: bytes, name: bytes) -> None:
        """Make ``name`` a hard link to ``source_name`` in another open directory."""
        ...

    def move_aside(self, name: bytes, aside: "TargetDir", aside_name: bytes) -> None:
        """Rename a child into another directory of the same file system, replacing nothing."""
        ...

    def remove_file(self, name: bytes) -> None:
        """Unlink a child that is not a directory."""
        ...

    def apply(self, name: bytes, attributes: Attributes, *, directory: bool) -> list[str]:
        """Set metadata of an existing child (never follows it); losses in words."""
        ...

    def apply_self(self, attributes: Attributes) -> list[str]:
        """Set metadata of this directory itself; losses in words."""
        ...

    def lift_flags(self) -> int:
        """Clear flags that forbid changing its children; those cleared, for ``apply_self``."""
        ...

    def sync(self) -> None:
        """Make names in this directory durable."""
        ...

    def sync_file_system(self) -> None:
        """Make everything written so far to this directory's file system durable. OSError."""
        ...

    def close(self) -> None: ...


class Machine(msgspec.Struct, frozen=True):
    """Who we are; an id the system does not offer is empty."""

    host: str
    machine_id: str  # stable, and not the system's own secret id but derived from it
    boot_id: str  # another after every start of the system
    system: str  # "linux" or "windows"
    description: str = ""  # for people: "Debian GNU/Linux 12 (bookworm)"


OwnFolder = Literal["config", "state", "cache"]
"""What the user sets; what is remembered; what can be made again."""


class Platform(Protocol):
    """One operating system, entered only through ``twofold.platform.current()``."""

    def machine(self) -> Machine: ...

    def user_name(self) -> str: ...

    def process_alive(self, pid: int) -> bool:
        """Whether a process of this boot exists and has not ended; True when in doubt."""
        ...

    def owner_names(self, uid: int, gid: int) -> tuple[str, str]:
        """User and group name, empty where unknown. Cached."""
        ...

    def owner_ids(self, user: str, group: str) -> tuple[int | None, int | None]:
        """Ids of names on this machine, None where unknown. Cached."""
        ...

    def open_source(self, path: bytes) -> SourceDir:
        """Open a directory to be read; links in this path are followed. OSError."""
        ...

    def open_target(self, path: bytes, *, create: bool) -> TargetDir:
        """Open (or make 0700, with parents) the directory to restore into. OSError.

        Links in this path are followed: it is the user's own word, unlike all below it.
        """
        ...

    def stable_inodes(self, fs_type: str) -> bool:
        """Whether inode numbers of this file system survive a remount.

        True for an unknown one: a wrong True costs reading again, a wrong False a weaker proof.
        """
        ...

    def timestamp_granularity_ns(self, fs_type: str, entry: Entry) -> int:
        """Coarsest step with which this file system stamps changes, for the racy-clean rule."""
        ...

    def own_folder(self, kind: OwnFolder) -> Path:
        """Where Twofold keeps files of this kind for the current user; it need not exist."""
        ...

    def personal_folders(self) -> list[bytes]:
        """Folders of the current user worth backing up by default; only those that exist."""
        ...

    def open_disk(self, path: bytes, *, write: bool = False, create: bool = False) -> Disk:
        """Open a block device or a disk-image file; with ``create`` a missing file is made, empty.

        To be written, a device is taken for ourselves alone. NeedsRights; RefusedUnsafe when it is
        in use; UsageError when it is of another kind; else OSError.
        """
        ...

    def disks(self) -> list[DiskInfo]:
        """The whole disks of this machine; needs no rights on Linux."""
        ...

    def needed_to_start(self) -> list[bytes]:
        """The disks that hold what this machine starts from; empty where that is not known."""
        ...

    def uses_of(self, path: bytes) -> list[str]:
        """Sentences why a device or file must not be written; empty when nothing is known.

        Itself, its partitions or what is made of them may be mounted, swap space, a part of a RAID
        array or volume, opened by others, read-only, or what the running system is on. OSError.
        """
        ...

    def mounts_of(self, path: bytes) -> list[Mount]:
        """The file systems in use on a device, or in a file that is shown as a disk. OSError."""
        ...

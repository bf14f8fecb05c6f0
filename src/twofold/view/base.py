"""What everybody who looks at files needs of a tree of them, wherever its entries come from.

A backup of files has its entries in pages (``tree``); a partition of an image has them in a file
system that is parsed (``inside``). Contents are either segments, whose blobs are in the repository,
or are decoded by the parser while they are read.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from twofold.disk import Content
from twofold.errors import DamageFound
from twofold.format.pages import Node, NodeKind, Owner
from twofold.format.records import Root
from twofold.format.segments import Absence, Segment

Path = tuple[bytes, ...]
OnDamage = Callable[[Path, DamageFound], None]

KIND_NAMES: dict[int, str] = {kind: kind.name.lower().replace("_", " ") for kind in NodeKind}
"""What an entry is, in words."""

NO_OWNER = Owner(-1, -1)
"""Of entries whose file system keeps none, or none that this system has."""


class Absent:
    """Bytes that were met and are not stored, by cause; safe to share between threads."""

    def __init__(self) -> None:
        self._bytes = dict.fromkeys(Absence, 0)
        self._lock = threading.Lock()

    def add(self, cause: Absence, length: int) -> None:
        """So many more bytes."""
        with self._lock:
            self._bytes[cause] += length

    def take(self, other: "Absent") -> None:
        """All that another one counted, too."""
        for cause in Absence:
            self.add(cause, other.bytes_of(cause))

    def bytes_of(self, cause: Absence) -> int:
        """How many for one cause."""
        return self._bytes[cause]

    def __bool__(self) -> bool:
        return any(self._bytes.values())

    @property
    def words(self) -> str:
        """How many bytes of what are zeros now, and why."""
        told = [f"{count:,} bytes {cause.words}" for cause, count in self._bytes.items() if count]
        return " and ".join(told)


@runtime_checkable
class Lacking(Content, Protocol):
    """Content that may not be stored whole; it reads as zeros there."""

    @property
    def absent(self) -> Absent:
        """What of it was read so far and is not stored."""
        ...


def absent_in(content: Content) -> Absent:
    """What was read of a content and is not stored."""
    return content.absent if isinstance(content, Lacking) else Absent()


class Found(NamedTuple):
    """An entry and its path from the top of the snapshot; the top itself has the empty path."""

    path: Path
    node: Node
    owner: Owner


class Visit(NamedTuple):
    """A walk meets an entry or leaves a directory; ``parent`` is its path from the walk's start."""

    parent: Path
    node: Node
    owner: Owner
    leaving: bool

    @property
    def path(self) -> Path:
        """The path from the walk's start."""
        return (*self.parent, self.node.name)


class Group(NamedTuple):
    """What the entries of one file have in common."""

    device: int
    inode: int
    links: int


class Groups(Protocol):
    """Finds hard-link groups; used from one thread, quick in the order of a walk."""

    def of(self, directory: Sequence[bytes], node: Node) -> Group | None:
        """The group of an entry; None when it is alone or nothing is known. ``DamageFound``."""
        ...

    def holds(self, group: Group, node: Node) -> bool:
        """Whether a file of this number is here, as large and old as a node. ``DamageFound``."""
        ...


class Visits(Protocol):
    """Everything below a directory: each entry in name order, depth first. To be iterated once.

    A directory is met before its contents and, when all of it was met, once more as ``leaving``.
    Damage goes to ``on_damage`` with the directory's path and the walk goes on, or is raised where
    there is none.
    """

    def skip(self) -> None:
        """Keep out of the directory that was met last; then it is not left either."""
        ...

    def __iter__(self) -> Iterator[Visit]: ...


class FileTree(Protocol):
    """A tree of files. Methods raise ``DamageFound`` for what cannot be read."""

    @property
    def root(self) -> Root:
        """The snapshot's own."""
        ...

    @property
    def counted(self) -> bool:
        """Whether directories know the totals of what is below them."""
        ...

    @property
    def windows(self) -> bool:
        """Whether modes are made up, since files come from Windows or a file system of it."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """Sentences about what is not as it should be, or cannot be given back."""
        ...

    @property
    def top(self) -> Found:
        """The root directory."""
        ...

    def find(self, path: Sequence[bytes]) -> Found | None:
        """The entry at a path, None if there is none."""
        ...

    def walk(self, start: Found, on_damage: OnDamage | None = None) -> Visits:
        """Everything below a directory."""
        ...

    def groups(self) -> Groups:
        """A finder of hard-link groups."""
        ...

    def segments(self, node: Node) -> Iterator[Segment]:
        """Content of a file in order; only where ``content`` has none."""
        ...

    def content(self, node: Node) -> Content | None:
        """Content of a file that must be decoded, None where ``segments`` give it."""
        ...

    def fingerprint(self, node: Node) -> bytes:
        """Equal ones of one repository mean equal contents; empty where nothing is known."""
        ...

    def holes(self, node: Node) -> list[tuple[int, int]]:
        """(start, length) of what the source had not allocated, as far as that matters."""
        ...

    def refusal(self, node: Node) -> str:
        """Why there is no content that could be read, in words; empty when there is."""
        ...

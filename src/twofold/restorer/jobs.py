"""Units of work between deciding and writing: files, links, directories, and windows of them."""

from collections.abc import Sequence

import msgspec

from twofold.format.pages import Node
from twofold.platform import Attributes
from twofold.restorer.compare import Decision
from twofold.restorer.directory import Directory

WINDOW_ENTRIES = 8192
WINDOW_BYTES = 128 << 20
SMALL = 1 << 20
"""Files up to this many bytes are put together in memory and written in batches."""


class LinkState(msgspec.Struct, eq=False):
    """One file of several names: the others are linked to this one once it is ``ready``.

    ``inode`` is its number in the target where it was there before; ``left`` counts names to come.
    """

    directory: Directory
    name: bytes
    left: int
    inode: int = 0
    ready: bool = False
    damaged: bool = False


class FileJob(msgspec.Struct, eq=False):
    """A regular file to be written; ``aside``: what stands there is moved aside first.

    ``small``: it is put together in memory, where ``missing`` parts are still to come. Of others
    ``zeros`` are the zero runs as (start, end), ``holes`` what the source had not allocated as
    (start, length).
    """

    directory: Directory
    node: Node
    attributes: Attributes
    decision: Decision
    aside: bool
    small: bool
    state: LinkState | None = None
    missing: int = 0
    buffer: bytearray | None = None
    spoiled: bool = False
    zeros: Sequence[tuple[int, int]] = ()
    holes: Sequence[tuple[int, int]] = ()
    turn: int = 0
    """Spreads large files of one directory over the writers."""
    number: int = 0
    """Its place in an order, where it is part of one."""

    @classmethod
    def of(
        cls,
        directory: Directory,
        node: Node,
        attributes: Attributes,
        decision: Decision,
        *,
        aside: bool,
    ) -> "FileJob":
        """A job; small is what is short, has no holes and nothing to move aside."""
        holes = node.more is not None and bool(node.more.holes)
        small = node.size <= SMALL and not holes and not aside
        return cls(directory, node, attributes, decision, aside, small)


class LinkJob(msgspec.Struct, eq=False):
    """A further name of a file that is restored elsewhere."""

    file: FileJob
    state: LinkState


class LeftDirectory(msgspec.Struct, eq=False):
    """A directory whose contents are all on their way; its metadata goes on when they are there.

    ``once_more``: it will get its metadata again, so losses are told then.
    """

    directory: Directory
    attributes: Attributes
    once_more: bool = False


class Window(msgspec.Struct, eq=False):
    """Work that is done together: files first, then links, then directories as they were left."""

    files: list[FileJob] = msgspec.field(default_factory=list)
    links: list[LinkJob] = msgspec.field(default_factory=list)
    left: list[LeftDirectory] = msgspec.field(default_factory=list)
    size: int = 0

    @property
    def full(self) -> bool:
        """Whether it should be executed before more is added."""
        if self.size >= WINDOW_BYTES:
            return True
        return len(self.files) + len(self.links) + len(self.left) >= WINDOW_ENTRIES

    def add(self, job: FileJob) -> None:
        """One more file."""
        self.files.append(job)
        self.size += job.node.size

"""What stands at a name already, and what is to become of it.

    nothing there                     NEW
    same kind, same contents          UNCHANGED, or METADATA where only that differs
      … but with other hard links     REWRITE: metadata given in place would reach further names
    anything else                     REPLACED, or CONFLICT where one of the two is a directory
    existing entries are to be left   KEPT

Contents are compared with the snapshot's blob ids, so the repository need not be read for it.
"""

import stat
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum, auto
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from twofold.disk import Content
from twofold.errors import DamageFound
from twofold.format.layout import Buffer
from twofold.format.pages import Node, NodeKind, kind_of_mode
from twofold.format.segments import Segment
from twofold.platform import Attributes, Entry, Extras, Hole, TargetDir
from twofold.restorer.holes import Holes, common, without
from twofold.view import FileTree, absent_in

_STEP = 1 << 20
_LONGEST = 64 << 20
_ZEROS = bytes(_STEP)
_HOLES_MATTER = 16 << 20
"""Bytes from which on holes are asked for, to pass over those of both sides."""


class Decision(IntEnum):
    """What is to be done about an entry."""

    NEW = auto()
    UNCHANGED = auto()
    METADATA = auto()
    REWRITE = auto()
    REPLACED = auto()
    CONFLICT = auto()
    KEPT = auto()


class Judged(NamedTuple):
    """A decision and what it was made about; None where nothing was there."""

    decision: Decision
    entry: Entry | None


class Readable(Protocol):
    """An open file of the target, old or new."""

    def read_into(self, view: memoryview, offset: int) -> int: ...


@runtime_checkable
class Holed(Readable, Protocol):
    """A file that knows where nothing was ever written."""

    def holes(self, size: int) -> Iterator[Hole]: ...


class Comparer:
    """Compares files with what a tree says they hold; for one thread.

    What is not stored is compared as zeros, and ``lacks`` then says that there was such.
    """

    def __init__(self, blob_id: Callable[[Buffer], bytes]) -> None:
        self._blob_id = blob_id
        self._buffer = bytearray(_STEP)
        self.lacks = False

    def holds(self, file: Readable, tree: FileTree, node: Node) -> bool:
        """Whether a file holds the content of a node; False too where that cannot be read."""
        self.lacks = False
        try:
            content = tree.content(node)
            if content is not None:
                big = node.size >= _HOLES_MATTER
                holes = tuple(common(_holes_in(file, node.size), tree.holes(node))) if big else ()
                return self._is_content(file, content, node.size, holes)
            return self.same(file, tree.segments(node))
        except DamageFound:
            return False

    def _is_content(self, file: Readable, content: Content, size: int, holes: Holes) -> bool:
        for start, end in without(0, size, holes):
            for offset in range(start, end, _STEP):
                view = memoryview(self._buffer)[: min(_STEP, end - offset)]
                length = file.read_into(view, offset)
                if length != len(view) or view != content.read(offset, length):
                    return False
        self.lacks = bool(absent_in(content))
        return content.size == size

    def same(self, file: Readable, segments: Iterable[Segment]) -> bool:
        """Whether a file holds exactly these contents; its size is the caller's business."""
        offset = 0
        for blob, length in segments:
            if isinstance(blob, bytes):
                same = self._is_blob(file, offset, length, blob)
            else:
                self.lacks = self.lacks or blob is not None
                same = self._zeros(file, offset, length)
            if not same:
                return False
            offset += length
        return True

    def _is_blob(self, file: Readable, offset: int, length: int, blob: bytes) -> bool:
        if length > _LONGEST:
            return False  # no chunker makes such; a claim of gigabytes must not take memory
        if length > len(self._buffer):
            self._buffer = bytearray(length)
        view = memoryview(self._buffer)[:length]
        return file.read_into(view, offset) == length and self._blob_id(view) == blob

    def _zeros(self, file: Readable, offset: int, length: int) -> bool:
        holes = _holes_in(file, offset + length) if length >= _HOLES_MATTER else ()
        for start, end in without(offset, offset + length, holes):
            for at in range(start, end, _STEP):
                view = memoryview(self._buffer)[: min(_STEP, end - at)]
                if file.read_into(view, at) != len(view) or not _ZEROS.startswith(view):
                    return False
        return True


def _holes_in(file: Readable, size: int) -> Holes:
    """What a file has not allocated, as far as it tells."""
    found = file.holes(size) if isinstance(file, Holed) else ()
    return [(hole.start, hole.length) for hole in found]


class Judge:
    """Decides about entries that are not directories; for one thread.

    ``thorough`` reads every file of equal size. Otherwise equal times stand for equal contents,
    which is enough to tell beforehand what a restore would do.
    """

    def __init__(self, tree: FileTree, comparer: Comparer, *, skip: bool, thorough: bool) -> None:
        self._tree = tree
        self._comparer = comparer
        self._skip = skip
        self._thorough = thorough

    def entry(
        self, folder: TargetDir, node: Node, wanted: Attributes, known_inode: int = 0
    ) -> Judged:
        """About one entry. ``known_inode`` is a file here known to have the contents. OSError."""
        entry = folder.existing(node.name)
        if entry is None:
            return Judged(Decision.NEW, None)
        if self._skip:
            return Judged(Decision.KEPT, entry)
        kind = kind_of_mode(entry.mode)
        if kind == NodeKind.DIRECTORY:
            return Judged(Decision.CONFLICT, entry)
        if kind != node.kind:
            return Judged(Decision.REPLACED, entry)
        if known_inode and entry.inode == known_inode:
            return Judged(Decision.UNCHANGED, entry)
        return Judged(self._same_kind(folder, node, wanted, entry), entry)

    def _same_kind(
        self, folder: TargetDir, node: Node, wanted: Attributes, entry: Entry
    ) -> Decision:
        if node.kind == NodeKind.FILE:
            return self._file(folder, node, wanted, entry)
        if node.kind == NodeKind.SYMLINK and folder.read_link(node.name) != node.content:
            return Decision.REPLACED
        if node.kind in (NodeKind.CHARACTER_DEVICE, NodeKind.BLOCK_DEVICE):
            return Decision.REWRITE  # it does not show its number here, and holds nothing to keep
        has_more = node.more is not None and bool(node.more.xattrs)
        return _of_metadata(not has_more and _same_numbers(entry, wanted), entry)

    def _file(self, folder: TargetDir, node: Node, wanted: Attributes, entry: Entry) -> Decision:
        if entry.size != node.size:
            return Decision.REPLACED
        ask = self._thorough or entry.mtime_ns != node.mtime_ns
        try:
            file = folder.open_existing(node.name)
        except PermissionError:
            return self._closed_file(folder, node, wanted, entry)
        try:
            if ask and not self._comparer.holds(file, self._tree, node):
                return Decision.REPLACED  # where its content is lost, restoring it tells that
            if ask and self._comparer.lacks:
                return Decision.REPLACED  # so does restoring one that is not stored whole
            same = _same_numbers(entry, wanted) and _same_extras(file.extras(), wanted)
            return _of_metadata(same, entry)
        finally:
            file.close()

    def _closed_file(
        self, folder: TargetDir, node: Node, wanted: Attributes, entry: Entry
    ) -> Decision:
        """About a file whose mode forbids to read it; our own can be opened up for a moment."""
        if not self._thorough:
            same = entry.mtime_ns == node.mtime_ns
            return _of_metadata(_same_numbers(entry, wanted), entry) if same else Decision.REPLACED
        before = Attributes(entry.mode, entry.mtime_ns, entry.uid, entry.gid)
        opened = msgspec.structs.replace(before, mode=entry.mode | stat.S_IRUSR)
        folder.apply(node.name, opened, directory=False)
        try:
            folder.open_existing(node.name).close()
            return self._file(folder, node, wanted, entry)
        except PermissionError:
            return Decision.REPLACED  # somebody else's: nobody can tell what it holds
        finally:
            folder.apply(node.name, before, directory=False)


def _of_metadata(same: bool, entry: Entry) -> Decision:
    if same:
        return Decision.UNCHANGED
    return Decision.METADATA if entry.links == 1 else Decision.REWRITE


def _same_numbers(entry: Entry, wanted: Attributes) -> bool:
    return (
        (entry.mode == wanted.mode or stat.S_ISLNK(wanted.mode))
        and entry.mtime_ns == wanted.mtime_ns
        and wanted.uid in (None, entry.uid)
        and wanted.gid in (None, entry.gid)
    )


def _same_extras(extras: Extras, wanted: Attributes) -> bool:
    """Whether what was wanted is there, and nothing that its first owner would have given."""
    there, asked = dict(extras.xattrs), dict(wanted.xattrs or ())
    if any(there.get(name) != value for name, value in asked.items()):
        return False
    if any(name not in asked and _is_given(name) for name in there):
        return False
    return wanted.flags is None or wanted.flags == extras.flags


def _is_given(name: bytes) -> bool:
    return name.startswith(b"user.") or b".posix_acl_" in name

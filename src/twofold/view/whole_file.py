"""Files of a tree read whole: found whatever their capitals, through links, within a limit."""

from collections.abc import Sequence
from itertools import islice

from twofold.disk import Content
from twofold.errors import FormatError
from twofold.format.names import BlobKind
from twofold.format.pages import Node, NodeKind
from twofold.format.segments import Absence
from twofold.repository import BlobReader
from twofold.view.base import FileTree, Found, Path, absent_in

_STEP = 1 << 20
_MOST_LINKS = 8
_MOST_ENTRIES = 65536
"""Entries of a directory that are compared by their capitals."""


class WholeFiles:
    """Files of one tree. All methods raise ``DamageFound`` for what cannot be read."""

    def __init__(self, tree: FileTree, blobs: BlobReader) -> None:
        self.tree = tree
        self._blobs = blobs

    def find(self, path: Sequence[bytes], *, any_case: bool = False) -> Found | None:
        """The entry at a path; with ``any_case`` also where names differ by capitals only."""
        found = self.tree.find(path)
        if found is not None or not any_case:
            return found
        here: Found | None = self.tree.top
        for name in path:
            here = self._step(here, name) if here is not None else None
        return here

    def _step(self, directory: Found, name: bytes) -> Found | None:
        exact = self.tree.find((*directory.path, name))
        if exact is not None:
            return exact
        wanted = folded(name)
        for found in self.children(directory):
            if folded(found.node.name) == wanted:
                return found
        return None

    def children(self, directory: Found) -> list[Found]:
        """The entries of a directory, up to a limit."""
        if directory.node.kind != NodeKind.DIRECTORY:
            return []
        walk = self.tree.walk(directory)
        found = []
        for visit in islice(walk, _MOST_ENTRIES):
            walk.skip()
            found.append(Found((*directory.path, visit.node.name), visit.node, visit.owner))
        return found

    def read(self, path: Sequence[bytes], limit: int, *, any_case: bool = False) -> bytes | None:
        """The content of a file; None when there is none. ``FormatError`` when it is longer."""
        found = self._followed(tuple(path), any_case=any_case)
        if found is None or found.node.kind != NodeKind.FILE:
            return None
        if found.node.size > limit:
            raise FormatError(f"it is too long to be read ({found.node.size:,} bytes)")
        refusal = self.tree.refusal(found.node)
        if refusal:
            raise FormatError(refusal)
        return self._content(found.node)

    def _followed(self, path: Path, *, any_case: bool) -> Found | None:
        for _ in range(_MOST_LINKS):
            found = self.find(path, any_case=any_case)
            if found is None or found.node.kind != NodeKind.SYMLINK:
                return found
            path = _led(path, found.node.content)
        return None

    def _content(self, node: Node) -> bytes:
        content = self.tree.content(node)
        if content is not None:
            return _decoded(content, node.size)
        out = bytearray()
        for segment in self.tree.segments(node):
            if isinstance(segment.blob, Absence):
                raise FormatError(f"{segment.length:,} bytes of it {segment.blob.words}")
            data = bytes(segment.length) if segment.blob is None else b""
            if segment.blob is not None:
                data = bytes(self._blobs.read(BlobKind.DATA, segment.blob))
            if len(data) != segment.length:
                raise FormatError("a file's list of contents gives a wrong length")
            out += data
        return bytes(out)


def _decoded(content: Content, size: int) -> bytes:
    out = bytearray()
    while len(out) < size:
        data = content.read(len(out), min(_STEP, size - len(out)))
        if not data:
            raise FormatError("the content of the file ends before its size")
        out += data
    absent = absent_in(content)
    if absent:
        raise FormatError(f"not all of it is stored: {absent.words}")
    return bytes(out)


def _led(path: Path, target: bytes) -> Path:
    """Where a link leads, from the top of the tree."""
    names = [] if target.startswith(b"/") else list(path[:-1])
    for name in target.split(b"/"):
        if name == b"..":
            names = names[:-1]
        elif name not in (b"", b"."):
            names.append(name)
    return tuple(names)


def folded(name: bytes) -> str:
    """A name without its capitals."""
    return name.decode("utf-8", "surrogateescape").casefold()

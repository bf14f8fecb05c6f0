"""Write the content of one file out of a snapshot, of either kind, piece by piece.

Exit code 5 when the repository cannot give all of it; what came before was written.
"""

from collections.abc import Callable, Iterator

import msgspec

from twofold.commands.reading import read_snapshot
from twofold.disk import Content
from twofold.errors import INCOMPLETE, FormatError, TwofoldError, UsageError
from twofold.events import Emit, Finding, Severity
from twofold.format.layout import Buffer
from twofold.format.names import BlobKind
from twofold.format.pages import Node, NodeKind
from twofold.format.segments import Absence, Segment
from twofold.options import Options, RepositoryAccess
from twofold.repository import BlobReader
from twofold.view import (
    Absent,
    FileTree,
    Path,
    absent_in,
    find_typed,
    get_typed,
    named_stream,
    parse_address,
    path_text,
)

_STEP = 1 << 20
_ZEROS = bytes(_STEP)


class CatOptions(Options, frozen=True, kw_only=True):
    """Which file (``latest:/home/u/a.txt``, ``latest:p3:/a.txt``); ``write`` gets its bytes.

    Behind a colon stands a further stream of it (``latest:p3:/a.txt:Zone.Identifier``).
    """

    access: RepositoryAccess
    address: str
    write: Callable[[Buffer], None]


class CatResult(msgspec.Struct, frozen=True):
    """What was written."""

    exit_code: int
    snapshot: bytes
    snapshot_time_ns: int
    path: bytes
    bytes_total: int


def run(options: CatOptions, emit: Emit) -> CatResult:
    """Write the file. ``UsageError`` for what is none, ``SnapshotNotFound``, ``PathNotFound``."""
    address = parse_address(options.address)
    with read_snapshot(options.access, address, "cat", emit) as reading:
        tree, path = reading.tree(address), path_text(address.path or ())
        shown = path.decode("utf-8", "surrogateescape")
        absent = Absent()
        size = 0
        for data in _wanted(tree, address.path or (), shown, reading.pages.blobs, absent):
            options.write(data)
            size += len(data)
        if absent:
            message = f"it has zeros where the backup holds nothing: {absent.words}"
            remedy = "an older or newer backup may hold it"
            emit(Finding(Severity.WARNING, shown, message, remedy))
        snapshot = reading.snapshot
        code = INCOMPLETE if absent else 0
        return CatResult(code, snapshot.id, snapshot.root.time_ns, path, size)


def _wanted(
    tree: FileTree, path: Path, shown: str, blobs: BlobReader, absent: Absent
) -> Iterator[Buffer]:
    """The content at a path, which may name a further stream of a file."""
    stream = None if find_typed(tree, path) is not None else named_stream(tree, path)
    if stream is not None:
        return _all_of(stream, stream.size, absent)
    node = get_typed(tree, path).node
    _check(tree, node, shown)
    return _pieces(tree, node, blobs, absent)


def _check(tree: FileTree, node: Node, shown: str) -> None:
    if node.kind != NodeKind.FILE:
        kind = NodeKind(node.kind).name.lower().replace("_", " ")
        raise UsageError(f"'{shown}' is no file but a {kind}", hint="'twofold restore' takes it")
    refusal = tree.refusal(node)
    if refusal:
        raise TwofoldError(f"'{shown}' cannot be read: {refusal}")


def _pieces(tree: FileTree, node: Node, blobs: BlobReader, absent: Absent) -> Iterator[Buffer]:
    """The content; ``absent`` is told what of it is not stored."""
    content = tree.content(node)
    if content is not None:
        yield from _all_of(content, node.size, absent)
        return
    for segment in tree.segments(node):
        if isinstance(segment.blob, Absence):
            absent.add(segment.blob, segment.length)
        yield from _stored(segment, blobs)


def _all_of(content: Content, size: int, absent: Absent) -> Iterator[Buffer]:
    yield from _decoded(content, size)
    absent.take(absent_in(content))


def _decoded(content: Content, size: int) -> Iterator[Buffer]:
    for offset in range(0, size, _STEP):
        data = content.read(offset, min(_STEP, size - offset))
        if len(data) != min(_STEP, size - offset):
            raise FormatError("the content of the file ends before its size")
        yield data


def _stored(segment: Segment, blobs: BlobReader) -> Iterator[Buffer]:
    if not isinstance(segment.blob, bytes):
        for offset in range(0, segment.length, _STEP):
            yield memoryview(_ZEROS)[: segment.length - offset]
        return
    data = blobs.read(BlobKind.DATA, segment.blob)
    if len(data) != segment.length:
        raise FormatError("a file's list of contents gives a wrong length")
    yield data

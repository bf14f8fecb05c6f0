"""Equal contents are told from others however they were cut; bytes are the oracle."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from twofold.disk import Content
from twofold.errors import FormatError
from twofold.format.names import BlobKind
from twofold.format.pages import More, Node, NodeKind
from twofold.format.segments import Segment
from twofold.view.base import FileTree
from twofold.view.same import Comparer, File


@dataclass
class Blobs:
    """Blobs by number; counts those that are read."""

    kept: dict[bytes, bytes] = field(default_factory=dict)
    read_count: int = 0

    def put(self, data: bytes) -> bytes:
        ident = b"blob" + data
        self.kept[ident] = data
        return ident

    def read(self, kind: BlobKind, blob: bytes) -> bytes:
        assert kind is BlobKind.DATA
        self.read_count += 1
        return self.kept[blob]


@dataclass
class Decoded:
    """Content that a parser gives."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


@dataclass
class Stub:
    """A tree with one file."""

    parts: Sequence[Segment] | None = None
    decoded: Content | None = None
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def content(self, node: Node) -> Content | None:
        return self.decoded

    def segments(self, node: Node) -> Iterator[Segment]:
        return iter(self.parts or ())

    def holes(self, node: Node) -> list[tuple[int, int]]:
        return self.gaps

    def fingerprint(self, node: Node) -> bytes:
        return repr(self.parts).encode() if self.parts else b""

    def refusal(self, node: Node) -> str:
        return "no"


def file(tree: Stub, size: int, more: More | None = None) -> File:
    node = Node(b"f", NodeKind.FILE, 0o644, 0, 0, size, more=more)
    return File(cast(FileTree, tree), node)


def cut(blobs: Blobs, data: bytes, rand: random.Random) -> File:
    """A file cut anywhere; of zeros some are runs, some are stored, and some pieces are empty."""
    parts: list[Segment] = []
    at = 0
    while at < len(data):
        length = min(rand.choice((1, 2, 3, 7, 0)), len(data) - at)
        piece = data[at : at + length]
        if not piece.strip(b"\0") and rand.random() < 0.7:
            parts.append(Segment(None, length))
        else:
            parts.append(Segment(blobs.put(piece), length))
        at += length
    return file(Stub(parts), len(data))


def decoded(data: bytes, rand: random.Random) -> File:
    """A file that is decoded, some of its zeros being holes."""
    gaps = []
    at = 0
    while at < len(data):
        length = rand.randrange(1, 5)
        if not data[at : at + length].strip(b"\0") and rand.random() < 0.5:
            gaps.append((at, min(length, len(data) - at)))
        at += length
    return file(Stub(decoded=Decoded(data), gaps=gaps), len(data))


@pytest.mark.parametrize("seed", range(40))
def test_bytes_decide(seed: int) -> None:
    rand = random.Random(seed)
    for _ in range(60):
        blobs = Blobs()
        one = bytes(rand.choice(b"\0\0\0ab") for _ in range(rand.randrange(40)))
        other = bytearray(one)
        if one and rand.random() < 0.6:
            other[rand.randrange(len(one))] = rand.choice(b"\0ab")
        if rand.random() < 0.1:
            other += b"\0"
        sides = [
            cut(blobs, bytes(data), rand) if rand.random() < 0.7 else decoded(bytes(data), rand)
            for data in (one, other)
        ]
        compared = Comparer(cast(Any, blobs)).same(sides[0], sides[1])
        assert compared == (one == bytes(other)), (one, other)


def test_what_lists_tell_is_not_read() -> None:
    blobs = Blobs()
    one, two = blobs.put(b"a" * 100), blobs.put(b"b" * 100)
    comparer = Comparer(cast(Any, blobs))
    first = file(Stub([Segment(one, 100), Segment(None, 1 << 60)]), 100 + (1 << 60))
    equal = file(
        Stub([Segment(one, 100), Segment(None, 1 << 59), Segment(None, 1 << 59)]), 100 + (1 << 60)
    )
    other = file(Stub([Segment(two, 100), Segment(None, 1 << 60)]), 100 + (1 << 60))
    assert comparer.same(first, equal)
    assert not comparer.same(first, other)
    assert blobs.read_count == 0


def test_lists_that_do_not_add_up() -> None:
    blobs = Blobs()
    short = file(Stub([Segment(blobs.put(b"a"), 1)]), 2)
    long = file(Stub([Segment(blobs.put(b"ab"), 2)]), 2)
    liar = file(Stub([Segment(blobs.put(b"a"), 2)]), 2)
    ended = file(Stub(decoded=Decoded(b"x")), 2)
    comparer = Comparer(cast(Any, blobs))
    for one, two in ((short, long), (long, short), (ended, long)):
        with pytest.raises(FormatError):
            comparer.same(one, two)
    halves = file(Stub([Segment(blobs.put(b"a"), 1), Segment(blobs.put(b"b"), 1)]), 2)
    with pytest.raises(FormatError):
        comparer.same(liar, halves)


def test_a_refusal_is_asked_for_only_where_one_can_be() -> None:
    assert file(Stub([]), 0).refusal == ""
    assert file(Stub([]), 0, More()).refusal == "no"

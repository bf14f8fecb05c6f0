"""Trees of pages: what goes in comes out in order, borders depend on names, size is bounded."""

import hashlib
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.format.names import BlobKind
from twofold.format.pages import PAGE_LIMIT, Failure, Node, NodePage, Owner
from twofold.format.records import PageRef, TreeRef
from twofold.format.segments import Segment, pack_blob, pack_zeros
from twofold.graph import PageStore
from twofold.pipeline import NodeWriter, write_failures, write_segments
from twofold.pipeline.pages import PageSink

KEY = bytes(range(32))


class Memory:
    """Pages in a dictionary, by hash: the save side and the read side of a test."""

    def __init__(self) -> None:
        self.pages: dict[bytes, bytes] = {}

    def save(self, page: bytes) -> bytes:
        assert len(page) <= PAGE_LIMIT
        ident = hashlib.sha256(page).digest()
        self.pages[ident] = page
        return ident

    def read(self, kind: BlobKind, ident: bytes) -> bytes:
        assert kind == BlobKind.META
        return self.pages[ident]

    @property
    def store(self) -> PageStore:
        return PageStore(self)  # type: ignore[arg-type]


def node(name: bytes, size: int = 1) -> Node:
    return Node(name, 1, 0o644, -1, 12345, size, pack_zeros(size))


def write(memory: Memory, names: list[bytes]) -> TreeRef:
    writer = NodeWriter(memory.save, KEY)
    for name in sorted(names):
        writer.add(node(name), owner(name))
    return writer.finish()


def owner(name: bytes) -> Owner:
    return Owner(zlib.crc32(name) % 3, 0, "user", "group")


NAMES = st.lists(
    st.binary(min_size=1, max_size=20).filter(
        lambda n: b"/" not in n and b"\0" not in n and n not in (b".", b"..")
    ),
    unique=True,
    max_size=300,
)


@given(NAMES)
@settings(max_examples=60, deadline=None)
def test_nodes_come_back_in_order_with_their_owners(names: list[bytes]) -> None:
    memory = Memory()
    tree = write(memory, names)
    found = list(memory.store.nodes(tree))
    assert [owned.node.name for owned in found] == sorted(names)
    assert [owned.owner.uid for owned in found] == [owner(name).uid for name in sorted(names)]
    assert tree.files == tree.bytes == len(names)


@given(NAMES, st.binary(min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_one_name_is_found_without_reading_all(names: list[bytes], absent: bytes) -> None:
    memory = Memory()
    tree = write(memory, names)
    for name in names[:20]:
        found = memory.store.find(tree, name)
        assert found is not None
        assert found.node.name == name
    expected = absent in names
    assert (memory.store.find(tree, absent) is not None) == expected


def big(count: int, seed: int = 0) -> list[bytes]:
    rand = random.Random(seed)
    return [b"name-%012x" % rand.getrandbits(48) for _ in range(count)]


@pytest.mark.parametrize("at", [0, 7, 14_000, 29_999])
def test_an_insert_rewrites_at_most_two_pages_of_a_level(at: int) -> None:
    memory = Memory()
    names = sorted(big(30_000))
    tree = write(memory, names)
    before = set(memory.pages)
    names.insert(at, names[at] + b"!")
    write(memory, names)
    rewritten = len(set(memory.pages) - before)
    assert rewritten <= 2 * (tree.level + 1)


def test_a_large_directory_has_levels_and_bounded_pages() -> None:
    memory = Memory()
    tree = write(memory, big(200_000))
    assert 1 <= tree.level <= 3
    leaves = list(memory.store.leaves(tree.page, NodePage))
    assert sum(len(page.nodes) for page in leaves) == tree.files
    assert max(len(page.nodes) for page in leaves) <= 4096


@given(NAMES, st.integers(0, 300))
@settings(max_examples=40, deadline=None)
def test_a_copy_ends_early_and_leaves_the_original_alone(names: list[bytes], cut: int) -> None:
    memory = Memory()
    ordered = sorted(names)
    writer = NodeWriter(memory.save, KEY)
    early = None
    for i, name in enumerate(ordered):
        if i == cut:
            early = writer.copy().finish()
        writer.add(node(name), Owner(0, 0))
    whole = writer.finish()
    assert [o.node.name for o in memory.store.nodes(whole)] == ordered
    if early is not None:
        assert [o.node.name for o in memory.store.nodes(early)] == ordered[:cut]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 2**32 - 1)), max_size=200))
@settings(max_examples=60, deadline=None)
def test_segments_short_and_long(parts: list[tuple[bool, int]]) -> None:
    memory = Memory()
    segments = [
        Segment(hashlib.sha256(b"%d" % i).digest() if is_blob else None, length)
        for i, (is_blob, length) in enumerate(parts)
    ]
    packed = [
        pack_blob(blob, length) if isinstance(blob, bytes) else pack_zeros(length)
        for blob, length in segments
    ]
    content, ref = write_segments(memory.save, packed)
    assert len(content) <= 1024
    stored = Node(b"n", 1, 0, 0, 0, sum(s.length for s in segments), content, ref)
    assert list(memory.store.segments(stored)) == segments


def test_failures_are_all_kept() -> None:
    memory = Memory()
    failures = [Failure(b"/path/%d" % i, "read", "Permission denied") for i in range(20_000)]
    ref = write_failures(memory.save, failures)
    assert ref is not None
    assert list(memory.store.failures(ref)) == failures
    assert write_failures(memory.save, []) is None


def test_a_sink_without_pages_is_a_bug() -> None:
    with pytest.raises(ValueError, match="without pages"):
        PageSink(Memory().save).finish()


def test_a_single_page_stands_alone() -> None:
    memory = Memory()
    sink = PageSink(memory.save)
    sink.add(b"page", b"key")
    assert sink.finish() == PageRef(hashlib.sha256(b"page").digest(), 0)

"""Reading trees of pages: in order, level by level, refusing what does not fit."""

import pytest

from tests.graph.conftest import Graph, directory
from twofold.errors import DamageFound, FormatError
from twofold.format.names import BlobKind
from twofold.format.pages import FAILURES, LISTING, REFERENCES, Failure, NodeKind
from twofold.format.records import PageRef, Root, TreeRef
from twofold.graph import PageStore, reachable


@pytest.fixture
def pages(graph: Graph) -> PageStore:
    return PageStore(graph.blobs)  # type: ignore[arg-type]


def test_entries_come_in_order_over_pages_and_levels(graph: Graph, pages: PageStore) -> None:
    groups = [[graph.file(b"%d%d" % (one, two), b"x") for two in range(3)] for one in range(4)]
    halves = [graph.wide_folder(*groups[:2]), graph.wide_folder(*groups[2:])]
    refs = [(halves[0].id, b"00"), (halves[1].id, b"20")]
    tree = TreeRef(graph.page(REFERENCES, 2, refs), 2)
    names = [owned.node.name for owned in pages.nodes(tree)]
    assert names == [b"%d%d" % (one, two) for one in range(4) for two in range(3)]
    for name in names:
        found = pages.find(tree, name)
        assert found is not None and found.node.name == name
    for name in (b"", b"0", b"05", b"99"):
        assert pages.find(tree, name) is None


def test_finding_reads_one_page_per_level(graph: Graph, pages: PageStore) -> None:
    tree = graph.wide_folder(*[[graph.file(b"%02d" % n, b"x")] for n in range(20)])
    graph.blobs.reads.clear()
    pages.find(tree, b"07")
    assert len(graph.blobs.reads) == 2


def test_contents_must_add_up(graph: Graph, pages: PageStore) -> None:
    node = graph.long_file(b"f", b"123", b"45")
    assert [s.length for s in pages.segments(node)] == [3, 2]
    wrong = type(node)(b"f", 1, 0, 0, 0, 6, b"", node.ref)
    with pytest.raises(FormatError, match="add up"):
        list(pages.segments(wrong))


def test_an_empty_page_of_references_is_refused_when_searched(
    graph: Graph, pages: PageStore
) -> None:
    with pytest.raises(FormatError):
        pages.find(TreeRef(graph.page(REFERENCES, 1, []), 1), b"x")


def test_failures_come_back(graph: Graph, pages: PageStore) -> None:
    ref = PageRef(graph.page(FAILURES, [[b"/p", "open", "no"]]))
    assert list(pages.failures(ref)) == [Failure(b"/p", "open", "no")]


def test_everything_a_snapshot_needs_is_reached_once(graph: Graph, pages: PageStore) -> None:
    inner = graph.folder(graph.file(b"a", b"1"), graph.long_file(b"b", b"22", b"333"))
    tree = graph.folder(directory(b"d", inner), directory(b"e", inner))
    sub = PageRef(graph.page(LISTING, 0, b"", []))
    listing = PageRef(graph.page(LISTING, 0, b"", [[b"d", [sub.id, 0]]]))
    failures = PageRef(graph.page(FAILURES, []))
    root = Root(tree=tree, listing=listing, failures=failures)
    seen: set[bytes] = set()
    found = list(reachable(pages, root, seen))
    assert {reach.id for reach in found} == set(graph.blobs.held)
    metas = [reach.id for reach in found if reach.kind is BlobKind.META]
    assert len(metas) == len(set(metas)) and seen == set(metas)
    assert not list(reachable(pages, root, seen))
    assert {reach.path for reach in found if reach.kind is BlobKind.DATA} <= {
        b"/d/a",
        b"/d/b",
        b"/e/a",
        b"/e/b",
    }


def test_reaching_stops_at_a_page_that_is_lost(graph: Graph, pages: PageStore) -> None:
    root = Root(tree=graph.folder(directory(b"d", TreeRef(b"n" * 32))))
    with pytest.raises(DamageFound):
        list(reachable(pages, root, set()))


def test_an_impossible_entry_is_refused(graph: Graph, pages: PageStore) -> None:
    node = graph.file(b"a", b"1")
    for wrong in (
        type(node)(b"a", NodeKind.FILE, 0, 5, 0),
        type(node)(b"a", 44, 0, 0, 0),
        type(node)(b"a", NodeKind.DIRECTORY, 0, 0, 0),
    ):
        with pytest.raises(FormatError):
            list(pages.nodes(graph.folder(wrong)))

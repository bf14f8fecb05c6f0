"""Following snapshots: every page once, every loss in every snapshot that has it, by its paths."""

import msgspec
import pytest

from tests.graph.conftest import Graph, directory
from twofold.format.pages import FAILURES, LISTING, REFERENCES
from twofold.format.records import PageRef, TreeRef
from twofold.graph import Affected
from twofold.graph.verify import KEPT, Place


def affects(found: Affected, *paths: bytes) -> bool:
    return tuple(found.paths) == paths and not found.more and found.anything == bool(paths)


def test_a_whole_snapshot_misses_nothing(graph: Graph) -> None:
    inner = graph.folder(graph.file(b"a", b"one", b"two"), graph.long_file(b"b", b"3", b"4" * 9))
    tree = graph.folder(directory(b"dir", inner), graph.file(b"file", b"five"))
    assert affects(graph.verify(tree))
    assert graph.pages_read == len(graph.blobs.reads) == 5


def test_what_was_clean_is_not_read_again(graph: Graph) -> None:
    inner = graph.folder(graph.long_file(b"b", b"3", b"4" * 9))
    graph.verify(graph.folder(directory(b"dir", inner)))
    before = graph.pages_read
    assert affects(graph.verify(graph.folder(directory(b"else", inner))))
    assert graph.pages_read == before + 1


@pytest.mark.parametrize("chunk", [b"one", b"two"])
def test_a_lost_blob_names_its_file(graph: Graph, chunk: bytes) -> None:
    tree = graph.folder(
        directory(b"dir", graph.folder(graph.file(b"a", b"one", b"two"), graph.file(b"b", b"3")))
    )
    graph.lose(chunk)
    found = graph.verify(tree)
    assert affects(found, b"/dir/a") and "cannot be had" in found.reason


def test_a_file_of_one_blob_is_looked_at_like_any_other(graph: Graph) -> None:
    short = msgspec.structs.replace(graph.file(b"short", b"one"), size=2)
    lost = graph.file(b"lost", b"two")
    tree = graph.folder(graph.file(b"a", b"three"), lost, short)
    graph.lose(b"two")
    assert affects(graph.verify(tree), b"/lost", b"/short")


def test_a_lost_blob_of_a_long_file_names_it_once(graph: Graph) -> None:
    tree = graph.folder(graph.long_file(b"long", b"1", b"2", b"3"))
    graph.lose(b"1")
    graph.lose(b"3")
    assert affects(graph.verify(tree), b"/long")


def test_a_lost_page_names_the_folder_and_spares_its_neighbours(graph: Graph) -> None:
    lost = graph.folder(graph.file(b"x", b"x"))
    tree = graph.wide_folder(
        [directory(b"a", lost)], [graph.file(b"b", b"bb")], [graph.file(b"c", b"cc")]
    )
    del graph.blobs.held[lost.id]
    graph.lose(b"cc")
    assert affects(graph.verify(tree), b"/a/", b"/c")


def test_every_snapshot_that_shares_a_loss_is_told_with_its_own_paths(graph: Graph) -> None:
    shared = graph.folder(graph.file(b"f", b"gone"), graph.file(b"g", b"here"))
    trees = [graph.folder(directory(b"dir%d" % n, shared)) for n in range(3)]
    twice = graph.folder(directory(b"x", shared), directory(b"y", shared))
    graph.lose(b"gone")
    for number, tree in enumerate(trees):
        assert affects(graph.verify(tree), b"/dir%d/f" % number)
    assert affects(graph.verify(twice), b"/x/f", b"/y/f")
    assert affects(graph.verify(graph.folder(graph.file(b"z", b"here"))))


def test_losses_found_later_do_not_reach_back(graph: Graph) -> None:
    """A verifier judges by what is known when it comes by; nothing is lost in between."""
    tree = graph.folder(graph.file(b"f", b"data"))
    assert affects(graph.verify(tree))
    graph.lose(b"data")
    assert affects(graph.verify(tree)), "a clean page is not entered again"
    graph.verifier = graph.new_verifier()
    assert affects(graph.verify(tree), b"/f")


def test_paths_are_cut_off_after_some(graph: Graph) -> None:
    nodes = [graph.file(b"%03d" % n, b"lost %d" % n) for n in range(KEPT + 5)]
    for number in range(KEPT + 5):
        graph.lose(b"lost %d" % number)
    found = graph.verify(graph.folder(*nodes))
    assert len(found.paths) == KEPT and found.more


def test_after_enough_examples_tainted_pages_are_not_entered_again(graph: Graph) -> None:
    inner = graph.folder(*[graph.file(b"%03d" % n, b"lost %d" % n) for n in range(KEPT)])
    for number in range(KEPT):
        graph.lose(b"lost %d" % number)
    nodes = [directory(b"d%04d" % n, inner) for n in range(50)]
    found = graph.verify(graph.folder(*nodes))
    assert len(found.paths) == KEPT and found.more
    assert graph.pages_read == 2


def test_an_unreadable_page_is_tried_once(graph: Graph) -> None:
    lost = TreeRef(b"n" * 32)
    for _ in range(4):
        assert affects(graph.verify(graph.folder(directory(b"a", lost))), b"/a/")
    assert graph.pages_read == 4 + 1, "the folder each time, the lost page once"


def test_a_page_serves_in_one_role_only(graph: Graph) -> None:
    """Clean as a directory does not make it clean as a list of segments."""
    inner = graph.folder(graph.file(b"a", b"1"))
    assert affects(graph.verify(graph.folder(directory(b"dir", inner))))
    broken = graph.file(b"f", b"12")
    broken = type(broken)(b"f", 1, 0, 0, 0, 2, b"", inner)
    assert affects(graph.verify(graph.folder(broken)), b"/f")


def test_a_clean_stream_must_still_have_the_length_that_is_said(graph: Graph) -> None:
    node = graph.long_file(b"a", b"123", b"45")
    assert affects(graph.verify(graph.folder(node)))
    other = type(node)(b"b", 1, 0, 0, 0, 6, b"", node.ref)
    assert affects(graph.verify(graph.folder(other)), b"/b")


def test_listings_and_failures_are_told_apart_from_files(graph: Graph) -> None:
    tree = graph.folder(graph.file(b"a", b"1"))
    child = PageRef(b"n" * 32)
    listing = PageRef(graph.page(LISTING, 0, b"", [[b"sub", [child.id, 0]]]))
    found = graph.verify(tree, listing, PageRef(graph.page(REFERENCES, 1, [[b"n" * 32]]), 1))
    assert (found.paths, found.listings, found.failures) == ([], 1, 1) and found.anything
    failures = PageRef(graph.page(FAILURES, [[b"/path", "open", "why"]]))
    assert not graph.verify(tree, None, failures).anything


def test_a_place_knows_its_path() -> None:
    place = None
    for name in (b"", b"home", b"\xff", b"x"):
        place = Place(place, name)
    assert place is not None and place.path == b"/home/\xff/x"

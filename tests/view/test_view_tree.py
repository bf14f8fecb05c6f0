"""The file system of a snapshot against the live one, at any depth and width, and after damage."""

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.restorer.place import Craft, Place, changed
from twofold.errors import DamageFound, FormatError, UsageError
from twofold.format.pages import (
    NODES,
    Node,
    NodeKind,
    NodePage,
    Owner,
    Reference,
    ReferencePage,
    encode_page,
)
from twofold.format.records import PageRef, Root, TreeRef
from twofold.view import Tree, Visit


def fill(top: Path) -> None:
    for name in ("a", "b/c/d", "b/e", "z"):
        (top / name).mkdir(parents=True)
    for name in ("a/1", "a/2", "b/c/d/3", "b/c/x", "b.txt", "b-", "z/\udcff"):
        (top / name).write_bytes(name.encode("utf-8", "surrogateescape"))
    (top / "link").symlink_to("a/1")


def live(top: bytes) -> Iterator[tuple[bytes, ...]]:
    """Paths below a directory, depth first, each directory by name bytes."""
    for name in sorted(os.listdir(top)):
        yield (name,)
        path = os.path.join(top, name)
        if os.path.isdir(path) and not os.path.islink(path):
            yield from ((name, *rest) for rest in live(path))


def test_walk_find_and_list_see_the_live_tree(place: Place) -> None:
    fill(place.source)
    place.backup()
    with place.tree() as tree:
        prefix = tuple(os.fsencode(place.source).split(b"/")[1:])
        start = tree.find(prefix)
        assert start is not None
        visits = list(tree.walk(start))
        met = [visit.path for visit in visits if not visit.leaving]
        assert met == list(live(os.fsencode(place.source)))
        for visit in visits:
            found = tree.find((*prefix, *visit.path))
            assert found is not None
            assert (found.node, found.owner) == (visit.node, visit.owner)
        names = [node.name for node, _ in tree.entries(start.node)]
        assert names == sorted(os.listdir(os.fsencode(place.source)))
        assert tree.find((*prefix, b"nothing")) is None
        assert tree.find((*prefix, b"b.txt", b"x")) is None
        assert tree.find(()) == tree.top


def test_directories_are_left_after_their_contents(place: Place) -> None:
    fill(place.source)
    place.backup()
    with place.tree() as tree:
        open_directories: list[tuple[bytes, ...]] = []
        for visit in tree.walk(tree.top):
            if visit.leaving:
                assert open_directories.pop() == visit.path
            else:
                assert visit.parent == (open_directories[-1] if open_directories else ())
                if visit.node.kind == NodeKind.DIRECTORY:
                    open_directories.append(visit.path)
        assert not open_directories


def test_what_is_skipped_is_not_entered(place: Place) -> None:
    fill(place.source)
    place.backup()
    with place.tree() as tree:
        start = tree.find(tuple(os.fsencode(place.source).split(b"/")[1:]))
        assert start is not None
        walk = tree.walk(start)
        met = []
        for visit in walk:
            assert not (visit.leaving and visit.node.name == b"b")
            if not visit.leaving:
                met.append(visit.path)
                if visit.node.name == b"b":
                    walk.skip()
        assert (b"b",) in met
        assert not any(path[:1] == (b"b",) and len(path) > 1 for path in met)
        assert (b"z", b"\xff") in met


def paths(tree: Tree) -> list[Visit]:
    return list(tree.walk(tree.top))


def wide_and_deep(craft: Craft) -> TreeRef:
    """40 levels, each with thousands of files around the way down."""
    below = craft.folder(b"m")
    for _ in range(40):
        files = [
            Node(b"%s%05d" % (side, n), NodeKind.FILE, 0o644, -1, 0)
            for side in (b"a", b"z")
            for n in range(700)
        ]
        below = craft.folder(b"m", *sorted([*files, below], key=lambda node: node.name))
    return craft.directory(below)


def test_directories_put_to_sleep_wake_up_where_they_were(place: Place) -> None:
    place.craft(wide_and_deep)
    with place.tree() as tree:
        assert tree.top.node.ref is not None
        met = [visit.path for visit in tree.walk(tree.top) if not visit.leaving]
    expected = 0
    level: tuple[bytes, ...] = (b"m",)
    for _ in range(40):
        expected += 1401
        level = (*level, b"m")
    assert len(met) == expected + 1 == len(set(met))
    assert met == sorted(met)


def chain(craft: Craft, depth: int) -> TreeRef:
    below = craft.folder(b"d", craft.file(b"f", b"at the bottom"))
    for _ in range(depth - 1):
        below = craft.folder(b"d", below)
    return craft.directory(below)


def test_depth_takes_no_memory_and_no_recursion(place: Place) -> None:
    place.craft(lambda craft: chain(craft, 5000))
    with place.tree() as tree:
        tree.top  # noqa: B018 - whatever is loaded once is loaded before
        tracemalloc.start()
        deepest = sum(1 for _ in tree.walk(tree.top))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert deepest == 2 * 5000 + 1
    assert peak < 24 << 20


def test_a_lost_page_costs_its_entries_only(place: Place) -> None:
    def build(craft: Craft) -> TreeRef:
        first, last = (
            craft.flow.save_page(encode_page(NodePage(NODES, [Owner(0, 0)], nodes)))
            for nodes in (
                [changed(craft.file(b"%s%d" % (page, n), b"1"), owner=0) for n in range(3)]
                for page in (b"a", b"c")
            )
        )
        refs = [Reference(first, b"a0"), Reference(bytes(32), b"b"), Reference(last, b"c0")]
        joined = craft.flow.save_page(encode_page(ReferencePage(3, 1, refs)))
        folder = changed(craft.folder(b"f"), ref=TreeRef(joined, 1))
        lost = changed(craft.folder(b"lost"), ref=TreeRef(b"\1" * 32))
        return craft.directory(folder, lost, craft.file(b"z", b"z"))

    place.craft(build)
    told = []
    with place.tree() as tree:
        walk = tree.walk(tree.top, lambda path, error: told.append((path, error.message)))
        met = [visit.path for visit in walk if not visit.leaving]
        with pytest.raises(DamageFound):
            paths(tree)
    inside = [(b"f", b"%s%d" % (page, n)) for page in (b"a", b"c") for n in range(3)]
    assert met == [(b"f",), *inside, (b"lost",), (b"z",)]
    assert [path for path, _ in told] == [(b"f",), (b"lost",)]


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"/etc", b"a\0b"])
def test_impossible_names_are_damage(place: Place, name: bytes) -> None:
    def build(craft: Craft) -> TreeRef:
        page = NodePage(NODES, [Owner(0, 0)], [Node(name, NodeKind.FILE, 0o644, 0, 0)])
        return TreeRef(craft.flow.save_page(encode_page(page)))

    place.craft(build)
    with place.tree() as tree, pytest.raises(FormatError):
        paths(tree)


def test_names_twice_or_out_of_order_are_damage(place: Place) -> None:
    def build(craft: Craft) -> TreeRef:
        pages = [craft.directory(craft.file(name, b"1")) for name in (b"b", b"b")]
        refs = [Reference(page.id, b"b") for page in pages]
        joined = craft.flow.save_page(encode_page(ReferencePage(3, 1, refs)))
        return TreeRef(joined, 1)

    place.craft(build)
    with place.tree() as tree, pytest.raises(FormatError):
        paths(tree)


def named(name: bytes) -> Node:
    return Node(name, NodeKind.FILE, 0o644, 0, 0)


def test_hard_links_are_found_by_listing(place: Place) -> None:
    top = place.source
    (top / "a/b").mkdir(parents=True)
    (top / "a/one").write_bytes(b"1")
    (top / "alone").write_bytes(b"1")
    os.link(top / "a/one", top / "a/b/two")
    os.link(top / "a/one", top / "three")
    for number in range(600):  # so that listings have several pages
        (top / f"a/filler{number}").write_bytes(b"")
    os.link(top / "a/filler7", top / "zz")
    place.backup()
    prefix = tuple(os.fsencode(top).split(b"/")[1:])
    with place.tree() as tree:
        groups = tree.groups()
        for path in ("a/b/two", "three", "a/one", "zz", "a/filler7"):
            *parent, name = os.fsencode(path).split(b"/")
            group = groups.of((*prefix, *parent), named(name))
            info = (top / path).stat()
            assert group == (info.st_dev, info.st_ino, info.st_nlink)
        assert groups.of(prefix, named(b"alone")) is None
        assert groups.of((*prefix, b"nothing"), named(b"x")) is None
        assert groups.of((*prefix, b"a", b"nothing", b"x"), named(b"x")) is None


def test_images_are_refused(place: Place) -> None:
    place.craft_root(lambda _: Root(kind="image", image=PageRef(bytes(32)), time_ns=2**62))
    with pytest.raises(UsageError, match="image"), place.tree():
        pass

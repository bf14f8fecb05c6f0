"""Searching many snapshots: shared pages are read once, memory is bounded, hostile trees end."""

import time
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest

from tests.restorer.place import Craft, Place, changed
from twofold.errors import DamageFound
from twofold.format.pages import Node, NodeKind
from twofold.format.records import Root, TreeRef
from twofold.graph import PageStore
from twofold.view import Filter, Finder, Found, Path, Patterns
from twofold.view import search as search_module


class Counting(PageStore):
    """Counts pages as they are read."""

    def __init__(self, blobs: Any) -> None:
        super().__init__(blobs)
        self.read: list[bytes] = []

    def nodes(self, tree: TreeRef) -> Any:
        self.read.append(tree.id)
        return super().nodes(tree)


class Searched:
    """What a search tells of every snapshot of a place, newest first."""

    def __init__(self, place: Place, *patterns: bytes) -> None:
        self.damage: list[tuple[int, Path]] = []
        self.found: list[list[Found]] = []
        self.pages: list[int] = []
        with place.open() as repository:
            pages = Counting(repository.blob_reader(repository.load_index()))
            finder = Finder(pages, Patterns(patterns), Filter().takes)
            for number, snapshot in enumerate(reversed(repository.snapshots())):
                before = len(pages.read)

                def tell(path: Path, error: DamageFound, number: int = number) -> None:
                    self.damage.append((number, path))

                self.found.append(list(finder.in_files(snapshot.root, (), tell)))
                self.pages.append(len(pages.read) - before)

    def paths(self) -> list[list[bytes]]:
        return [[b"/".join(each.path) for each in found] for found in self.found]


def test_shared_folders_are_read_once(place: Place) -> None:
    for number in range(20):
        folder = place.source / f"folder {number}" / "below"
        folder.mkdir(parents=True)
        for file in ("wanted", "other"):
            (folder / file).write_text(f"{number}")
    place.backup()
    (place.source / "folder 7/below/wanted").write_text("changed")
    place.backup()
    place.backup()
    searched = Searched(place, b"wanted")
    newest, same, before = searched.paths()
    assert newest == same == before
    assert len(newest) == 20
    above = len(place.source.parts)  # folders from the top down to the source, the top included
    first, again, changed_one = searched.pages
    assert first >= above + 40
    assert again <= above  # the times of folders above the source are not ours
    assert changed_one <= again + above + 3  # the way to what has changed
    versions = [
        {each.node.content for each in found if b"folder 7" in each.path}
        for found in searched.found
    ]
    assert versions[0] == versions[1] != versions[2]


def test_one_page_in_two_places(place: Place) -> None:
    """The same folder under two names has one page; what is in it is found twice."""

    def build(craft: Craft) -> TreeRef:
        ref = craft.directory(craft.file(b"wanted", b"1"), craft.file(b"z", b"2"))
        folders = [changed(craft.folder(name), ref=ref) for name in (b"a", b"b")]
        return craft.directory(*folders, craft.file(b"wanted", b"3"))

    place.craft(build)
    assert Searched(place, b"wanted").paths() == [[b"a/wanted", b"b/wanted", b"wanted"]]
    assert Searched(place, b"/a/*").paths() == [[b"a/wanted", b"a/z"]]
    assert Searched(place, b"/b/*", b"/a/z").paths() == [[b"a/z", b"b/wanted", b"b/z"]]
    assert Searched(place, b"**").paths() == [
        [b"a", b"a/wanted", b"a/z", b"b", b"b/wanted", b"b/z", b"wanted"]
    ]


def test_folders_of_many_pages(place: Place) -> None:
    def build(craft: Craft) -> TreeRef:
        nodes = (Node(b"%06d" % n, NodeKind.FILE, 0o600, -1, n) for n in range(20_000))
        return craft.directory(craft.folder(b"wide", *nodes), craft.file(b"z", b"1"))

    place.craft(build)
    place.craft(build)
    searched = Searched(place, b"*77?", b"z")
    expected = [b"wide/%06d" % n for n in range(20_000) if n // 10 % 100 == 77] + [b"z"]
    assert searched.paths() == [expected, expected]
    assert searched.pages[1] == 0


def test_damage_is_told_of_every_snapshot_that_has_it(place: Place) -> None:
    def build(craft: Craft) -> TreeRef:
        lost = changed(craft.folder(b"lost"), ref=TreeRef(b"\1" * 32))
        high = changed(craft.folder(b"lost too"), ref=TreeRef(b"\2" * 32, 2))
        return craft.directory(craft.file(b"a", b"1"), lost, high, craft.file(b"z", b"2"))

    place.craft(build)
    place.craft(build)
    searched = Searched(place, b"?")
    assert searched.paths() == [[b"a", b"z"]] * 2
    assert searched.damage == [
        (snapshot, (name,)) for snapshot in (0, 1) for name in (b"lost", b"lost too")
    ]


def _doubling(craft: Craft, inner: Sequence[Node], levels: int) -> TreeRef:
    """A tree that is small in the repository and has two to the power of ``levels`` folders."""
    ref = craft.directory(*inner)
    for _ in range(levels):
        folder = craft.folder(b"x")
        ref = craft.directory(
            changed(folder, name=b"left", ref=ref), changed(folder, name=b"right", ref=ref)
        )
    return ref


def test_a_tree_that_repeats_itself_ends(place: Place) -> None:
    place.craft(lambda craft: _doubling(craft, [craft.file(b"a", b"1")], 60))
    assert Searched(place, b"nothing").paths() == [[]]
    deep = b"/" + b"left/" * 60 + b"a"
    assert Searched(place, deep).paths() == [[deep[1:]]]


def test_deep_trees(place: Place) -> None:
    def build(craft: Craft) -> TreeRef:
        ref = craft.directory(craft.file(b"a", b"1"))
        for _ in range(3000):
            ref = craft.directory(changed(craft.folder(b"d"), ref=ref))
        return ref

    place.craft(build)
    place.craft(build)
    assert Searched(place, b"a").paths() == [[b"d/" * 3000 + b"a"]] * 2


def test_what_is_kept_is_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for few hits and pages all is found nevertheless."""
    for number in range(300):
        folder = place.source / f"{number % 30}"
        folder.mkdir(exist_ok=True)
        (folder / f"file {number}").write_text("1")
    for _ in range(3):
        place.backup()
    expected = Searched(place, b"file*").paths()
    assert [len(found) for found in expected] == [300, 300, 300]
    for name, value in (("_PAGES", 3), ("_HITS", 40), ("_HITS_OF_PAGE", 5)):
        monkeypatch.setattr(search_module, name, value)
        assert Searched(place, b"file*").paths() == expected


@pytest.mark.slow
def test_many_snapshots_with_many_hits_take_little_memory(place: Place) -> None:
    def build(version: int) -> Any:
        def tree(craft: Craft) -> TreeRef:
            folders = [
                craft.folder(
                    b"%04d" % folder,
                    *(Node(b"%04d" % n, NodeKind.FILE, 0o600, -1, n + version) for n in range(400)),
                )
                for folder in range(100)
            ]
            return craft.directory(*folders)

        return tree

    roots: list[Root] = [place.craft(build(version)) for version in range(6)]
    with place.open() as repository:
        pages = PageStore(repository.blob_reader(repository.load_index()))
        finder = Finder(pages, Patterns([b"*"]), Filter().takes)

        def count() -> int:
            return sum(1 for root in roots for _ in finder.in_files(root, (), _fail))

        tracemalloc.start()
        began = time.process_time()
        assert count() == 6 * 100 * 401
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert time.process_time() - began < 120
    assert peak < 160 << 20  # 48 MiB of them are decoded frames


def _fail(path: Path, error: DamageFound) -> None:
    raise error

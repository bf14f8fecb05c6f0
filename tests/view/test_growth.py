"""Growth by folder: what the file system itself says of the two moments."""

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.disk import ntfs_volumes
from tests.restorer.place import LATER, Craft, Place
from tests.view.images import image_of
from twofold.errors import DamageFound
from twofold.format.records import PageRef, Root
from twofold.graph import PageStore
from twofold.graph.pages import LeafT
from twofold.view import Growth, Growths, Side, Tree, partition_tree
from twofold.view import Path as Names

Sizes = dict[str, int]


def sizes(top: Path) -> Sizes:
    """Each file's size by its path."""
    found = {}
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, top)] = os.lstat(path).st_size
    return found


def expected(before: Sizes, after: Sizes, changed: dict[str, int]) -> dict[str, tuple[int, int]]:
    """(new, gone) of each folder; ``changed`` says how many bytes of a file are other ones."""
    found: dict[str, tuple[int, int]] = {}
    for path in before.keys() | after.keys():
        was, now = before.get(path), after.get(path)
        if was is None or now is None:
            new, gone = now or 0, was or 0
        else:
            new = changed.get(path, 0)
            gone = new - (now - was)
        folder = os.path.dirname(path)
        while True:
            old = found.get(folder, (0, 0))
            found[folder] = (old[0] + new, old[1] + gone)
            if not folder:
                break
            folder = os.path.dirname(folder)
    return {folder: pair for folder, pair in found.items() if pair != (0, 0)}


class Counting(PageStore):
    """Counts the pages that are read."""

    read = 0

    def leaves_with_ids(self, ref: PageRef, kind: type[LeafT]) -> Iterator[tuple[bytes, LeafT]]:
        for each in super().leaves_with_ids(ref, kind):
            Counting.read += 1
            yield each


@contextmanager
def trees(place: Place) -> Iterator[tuple[Tree, Tree]]:
    """The files of the last two backups."""
    with place.open() as repository:
        pages = Counting(repository.blob_reader(repository.load_index()))
        before, after = (each.root for each in repository.snapshots()[-2:])
        yield Tree(pages, before), Tree(pages, after)


def refuse(path: Names, error: DamageFound) -> None:
    raise AssertionError(f"{path!r}: {error}")


def grown(place: Place, top: int = 1000) -> tuple[Growth, dict[str, Growth]]:
    """The whole, and by folder below the source."""
    prefix = tuple(os.fsencode(place.source).split(b"/")[1:])
    with trees(place) as (before, after):
        growths = Growths(top, refuse, lambda _: None)
        left, right = before.find(prefix), after.find(prefix)
        assert left is not None
        assert right is not None
        growths.compare((), Side(before, left), Side(after, right))
        folders = {b"/".join(path).decode(): growth for path, growth in growths.folders()}
        return growths.total, folders


def figures(folders: dict[str, Growth]) -> dict[str, tuple[int, int]]:
    return {path: (each.bytes_new, each.bytes_gone) for path, each in folders.items()}


def fill(top: Path, rand: random.Random) -> None:
    for number in range(150):
        folder = top / rand.choice("abc") / rand.choice("xyz") / rand.choice(("", "deep/er"))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}").write_bytes(rand.randbytes(rand.choice((0, 1, 900, 5000, 70_000))))
    (top / "large").write_bytes(rand.randbytes(6 << 20))


def change(top: Path, rand: random.Random) -> dict[str, int]:
    """Add, remove and rewrite; bytes of the rewritten small files, all of which are new."""
    changed = {}
    for path in sorted(sizes(top)):
        deed = rand.random()
        if path == "large" or deed > 0.5:
            continue
        if deed < 0.2:
            (top / path).unlink()
        elif deed < 0.4:
            data = rand.randbytes(rand.choice((1, 800, 90_000)))
            (top / path).write_bytes(data)
            changed[path] = len(data)
        else:
            os.utime(top / path)
    shutil.rmtree(top / "c/x", ignore_errors=True)
    (top / "new/folder").mkdir(parents=True)
    (top / "new/folder/file").write_bytes(rand.randbytes(3000))
    (top / "link").symlink_to("large")
    return changed


def test_every_folder_against_the_file_system(place: Place) -> None:
    rand = random.Random(3)
    fill(place.source, rand)
    before = sizes(place.source)
    place.backup()
    changed = change(place.source, rand)
    after = sizes(place.source)
    place.backup()
    # links have no size in a backup; the file system counts the length of the target
    after["link"] = 0
    wanted = expected(before, after, {path: now for path, now in changed.items() if path in after})
    total, folders = grown(place)
    assert figures(folders) == wanted
    assert (total.bytes_new, total.bytes_gone) == wanted[""]
    assert total.files_new == len(after.keys() - before.keys())
    assert total.files_gone == len(before.keys() - after.keys())
    rewritten = {path for path in changed if path in after}
    assert 0 < total.files_changed <= len(rewritten)

    for top in (1, 3, 7):  # fewer are the same ones, those that count most
        _, fewer = grown(place, top)
        most = sorted((each.moved for each in folders.values()), reverse=True)[:top]
        assert sorted((each.moved for each in fewer.values()), reverse=True) == most
        assert figures(fewer).items() <= wanted.items()
        assert all(os.path.dirname(path) in fewer for path in fewer if path)


def test_a_large_file_counts_with_the_chunks_that_changed(place: Place) -> None:
    data = random.Random(5).randbytes(12 << 20)
    place.source.joinpath("large").write_bytes(data)
    place.backup()
    place.source.joinpath("large").write_bytes(data[: 6 << 20] + b"change" + data[6 << 20 :])
    place.backup()
    total, _ = grown(place)
    assert 0 < total.bytes_new < 6 << 20
    assert total.bytes_new - total.bytes_gone == 6
    assert (total.files_new, total.files_changed, total.files_gone) == (0, 1, 0)
    place.source.joinpath("large").write_bytes(data + data)
    place.backup()
    total, _ = grown(place)
    assert total.bytes_new - total.bytes_gone == (12 << 20) - 6
    assert total.bytes_gone >= 0


def test_what_is_the_same_is_not_read(place: Place) -> None:
    for number in range(40):
        folder = place.source / f"same{number}"
        folder.mkdir()
        (folder / "file").write_bytes(b"%d" % number)
    place.backup()
    (place.source / "one more").write_bytes(b"x")
    place.backup()
    Counting.read = 0
    total, folders = grown(place)
    assert (total.bytes_new, list(folders)) == (1, [""])
    depth = len(place.source.parts)
    assert Counting.read <= 4 * depth


def test_a_new_folder_is_entered_only_as_far_as_it_matters(place: Place) -> None:
    place.backup()
    for number in range(60):
        folder = place.source / f"new{number}" / "below"
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(bytes(1000 * (60 - number)))
    place.backup()
    Counting.read = 0
    total, folders = grown(place, top=5)
    assert total.files_new == 60
    assert total.bytes_new == sum(1000 * number for number in range(1, 61))
    assert set(folders) == {"", "new0", "new1", "new0/below", "new1/below"}
    assert Counting.read < 60


def test_damage_is_told_and_the_rest_counted(place: Place) -> None:
    def empty(craft: Craft) -> Root:
        return Root(tree=craft.directory(), time_ns=4 * 10**18)

    def holed(craft: Craft) -> Root:
        lost = craft.folder(b"lost", craft.file(b"x", b"123"))
        ref = lost.ref
        assert ref is not None
        gone = type(ref)(bytes(32), 0, 1, 1, 3)
        whole = craft.file(b"whole", b"12345")
        broken = type(lost)(b"lost", lost.kind, lost.mode, lost.owner, lost.mtime, ref=gone)
        return Root(tree=craft.directory(broken, whole), time_ns=4 * 10**18 + 1)

    place.craft_root(empty)
    place.craft_root(holed)
    told: list[Names] = []
    with trees(place) as (before, after):
        growths = Growths(10, lambda path, _: told.append(path), lambda _: None)
        growths.compare((), Side(before, before.top), Side(after, after.top))
    assert told == [(b"lost",)]
    assert growths.total.bytes_new == 5


def test_one_side_only(place: Place) -> None:
    (place.source / "file").write_bytes(b"12345")
    place.backup()
    place.backup()
    with trees(place) as (before, after):
        for left, right, new in (
            (None, Side(after, after.top), 5),
            (Side(before, before.top), None, -5),
        ):
            growths = Growths(10, refuse, lambda _: None)
            growths.compare((b"p1",), left, right)
            assert growths.total.bytes_new - growths.total.bytes_gone == new
            assert growths.folders()[0][0] == (b"p1",)


@pytest.mark.parametrize("moved", [0, 1])
def test_nothing_moved_is_no_growth(moved: int) -> None:
    growths = Growths(3, refuse, lambda _: None)
    growths.offer(lambda: (b"a",), Growth(bytes_new=moved))
    assert len(growths.folders()) == moved


def image_growth(place: Place, step: int = 1) -> tuple[Growth, dict[str, Growth]]:
    """Of partition 1 of two images; with -1 as if the later one had been first."""
    with place.open() as repository:
        pages = PageStore(repository.blob_reader(repository.load_index()))
        before, after = (
            partition_tree(pages, each.root, 1) for each in repository.snapshots()[::step]
        )
        growths = Growths(1000, refuse, lambda _: None)
        growths.compare((), Side(before, before.top), Side(after, after.top))
        folders = {b"/".join(path).decode(): growth for path, growth in growths.folders()}
        return growths.total, folders


def moved(total: Growth) -> tuple[int, ...]:
    return total.bytes_new, total.bytes_gone, total.files_new, total.files_gone


def of_streams(top: Path) -> int:
    """Bytes of all contents and further streams, each file once."""
    sizes: dict[int, int] = {}
    for path in [top, *top.rglob("*")]:
        info = path.lstat()
        sizes[info.st_ino] = info.st_size if path.is_file() else 0
        for name in os.listxattr(path):
            if name.startswith("user."):
                sizes[info.st_ino] += len(os.getxattr(path, name))
    return sum(sizes.values())


def test_streams_and_names_of_one_file_on_ntfs(place: Place, tmp_path: Path) -> None:
    """What ntfs-3g shows of contents, streams and links is what came and what went."""
    image = tmp_path / "ntfs"
    ntfs_volumes.make(image, size=8 << 20, cluster=4096)
    counts = []
    for deed in (_begin, _go_on):
        with ntfs_volumes.mounted(image, "streams_interface=xattr") as top:
            deed(top)
            counts.append(of_streams(top))
        image_of(place, image, time_ns=LATER + len(counts))
    total, folders = image_growth(place)
    assert total.bytes_new - total.bytes_gone == counts[1] - counts[0]
    # the stream of the folder, that of "more", "new" by one of its names; a stream of "less"
    assert moved(total) == (40_000 + 30_000 + 5_000, 20_000, 1, 0)
    assert total.files_changed == 2
    assert figures(folders)["folder"] == (40_000 + 5_000, 0)
    back, _ = image_growth(place, -1)
    assert moved(back) == (20_000, 75_000, 0, 1)


def _begin(top: Path) -> None:
    (top / "folder").mkdir()
    for name in ("more", "less", "same"):
        (top / name).write_bytes(b"content" * 500)
        os.setxattr(top / name, "user.stream", b"s" * 20_000)
    (top / "one name").write_bytes(b"linked" * 1000)


def _go_on(top: Path) -> None:
    os.setxattr(top / "folder", "user.of folder", b"f" * 40_000)
    os.setxattr(top / "more", "user.another", b"m" * 30_000)
    os.removexattr(top / "less", "user.stream")
    os.link(top / "one name", top / "another name")
    (top / "new").write_bytes(b"x" * 5_000)
    os.link(top / "new", top / "folder" / "new")


def test_names_of_one_file_in_backups_of_files(place: Place) -> None:
    (place.source / "a").mkdir()
    (place.source / "a" / "old").write_bytes(b"o" * 700)
    (place.source / "kept").write_bytes(b"k" * 300)
    os.link(place.source / "kept", place.source / "name of kept")
    place.backup()
    os.link(place.source / "a" / "old", place.source / "a" / "a new name")
    (place.source / "name of kept").unlink()
    for number in range(30):
        folder = place.source / f"n{number}"
        folder.mkdir()
        (folder / "first").write_bytes(b"%02d" % number * 500)
        os.link(folder / "first", folder / "second")
        os.link(folder / "first", place.source / f"third of {number}")
    place.backup()
    for top in (1000, 1):
        total, folders = grown(place, top)
        assert moved(total) == (30 * 1000, 0, 30, 0)
        assert total.files_changed == 0
        assert figures(folders)[""] == (30_000, 0)


def test_the_bottom_of_a_deep_tree_is_counted(place: Place) -> None:
    """Deeper than any path that a system call takes."""

    def deep(craft: Craft) -> Root:
        node = craft.file(b"bottom", b"12345")
        for _ in range(5000):
            node = craft.folder(b"d", node)
            assert node.ref is not None
            ref = type(node.ref)(node.ref.id, node.ref.level, 0, 1, 5)
            node = msgspec.structs.replace(node, ref=ref)
        return Root(tree=craft.directory(node), time_ns=4 * 10**18 + 1)

    place.craft_root(lambda craft: Root(tree=craft.directory(), time_ns=4 * 10**18))
    place.craft_root(deep)
    with trees(place) as (before, after):
        growths = Growths(10_000, refuse, lambda _: None)
        growths.compare((), Side(before, before.top), Side(after, after.top))
    assert growths.total.bytes_new == 5

"""``diff``: what rsync sees between the same trees, whichever kinds of backup they are in."""

import os
import random
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.commands.looking import (
    MIB,
    differences,
    hostile_names,
    inside,
    make_ext4,
    rsync_changes,
    same_kinds,
    take_image,
)
from tests.disk import ext_volumes, ntfs_volumes
from tests.disk.ext_volumes import Recipe, run
from tests.restorer.conftest import place, template
from tests.restorer.place import Craft, Place, changed
from tests.view.images import image_of, partitioned
from twofold.commands import diff
from twofold.errors import PathNotFound, UsageError
from twofold.events import Notice
from twofold.format.image import ExtentEntry
from twofold.format.pages import Node, NodeKind
from twofold.format.records import TreeRef
from twofold.format.segments import pack_blob

__all__ = ["place", "template"]


def fill(top: Path, rand: random.Random) -> None:
    for number in range(40):
        folder = top / f"folder {number % 5}"
        folder.mkdir(exist_ok=True)
        (folder / f"file {number}").write_bytes(rand.randbytes(rand.choice((0, 9, 800, 90_000))))
    (top / "large").write_bytes(rand.randbytes(5 * MIB))
    (top / "link").symlink_to("large")
    os.mkfifo(top / "pipe")
    (top / "tagged").write_bytes(b"x")
    os.setxattr(top / "tagged", "user.note", b"1")
    (top / "becomes a folder").write_bytes(b"x")
    (top / "becomes a file").mkdir()
    (top / "becomes a file/below").write_bytes(b"x")
    (top / "swapped").write_bytes(b"a" * 500)
    (top / "quiet").write_bytes(b"a" * 500)
    with (top / "sparse").open("wb") as file:
        file.seek(300_000)
        file.write(b"end")
    hostile_names(top)


def change(top: Path) -> None:
    """One of every sort of change."""
    (top / "folder 1/file 1").write_bytes(b"new")
    with (top / "large").open("r+b") as file:
        file.seek(3 * MIB)
        file.write(b"patched")
    (top / "folder 2/file 2").unlink()
    (top / "folder 3/new").write_bytes(b"new")
    shutil.rmtree(top / "folder 4")
    (top / "folder 5/below").mkdir(parents=True)
    (top / "folder 5/below/deep").write_bytes(b"x" * 100)
    (top / "folder 0/file 0").chmod(0o600)
    os.chown(top / "folder 0/file 5", 7, 8)
    (top / "folder 0").chmod(0o700)
    os.utime(top / "folder 0/file 10", ns=(1, 10**18 + 5))
    (top / "link").unlink()
    (top / "link").symlink_to("folder 1")
    os.setxattr(top / "tagged", "user.note", b"2")
    (top / "becomes a folder").unlink()
    (top / "becomes a folder").mkdir()
    shutil.rmtree(top / "becomes a file")
    (top / "becomes a file").write_bytes(b"x")
    before = os.stat(top / "quiet")
    (top / "quiet").write_bytes(b"b" * 500)  # same size and time, another content
    os.utime(top / "quiet", ns=(before.st_atime_ns, before.st_mtime_ns))
    (top / "swapped").write_bytes(b"a" * 500)  # same content, another time
    os.utime(top / "swapped", (5, 5))
    os.unlink(os.fsencode(top) + b"/\x1b[31mred")
    with open(os.fsencode(top) + b"/new\nline", "ab") as file:
        file.write(b"more")


def told(entries: list[diff.DiffEntry], below: Path | None = None) -> dict[bytes, str]:
    prefix = os.fsencode(below) if below is not None else b""
    found = {entry.path.removeprefix(prefix): entry.change for entry in entries}
    assert len(found) == len(entries)
    return found


def expected(before: Path, after: Path, *ignored: bytes) -> dict[bytes, str]:
    """rsync's word, but a changed type, which it calls removed or changed."""
    kept = same_kinds(before, after)
    there, now = ({os.fsencode(path) for path in top.rglob("*")} for top in (before, after))
    found = {}
    for path, word in rsync_changes(before, after).items():
        both = os.fsencode(before) + path in there and os.fsencode(after) + path in now
        found[path] = "type" if both and path not in kept else word
    assert {b"/quiet", b"/new\nline"} <= found.keys()
    return {path: word for path, word in found.items() if path not in ignored}


@pytest.fixture
def twins(place: Place, tmp_path: Path) -> tuple[Place, Path, Path]:
    """A tree before and after; the source of backups is what it is now."""
    before = tmp_path / "before"
    fill(place.source, random.Random(5))
    shutil.copytree(place.source, before, symlinks=True, ignore=shutil.ignore_patterns("pipe"))
    shutil.rmtree(before)
    run("cp", "-a", place.source, before)
    place.backup()
    change(place.source)
    place.backup()
    return place, before, place.source


def test_two_backups_of_files(twins: tuple[Place, Path, Path]) -> None:
    place, before, after = twins
    result, entries = differences(place, "latest~1", "latest")
    wanted = expected(before, after)
    assert told(entries, after) == wanted
    counted = (result.added, result.removed, result.types, result.contents, result.metadata)
    words = list(wanted.values())
    names = ("added", "removed", "type", "content", "metadata")
    assert counted == tuple(map(words.count, names))
    assert (result.exit_code, result.damaged, result.unknown) == (0, 0, 0)
    total = sum(1 for _ in after.rglob("*")) + len(after.parts) - 1
    assert result.unchanged == total - (len(words) - result.removed)
    what = {entry.path.rpartition(b"/")[2]: entry.what for entry in entries}
    assert what[b"quiet"] == ("content",)
    assert what[b"swapped"] == ("mtime",)
    assert what[b"tagged"] == ("xattrs",)
    assert what[b"file 0"] == ("mode",)
    assert what[b"file 5"] == ("owner",)
    assert what[b"link"] == ("mtime", "target")
    assert what[b"becomes a file"] == ("type",)


def test_the_other_way_round(twins: tuple[Place, Path, Path]) -> None:
    place, before, after = twins
    back = told(differences(place, "latest", "latest~1")[1], after)
    assert back == expected(after, before)


def test_folders_and_files_by_path(twins: tuple[Place, Path, Path]) -> None:
    place, _, after = twins
    for words in (
        ("latest~1", "latest", os.fsencode(after / "folder 3")),
        (f"latest~1:{after}/folder 3", f"latest:{after}/folder 3", None),
        (f"latest~1:{after}", f"latest:{after}", b"folder 3"),
    ):
        _, entries = differences(place, *words)
        assert [(entry.change, entry.path) for entry in entries] == [
            ("added", os.fsencode(after / "folder 3/new"))
        ]
    result, (entry,) = differences(place, f"latest~1:{after}/large", f"latest:{after}/large")
    assert (entry.path, entry.change) == (os.fsencode(after / "large"), "content")
    result, entries = differences(place, f"latest:{after}/large", f"latest:{after}/large")
    assert (entries, result.unchanged) == ([], 1)
    with pytest.raises(PathNotFound, match="folder 4"):
        differences(place, "latest~1", "latest", os.fsencode(after / "folder 4"))


def test_backups_of_different_folders_are_told(place: Place) -> None:
    for name in ("one", "two"):
        (place.source / name).mkdir()
        place.backup(place.source / name)
    notice = "not of the same folders"
    differences(place, "latest~1", "latest")
    assert [notice in event.text for event in place.told if isinstance(event, Notice)] == [True]
    differences(place, "latest", "latest")
    assert not any(isinstance(event, Notice) for event in place.told)


def test_two_folders_of_one_backup(place: Place) -> None:
    for name in ("one", "two"):
        (place.source / name / "same").mkdir(parents=True)
        (place.source / name / "same/file").write_bytes(b"x" * 3000)
        os.utime(place.source / name / "same/file", (5, 5))
        (place.source / name / f"only {name}").touch()
    place.backup()
    one, two = (f"latest:{place.source / name}" for name in ("one", "two"))
    result, entries = differences(place, one, two)
    assert told(entries) == {b"/only one": "removed", b"/only two": "added"}
    assert result.unchanged == 3  # the start itself, "same" and what is in it


# images


def on_ext4(place: Place, disk: Path, work: Callable[[Path], None]) -> None:
    with inside(disk) as mounted:
        work(mounted)
    take_image(place, disk)


@pytest.fixture
def ext_disk(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    return partitioned(tmp_path / "disk.img", make_ext4(tmp_path / "ext", tmp_path / "empty", 40))


def test_partitions_of_different_disks_are_compared_as_asked(place: Place, tmp_path: Path) -> None:
    """Two disks have no folders in common by name, and need none."""
    (place.source / "file").write_bytes(b"content")
    for name in ("one", "two"):
        take_image(place, make_ext4(tmp_path / name, place.source))
    result, entries = differences(place, "latest~1:p1:/", "latest:p1:/")
    assert (entries, result.unchanged > 0) == ([], True)
    assert not any(isinstance(event, Notice) for event in place.told)
    place.backup()
    differences(place, "latest", "latest~1:p1:/")
    assert any(isinstance(event, Notice) for event in place.told)


def test_two_images_of_ext4(place: Place, ext_disk: Path, tmp_path: Path) -> None:
    on_ext4(place, ext_disk, lambda top: fill(top, random.Random(5)))
    with inside(ext_disk) as mounted:
        run("cp", "-a", mounted, tmp_path / "before")
    on_ext4(place, ext_disk, change)
    whole, entries = differences(place, "latest~1", "latest")
    result, inner = differences(place, "latest~1:p1:/", "latest:p1:/")
    assert (told(entries), {entry.partition for entry in entries}) == (told(inner), {1})
    with inside(ext_disk) as mounted:
        assert told(inner) == expected(tmp_path / "before", mounted)
    assert (result.damaged, whole.damaged) == (0, 0)
    assert whole.unchanged == result.unchanged + 1  # everything outside of partitions


def test_files_against_an_image(place: Place, ext_disk: Path, tmp_path: Path) -> None:
    """The same tree in both kinds has no differences; a changed one those that rsync sees."""
    fill(place.source, random.Random(5))
    place.backup()
    with inside(ext_disk) as mounted:
        run("cp", "-a", f"{place.source}/.", mounted)
    take_image(place, ext_disk)
    files, image = f"latest~1:{place.source}", "latest:p1:/"
    found = told(differences(place, files, image)[1])
    assert {p: w for p, w in found.items() if p != b"/"} == {b"/lost+found": "added"}
    on_ext4(place, ext_disk, change)
    _, entries = differences(place, f"latest~2:{place.source}", image)
    with inside(ext_disk) as mounted:
        wanted = expected(place.source, mounted)
    assert {p: w for p, w in told(entries).items() if p != b"/"} == wanted


def test_everything_that_ext4_has(place: Place, tmp_path: Path) -> None:
    """Holes, inline data, attributes, times far away: a backup through a mount is the same."""
    words = "-t ext4 -b 1024 -O inline_data -I 256"
    volume = ext_volumes.make(Recipe(words), tmp_path / "ext")
    take_image(place, partitioned(tmp_path / "disk.img", volume))
    with ext_volumes.mounted(volume, tmp_path / "mnt", "loop,ro") as there:
        place.backup(there)
    result, entries = differences(place, f"latest:{there}", "latest~1:p1:/")
    assert (told(entries), result.damaged, result.unknown) == ({}, 0, 0)
    assert result.unchanged > 200


def test_contents_that_were_cut_otherwise(place: Place, tmp_path: Path) -> None:
    """An image in fixed pieces (the newest one) has what one cut by the chunker has, or not."""
    (tmp_path / "tree").mkdir()
    fill(tmp_path / "tree", random.Random(6))
    disk = partitioned(tmp_path / "disk.img", make_ext4(tmp_path / "ext", tmp_path / "tree"))
    image_of(place, disk)
    take_image(place, disk)
    assert told(differences(place, "latest~1:p1:/", "latest:p1:/")[1]) == {}
    with inside(disk) as mounted, (mounted / "large").open("r+b") as file:
        file.seek(5 * MIB - 1)
        file.write(b"!")
    take_image(place, disk)
    assert told(differences(place, "latest~1:p1:/", "latest:p1:/")[1]) == {b"/large": "content"}


def test_ntfs(place: Place, tmp_path: Path) -> None:
    """Two images, and a backup through ntfs-3g: compressed, resident, sparse files, streams."""
    volume = tmp_path / "ntfs.img"
    fillings: list[ntfs_volumes.Filling] = [
        ntfs_volumes.plain,
        ntfs_volumes.folders,
        ntfs_volumes.streams,
        ntfs_volumes.compressed,
        ntfs_volumes.odd_names,
        ntfs_volumes.in_pieces,
    ]
    ntfs_volumes.build(volume, fillings, size=40 * MIB, cluster=4096, seed=4)
    take_image(place, partitioned(tmp_path / "disk.img", volume))
    with ntfs_volumes.mounted(volume, "ro") as there:
        place.backup(there)
    result, entries = differences(place, f"latest:{there}", "latest~1:p1:/")
    assert (told(entries), result.damaged, result.unknown) == ({}, 0, 0)

    with ntfs_volumes.mounted(volume) as there:
        before = {path: path.read_bytes() for path in there.iterdir() if path.is_file()}
        (there / "plain 700").write_bytes(b"resident as before, changed" * 25)
        (there / "compressed/text").write_bytes(b"now this is what it says\n" * 9000)
        (there / "streams:Zone.Identifier").write_bytes(b"another")
        with open(there / "streamed:big", "r+b") as big:
            big.write(b"!")
        os.setxattr(there / "plain 100", "system.ntfs_attrib_be", struct.pack(">I", 0x3))
        (there / "plain 600").unlink()
        os.utime(there / "plain 1", (5, 5))
        assert len(before) > 10
    take_image(place, partitioned(tmp_path / "disk.img", volume))
    result, entries = differences(place, "latest~2:p1:/", "latest:p1:/")
    what = {entry.path: (entry.change, entry.what) for entry in entries}
    assert what.pop(b"/plain 700") == ("content", ("content", "mtime"))
    assert what.pop(b"/compressed/text") == ("content", ("content", "mtime"))
    assert what.pop(b"/plain 600") == ("removed", ())
    assert what.pop(b"/plain 1") == ("metadata", ("mtime",))
    assert what.pop(b"/plain 100") == ("metadata", ("mode", "flags"))
    assert "streams" in what.pop(b"/streams")[1]
    assert "streams" in what.pop(b"/streamed")[1]
    assert what == {}


def test_partitions_come_go_and_hold_no_files(place: Place, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ext = make_ext4(tmp_path / "ext", tmp_path / "empty")
    noise = tmp_path / "noise"
    noise.write_bytes(os.urandom(2 * MIB))
    take_image(place, partitioned(tmp_path / "disk.img", noise, ext))
    noise.write_bytes(os.urandom(2 * MIB))
    take_image(place, partitioned(tmp_path / "disk.img", noise, ext, noise))
    _, entries = differences(place, "latest~1", "latest")
    seen = [(entry.partition, entry.change, entry.kind, entry.path) for entry in entries]
    assert seen == [
        (0, "content", "partition table", b""),
        (1, "content", "partition", b""),
        (3, "added", "partition", b""),
    ]
    with pytest.raises(UsageError, match="partitions"):
        differences(place, "latest", "latest~1:p2:/")


# damage and hostile trees


def test_damage_is_no_difference(place: Place) -> None:
    """What one side cannot give is told as damage, and nothing is said to be added or removed."""

    def build(craft: Craft) -> TreeRef:
        names = [b"%d" % number for number in range(5)]
        folder = craft.folder(b"folder", *(craft.file(name, b"1") for name in names))
        return craft.directory(craft.file(b"a", b"1"), folder, craft.file(b"z", b"1"))

    def damaged(craft: Craft) -> TreeRef:
        lost = changed(craft.folder(b"folder"), ref=TreeRef(b"\1" * 32))
        return craft.directory(craft.file(b"a", b"2"), lost, craft.file(b"y", b"1"))

    place.craft(build)
    place.craft(damaged)
    with place.open() as repository:
        ids = [each.id.hex() for each in repository.snapshots()]
        trees = {each.id.hex(): each.root.totals for each in repository.snapshots()}
    whole, lost = sorted(ids, key=lambda each: trees[each].files, reverse=True)
    for before, after, words in (
        (whole, lost, {b"/a": "content", b"/y": "added", b"/z": "removed"}),
        (lost, whole, {b"/a": "content", b"/y": "removed", b"/z": "added"}),
    ):
        result, entries = differences(place, before, after)
        assert told(entries) == words
        assert (result.exit_code, result.damaged, place.damage()) == (5, 1, ["/folder"])


def test_contents_that_are_lost(place: Place) -> None:
    """Only where bytes must be compared: another blob of the same length differs without them."""

    def file(craft: Craft, name: bytes, *parts: tuple[bytes, int]) -> Node:
        content = b"".join(pack_blob(ident, length) for ident, length in parts)
        size = sum(length for _, length in parts)
        return Node(name, NodeKind.FILE, 0o644, -1, 10**18, size, content)

    one, two, three = (bytes([number]) * 32 for number in (1, 2, 3))
    place.craft(
        lambda craft: craft.directory(
            file(craft, b"cut", (one, 9)), file(craft, b"whole", (one, 9))
        )
    )
    place.craft(
        lambda craft: craft.directory(
            file(craft, b"cut", (two, 4), (three, 5)), file(craft, b"whole", (two, 9))
        )
    )
    result, entries = differences(place, "latest~1", "latest")
    assert told(entries) == {b"/whole": "content"}
    assert (result.exit_code, place.damage()) == (5, ["/cut"])


def test_damaged_images(place: Place, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    fill(tmp_path / "tree", random.Random(6))
    disk = partitioned(tmp_path / "disk.img", make_ext4(tmp_path / "ext", tmp_path / "tree"))
    image_of(place, disk)

    def spoil(entry: ExtentEntry) -> ExtentEntry:
        return replace(entry, content=b"\1" + b"\0" * 36) if entry.role == 4 else entry

    image_of(place, disk, change=spoil)
    with place.open() as repository:
        ids = [each.id.hex() for each in repository.snapshots()]
    result, entries = differences(place, ids[0], ids[1])
    assert result.exit_code == 5
    assert [entry for entry in entries if entry.partition == 1] == []


def test_shared_trees_are_not_entered(place: Place) -> None:
    """Two to the power of 60 folders, in which one file differs at the top."""

    def build(data: bytes) -> Callable[[Craft], TreeRef]:
        def tree(craft: Craft) -> TreeRef:
            ref = craft.directory(craft.file(b"a", b"1"))
            for _ in range(60):
                left = changed(craft.folder(b"left"), ref=ref)
                ref = craft.directory(left, changed(left, name=b"right"))
            return craft.directory(
                changed(craft.folder(b"big"), ref=ref), craft.file(b"small", data)
            )

        return tree

    place.craft(build(b"1"))
    place.craft(build(b"2"))
    _, entries = differences(place, "latest~1", "latest")
    assert told(entries) == {b"/small": "content"}


def test_a_large_tree_takes_no_time_per_file(place: Place) -> None:
    """Of 200 folders with 500 files each, one has changed: the others are not read."""

    def build(odd: int) -> Callable[[Craft], TreeRef]:
        def tree(craft: Craft) -> TreeRef:
            folders = [
                craft.folder(
                    b"%03d" % number,
                    *(
                        Node(b"%03d" % n, NodeKind.FILE, 0o600, -1, n + number * 1000 + one)
                        for n in range(500)
                    ),
                )
                for number in range(200)
                for one in [odd if number == 77 else 0]
            ]
            return craft.directory(*folders)

        return tree

    place.craft(build(0))
    place.craft(build(10**9))
    differences(place, "latest", "latest")  # whatever is loaded once
    began = time.process_time()
    result, entries = differences(place, "latest~1", "latest")
    took = time.process_time() - began
    assert (result.metadata, len(entries), result.unchanged) == (500, 500, 200 * 501 - 500)
    assert took < 2

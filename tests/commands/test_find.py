"""``find``: what find(1) finds on the same file systems, in backups of files and in images."""

import os
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.commands.looking import (
    MIB,
    found,
    hostile_names,
    inside,
    listed,
    make_ext4,
    searched,
    take_image,
)
from tests.disk import ntfs_volumes
from tests.restorer.conftest import place, template
from tests.restorer.place import LATER, Craft, Place, changed
from tests.view.images import image_of, partitioned
from tests.view.test_image_files import read
from twofold.commands import find
from twofold.errors import PathNotFound, SnapshotNotFound, TwofoldError, UsageError
from twofold.events import Finding
from twofold.format.image import ExtentEntry
from twofold.format.pages import NodeKind
from twofold.format.records import TreeRef
from twofold.view import Filter

__all__ = ["place", "template"]


def fill(top: Path) -> None:
    for number in range(6):
        folder = top / f"folder {number}" / "Deep"
        folder.mkdir(parents=True)
        for name, size in (("a.txt", 10), ("B.TXT", 3000), ("picture.jpg", 70_000)):
            (folder / name).write_bytes(os.urandom(size + number))
        os.utime(folder / "a.txt", (10**9 + number, 10**9 + number))
    hostile_names(top / "folder 0")
    (top / "link").symlink_to("folder 1")
    (top / "empty").touch()


def below(entries: list[find.FoundEntry], top: Path | None) -> set[bytes]:
    """Paths below a folder of the snapshot; the folder itself may be found too."""
    prefix = os.fsencode(top) if top is not None else b""
    paths = {entry.path for entry in entries} - {prefix}
    assert all(path.startswith(prefix + b"/") for path in paths)
    return {path[len(prefix) :] for path in paths}


QUESTIONS = [
    (["-name", "*.txt"], ["*.txt"], {}),
    (["-iname", "b.txt"], ["b.TXT"], {"ignore_case": True}),
    (["-path", "*/Deep/a.txt"], ["Deep/a.txt"], {}),
    (
        ["-name", "*\n*", "-o", "-name", "*\x1b*", "-o", "-name", "-rf"],
        ["*\n*", "*\x1b*", "-rf"],
        {},
    ),
    (["-type", "l"], ["**"], {"conditions": Filter(kinds=frozenset({NodeKind.SYMLINK}))}),
    (["-type", "d", "-name", "[Df]*"], ["[Df]*"], {"conditions": Filter(kinds=frozenset({2}))}),
    (["-type", "f", "-size", "-3001c"], ["*"], {"conditions": Filter(most=3000)}),
    (["-type", "f", "-size", "+3000c"], ["*"], {"conditions": Filter(least=3001)}),
    (
        ["-newermt", "@1000000002", "-not", "-newermt", "@1000000004", "-type", "f"],
        ["*"],
        {"conditions": Filter(newer_ns=1000000003 * 10**9, older_ns=1000000005 * 10**9)},
    ),
]
questions = pytest.mark.parametrize(("words", "patterns", "more"), QUESTIONS)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("filled")
    fill(top)
    return top


@pytest.fixture(scope="module")
def backed_up(
    template: Place, filled: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Place, Path]:
    """One tree as a backup of files and as an ext4 image, and where the tree is."""
    base = tmp_path_factory.mktemp("backed up")
    shutil.copytree(template.base, base / "place")
    made = Place(base / "place", template.key)
    made.backup(filled)
    take_image(made, partitioned(base / "disk.img", make_ext4(base / "ext", filled)))
    return made, filled


@questions
def test_both_kinds_hold_what_find_finds(
    backed_up: tuple[Place, Path], words: list[str], patterns: list[str], more: dict[str, object]
) -> None:
    place, top = backed_up
    expected = listed(top, "(", *words, ")")
    assert expected
    image, files = "latest:p1", f"latest~1:{top}"
    assert below(found(place, *patterns, snapshots=(files,), **more), top) == expected
    assert (
        below(found(place, *patterns, snapshots=(image,), **more), None) - {b"/lost+found"}
        == expected
    )


def test_every_snapshot_newest_first(backed_up: tuple[Place, Path]) -> None:
    place, _ = backed_up
    result, entries = searched(place, "a.txt")
    assert [entry.snapshot_kind for entry in entries] == ["image"] * 6 + ["files"] * 6
    assert [entry.partition for entry in entries] == [1] * 6 + [None] * 6
    assert (result.snapshots, result.entries, result.versions) == (2, 12, 12)
    paths = [entry.path for entry in entries]
    assert paths == sorted(paths[:6]) + sorted(paths[6:])


def test_addresses_can_be_used(backed_up: tuple[Place, Path]) -> None:
    place, top = backed_up
    for entry in found(place, "*", conditions=Filter(kinds=frozenset({NodeKind.FILE}))):
        path = os.fsencode(top) + entry.path if entry.partition else entry.path
        with open(path, "rb") as file:
            assert read(place, os.fsdecode(entry.address)) == file.read()


def test_whole_paths_begin_at_the_top_of_a_backup(backed_up: tuple[Place, Path]) -> None:
    place, top = backed_up
    expected = {(None, os.fsencode(top / "empty"))}
    entries = found(place, f"{top}/empty")
    assert {(entry.partition, entry.path) for entry in entries} == expected
    entries = found(place, "/empty")
    assert {(entry.partition, entry.path) for entry in entries} == {(1, b"/empty")}
    start = f"latest~1:{top}/folder 1"
    assert below(found(place, f"{top}/*/Deep/a.txt", snapshots=(start,)), top) == {
        b"/folder 1/Deep/a.txt"
    }
    assert len(found(place, "a.txt", snapshots=(f"{start}/Deep/a.txt",))) == 1
    assert found(place, "b.txt", snapshots=(f"{start}/Deep/a.txt",)) == []
    with pytest.raises(PathNotFound, match="no '/nothing'"):
        found(place, "*", snapshots=("latest:p1:/nothing",))
    both = found(place, "a.txt", snapshots=("latest:p1:/nothing", start))
    assert both == found(place, "a.txt", snapshots=(start,))


def test_what_is_the_same_is_marked(place: Place) -> None:
    fill(place.source)
    place.backup()
    (place.source / "folder 3/Deep/a.txt").write_text("changed")
    place.backup()
    place.backup()
    result, entries = searched(place, "a.txt")
    assert [entry.again for entry in entries] == [False] * 6 + [True] * 6 + [
        b"folder 3" not in entry.path for entry in entries[12:]
    ]
    assert (result.entries, result.versions) == (18, 7)
    assert found(place, "a.txt", host="another") == []


def test_partitions_that_are_the_same_are_told_again(place: Place, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    fill(tmp_path / "tree")
    ext = make_ext4(tmp_path / "ext", tmp_path / "tree")
    disk = partitioned(tmp_path / "disk.img", ext, ext)
    take_image(place, disk)
    take_image(place, disk)
    with inside(disk, 2) as mounted:
        shutil.rmtree(mounted / "folder 2")
        (mounted / "a.txt").touch()
    take_image(place, disk)
    entries = found(place, "a.txt")
    seen = [[e.path for e in entries if e.partition == part] for part in (1, 2)]
    first = sorted(b"/folder %d/Deep/a.txt" % number for number in range(6))
    assert seen[0] == first * 3
    assert seen[1] == [b"/a.txt", *(path for path in first if b"2" not in path)] + first * 2


def test_ntfs(place: Place, tmp_path: Path) -> None:
    volume = tmp_path / "ntfs.img"
    fillings: list[ntfs_volumes.Filling] = [
        ntfs_volumes.plain,
        ntfs_volumes.folders,
        ntfs_volumes.odd_names,
    ]
    ntfs_volumes.build(volume, fillings, size=24 * MIB, cluster=4096, seed=3)
    take_image(place, partitioned(tmp_path / "disk.img", volume))
    with ntfs_volumes.mounted(volume, "ro") as there:
        for words, patterns in (
            (["-name", "*n1*"], ["*n1*"]),
            (["-name", "?*日*"], ["?*日*"]),
            (["-name", "deep"], ["deep"]),
            (["-name", "case"], ["case"]),
            (["-iname", "case"], ["CASE"]),
        ):
            expected = listed(there, *words)
            assert expected
            folding = words[0] == "-iname"
            assert below(found(place, *patterns, ignore_case=folding), None) == expected


def test_partitions_without_files(place: Place, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    ext = make_ext4(tmp_path / "ext", tmp_path / "tree")
    noise = tmp_path / "noise"
    noise.write_bytes(os.urandom(2 * MIB))
    take_image(place, partitioned(tmp_path / "disk.img", noise, ext))
    assert {entry.partition for entry in found(place, "lost+found")} == {2}
    with pytest.raises(TwofoldError, match="partition 1 holds no file system"):
        found(place, "x", snapshots=("latest:p1",))
    with pytest.raises(SnapshotNotFound):
        found(place, "x", snapshots=("latest:p7",))
    with pytest.raises(UsageError, match="partitions"):
        found(place, "x", snapshots=("latest:/home",))


def test_what_cannot_be_read_is_told_and_the_rest_found(place: Place) -> None:
    def build(craft: Craft) -> TreeRef:
        lost = changed(craft.folder(b"lost"), ref=TreeRef(b"\1" * 32))
        return craft.directory(craft.file(b"a", b"1"), lost, craft.file(b"z", b"2"))

    place.craft(build)
    place.craft(build)
    result, entries = searched(place, "?")
    assert [entry.path for entry in entries] == [b"/a", b"/z"] * 2
    assert (result.exit_code, result.damaged) == (5, 2)
    ids = {entry.address.split(b":")[0].decode() for entry in entries}
    assert sorted(place.damage()) == sorted(f"{each}:/lost" for each in ids)
    result, entries = searched(place, "/z")  # nobody needs to look there
    assert (result.exit_code, len(entries)) == (0, 2)


def test_damaged_images_are_told_and_others_searched(place: Place, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    fill(tmp_path / "tree")
    disk = partitioned(tmp_path / "disk.img", make_ext4(tmp_path / "ext", tmp_path / "tree"))
    image_of(place, disk)

    def spoil(entry: ExtentEntry) -> ExtentEntry:
        return replace(entry, content=b"\1" + b"\0" * 36) if entry.role == 4 else entry

    image_of(place, disk, change=spoil, time_ns=LATER + 1)
    result, entries = searched(place, "a.txt")
    assert (result.exit_code, result.snapshots, len(entries)) == (5, 2, 6)
    assert any(isinstance(event, Finding) and ":p1:/" in event.subject for event in place.told)


def test_forgotten_and_unfinished_backups_only_by_name(place: Place) -> None:
    fill(place.source)
    done = place.backup().snapshot
    assert done is not None
    with place.open() as repository:
        repository.forget(done.id)
    assert found(place, "a.txt") == []
    assert len(found(place, "a.txt", snapshots=(done.id.hex(),))) == 6

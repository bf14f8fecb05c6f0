"""``versions``: what a file was when, proven by restoring every version that is told."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.looking import MIB, inside, make_ext4, take_image, versions_of
from tests.disk import ntfs_volumes
from tests.restorer.conftest import place, template
from tests.restorer.place import LATER, Craft, Place
from tests.view.images import image_of, partitioned
from tests.view.test_image_files import read
from twofold.archiver import RuleOptions
from twofold.commands import versions
from twofold.errors import PathNotFound, UsageError
from twofold.format.pages import Node, NodeKind
from twofold.format.records import Root, TreeRef
from twofold.format.segments import pack_blob

__all__ = ["place", "template"]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def check(place: Place, result: versions.VersionsResult, expected: list[bytes]) -> None:
    """Every version has the content it must have; equal contents are told as such, others not."""
    assert [each.number for each in result.versions] == list(range(1, len(expected) + 1))
    held = [digest(read(place, os.fsdecode(each.address))) for each in result.versions]
    assert held == list(map(digest, expected))
    for at, each in enumerate(result.versions):
        first = held.index(held[at])
        assert each.same_as == (first + 1 if first != at else None)
        assert (each.content == result.versions[first].content) and each.content
        assert each.size == len(expected[at])
    assert result.contents == len(set(held))


def test_the_life_of_a_file(place: Place) -> None:
    path = place.source / "notes.txt"
    (place.source / "other").touch()
    place.backup()
    contents = [b"one" * 1000, b"two" * 1000, b"one" * 1000, b"long" * 500_000, b""]
    for data in contents:
        path.write_bytes(data)
        place.backup()
        place.backup()
    path.unlink()
    place.backup()
    place.backup()
    path.write_bytes(b"back")
    place.backup()
    result = versions_of(place, path)
    check(place, result, [*contents, b"back"])
    assert [len(each.snapshots) for each in result.versions] == [2] * 5 + [1]
    assert [each.gone is not None for each in result.versions] == [False] * 4 + [True, False]
    assert (result.snapshots_searched, result.snapshots_with, result.exit_code) == (14, 11, 0)
    with place.open() as repository:
        snapshots = repository.snapshots()
    assert result.versions[4].gone == snapshots[11].id
    held = [ident for each in result.versions for ident in each.snapshots]
    assert held == [each.id for each in (*snapshots[1:11], snapshots[13])]
    for each in result.versions:
        times = [s.root.time_ns for s in snapshots if s.id in each.snapshots]
        assert (each.first_seen_ns, each.last_seen_ns) == (times[0], times[-1])


def test_a_new_time_is_a_new_version_of_the_same_content(place: Place) -> None:
    path = place.source / "file"
    path.write_bytes(b"x" * 5000)
    place.backup()
    os.utime(path, (5, 5))
    place.backup()
    result = versions_of(place, path)
    check(place, result, [b"x" * 5000] * 2)
    assert result.versions[1].mtime_ns == 5 * 10**9


def test_links_and_what_is_no_file(place: Place) -> None:
    path = place.source / "thing"
    path.symlink_to("here")
    place.backup()
    path.unlink()
    path.mkdir()
    place.backup()
    result = versions_of(place, path)
    assert [each.kind for each in result.versions] == ["symlink", "directory"]
    with pytest.raises(UsageError, match="folder"):
        versions_of(place, place.source)
    with pytest.raises(PathNotFound, match="nothing"):
        versions_of(place, place.source / "nothing")
    with pytest.raises(UsageError):
        versions_of(place, "/")


def test_backups_of_other_folders_say_nothing(place: Place) -> None:
    for name in ("mine", "other"):
        (place.source / name).mkdir()
        (place.source / name / "file").write_bytes(b"1")
    place.backup(place.source / "mine")
    place.backup(place.source / "other")
    place.backup(place.source / "mine")
    result = versions_of(place, place.source / "mine/file")
    check(place, result, [b"1"])
    assert (result.versions[0].gone, result.snapshots_searched) == (None, 2)


def test_what_was_left_out_is_not_there(place: Place) -> None:
    path = place.source / "file.log"
    path.write_bytes(b"1")
    place.backup()
    without = place.backup(rules=RuleOptions(patterns=("*.log",))).snapshot
    (each,) = versions_of(place, path).versions
    assert without is not None
    assert each.gone == without.id


def test_files_and_images_together(place: Place, tmp_path: Path) -> None:
    """One content in both kinds is one, whether the file is large, small or empty."""
    contents = {
        "large": os.urandom(3 * MIB),
        "small": b"few bytes",
        "empty": b"",
        "zeros": bytes(MIB),
    }
    for name, data in contents.items():
        (place.source / name).write_bytes(data)
    place.backup()
    disk = partitioned(tmp_path / "disk.img", make_ext4(tmp_path / "ext", place.source))
    take_image(place, disk)
    take_image(place, disk)
    with inside(disk) as mounted:
        for name in contents:
            (mounted / name).write_bytes(b"changed")
    take_image(place, disk)
    for name, data in contents.items():
        result = versions_of(place, place.source / name, f"p1:/{name}")
        check(place, result, [data, data, b"changed"])
        assert [each.partition for each in result.versions] == [None, 1, 1]
        assert [len(each.snapshots) for each in result.versions] == [1, 2, 1]
        assert len(versions_of(place, f"p1:/{name}").versions) == 2
    assert versions_of(place, "p1:/small", place.source / "small").versions[0].partition is None
    assert versions_of(place, "latest:p1:/small").versions[0].partition == 1
    with pytest.raises(PathNotFound):
        versions_of(place, "p4:/small")
    with pytest.raises(UsageError, match="files lie on partitions"):
        versions_of(place, "latest:/small")


def test_contents_that_a_file_system_decodes(place: Place, tmp_path: Path) -> None:
    """Compressed and resident files of NTFS have the content of their backups."""
    volume = tmp_path / "ntfs.img"
    fillings: list[ntfs_volumes.Filling] = [ntfs_volumes.plain, ntfs_volumes.compressed]
    ntfs_volumes.build(volume, fillings, size=24 * MIB, cluster=4096, seed=9)
    take_image(place, partitioned(tmp_path / "disk.img", volume))
    with ntfs_volumes.mounted(volume, "ro") as there:
        place.backup(there)
        names = ["plain 100", "plain 4097", "compressed/text", "compressed/both"]
        names += ["compressed/gap", "compressed/zeros", "compressed/tiny"]
        for name in names:
            data = (there / name).read_bytes()
            check(place, versions_of(place, there / name, f"p1:/{name}"), [data, data])


def test_an_image_that_was_cut_otherwise(place: Place, tmp_path: Path) -> None:
    data = os.urandom(2 * MIB)
    (place.source / "file").write_bytes(data)
    place.backup()
    disk = partitioned(tmp_path / "disk.img", make_ext4(tmp_path / "ext", place.source))
    image_of(place, disk)
    check(place, versions_of(place, place.source / "file", "p1:/file"), [data, data])


def test_damage_is_told_and_the_rest_shown(place: Place) -> None:
    def file(craft: Craft, version: int) -> Node:
        """Cut in two, so that only reading the lost blobs could tell it from others."""
        content = pack_blob(bytes([version]) * 32, 3) + pack_blob(bytes([version + 1]) * 32, 3)
        return Node(b"file", NodeKind.FILE, 0o644, -1, 10**18, 6, content)

    def lost(craft: Craft) -> TreeRef:
        node = Node(b"file", NodeKind.FILE, 0o644, -1, 10**18, 6, pack_blob(b"\7" * 32, 6))
        return craft.directory(node)

    builds: list[Callable[[Craft], TreeRef]] = [
        lambda craft: craft.directory(craft.file(b"file", b"longer")),
        lambda craft: craft.directory(file(craft, 1)),
        lost,
        lambda craft: TreeRef(b"\1" * 32),
    ]
    for number, build in enumerate(builds):
        place.craft_root(
            lambda craft, n=number, b=build: Root(tree=b(craft), time_ns=LATER + n)  # type: ignore[misc]
        )
    result = versions_of(place, "/file")
    problems = [each.problem.partition(":")[0] for each in result.versions]
    assert problems == ["", "damaged", ""]
    assert (result.exit_code, result.damaged, len(place.damage())) == (5, 2, 1)
    first, _, third = result.versions
    assert read(place, os.fsdecode(first.address)) == b"longer"
    assert first.content != third.content  # which is known without reading

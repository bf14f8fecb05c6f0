"""Files out of images, against what a mount of the same file system shows."""

import hashlib
import os
import random
import stat
from pathlib import Path

import msgspec
import pytest

from tests.disk import ext_volumes, ntfs_volumes
from tests.disk.exfat_world import ExfatWorld, Shape
from tests.disk.ext_volumes import Recipe
from tests.restorer.place import LATER, Place, rsync
from tests.view.images import image_of
from twofold.commands import cat, ls
from twofold.errors import PathNotFound, SnapshotNotFound, TwofoldError, UsageError
from twofold.format.image import EntryRole, ExtentEntry
from twofold.format.layout import Buffer
from twofold.format.segments import iterate, pack_zeros
from twofold.view import parse_address
from twofold.view.open import partition_tree, snapshot_tree

MIB = 1 << 20
ways = pytest.mark.parametrize(
    "files",
    [
        pytest.param(True, id="along files"),
        pytest.param(False, id="raw", marks=pytest.mark.slow),
    ],
)


def read(place: Place, address: str) -> bytes:
    """A file's content through ``cat``."""
    parts: list[bytes] = []

    def write(data: Buffer) -> None:
        parts.append(bytes(data))

    result = cat.run(cat.CatOptions(access=place.access, address=address, write=write), _ignore)
    data = b"".join(parts)
    assert (result.exit_code, result.bytes_total) == (0, len(data))
    return data


def _ignore(_event: object) -> None:
    pass


def digests(top: Path) -> dict[bytes, str]:
    """Path below a folder to digest; of folders and links what they are."""
    found = {}
    for path in top.rglob("*"):
        name = b"/" + os.fsencode(path.relative_to(top))
        if path.is_symlink():
            found[name] = f"link to {os.readlink(path)}"
        elif path.is_dir():
            found[name] = "folder"
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


# ext4: everything is kept, so rsync must find no difference


@pytest.fixture(scope="module")
def ext(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ext_volumes.make(
        Recipe("-t ext4 -b 1024 -O inline_data -I 256"), tmp_path_factory.mktemp("ext")
    )


@ways
def test_an_ext4_is_restored_with_everything(place: Place, ext: Path, files: bool) -> None:
    image_of(place, ext, files=files)
    result = place.restore("latest:p1:/", verify=True)
    assert (result.exit_code, place.warnings(), place.damage()) == (0, [], [])
    assert result.losses == ()
    with ext_volumes.mounted(ext, place.base / "mnt", "loop,ro") as there:
        assert [line for line in rsync(there, place.target) if not line.endswith(" ./")] == []
        linked = os.lstat(place.target / "another name of tiny")
        assert linked.st_nlink == 2
    again = place.restore("latest:p1:/")
    assert (again.new, again.replaced, again.bytes_written) == (0, 0, 0)


def test_holes_of_files_stay_holes(place: Place, ext: Path) -> None:
    image_of(place, ext)
    place.restore("latest:p1:/sparse")
    info = os.lstat(place.target / "sparse")
    assert info.st_size > 3_000_000
    assert info.st_blocks * 512 < 200_000


def test_a_plan_counts_before_anything_is_written(place: Place, ext: Path) -> None:
    image_of(place, ext)
    planned = place.restore("latest:p1:/", dry_run=True)
    assert not place.target.exists()
    done = place.restore("latest:p1:/")
    assert planned.plan.new == done.new
    assert planned.plan.bytes_needed < planned.plan.bytes_total / 4  # holes take no room


def test_listing_shows_what_the_mount_shows(place: Place, ext: Path) -> None:
    image_of(place, ext)
    result, listed = place.listed("latest:p1:/", recursive=True, long=True)
    with ext_volumes.mounted(ext, place.base / "mnt", "loop,ro") as there:
        expected = {}
        for path in there.rglob("*"):
            info = os.lstat(path)
            expected[b"/" + os.fsencode(path.relative_to(there))] = (
                stat.S_IMODE(info.st_mode),
                info.st_uid,
                info.st_gid,
                info.st_mtime_ns,
                info.st_size if path.is_file() and not path.is_symlink() else 0,
                os.fsencode(os.readlink(path)) if path.is_symlink() else b"",
                info.st_nlink > 1 and not path.is_dir(),
            )
    seen = {
        each.path: (
            each.mode,
            each.uid,
            each.gid,
            each.mtime_ns,
            each.size,
            each.target,
            each.linked,
        )
        for each in listed
    }
    assert seen == expected
    assert (result.exit_code, result.entries) == (0, len(expected))


def test_files_that_are_entries_need_no_parser(place: Place, ext: Path) -> None:
    """Their content is told as segments; files within inodes are decoded."""
    image_of(place, ext)
    with place.pages() as (pages, root):
        tree = partition_tree(pages, root, 1)
        large, tiny = tree.find([b"growing 1"]), tree.find([b"another name of tiny"])
        assert large is not None
        assert tiny is not None
        assert tree.content(large.node) is None
        assert sum(each.length for each in tree.segments(large.node)) == large.node.size
        content = tree.content(tiny.node)
        assert content is not None
        assert content.read(0, 100) == b"only a few bytes"


def test_an_entry_of_another_size_is_not_believed(place: Place, ext: Path) -> None:
    """As where a file grew while the image was made: the parser reads what the volume holds."""

    def other(entry: ExtentEntry) -> ExtentEntry:
        if entry.role != EntryRole.FILE or entry.size % 4096 < 8:
            return entry
        segments = list(iterate(entry.content))
        if entry.ref is not None or segments[-1].blob is None or len(segments) > 1:
            return entry
        return msgspec.structs.replace(
            entry, size=entry.size + 1, content=entry.content + pack_zeros(1)
        )

    image_of(place, ext, change=other)
    with ext_volumes.mounted(ext, place.base / "mnt", "loop,ro") as there:
        expected = (there / "growing 1").read_bytes()
    assert read(place, "latest:p1:/growing 1") == expected
    with place.pages() as (pages, root):
        tree = partition_tree(pages, root, 1)
        found = tree.find([b"growing 1"])
        assert found is not None
        assert tree.content(found.node) is not None


# NTFS


@pytest.fixture(scope="module")
def ntfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = tmp_path_factory.mktemp("ntfs") / "ntfs.img"
    fillings: list[ntfs_volumes.Filling] = [
        ntfs_volumes.plain,
        ntfs_volumes.folders,
        ntfs_volumes.streams,
        ntfs_volumes.compressed,
        ntfs_volumes.links,
        ntfs_volumes.in_pieces,
        special,
    ]
    ntfs_volumes.build(image, fillings, size=64 * MIB, cluster=4096, seed=5)
    return image


def special(folder: Path, rng: random.Random, cluster: int) -> None:
    """A symbolic link, a read-only file, a hidden one, a sparse one."""
    (folder / "to plain").write_bytes(b"")
    os.setxattr(folder / "to plain", "system.ntfs_reparse_data", symbolic_link("plain 100"))
    (folder / "read only").write_bytes(b"r")
    (folder / "hidden").write_bytes(b"h")
    os.setxattr(folder / "read only", "system.ntfs_attrib", (0x21).to_bytes(4, "little"))
    os.setxattr(folder / "hidden", "system.ntfs_attrib", (0x22).to_bytes(4, "little"))
    with (folder / "sparse").open("wb") as file:
        file.seek(8 * MIB)
        file.write(b"end")


@ways
def test_an_ntfs_is_restored(place: Place, ntfs: Path, files: bool) -> None:
    image_of(place, ntfs, files=files)
    result = place.restore("latest:p1:/", verify=True)
    assert (result.exit_code, place.warnings(), place.damage()) == (0, [], [])
    seen = ntfs_volumes.seen_through_mount(ntfs)
    ours = digests(place.target)
    assert ours == {
        path: f"link to {os.fsdecode(each.target)}" if each.target is not None else each.digest
        for path, each in seen.items()
    }
    for path, each in seen.items():
        info = os.lstat(os.fsencode(place.target) + path)
        assert info.st_mtime_ns == each.modified_ns or stat.S_ISLNK(info.st_mode), path
        if stat.S_ISREG(info.st_mode):
            assert info.st_nlink == each.links, path
    again = place.restore("latest:p1:/")
    assert (again.new, again.replaced, again.bytes_written) == (0, 0, 0)


def test_what_windows_has_more_is_kept_or_told(place: Place, ntfs: Path) -> None:
    image_of(place, ntfs)
    result = place.restore("latest:p1:/")
    with ntfs_volumes.mounted(ntfs, "ro,streams_interface=windows") as folder:
        small = (folder / "streams:größe").read_bytes()
        assert os.getxattr(place.target / "streams", "user.größe") == small
        on_folder = (folder / "streamed:Zone.Identifier").read_bytes()
        assert os.getxattr(place.target / "streamed", "user.Zone.Identifier") == on_folder
    assert stat.S_IMODE((place.target / "read only").stat().st_mode) == 0o444
    assert (place.target / "sparse").stat().st_blocks * 512 < MIB
    told = {loss.words: loss.entries for loss in result.losses}
    assert told["file attributes of another operating system cannot be kept here"] == 1
    assert any("access rights of Windows" in note for note in result.plan.notes)


def test_streams_too_large_for_attributes_are_told(place: Place, tmp_path: Path) -> None:
    image = tmp_path / "volume"
    ntfs_volumes.make(image, size=16 * MIB, cluster=4096)
    with ntfs_volumes.mounted(image) as folder:
        (folder / "file").write_bytes(b"content")
        (folder / "file:large").write_bytes(b"l" * 100_000)
    image_of(place, image)
    result = place.restore("latest:p1:/")
    assert [loss.words for loss in result.losses] == [
        "further data streams of a file cannot be kept here"
    ]
    assert (place.target / "file").read_bytes() == b"content"


def test_streams_are_listed_and_read_by_name(place: Place, tmp_path: Path) -> None:
    """Those too large for attributes as well; NAME:$DATA is what Windows calls the same."""
    image = tmp_path / "volume"
    ntfs_volumes.make(image, size=16 * MIB, cluster=4096)
    large = os.urandom(300_000)
    with ntfs_volumes.mounted(image) as folder:
        (folder / "d").mkdir()
        (folder / "d" / "file").write_bytes(b"content")
        (folder / "d" / "file:large").write_bytes(large)
        (folder / "d" / "file:small é").write_bytes(b"small")
        (folder / "d:of folder").write_bytes(b"a folder's")
    image_of(place, image)
    _, (listed,) = place.listed("latest:p1:/d", long=True)
    assert set(listed.attributes) == {"user.large", "user.small é"}
    assert read(place, "latest:p1:/d/file:large") == large
    assert read(place, "latest:p1:/d/file:large:$DATA") == large
    assert read(place, "latest:p1:/d/file:small é") == b"small"
    assert read(place, "latest:p1:/d:of folder") == b"a folder's"
    for missing in ("d/file:none", "d/none:large", "d/file:", "none:/large"):
        with pytest.raises(PathNotFound, match="holds no"):
            read(place, f"latest:p1:/{missing}")


@pytest.mark.parametrize(
    ("tag", "value", "word"),
    [(0x80000013, bytes(8), "deduplication"), (0x80000017, b"\1\0\0\0" * 2 + bytes(32), "WIM")],
)
def test_what_is_kept_elsewhere_is_told_and_the_rest_restored(
    place: Place, tmp_path: Path, tag: int, value: bytes, word: str
) -> None:
    """A file deduplicated or in a WIM archive, and a junction, as Windows writes reparse points."""
    image = tmp_path / "volume"
    ntfs_volumes.make(image, size=16 * MIB, cluster=4096)
    with ntfs_volumes.mounted(image) as folder:
        (folder / "away").write_bytes(b"nothing but zeros would be read")
        (folder / "junction").mkdir()
        (folder / "whole").write_bytes(b"whole")
        point = tag.to_bytes(4, "little") + len(value).to_bytes(4, "little") + value
        os.setxattr(folder / "away", "system.ntfs_reparse_data", point)
        os.setxattr(folder / "junction", "system.ntfs_reparse_data", _junction("C:\\Users"))
    image_of(place, image)
    result = place.restore("latest:p1:/")
    assert (result.exit_code, result.failed, result.damaged) == (1, 1, 0)
    (warning,) = place.warnings()
    assert (warning.path, word in warning.reason) == (b"/away", True)
    assert (place.target / "whole").read_bytes() == b"whole"
    assert os.readlink(place.target / "junction") == "C:/Users"
    assert "absolute links of another operating system lead elsewhere here" in [
        loss.words for loss in result.losses
    ]
    with pytest.raises(TwofoldError, match=word):
        read(place, "latest:p1:/away")


def symbolic_link(target: str) -> bytes:
    """A relative symbolic link ([MS-FSCC] 2.1.2.4)."""
    name = target.encode("utf-16-le")
    numbers = (0, len(name), len(name), len(name))
    data = b"".join(number.to_bytes(2, "little") for number in numbers)
    data += (1).to_bytes(4, "little") + name + name
    return (0xA000000C).to_bytes(4, "little") + len(data).to_bytes(2, "little") + b"\0\0" + data


def test_files_of_nothing_but_holes_take_no_time_and_no_room(place: Place, tmp_path: Path) -> None:
    """They lie nowhere, so no entry holds them; reading all their zeros would take minutes."""
    image = tmp_path / "volume"
    ntfs_volumes.make(image, size=16 * MIB, cluster=4096)
    with ntfs_volumes.mounted(image) as folder:
        with (folder / "hole").open("wb") as file:
            file.truncate(1 << 41)
        (folder / "pressed").mkdir()
        os.setxattr(folder / "pressed", "system.ntfs_attrib_be", (0x810).to_bytes(4, "big"))
        with (folder / "pressed/gap").open("wb") as file:
            file.write(b"begin")
            file.seek((40 << 20) + 100)
            file.write(b"middle")
    image_of(place, image)
    result = place.restore("latest:p1:/")
    assert result.exit_code == 0
    assert result.plan.bytes_needed < MIB
    again = place.restore("latest:p1:/")  # compared where one of both has anything
    assert (again.unchanged, again.bytes_written) == (result.new, 0)
    hole, gap = place.target / "hole", place.target / "pressed/gap"
    assert (hole.stat().st_size, hole.stat().st_blocks) == (1 << 41, 0)
    assert gap.stat().st_size == (40 << 20) + 106
    assert gap.stat().st_blocks * 512 < MIB
    with gap.open("rb") as file:
        assert file.read(10) == b"begin" + bytes(5)
        file.seek((40 << 20) + 95)
        assert file.read() == bytes(5) + b"middle"


def _junction(target: str) -> bytes:
    """A mount point to a folder ([MS-FSCC] 2.1.2.5)."""
    name = ("\\??\\" + target).encode("utf-16-le")
    shown = target.encode("utf-16-le")
    data = b"".join(
        number.to_bytes(2, "little") for number in (0, len(name), len(name) + 2, len(shown))
    )
    data += name + b"\0\0" + shown + b"\0\0"
    return (0xA0000003).to_bytes(4, "little") + len(data).to_bytes(2, "little") + b"\0\0" + data


# exFAT and FAT


@ways
def test_an_exfat_is_restored(place: Place, tmp_path: Path, files: bool) -> None:
    world = ExfatWorld(tmp_path, Shape(8, 4096))
    image_of(place, world.image, files=files)
    result = place.restore("latest:p1:/")
    assert (result.exit_code, result.losses) == (0, ())
    ours = digests(place.target)
    assert ours == {os.fsencode(path): digest or "folder" for path, digest in world.tree.items()}


def test_a_fat_is_restored(place: Place, tmp_path: Path) -> None:
    source = tmp_path / "files"
    (source / "A longer folder name").mkdir(parents=True)
    (source / "A longer folder name" / "another.text").write_bytes(b"u" * 70_000)
    (source / "SHORT.TXT").write_bytes(b"s")
    image = tmp_path / "fat.img"
    with image.open("wb") as file:
        file.truncate(16 * MIB)
    ext_volumes.run("mkfs.fat", "-F", "16", image)
    os.environ["MTOOLS_SKIP_CHECK"] = "1"
    ext_volumes.run("mcopy", "-s", "-i", image, *source.iterdir(), "::")
    image_of(place, image)
    place.restore("latest:p1:/")
    assert digests(place.target) == digests(source)


# addresses


@pytest.mark.parametrize("path", ["compressed/both", "plain 100", "comb", "elsewhere/link 3"])
def test_cat_gives_a_files_bytes(place: Place, ntfs: Path, path: str) -> None:
    image_of(place, ntfs)
    with ntfs_volumes.mounted(ntfs, "ro,streams_interface=windows") as folder:
        assert read(place, f"latest:p1:/{path}") == (folder / path).read_bytes()


def test_cat_of_a_backup_of_files(place: Place) -> None:
    data = random.Random(1).randbytes(3 * MIB) + bytes(5 * MIB) + b"end"
    (place.source / "file").write_bytes(data)
    (place.source / "link").symlink_to("file")
    place.backup()
    assert read(place, f"latest:{place.source}/file") == data
    for path, kind in (("link", "symlink"), ("", "directory")):
        with pytest.raises(UsageError, match=kind):
            read(place, f"latest:{place.source}/{path}")
    with pytest.raises(PathNotFound, match="nothing"):
        read(place, f"latest:{place.source}/nothing")
    with pytest.raises(UsageError, match="not an image"):
        read(place, "latest:p1:/file")


def test_partitions_are_listed(place: Place, ext: Path) -> None:
    image_of(place, ext)
    for address in ("latest", "latest:/"):
        parts: list[ls.ListedPartition] = []
        result, entries = place.listed(address, partition=parts.append)
        assert (result.entries, entries) == (1, [])
        (part,) = parts
        assert (part.number, part.system, part.label) == (1, "ext4", "a volume")
        assert part.size == ext.stat().st_size


def test_what_an_image_cannot_tell(place: Place, ext: Path, tmp_path: Path) -> None:
    image_of(place, ext)
    for ask in (place.restore, place.listed):
        with pytest.raises(UsageError, match="partition"):
            ask("latest:/etc")
        with pytest.raises(SnapshotNotFound, match="no partition 2"):
            ask("latest:p2:/")
        with pytest.raises(PathNotFound, match="nothing"):
            ask("latest:p1:/nothing")
    with pytest.raises(UsageError, match="partition"):
        place.restore("latest")
    noise = tmp_path / "noise"
    noise.write_bytes(b"nothing known" * 99_999)
    image_of(place, noise, time_ns=LATER + 1)
    with pytest.raises(TwofoldError, match="no file system"):
        place.restore("latest:p1:/")


def test_a_tree_for_each_kind(place: Place, ext: Path) -> None:
    image_of(place, ext)
    with place.pages() as (pages, root):
        assert not snapshot_tree(pages, root, parse_address("latest:p1").partition).counted


# damage


def test_a_directory_inside_itself_ends(place: Place, tmp_path: Path) -> None:
    """debugfs links a folder into its own depth; the second name is told, and all else restored."""
    tree = tmp_path / "tree"
    (tree / "a/b/c").mkdir(parents=True)
    (tree / "a/b/file").write_bytes(b"once")
    volume = tmp_path / "volume"
    with volume.open("wb") as file:
        file.truncate(8 * MIB)
    ext_volumes.run("mke2fs", "-q", "-F", "-t", "ext4", "-d", tree, volume)
    ext_volumes.run("debugfs", "-w", "-R", "ln a a/b/c/again", volume)
    image_of(place, volume)
    result = place.restore("latest:p1:/")
    assert (result.exit_code, result.damaged) == (5, 1)
    assert digests(place.target).keys() >= {b"/a/b/c", b"/a/b/file"}
    assert not (place.target / "a/b/c/again").exists()
    listed, _ = place.listed("latest:p1:/", recursive=True)
    assert (listed.exit_code, listed.damaged) == (5, 1)


def test_a_path_that_is_not_there_says_where_it_goes_through_a_link(place: Place) -> None:
    (place.source / "folder").mkdir()
    (place.source / "folder" / "file").touch()
    (place.source / "link").symlink_to("folder")
    place.backup()
    for path in ("link/file", "link/none"):
        with pytest.raises(PathNotFound, match=f"holds no '{place.source}/{path}'") as caught:
            place.listed(f"latest:{place.source}/{path}")
        assert caught.value.hint.startswith(f"'{place.source}/link' is a link to 'folder'")
    with pytest.raises(PathNotFound) as caught:
        place.listed(f"latest:{place.source}/folder/none")
    assert "link" not in caught.value.hint

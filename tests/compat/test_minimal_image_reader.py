"""A disk that the program images, a reader written from the documents writes to a file.

What is allocated, as the tools of the file systems say, is byte by byte what it was; of an exact
image everything is. The blobs it needed are those that a pruner's walk keeps.
"""

import ast
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from tests.archiver.world import World
from tests.compat.test_minimal_reader import PASSWORD, PRODUCT, READER, environment, twofold
from tests.disk.used_blocks import partclone_domain
from tests.imaging.disks import MIB, cut_out, gpt_disk, make_ext4, make_ntfs, run, starts, tree
from tests.imaging.test_image_round import differing_blocks, free_blocks
from tests.imaging.test_not_stored import Broken, make_paged_ntfs, with_zeros
from tests.imaging.test_volumes_in_pieces import in_pieces
from tests.imaging.world import ImageWorld
from tests.restorer.processes import needs_root
from twofold.commands.access import open_at
from twofold.events import ignore
from twofold.format.names import BlobKind, Kind
from twofold.format.records import encode_record
from twofold.graph import PageStore, reachable
from twofold.options import RepositoryAccess, Secret
from twofold.repository import Author

IMAGE_READER = READER.with_name("minimal_image_reader.py")
ROOT = READER.parents[2]
pytestmark = needs_root


@dataclass(frozen=True)
class Imaged:
    """A disk, its partitions as they were put on it, and the repository with its images."""

    disk: Path
    ext4: Path
    ntfs: Path
    fat: Path
    noise: Path
    repo: Path


def read(repo: Path, target: Path, *words: object, secret: str = PASSWORD) -> tuple[int, str]:
    """Run the reader: exit code and what it said."""
    outcome = subprocess.run(
        [sys.executable, "-m", "tests.compat.minimal_image_reader", repo, target, *map(str, words)],
        cwd=ROOT,
        env=environment(target.parent, secret),
        capture_output=True,
        text=True,
        check=False,
    )
    return outcome.returncode, outcome.stdout + outcome.stderr


def _garbage(image: Path, places: list[int]) -> None:
    """Something in places that are free."""
    with image.open("r+b") as file:
        for place in places:
            file.seek(place)
            file.write(b"left over where nothing is allocated")


@pytest.fixture(scope="module")
def imaged(tmp_path_factory: pytest.TempPathFactory) -> Imaged:
    """Five partitions: two systems of Linux and Windows, a stick, and something unknown."""
    folder = tmp_path_factory.mktemp("imaged")
    names = ("disk", "ext4", "ntfs", "fat", "noise", "repo")
    made = Imaged(*(folder / name for name in names))
    source = folder / "source"
    tree(source, files=40)
    make_ext4(made.ext4, source, 48 * MIB)
    _garbage(made.ext4, [block * 4096 for block in sorted(free_blocks(made.ext4))[5:60:7]])
    make_ntfs(made.ntfs, source, folder / "mount", 48 * MIB)
    made.fat.write_bytes(bytes(16 * MIB))
    run("mkfs.vfat", "-F", "16", "-n", "STICK", made.fat)
    run("mcopy", "-i", made.fat, "-s", source / "folder 1", "::")
    noise = random.Random(4).randbytes(MIB) + bytes(2 * MIB) + b"end" * 1000
    made.noise.write_bytes(noise.ljust(4 * MIB, b"\0"))
    parts = [(made.fat, "ef00"), (made.ntfs, "0700"), (made.ext4, "8300"), (made.noise, "8e00")]
    gpt_disk(made.disk, parts)
    twofold(folder, "init", made.repo)
    twofold(folder, "-r", made.repo, "image", made.disk)
    return made


def check_parts(imaged: Imaged, back: Path, folder: Path) -> None:
    """Each partition of a disk that was written, by the tools of its system."""
    fat, ntfs, ext4, noise = (
        cut_out(back, number, path.stat().st_size, folder / f"part {number}")
        for number, path in enumerate((imaged.fat, imaged.ntfs, imaged.ext4, imaged.noise), 1)
    )
    assert differing_blocks(imaged.ext4, ext4, 4096) <= free_blocks(imaged.ext4)
    run("e2fsck", "-fn", ext4)
    clones = [run("ntfsclone", "-s", "-O", "-", path) for path in (imaged.ntfs, ntfs)]
    assert clones[0] == clones[1]
    assert differing_blocks(imaged.fat, fat, 512).isdisjoint(partclone_domain("fat", imaged.fat))
    assert noise.read_bytes() == imaged.noise.read_bytes()


@pytest.mark.parametrize("words", [(), ("--without-index",)], ids=["index", "packs alone"])
def test_a_disk_comes_back(imaged: Imaged, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Partition tables and gaps byte by byte, partitions as far as they are allocated."""
    assert read(imaged.repo, tmp_path / "back", *words) == (0, "")
    assert (tmp_path / "back").stat().st_size == imaged.disk.stat().st_size
    assert b"No problems found" in run("sgdisk", "-v", tmp_path / "back")
    check_parts(imaged, tmp_path / "back", tmp_path)
    begin, end = starts(imaged.disk)[0], 2 * MIB
    for part in (slice(0, begin), slice(-end, None)):
        with imaged.disk.open("rb") as disk, (tmp_path / "back").open("rb") as back:
            assert _piece(disk.fileno(), part) == _piece(back.fileno(), part)


def _piece(fd: int, part: slice) -> bytes:
    size = os.fstat(fd).st_size
    start, stop, _ = part.indices(size)
    return os.pread(fd, stop - start, start)


def test_one_volume_comes_back(imaged: Imaged, tmp_path: Path) -> None:
    """Alone, at the start of a file of its own size."""
    assert read(imaged.repo, tmp_path / "ext4", "--volume", 3) == (0, "")
    assert differing_blocks(imaged.ext4, tmp_path / "ext4", 4096) <= free_blocks(imaged.ext4)
    code, said = read(imaged.repo, tmp_path / "none", "--volume", 9)
    assert code == 1 and "no volume 9" in said


def test_an_exact_image_is_the_disk(imaged: Imaged, tmp_path: Path) -> None:
    """Free blocks included, in a repository that has the ordinary image already."""
    repo = tmp_path / "repo"
    shutil.copytree(imaged.repo, repo)
    twofold(tmp_path, "-r", repo, "image", "--exact", imaged.disk)
    assert read(repo, tmp_path / "back") == (0, "")
    assert differing_blocks(imaged.disk, tmp_path / "back", 4096) == set()


def test_the_latest_image_is_no_file_backup(imaged: Imaged, tmp_path: Path) -> None:
    """Both kinds in one repository: each reader takes its own."""
    repo, folder = tmp_path / "repo", tmp_path / "folder"
    shutil.copytree(imaged.repo, repo)
    folder.mkdir()
    (folder / "file").write_bytes(b"a file")
    twofold(tmp_path, "-r", repo, "backup", folder)
    assert read(repo, tmp_path / "back", "--volume", 4) == (0, "")
    assert (tmp_path / "back").read_bytes() == imaged.noise.read_bytes()
    outcome = subprocess.run(
        [sys.executable, READER, repo, tmp_path / "files"],
        env=environment(tmp_path, PASSWORD),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")
    restored = tmp_path / "files" / folder.relative_to("/") / "file"
    assert restored.read_bytes() == b"a file"


def test_what_it_does_not_know_it_refuses(imaged: Imaged, tmp_path: Path) -> None:
    """A later kind of snapshot, a feature to read; it need not know those to write and delete."""
    repo = tmp_path / "repo"
    shutil.copytree(imaged.repo, repo)
    access = RepositoryAccess(str(repo), lambda: Secret(PASSWORD.encode()))
    for features, code in (
        ({"features_write": ["w"], "features_delete": ["d"]}, 0),
        ({"features_read": ["r"]}, 1),
    ):
        with open_at(access, ignore) as repository:
            config = msgspec.structs.replace(repository.config, **features)
            keys = repository.keys
            file = keys.seal_small(Kind.CONFIG, bytes(16), encode_record(config))
        with open_at(access, ignore) as repository, repository.begin("reader", Author()) as later:
            contents = msgspec.msgpack.encode({"kind": "tape", "time_ns": 2**62})
            if code:
                repository.objects.write(Kind.ROOT, "roots", later.id, contents)
                later.commit()
                said = read(repo, tmp_path / "tape", "--volume", 4)
                assert said[0] == 1 and "unknown kinds" in said[1] and "tape" in said[1]
                repository.objects.delete("roots", later.id)
        for name in ("config", "config.copy"):
            (repo / name).write_bytes(file)
        target = tmp_path / f"back{code}"
        said = read(repo, target, "--volume", 4)
        assert said[0] == code and ("what we lack" in said[1]) == bool(code)


def test_damage_is_told(imaged: Imaged, tmp_path: Path) -> None:
    """One byte of a large pack: what lay in that frame is named, the rest is written."""
    repo = tmp_path / "repo"
    shutil.copytree(imaged.repo, repo)
    large = max(repo.joinpath("packs").rglob("*"), key=lambda path: path.stat().st_size)
    data = bytearray(large.read_bytes())
    data[1 << 20] ^= 1
    large.write_bytes(data)
    code, said = read(repo, tmp_path / "back")
    assert code == 1
    assert "authentication" in said and "owner" in said
    assert (tmp_path / "back").stat().st_size == imaged.disk.stat().st_size


def test_it_tells_what_is_not_stored(tmp_path: Path) -> None:
    """Unreadable sectors are a loss, a page file is none; zeros stand for both."""
    world = ImageWorld.make(tmp_path / "home")
    assert isinstance(world, ImageWorld)
    noise, ntfs = tmp_path / "noise", tmp_path / "ntfs"
    data = random.Random(4).randbytes(3 * MIB)
    noise.write_bytes(data)
    Broken(world, noise, frozenset({100, 101})).image()
    code, said = read(world.base / "repo", tmp_path / "home" / "a", secret="password")
    assert (code, "1024 bytes could not be read" in said) == (1, True)
    assert (tmp_path / "home" / "a").read_bytes() == with_zeros(data, 100 * 512, 1024)
    make_paged_ntfs(ntfs, world.source, tmp_path / "mnt")
    Broken(world, ntfs, frozenset()).image()
    code, said = read(world.base / "repo", tmp_path / "home" / "b", secret="password")
    assert (code, "1048576 bytes were left out" in said) == (0, True)
    assert world.restore_image(tmp_path / "c", fill=b"\0").damaged == 0
    assert (tmp_path / "c").read_bytes() == (tmp_path / "home" / "b").read_bytes()


def test_it_lays_out_volumes_that_lie_in_pieces(tmp_path: Path) -> None:
    """The disk, the volume that others lie in, and one of those alone."""
    world = ImageWorld.make(tmp_path / "home")
    assert isinstance(world, ImageWorld)
    tree(world.source, files=20)
    make_ext4(tmp_path / "ext4", world.source, 48 * MIB)
    path, _ = in_pieces(tmp_path, (tmp_path / "ext4").read_bytes(), 8)
    world.image(path, exact=True)
    for name, words, wanted in (
        ("disk", (), path),
        ("outer", ("--volume", 1), path),
        ("inner", ("--volume", 10_000), tmp_path / "ext4"),
    ):
        target = tmp_path / "home" / name
        assert read(world.base / "repo", target, *words, secret="password") == (0, "")
        run("cmp", wanted, target)


def test_it_needs_just_what_a_pruner_would_keep(tmp_path: Path) -> None:
    """Every blob that a restore needs is reached, and no blob is kept for nothing."""
    world = World.make(tmp_path)
    disk = tmp_path / "disk"
    tree(world.source, files=30)
    make_ext4(disk, world.source, 48 * MIB)
    home = tmp_path / "home"
    home.mkdir()
    repo = home / "repo"
    twofold(home, "init", repo)
    twofold(home, "-r", repo, "image", disk)
    assert read(repo, tmp_path / "back", "--blobs", tmp_path / "blobs") == (0, "")
    lines = (tmp_path / "blobs").read_text().splitlines()
    needed = {(line[0], bytes.fromhex(line[2:])) for line in lines}
    found = set(_reached(home, repo))
    assert needed == found


def _reached(home: Path, repo: Path) -> list[tuple[str, bytes]]:
    with open_at(
        RepositoryAccess(str(repo), lambda: Secret(PASSWORD.encode())), ignore
    ) as repository:
        pages = PageStore(repository.blob_reader(repository.load_index()))
        root = repository.snapshots()[-1].root
        return [
            ("M" if each.kind is BlobKind.META else "D", each.id)
            for each in reachable(pages, root, set())
        ]


def test_the_reader_is_independent() -> None:
    """Nothing of the program is imported; 500 lines are enough."""
    text = IMAGE_READER.read_text("utf-8")
    assert text.count("\n") <= 500
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    assert {name.partition(".")[0] for name in names}.isdisjoint(PRODUCT)
    assert {name for name in names if name.startswith("tests")} == {"tests.compat.minimal_reader"}

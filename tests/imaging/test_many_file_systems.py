"""File systems with everything drawn by lot, each from a seed: read, imaged, restored, judged.

For each: what our parser lists and holds in use is what The Sleuth Kit, libfsntfs, libfsfat,
e2fsprogs, ntfs-3g and the fscks say; and after disk → image → disk every unit that *they* have in
use is the same. The name of a test is the seed: ``pytest -k ntfs-17`` makes the same one again.
"""

import random
import shutil
from pathlib import Path

import pytest

from tests.disk import exfat_world, fat_world, ntfs_volumes, test_exfat_worlds, test_fat_worlds
from tests.disk.ext_volumes import Recipe, may_mount
from tests.disk.ext_volumes import mounted as mount
from tests.disk.test_ext_volumes import understood
from tests.disk.test_ntfs_volumes import check_volume
from tests.disk.used_blocks import contents, populate
from tests.imaging.disks import MIB, run
from tests.imaging.pcs import judges
from tests.imaging.pcs.disk import Volume, device
from tests.imaging.pcs.linux import blank
from tests.imaging.world import ImageWorld

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not may_mount(), reason="may not mount")]

COUNTS = {"ntfs": 44, "ext": 40, "fat": 24, "exfat": 12, "xfs": 5, "btrfs": 5}
NTFS_SEEDS, EXT_SEEDS, FAT_SEEDS, EXFAT_SEEDS, XFS_SEEDS, BTRFS_SEEDS = (
    [pytest.param(seed, id=f"{kind}-{seed}") for seed in range(count)]
    for kind, count in COUNTS.items()
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> ImageWorld:
    made = ImageWorld.make(tmp_path_factory.mktemp("template") / "world")
    assert isinstance(made, ImageWorld)
    return made


@pytest.fixture
def world(empty: ImageWorld, room: Path) -> ImageWorld:
    return ImageWorld(shutil.copytree(empty.base, room / "world"), empty.key)


def comes_back(world: ImageWorld, kind: str, image: Path, room: Path, *, whole: bool) -> None:
    """Through an image onto a file that is full of something else."""
    outcome, _ = world.image(image, exact=whole)
    assert outcome.complete
    back = room / "back"
    result = world.restore_image(back)
    assert (result.damaged, result.wrong) == (0, 0)
    size = image.stat().st_size
    if whole:
        assert judges.differing(image, back, [(0, size)]) == []
    with device(image, 0, size) as ours, device(back, 0, size, writable=True) as theirs:
        used = used_units(kind, ours, image, room)
        assert judges.differing(ours, theirs, used) == []
        if kind == "ntfs":
            judges.assert_clones_equal(Volume("ntfs", image, ""), theirs, [], room)
        judges.check(kind, theirs)


def used_units(kind: str, place: Path, image: Path, room: Path) -> list[judges.Range]:
    """By the tools of the file system; quick ones where there is a choice."""
    if kind == "ext":
        return judges.ext_ranges(place)
    if kind == "vfat":
        return judges.fat_ranges(place, room)
    if kind == "ntfs":
        return [(0, 512), (image.stat().st_size - 512, 512)]  # the rest is ntfsclone's
    return judges.used_ranges(kind, place, room)


def exactly(rng: random.Random) -> bool:
    """One in five is imaged with every sector."""
    return rng.random() < 0.2


@pytest.mark.parametrize("seed", NTFS_SEEDS)
def test_ntfs(seed: int, world: ImageWorld, room: Path) -> None:
    rng = random.Random(f"ntfs {seed}")
    sector = rng.choice((512, 512, 512, 1024, 2048, 4096))
    cluster = rng.choice([size for size in (2**n for n in range(9, 18)) if size >= sector])
    chosen = rng.sample(ntfs_volumes.ALL, rng.randrange(1, 6))
    size = max(16 * MIB, 1200 * cluster) + rng.randrange(64) * sector
    if rng.random() < 0.4 and cluster <= 4096:
        chosen = [*chosen[:2], ntfs_volumes.full]
        size = rng.randrange(1 << 10, 3 << 9) * 4 * 4096
    if ntfs_volumes.in_pieces in chosen:
        size = max(size, 800 * cluster + 8 * MIB)
    image = room / "volume.img"
    ntfs_volumes.build(image, chosen, size=size, cluster=cluster, sector=sector, seed=seed)
    check_volume(image, cluster, sector, seed)
    comes_back(world, "ntfs", image, room, whole=exactly(rng))


def ext_recipe(seed: int, rng: random.Random) -> Recipe:
    """A kind with features that go together."""
    block = rng.choice((1024, 1024, 2048, 4096, 4096))
    words = ["-t", rng.choice(("ext2", "ext3", "ext4", "ext4", "ext4", "ext4")), "-b", str(block)]
    features = []
    if words[1] == "ext4":
        features += [rng.choice(("64bit", "^64bit")), rng.choice(("flex_bg", "^flex_bg"))]
        features += [rng.choice(("metadata_csum", "^metadata_csum", "^metadata_csum,uninit_bg"))]
        features += rng.sample(("inline_data", "ea_inode", "large_dir", "orphan_file"), 2)
        if "flex_bg" in features and rng.random() < 0.3:
            features.append("bigalloc")
            words += ["-C", str(block * rng.choice((2, 4, 16)))]
        features += rng.choice(
            (["meta_bg", "^resize_inode"], ["sparse_super2", "^resize_inode"], [])
        )
        features += rng.choice((["^has_journal"], [], []))
        features = [f for f in features if f != "orphan_file" or "^has_journal" not in features]
    elif words[1] == "ext2":
        features += rng.sample(("^filetype", "^dir_index", "^sparse_super", "^resize_inode"), 2)
    if features:
        words += ["-O", ",".join(features)]
    words += ["-I", str(rng.choice((128, 256, 512)) if words[1] != "ext4" else 256)]
    if "bigalloc" not in features:
        words += ["-g", str(rng.choice((1024, 2048, 4096)))]
    return Recipe(" ".join(words), rng.choice((16, 24, 40)), seed)


@pytest.mark.parametrize("seed", EXT_SEEDS)
def test_ext(seed: int, world: ImageWorld, room: Path) -> None:
    rng = random.Random(f"ext {seed}")
    understood(ext_recipe(seed, rng), room / "ext")
    comes_back(world, "ext", room / "ext/volume.img", room, whole=exactly(rng))


@pytest.mark.parametrize("seed", FAT_SEEDS)
def test_fat(seed: int, world: ImageWorld, room: Path) -> None:
    rng = random.Random(f"fat {seed}")
    kind, least, most = rng.choice(((12, 700, 3900), (16, 4400, 60_000), (32, 66_000, 130_000)))
    clusters = rng.randrange(least, most)
    sector = rng.choice((512, 512, 512, 1024))
    each = rng.choice((1, 1, 2, 4)) if kind != 32 else 1
    kib = clusters * sector * each // 1024 + (600 if kind != 12 else 40) * sector // 512
    shape = fat_world.Shape(kind, kib, sector, each, rng.choice((1, 2, 2)), rng.random() < 0.2)
    made = fat_world.FatWorld(room, shape, seed)
    test_fat_worlds.agree(made)
    comes_back(world, "vfat", made.image, room, whole=exactly(rng))


@pytest.mark.parametrize("seed", EXFAT_SEEDS)
def test_exfat(seed: int, world: ImageWorld, room: Path) -> None:
    rng = random.Random(f"exfat {seed}")
    cluster = 1 << rng.randrange(9, 18)
    mebibytes = rng.randrange(6, 40) if cluster < 65536 else rng.randrange(40, 90)
    made = exfat_world.ExfatWorld(
        room, exfat_world.Shape(mebibytes, cluster, full=rng.random() < 0.3), seed
    )
    test_exfat_worlds.agree(made)
    comes_back(world, "exfat", made.image, room, whole=exactly(rng))


@pytest.mark.parametrize("seed", XFS_SEEDS)
def test_xfs(seed: int, world: ImageWorld, room: Path) -> None:
    rng = random.Random(f"xfs {seed}")
    block = rng.choice((1024, 2048, 4096, 4096))
    words = f"-b size={block} -d agcount={rng.choice((2, 3, 4))}"
    words += f" -i size={512 if block == 1024 else rng.choice((512, 1024))}"
    words += f" -m reflink={rng.randrange(2)},rmapbt={rng.randrange(2)},finobt={rng.randrange(2)}"
    mapped(world, "xfs", f"mkfs.xfs -q -f {words}", room, rng)


@pytest.mark.parametrize("seed", BTRFS_SEEDS)
def test_btrfs(seed: int, world: ImageWorld, room: Path) -> None:
    rng = random.Random(f"btrfs {seed}")
    node = rng.choice((4096, 16384, 65536))
    words = f"-n {node} -m {rng.choice(('single', 'dup'))}"
    words += rng.choice((" -O ^no-holes", " -R ^free-space-tree", ""))
    words = rng.choice((words, words, words, "-M -n 4096"))
    mapped(world, "btrfs", f"mkfs.btrfs -q -f {words}", room, rng)


def mapped(world: ImageWorld, kind: str, words: str, room: Path, rng: random.Random) -> None:
    """One of which only the map is understood."""
    image = blank(room / "volume.img", 320)
    run(*words.split(), image)
    with mount(image, room / "mnt") as place:
        populate(place, rng, files=rng.randrange(60, 400))
        expected = contents(place)
    comes_back(world, kind, image, room, whole=exactly(rng))
    with mount(room / "back", room / "mnt", "loop,ro") as place:
        assert contents(place) == expected

"""FAT file systems made by other tools hold what those tools say they hold."""

from hashlib import sha256
from pathlib import Path

import pytest

from tests.disk.cluster_listing import (
    fsfat_listing,
    own_listing,
    sleuth_listing,
    units_in_use,
    without_names,
)
from tests.disk.fat_world import (
    FatWorld,
    Shape,
    claimed,
    fsck_counts,
    mtools_tree,
    mtools_units,
)
from twofold.disk.blocks import FileBlocks
from twofold.disk.fat import open_fat

SHAPES = (
    Shape(12, 1440),
    Shape(12, 4000, per_cluster=4, full=True),
    Shape(12, 8000, sector=4096),
    Shape(16, 9000, per_cluster=4),
    Shape(16, 6000, fats=1),
    Shape(32, 34000),
    Shape(32, 34000, fats=1, full=True),
    Shape(32, 270000, sector=2048, per_cluster=2),
)
MORE = [
    (Shape(kind, kib, sector, per_cluster, fats, full), seed)
    for seed, (kind, kib, sector, per_cluster, fats, full) in enumerate(
        [
            (kind, kib, sector, per_cluster, 1 + (kib // 1000) % 2, full)
            for kind, sizes in (
                (12, ((720, 512, 2), (2880, 512, 2), (3500, 1024, 1), (9000, 4096, 2))),
                (16, ((2600, 512, 1), (5300, 512, 2), (11000, 1024, 2), (18000, 4096, 1))),
                (32, ((34000, 512, 1), (69000, 512, 2), (67000, 1024, 1), (264000, 4096, 1))),
            )
            for kib, sector, per_cluster in sizes
            for full in (False, True)
            for _ in range(3)
        ]
    )
]


def agree(world: FatWorld) -> None:
    """Compare our parser with every oracle."""
    world.fill()
    with world.image.open("rb") as file:
        fs = open_fat(FileBlocks(file, sector_size=world.shape.sector))
        own = own_listing(fs)
        used = units_in_use(fs.allocation(), fs.facts.units)
        facts = fs.facts
    assert facts.kind == f"fat{world.shape.kind}"
    assert facts.serial == f"{world.serial >> 16:04X}-{world.serial & 0xFFFF:04X}"
    assert facts.clean and len(facts.notes) == 1, facts.notes
    assert (len(used), facts.units) == fsck_counts(world.image)
    assert claimed(own) == sorted(used)
    place = (world.image, facts.origin, facts.unit)
    if not world.shape.full:  # libfsfat cannot follow chains at the end of a full table
        assert without_names(own) == without_names(fsfat_listing(*place))
    tree = mtools_tree(world.image, world.folder / "out")
    assert {p: None if i.is_directory else i.digest for p, i in own.items() if p} == {
        p: None if content is None else sha256(content).hexdigest() for p, content in tree.items()
    }
    assert {p: i.units for p, i in own.items() if p} == mtools_units(world.image, tree)
    assert own == sleuth_listing(*place)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_agrees_with_all_oracles(shape: Shape, tmp_path: Path) -> None:
    agree(FatWorld(tmp_path, shape))


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "seed"), MORE, ids=str)
def test_agrees_with_all_oracles_in_many_worlds(shape: Shape, seed: int, tmp_path: Path) -> None:
    agree(FatWorld(tmp_path, shape, seed + 1))

"""exFAT file systems made by other tools hold what those tools say they hold."""

from pathlib import Path

import pytest

from tests.disk.cluster_listing import (
    expand,
    fsfat_listing,
    own_listing,
    sleuth_listing,
    units_in_use,
    without_names,
)
from tests.disk.exfat_world import ExfatWorld, Shape, dumped, fsck_counts
from twofold.disk import Role
from twofold.disk.blocks import FileBlocks
from twofold.disk.exfat import open_exfat

SHAPES = (
    Shape(8, 512),
    Shape(32, 4096),
    Shape(24, 4096, sector=4096, full=True),
    Shape(64, 128 << 10),
)
MORE = [
    (Shape(mib, cluster, sector, full), seed)
    for sector in (512, 4096)
    for mib, cluster in ((6, 4096), (9, 8192), (40, 32768), (300, 1 << 20))
    for full in (False, True)
    for seed in (1, 2)
    if not (full and mib > 40)
]


def agree(world: ExfatWorld) -> None:
    """Compare our parser with every oracle."""
    with world.image.open("rb") as file:
        fs = open_exfat(FileBlocks(file, sector_size=world.shape.sector))
        own = own_listing(fs)
        used = units_in_use(fs.allocation(), fs.facts.units)
        streams = list(fs.streams())
        facts = fs.facts
    said = dumped(world.image)
    assert facts.units == said["Cluster Count"]
    assert len(used) == facts.units - said["Free Clusters"]
    assert facts.serial.replace("-", "").lower() == f"{said['Volume Serial']:08x}"
    assert facts.label.startswith("label é")
    assert facts.clean and not facts.notes, facts.notes
    directories = sum(item.is_directory for item in own.values())
    assert (directories, len(own) - directories) == fsck_counts(world.image)
    assert {p: None if i.is_directory else i.digest for p, i in own.items() if p} == world.tree
    assert sorted(u for s in streams for u in expand(s)) == sorted(used)
    assert sum(s.role is Role.META for s in streams) == directories + 2
    place = (world.image, facts.origin, facts.unit)
    assert own == sleuth_listing(*place)
    assert without_names(own) == without_names(fsfat_listing(*place))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_agrees_with_all_oracles(shape: Shape, tmp_path: Path) -> None:
    agree(ExfatWorld(tmp_path, shape))


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "seed"), MORE, ids=str)
def test_agrees_with_all_oracles_in_many_worlds(shape: Shape, seed: int, tmp_path: Path) -> None:
    agree(ExfatWorld(tmp_path, shape, seed))


def test_worlds_have_contiguous_and_chained_files(tmp_path: Path) -> None:
    """Otherwise the tests above would say less than they seem to."""
    world = ExfatWorld(tmp_path, SHAPES[1])
    raw = world.image.read_bytes()
    flags = {
        raw[at + 1] for at in range(0, len(raw), 32) if raw[at] == 0xC0 and raw[at - 32] == 0x85
    }
    assert {1, 3} <= flags

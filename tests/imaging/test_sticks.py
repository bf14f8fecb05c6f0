"""Sticks and cards: disk → image → disk and files."""

from pathlib import Path

import pytest

from tests.cli.world import Program
from tests.imaging.pcs import rounds, sticks
from tests.imaging.pcs.disk import Disk
from tests.restorer.processes import needs_root

pytestmark = needs_root


def all_ways(twofold: Program, disk: Disk, room: Path) -> None:
    rounds.comes_back(twofold, disk, room)
    for part in disk.parts:
        rounds.files_come_out(twofold, disk, part.number, room / f"p{part.number}")


def test_a_card_comes_back(twofold: Program, room: Path) -> None:
    all_ways(twofold, sticks.card(room), room)


@pytest.mark.slow
def test_every_fat_comes_back(twofold: Program, room: Path) -> None:
    disk = sticks.drawer(room)
    all_ways(twofold, disk, room)
    rounds.comes_back_exactly(twofold, disk, room)
    rounds.comes_back_alone(twofold, disk, 6, room)
    rounds.comes_back_onto_a_larger_one(twofold, disk, room)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*sticks.FAT, "exfat"])
def test_a_stick_without_table_comes_back(twofold: Program, room: Path, name: str) -> None:
    disk = sticks.superfloppy(room, name)
    all_ways(twofold, disk, room)
    rounds.comes_back_exactly(twofold, disk, room)
    rounds.comes_back_alone(twofold, disk, 1, room)

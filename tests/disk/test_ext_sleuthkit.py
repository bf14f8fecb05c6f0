"""Runs and contents of files against The Sleuth Kit, which shares nothing with e2fsprogs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.disk.ext_volumes import Recipe, make
from twofold.disk import HOLE, Kind
from twofold.disk.blocks import FileBlocks
from twofold.disk.ext import ExtVolume, open_ext

pytsk3: Any = pytest.importorskip("pytsk3")
_CONTENT = pytsk3.TSK_FS_ATTR_TYPE_DEFAULT


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(Recipe("-t ext2 -b 1024", seed=7), marks=pytest.mark.slow),
        pytest.param(Recipe("-t ext3 -b 2048", seed=8), marks=pytest.mark.slow),
        Recipe("-t ext4 -b 4096 -O ^inline_data", seed=9),
    ],
    ids=str,
)
def test_runs_and_contents_are_those_of_the_sleuth_kit(recipe: Recipe, tmp_path: Path) -> None:
    image = make(recipe, tmp_path)
    other = pytsk3.FS_Info(pytsk3.Img_Info(str(image)))
    with image.open("rb") as file:
        volume = open_ext(FileBlocks(file))
        first = volume.facts.origin // volume.facts.unit
        streams = {stream.owner: stream for stream in volume.streams() if not stream.name}
        compared = 0
        for number in _files(volume, volume.root()):
            told = other.open_meta(number)
            content = volume.open(number)
            assert content.size == told.info.meta.size
            if content.size:
                assert content.read(0, content.size) == told.read_random(0, content.size)
            expected = _blocks(told, -(-content.size // volume.facts.unit))
            runs = streams[number].runs if number in streams else ()
            found = [
                None if run.first == HOLE else run.first + first + step
                for run in runs
                for step in range(run.units)
            ]
            assert _without_holes(found) == expected
            compared += 1
        assert compared > 60


def _files(volume: ExtVolume, directory: int) -> Iterator[int]:
    for entry in volume.entries(directory):
        if entry.kind is Kind.DIRECTORY:
            yield from _files(volume, entry.file)
        elif entry.kind is Kind.FILE:
            yield entry.file


def _blocks(told: Any, blocks: int) -> dict[int, int]:
    """Logical → physical of what is written, up to the end of the file."""
    unreal = pytsk3.TSK_FS_ATTR_RUN_FLAG_SPARSE | pytsk3.TSK_FS_ATTR_RUN_FLAG_FILLER
    found = {}
    for attribute in told:
        # Blocks of maps and trees are an attribute of their own.
        for run in attribute if int(attribute.info.type) == int(_CONTENT) else ():
            if not int(run.flags) & int(unreal):
                for step in range(run.len):
                    if run.offset + step < blocks:
                        found[run.offset + step] = run.addr + step
    return found


def _without_holes(blocks: list[int | None]) -> dict[int, int]:
    return {at: block for at, block in enumerate(blocks) if block is not None}

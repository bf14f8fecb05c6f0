"""Fixed blocks and sparse copies: what is kept once comes back everywhere it was."""

import os
import random
import subprocess
from pathlib import Path

import pytest

from bench.images_fixed import BLOCK, RECORD, add, restore
from bench.images_ranges import copy_range, data_ranges, gather, sized

KIB = 1 << 10


def disk(path: Path, *blocks: bytes) -> Path:
    path.write_bytes(b"".join(blocks))
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


def kept(repository: Path) -> int:
    """How many blocks there are."""
    return (repository / "blocks").stat().st_size // RECORD


def test_a_disk_comes_back_from_blocks_that_are_kept_once(repository: Path, tmp_path: Path) -> None:
    rng = random.Random(1)
    one, two, end = rng.randbytes(BLOCK), rng.randbytes(BLOCK), rng.randbytes(1000)
    first = disk(tmp_path / "first", one, bytes(BLOCK), one, end)
    second = disk(tmp_path / "second", two, one, bytes(BLOCK), bytes(700))
    for number, (source, blocks) in enumerate(((first, 2), (second, 3), (first, 3)), 1):
        add(repository, source)
        assert kept(repository) == blocks
        restore(repository, tmp_path / f"back-{number}")
        assert (tmp_path / f"back-{number}").read_bytes() == source.read_bytes()


def test_files_share_blocks_with_disks_only_where_they_begin_alike(
    repository: Path, tmp_path: Path
) -> None:
    rng = random.Random(2)
    folder = tmp_path / "files" / "below"
    folder.mkdir(parents=True)
    data = rng.randbytes(BLOCK)
    disk(folder / "whole", data)
    disk(folder / "small", data[:5000])
    (folder / "link").symlink_to("whole")
    add(repository, tmp_path / "files")
    assert kept(repository) == 2
    add(repository, disk(tmp_path / "aligned", bytes(BLOCK), data))
    assert kept(repository) == 2
    add(repository, disk(tmp_path / "moved", bytes(4096), data))
    assert kept(repository) == 4


def test_a_compressor_that_fails_is_told(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin" / "zstd"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\ncat > /dev/null\nexit 3\n", "utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    with pytest.raises(SystemExit):
        add(repository, disk(tmp_path / "disk", b"x" * BLOCK))


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """A MiB with 64 KiB of data at 128 KiB and at 512 KiB."""
    path = tmp_path / "sparse"
    sized(path, 1024 * KIB)
    rng = random.Random(3)
    with open(path, "r+b") as file:
        for start in (128 * KIB, 512 * KIB):
            file.seek(start)
            file.write(rng.randbytes(64 * KIB))
    return path


def test_ranges_are_those_of_the_file_within_what_is_asked(sparse: Path) -> None:
    with open(sparse, "rb") as file:
        ranges = list(data_ranges(file.fileno(), 0, 1024 * KIB))
        part = list(data_ranges(file.fileno(), 160 * KIB, 520 * KIB))
    assert ranges == [(128 * KIB, 64 * KIB), (512 * KIB, 64 * KIB)]
    assert part == [(160 * KIB, 32 * KIB), (512 * KIB, 8 * KIB)]


def test_a_copied_range_is_the_same_and_as_sparse(sparse: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    sized(target, 600 * KIB)
    copy_range(sparse, 100 * KIB, 500 * KIB, target, 4 * KIB)
    skipped = ["--ignore-initial=102400:4096", f"--bytes={500 * KIB}"]
    subprocess.run(["cmp", *skipped, sparse, target], check=True)
    assert target.stat().st_blocks * 512 <= 160 * KIB


def test_gathered_bytes_have_no_holes(sparse: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    gather(sparse, 200 * KIB, target)
    data = sparse.read_bytes()
    wanted = data[128 * KIB : 192 * KIB] + data[512 * KIB : 576 * KIB] + bytes(72 * KIB)
    assert target.read_bytes() == wanted
    assert target.stat().st_blocks * 512 >= 200 * KIB
    gather(sparse, 10 * KIB, target)
    assert target.read_bytes() == wanted[: 10 * KIB]

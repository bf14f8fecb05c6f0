"""Whole volumes: clusters, sizes, names, contents, against ntfs-3g, The Sleuth Kit, libfsntfs."""

import hashlib
from itertools import product
from pathlib import Path

import pytest

from tests.disk import ntfs_oracles as oracles
from tests.disk import ntfs_volumes as volumes
from tests.disk.ntfs_volumes import MIB, Filling, Seen
from twofold.disk import HOLE, FileSystem, Kind, Role, Stream
from twofold.disk.blocks import FileBlocks
from twofold.disk.ntfs import open_ntfs

FILLINGS: dict[str, list[Filling]] = {
    "empty": [],
    "plain": [volumes.plain, volumes.folders, volumes.links],
    "sparse": [volumes.sparse, volumes.streams, volumes.deleted, volumes.compressed],
    "pieces": [volumes.in_pieces, volumes.odd_names],
    "full": [volumes.full],
    "all": volumes.ALL,
    "reversed": volumes.ALL[::-1],
    "twice": [volumes.in_pieces, volumes.deleted, volumes.sparse, volumes.plain, volumes.full],
}
SMALL = [512, 1024, 2048, 4096]
QUICK = [("all", 4096, 512), ("all", 512, 512), ("full", 4096, 512), ("reversed", 65536, 4096)]
SLOW = [
    *product(FILLINGS, SMALL, [512]),
    *product(FILLINGS, [4096], [1024, 2048, 4096]),
    *product(["empty", "plain", "sparse", "pieces", "all"], [8192, 16384, 65536, 131072], [512]),
    *product(["all"], [1 << 18, 1 << 19, 1 << 20, 1 << 21], [512, 4096]),
]


def _size(filling: str, cluster: int) -> int:
    """Bytes of a volume: hardly any room where it is to become full."""
    if filling in ("full", "twice"):
        return 8 * MIB if filling == "full" else 16 * MIB
    return max(24 * MIB, 1200 * cluster)


@pytest.mark.parametrize(("filling", "cluster", "sector"), QUICK)
def test_volume(filling: str, cluster: int, sector: int, tmp_path: Path) -> None:
    check(tmp_path / "volume.img", filling, cluster, sector, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize(("filling", "cluster", "sector"), SLOW)
def test_many_volumes(filling: str, cluster: int, sector: int, tmp_path: Path) -> None:
    check(tmp_path / "volume.img", filling, cluster, sector, seed=2)


def check(image: Path, filling: str, cluster: int, sector: int, seed: int) -> None:
    """Build a volume and compare everything."""
    size = _size(filling, cluster)
    volumes.build(image, FILLINGS[filling], size=size, cluster=cluster, sector=sector, seed=seed)
    check_volume(image, cluster, sector, seed)


def check_volume(image: Path, cluster: int, sector: int, seed: int) -> None:
    """Compare everything of a volume that ``volumes.build`` made."""
    with image.open("rb") as file:
        fs = open_ntfs(FileBlocks(file, sector_size=sector))
        streams = list(fs.streams())
        assert (fs.facts.label, fs.facts.unit) == (f"Twofold ü {seed}", cluster)
        assert (fs.facts.clean, fs.facts.version, fs.facts.notes) == (True, "3.1", ())
        check_clusters(fs, streams)
        # The Sleuth Kit refuses clusters above 64 KiB.
        if cluster <= 1 << 16:
            check_streams(streams, oracles.sleuthkit_streams(image))
        check_main_streams(streams, oracles.libfsntfs_streams(image, cluster))
        check_names(fs, volumes.seen_through_mount(image))


def check_clusters(fs: FileSystem, streams: list[Stream]) -> None:
    """The clusters of all streams are those of $Bitmap, each claimed once."""
    claims = bytearray(fs.facts.units)
    for stream in streams:
        for first, units in stream.runs:
            for unit in range(first, first + units) if first != HOLE else ():
                claims[unit] += 1
    bits = fs.allocation()
    assert claims == bytes(bits[unit >> 3] >> (unit & 7) & 1 for unit in range(fs.facts.units))


def check_streams(streams: list[Stream], expected: oracles.Streams) -> None:
    """Sizes and runs of all $DATA streams."""
    found = {
        (s.owner, s.name): (s.size if s.role is not Role.CODED else None, oracles.merged([*s.runs]))
        for s in streams
        if b":" not in s.name
    }
    assert found == {
        key: (size if found.get(key, (0, ()))[0] is not None else None, runs)
        for key, (size, runs) in expected.items()
    }


def check_main_streams(streams: list[Stream], expected: oracles.Streams) -> None:
    """Those that libfsntfs knows."""
    main = [s for s in streams if not s.name and (s.owner, s.name) in expected]
    check_streams(main, expected)


def check_names(fs: FileSystem, expected: dict[bytes, Seen]) -> None:
    """Every path, its file, kind, size, time, links and content."""
    found = dict(_paths(fs, expected))
    assert found == expected


def _paths(fs: FileSystem, expected: dict[bytes, Seen]) -> list[tuple[bytes, Seen]]:
    out: list[tuple[bytes, Seen]] = []
    waiting = [(b"", fs.root())]
    while waiting:
        path, directory = waiting.pop()
        for entry in fs.entries(directory):
            name = path + b"/" + entry.name
            facts = fs.facts_of(entry.file)
            assert facts.kind is entry.kind, name
            if entry.kind is Kind.DIRECTORY:
                waiting.append((name, entry.file))
            seen = expected[name]
            # ntfs-3g makes up sizes and links for what is neither file nor folder.
            is_file = entry.kind is Kind.FILE
            digest = "folder" if entry.kind is Kind.DIRECTORY else ""
            out.append(
                (
                    name,
                    Seen(
                        entry.file,
                        facts.links if is_file else seen.links,
                        facts.size if is_file else seen.size,
                        facts.modified_ns or 0,
                        _digest(fs, entry.file) if is_file and facts.size < 1 << 30 else digest,
                        seen.target if entry.kind is Kind.LINK else None,
                    ),
                )
            )
    return out


def _digest(fs: FileSystem, file: int) -> str:
    content = fs.open(file)
    digest = hashlib.sha256()
    for offset in range(0, content.size, 99_999):  # crosses every border sooner or later
        digest.update(content.read(offset, 99_999))
    return digest.hexdigest()

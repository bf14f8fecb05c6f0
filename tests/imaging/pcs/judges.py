"""What the tools of each file system say about a volume that was restored.

used ranges    the maps of partclone, dumpe2fs, mshowfat, btrfs: every byte in them is the same
ntfsclone      the streams that it makes of both are equal
checks         e2fsck, ntfsfix, fsck.fat, fsck.exfat, xfs_repair, btrfs, sgdisk find no fault
trees          what a mount of each shows is equal (``trees``)
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.disk import ext_oracles as oracles
from tests.disk import test_btrfs
from tests.disk.fat_world import mtools_tree, mtools_units
from tests.imaging.disks import MIB, run
from tests.imaging.pcs import trees
from tests.imaging.pcs.disk import Disk, Part, Volume, device

Range = tuple[int, int]
"""First byte and bytes."""

PARTCLONE = {
    "ntfs": "ntfs",
    "ext": "extfs",
    "vfat": "fat",
    "exfat": "exfat",
    "xfs": "xfs",
}
CHECKS: dict[str, list[str]] = {
    "ntfs": ["ntfsfix", "-n"],
    "ext": ["e2fsck", "-fn"],
    "vfat": ["fsck.fat", "-n"],
    "exfat": ["fsck.exfat", "-n"],
    "xfs": ["xfs_repair", "-n"],
    "btrfs": ["btrfs", "check", "--readonly", "--check-data-csum"],
    "swap": ["swaplabel"],
}


def judge(disk: Disk, back: Path, folder: Path) -> None:
    """A whole disk that was restored into a file."""
    if len(disk.parts) > 1:
        assert b"No problems found" in run("sgdisk", "-v", back) or is_mbr(disk.path)
        assert run("sfdisk", "-d", back).replace(_name(back), _name(disk.path)) == run(
            "sfdisk", "-d", disk.path
        )
    for part in disk.parts:
        judge_part(disk, part, back, part.start, folder)


def _name(path: Path) -> bytes:
    return str(path).encode()


def is_mbr(path: Path) -> bool:
    """Whether a disk has no GPT."""
    return b"label: dos" in run("sfdisk", "-d", path)


def judge_part(disk: Disk, part: Part, back: Path, at: int, folder: Path) -> None:
    """One partition, which begins at byte ``at`` of what was restored."""
    volume, size = part.volume, part.volume.size
    folder.mkdir(exist_ok=True)
    with (
        device(disk.path, part.start, size) as ours,
        device(back, at, size, writable=True) as theirs,
    ):
        given_up = ranges_of_files(volume)
        used = without(used_ranges(volume.kind, ours, folder), given_up)
        assert used
        assert differing(ours, theirs, used) == []
        assert not any(any(piece) for piece in pieces(theirs, given_up))
        if volume.kind == "ntfs":
            assert_clones_equal(volume, theirs, given_up, folder)
        check(volume.kind, theirs)
        if volume.kind in trees.KINDS:
            before = trees.tree(volume.kind, ours, folder / "mnt", skip=volume.discarded)
            after = trees.tree(volume.kind, theirs, folder / "mnt", skip=volume.discarded)
            assert trees.differences(before, after) == []
            assert len(before) > 1


def check(kind: str, place: Path) -> None:
    """The file system's own tool finds nothing wrong."""
    if kind in CHECKS:
        run(*CHECKS[kind], place)


def used_ranges(kind: str, place: Path, folder: Path) -> list[Range]:
    """What is in use of a volume; all of it where no tool tells."""
    if kind == "vfat" and b"12 bit entries" in run("fsck.fat", "-nv", place):
        return fat_ranges(place, folder)  # partclone takes FAT12 for FAT16
    if kind == "btrfs":
        return btrfs_ranges(place)  # partclone takes logical addresses for places
    found = ext_ranges(place) if kind == "ext" else []
    if kind in PARTCLONE and not (kind == "ext" and "Cluster size" in oracles.header(place)):
        found += partclone_ranges(PARTCLONE[kind], place, folder)  # it knows no clusters of ext
    return found or [(0, _size(place))]


def _size(place: Path) -> int:
    with place.open("rb") as file:
        return file.seek(0, 2)


def partclone_ranges(kind: str, place: Path, folder: Path) -> list[Range]:
    """What partclone would copy."""
    log = folder / "domain"
    words = ["-D", "-s", str(place), "-o", str(log), "-L", "/dev/null", "-F", "-q"]
    run(f"partclone.{kind}", *words)
    found = re.findall(r"^(0x\w+)\s+(0x\w+)\s+\+$", log.read_text(), re.MULTILINE)
    log.unlink()
    return [(int(first, 16), int(size, 16)) for first, size in found]


def fat_ranges(place: Path, folder: Path) -> list[Range]:
    """All before the first cluster, and the clusters of each file that mshowfat tells."""
    told = run("fsck.fat", "-nv", place).decode(errors="replace")
    (origin,) = map(int, re.findall(r"Data area starts at byte (\d+)", told))
    (unit,) = map(int, re.findall(r"(\d+) bytes per cluster", told))
    paths = mtools_tree(place, folder / "mtools")
    run("rm", "-r", folder / "mtools")
    units = mtools_units(place, paths).values()
    return [(0, origin), *((origin + u * unit, unit) for each in units for u in each)]


def btrfs_ranges(place: Path) -> list[Range]:
    """What btrfs's own dump of extents and chunks puts in use."""
    told = run("btrfs", "inspect-internal", "dump-super", place).decode()
    (node,) = map(int, re.findall(r"nodesize\s+(\d+)", told))
    return [(sector * 4096, 4096) for sector in test_btrfs._expected(place, node)]


def ext_ranges(place: Path) -> list[Range]:
    """What dumpe2fs does not list as free, and what lies before the first block."""
    told = oracles.header(place)
    size, first = int(told["Block size"]), int(told["First block"])
    unit = int(told.get("Cluster size", size))  # the lists end with the first block of a cluster
    free = {(block - first) * size // unit for block in oracles.free_blocks(place)}
    units = -(-(int(told["Block count"]) - first) * size // unit)
    origin, end = first * size, int(told["Block count"]) * size
    used = [origin + n * unit for n in range(units) if n not in free]
    return [(0, origin), *((at, min(unit, end - at)) for at in used)]


def ranges_of_files(volume: Volume) -> list[Range]:
    """Where ntfsinfo says that the contents of files lie that need not be kept."""
    found = []
    for path in volume.discarded:
        told = run("ntfsinfo", "-v", "-F", path, volume.image).decode(errors="replace")
        data = told.partition("Dumping attribute $DATA")[2].partition("Dumping attribute")[0]
        runs = re.findall(r"^\s+0x\w+\s+(0x\w+)\s+(0x\w+)$", data, re.MULTILINE)
        assert runs, told
        unit = cluster_size(volume.image)
        found += [(int(first, 16) * unit, int(count, 16) * unit) for first, count in runs]
    return found


def cluster_size(image: Path) -> int:
    """Of an NTFS volume, as ntfsinfo says."""
    told = run("ntfsinfo", "-m", image).decode(errors="replace")
    return int(re.findall(r"Cluster Size: (\d+)", told)[0])


def without(ranges: Sequence[Range], holes: Sequence[Range]) -> list[Range]:
    """The parts of ranges that lie in none of the holes."""
    found = list(ranges)
    for start, length in holes:
        end = start + length
        cut: list[Range] = []
        for first, size in found:
            last = first + size
            if last <= start or first >= end:
                cut.append((first, size))
                continue
            cut += [(a, b - a) for a, b in ((first, start), (end, last)) if a < b]
        found = cut
    return found


def differing(one: Path, other: Path, ranges: Sequence[Range]) -> list[Range]:
    """The first pieces that differ; ranges may meet and repeat."""
    found = []
    pairs = zip(pieces(one, ranges), pieces(other, ranges), _places(ranges), strict=True)
    for ours, theirs, place in pairs:
        if ours != theirs:
            found.append(place)
    return found[:10]


def _places(ranges: Sequence[Range]) -> Iterator[Range]:
    for first, size in ranges:
        for at in range(first, first + size, MIB):
            yield at, min(MIB, first + size - at)


def pieces(path: Path, ranges: Sequence[Range]) -> Iterator[bytes]:
    """The bytes of ranges, at most a mebibyte at once."""
    with path.open("rb") as file:
        for at, size in _places(ranges):
            file.seek(at)
            data = file.read(size)
            assert len(data) == size
            yield data


def assert_clones_equal(
    volume: Volume, theirs: Path, given_up: Sequence[Range], folder: Path
) -> None:
    """What ntfsclone makes of both, the files that are not kept being zeros in both."""
    copy = folder / "blanked"
    run("cp", "--sparse=always", volume.image, copy)
    with copy.open("r+b") as file:
        for first, size in given_up:
            file.seek(first)
            file.write(bytes(size))
    words = "ntfsclone -s -O - {} | sha256sum"
    sums = [
        subprocess.run(words.format(place), shell=True, capture_output=True, check=True).stdout
        for place in (copy, theirs)
    ]
    copy.unlink()
    assert sums[0] == sums[1]

"""NTFS volumes that were not shut down: what only their log knows of must come back as well.

A power failure is made of two volumes that ntfs-3g wrote, one before and one after the last files
were saved. The tables on the disk are those from before, the contents are there already, and the
log is marked as one in which changes wait. What Windows does with the log is then done by hand:
the tables from after are put over what was restored, and the files must be whole.
"""

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.disk import ntfs_volumes as volumes
from tests.disk.ext_volumes import may_mount
from tests.disk.ntfs_logs import WAITING, Restart, probed, write_log
from tests.imaging.world import ImageWorld
from twofold.disk import HOLE
from twofold.disk.blocks import FileBlocks
from twofold.disk.ntfs import open_ntfs
from twofold.events import Event, Notice, ignore
from twofold.imaging import ImageRequest, capture, estimate, open_source
from twofold.imaging.wiping import HEAD, TAIL
from twofold.platform import current

pytestmark = pytest.mark.skipif(not may_mount(), reason="may not mount")

CLUSTER = 4096
SIZE = 32 << 20
PAGES = 18 << 20
"""Bytes of a page file that takes most of the volume, and makes way for what is saved last."""


@dataclass(frozen=True)
class Crash:
    """A volume after a power failure; the same had nothing been lost; the files saved last."""

    image: Path
    after: Path
    before: Path
    late: dict[str, bytes]


def used(image: Path) -> set[int]:
    """Clusters in use by the map."""
    with image.open("rb") as file:
        bits = open_ntfs(FileBlocks(file)).allocation()
    return {unit for unit in range(SIZE // CLUSTER) if bits[unit // 8] >> unit % 8 & 1}


def in_use(image: Path) -> int:
    """Bytes of the clusters in use, and what lies behind the last one: the second boot sector."""
    return (len(used(image)) + 1) * CLUSTER


def clusters_of(image: Path, numbers: set[int]) -> set[int]:
    """Clusters of the contents of files."""
    with image.open("rb") as file:
        runs = [
            r for s in open_ntfs(FileBlocks(file)).streams() if s.owner in numbers for r in s.runs
        ]
    return {unit for first, count in runs if first != HOLE for unit in range(first, first + count)}


def first_cluster(image: Path, number: int) -> int:
    """Where the content of a file begins."""
    with image.open("rb") as file:
        return next(s for s in open_ntfs(FileBlocks(file)).streams() if s.owner == number).runs[0][
            0
        ]


def copy_clusters(source: Path, units: set[int], to: Path) -> None:
    with source.open("rb") as one, to.open("r+b") as two:
        for unit in units:
            one.seek(unit * CLUSTER)
            two.seek(unit * CLUSTER)
            two.write(one.read(CLUSTER))


def same_clusters(one: Path, two: Path) -> set[int]:
    left, right = one.read_bytes(), two.read_bytes()
    assert len(left) == len(right)
    return {
        unit
        for unit in range(len(left) // CLUSTER)
        if left[unit * CLUSTER : (unit + 1) * CLUSTER]
        == right[unit * CLUSTER : (unit + 1) * CLUSTER]
    }


def fill(folder: Path, rng: random.Random) -> None:
    for number in range(30):
        (folder / f"early {number}").write_bytes(rng.randbytes(rng.randrange(60_000)))


def save_last(folder: Path, rng: random.Random) -> dict[str, bytes]:
    """New files in free clusters and in those of the page file; one that is written in place."""
    late = {f"late {number}": rng.randbytes(rng.randrange(5000, 200_000)) for number in range(60)}
    for number, (name, data) in enumerate(late.items()):
        if number == 20:
            (folder / "pagefile.sys").unlink()
        (folder / name).write_bytes(data)
    late["early 3"] = rng.randbytes((folder / "early 3").stat().st_size)
    with (folder / "early 3").open("r+b") as file:
        file.write(late["early 3"])
    return late


@pytest.fixture(scope="module")
def crash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crash]:
    room = tmp_path_factory.mktemp("crash")
    rng = random.Random(5)
    before, after, image = (room / name for name in ("before.img", "after.img", "crashed.img"))
    volumes.make(before, size=SIZE, cluster=CLUSTER)
    with volumes.mounted(before) as folder:
        fill(folder, rng)
        volumes.system_file(folder / "pagefile.sys", rng.randbytes(PAGES))
    shutil.copyfile(before, after)
    with volumes.mounted(after) as folder:
        late = save_last(folder, rng)
        numbers = {(folder / name).stat().st_ino for name in late}
    shutil.copyfile(before, image)
    copy_clusters(after, clusters_of(after, numbers), image)
    write_log(image, WAITING, WAITING)
    assert probed(image) == 15
    yield Crash(image, after, before, late)
    shutil.rmtree(room)


@pytest.fixture
def world(room: Path) -> ImageWorld:
    made = ImageWorld.make(room / "world")
    assert isinstance(made, ImageWorld)
    return made


def restored(world: ImageWorld, to: Path) -> Path:
    result = world.restore_image(to)
    assert (result.damaged, result.wrong) == (0, 0)
    return to


def test_the_crash_is_one(crash: Crash) -> None:
    """Contents lie where the map says free, and where the old tables have a page file."""
    with crash.after.open("rb") as file:
        names = {entry.name: entry.file for entry in open_ntfs(FileBlocks(file)).entries(5)}
    with crash.before.open("rb") as file:
        old = {entry.name: entry.file for entry in open_ntfs(FileBlocks(file)).entries(5)}
    late = clusters_of(crash.after, {names[os.fsencode(name)] for name in crash.late})
    page_file = clusters_of(crash.before, {old[b"pagefile.sys"]})
    assert len(late - used(crash.image)) > 100
    assert len(late & page_file) > 100


def test_what_was_saved_last_comes_back(crash: Crash, world: ImageWorld, room: Path) -> None:
    _, told = world.image(crash.image)
    back = restored(world, room / "back")
    assert crash.image.read_bytes() == back.read_bytes()
    (note,) = told_notices(told)
    assert note.text.startswith(
        "p1: changes wait in its log, so clusters that count as free were kept"
    )
    tables = set(range(SIZE // CLUSTER)) - same_clusters(crash.image, crash.after)
    assert len(tables) < 200, "the log tells of tables only"
    copy_clusters(crash.after, tables, back)
    with volumes.mounted(back) as folder:
        assert {name: (folder / name).read_bytes() for name in crash.late} == crash.late


def test_the_map_alone_would_lose_files(crash: Crash, world: ImageWorld, room: Path) -> None:
    """The same volume with a log that says it is clean: nothing but what the map has."""
    clean = room / "clean.img"
    shutil.copyfile(crash.image, clean)
    write_log(clean, Restart(), Restart())
    outcome, told = world.image(clean)
    back = restored(world, room / "back")
    assert not told_notices(told)
    inside = used(clean)
    assert outcome.root.bytes_total == in_use(clean)
    same = same_clusters(clean, back)
    assert len(inside - same) > 1000, "the page file"
    free = set(range(HEAD // CLUSTER, (SIZE - TAIL) // CLUSTER)) - inside
    assert len(free) > 1000 and not free & same


def told_notices(told: list[Event]) -> list[Notice]:
    return [event for event in told if isinstance(event, Notice)]


def test_an_image_of_a_flushed_and_frozen_volume_believes_the_map(
    crash: Crash, world: ImageWorld
) -> None:
    """A shadow copy is of a volume in use, so its log is never clean."""

    class Frozen(FileBlocks):
        frozen = True

    with crash.image.open("rb") as file, world.open() as repository:
        source = open_source(Frozen(file))
        (part,) = estimate(source).parts
        assert (part.doubt, part.free) == ("", 0)
        request = ImageRequest(path=b"shadow copy")
        captured = capture(repository, current(), source, request, ignore)
    assert captured.kept_free == 0
    assert captured.outcome.root.bytes_total == in_use(crash.image)


def test_the_cost_is_told_before_and_after(crash: Crash, world: ImageWorld) -> None:
    """At most what is free; exactly what of it is not zeros, by 64 KiB."""
    with crash.image.open("rb") as file:
        (part,) = estimate(open_source(FileBlocks(file))).parts
    inside = used(crash.image)
    assert "log" in part.doubt
    assert part.used == in_use(crash.image)
    assert part.free == SIZE - part.used
    outcome, told = world.image(crash.image)
    kept = outcome.root.bytes_total - in_use(crash.image)
    data = crash.image.read_bytes()
    free = set(range(SIZE // CLUSTER - 1)) - inside
    filled = {u for u in free if any(data[u * CLUSTER : (u + 1) * CLUSTER])}
    around = {unit for each in filled for unit in range(each - 15, each + 16)} & free
    assert len(filled) * CLUSTER <= kept <= len(around) * CLUSTER
    assert f"{kept:,} bytes" in told_notices(told)[0].text


def test_nothing_is_taken_over_unread(crash: Crash, world: ImageWorld, room: Path) -> None:
    """A file changed in place, and the record that would tell is still in the log."""
    disk = room / "disk.img"
    shutil.copyfile(crash.before, disk)
    world.image(disk, skip_unchanged=True)
    second, _ = world.image(disk, skip_unchanged=True)
    assert second.root.bytes_read < SIZE // 8
    shutil.copyfile(crash.image, disk)
    third, _ = world.image(disk, skip_unchanged=True)
    assert third.root.bytes_read >= third.root.bytes_total
    assert disk.read_bytes() == restored(world, room / "back").read_bytes()
    fourth, _ = world.image(disk, skip_unchanged=True)
    assert fourth.root.bytes_read >= fourth.root.bytes_total
    shutil.copyfile(crash.before, disk)
    fifth, _ = world.image(disk, skip_unchanged=True)
    assert fifth.root.bytes_read > second.root.bytes_read + 500_000, "nothing is proven by it"


@pytest.fixture
def asleep(tmp_path: Path) -> tuple[Path, int]:
    """A volume of a Windows that hibernates, and the first cluster of its memory."""
    image, rng = tmp_path / "asleep.img", random.Random(6)
    volumes.make(image, size=SIZE, cluster=CLUSTER)
    with volumes.mounted(image) as folder:
        fill(folder, rng)
    memory = b"hibr" + rng.randbytes(4 << 20)
    number = volumes.sleeping(image, memory, rng.randbytes(PAGES))
    assert probed(image) == 14
    return image, first_cluster(image, number)


def test_a_restored_windows_does_not_wake_up(
    asleep: tuple[Path, int], world: ImageWorld, room: Path
) -> None:
    """Its memory knows other disks as they were; all but its first cluster is kept."""
    image, first = asleep
    _, told = world.image(image)
    assert "asleep" in told_notices(told)[0].text
    back = restored(world, room / "back")
    (blank,) = set(range(SIZE // CLUSTER)) - same_clusters(image, back)
    assert blank == first
    assert back.read_bytes()[blank * CLUSTER : (blank + 1) * CLUSTER] == bytes(CLUSTER)
    assert probed(back) == 0


def made_way(
    room: Path, name: str, late: dict[str, bytes], rng: random.Random
) -> tuple[Path, int, dict[str, int]]:
    """A volume on which a large file has shrunk for others, but its own record is the old one.

    Its number and those of the others; one called ``low`` has a lower number than the large file.
    """
    before, image = room / "before.img", room / "image.img"
    volumes.make(before, size=SIZE, cluster=CLUSTER)
    with volumes.mounted(before) as folder:
        (folder / "low").write_bytes(b"resident")
        volumes.system_file(folder / name, rng.randbytes(20 << 20))
        number = (folder / name).stat().st_ino
    shutil.copyfile(before, image)
    with volumes.mounted(image) as folder:
        os.truncate(folder / name, 1 << 20)
        for other, data in late.items():
            (folder / other).write_bytes(data)
        numbers = {other: (folder / other).stat().st_ino for other in late}
    put_old_record(before, number, image)
    return image, number, numbers


def test_files_where_a_memory_was_come_back(world: ImageWorld, room: Path) -> None:
    """It has shrunk and other files took its place, but its own record is still the old one."""
    rng = random.Random(7)
    late = {name: rng.randbytes(5 << 20) for name in ("low", "high")}
    image, number, numbers = made_way(room, "hiberfil.sys", late, rng)
    assert numbers["low"] < number < numbers["high"]
    memory, first = clusters_of(image, {number}), first_cluster(image, number)
    with image.open("r+b") as file:
        file.seek(first * CLUSTER)
        file.write(b"HIBR")
    assert probed(image) == 14
    assert all(memory & clusters_of(image, {each}) for each in numbers.values())
    world.image(image)
    back = restored(world, room / "back")
    assert set(range(SIZE // CLUSTER)) - same_clusters(image, back) == {first}
    with volumes.mounted(back, "ro") as folder:
        assert {name: (folder / name).read_bytes() for name in late} == late


@pytest.mark.parametrize("name", ["low", "high"])
def test_files_where_a_page_file_was_come_back(world: ImageWorld, room: Path, name: str) -> None:
    """A volume that calls itself sound and is not: two files have the same clusters."""
    rng = random.Random(8)
    data = rng.randbytes(15 << 20)
    image, number, numbers = made_way(room, "pagefile.sys", {name: data}, rng)
    assert len(clusters_of(image, {number}) & clusters_of(image, {numbers[name]})) > 100
    assert probed(image) == 0
    world.image(image)
    back = restored(world, room / "back")
    with volumes.mounted(back, "ro") as folder:
        assert (folder / name).read_bytes() == data


def put_old_record(before: Path, number: int, image: Path) -> None:
    """The record of a file as it was."""
    with before.open("rb") as old, image.open("r+b") as file:
        head = old.read(64)
        table = int.from_bytes(head[48:56], "little") * CLUSTER
        for each in (old, file):
            each.seek(table + number * 1024)
        file.write(old.read(1024))


def test_who_wants_memory_back_gets_it(
    asleep: tuple[Path, int], world: ImageWorld, room: Path
) -> None:
    image, _ = asleep
    world.image(image, keep_discardable=True)
    assert image.read_bytes() == restored(world, room / "back").read_bytes()


def test_a_page_file_of_a_sound_volume_is_left_out(world: ImageWorld, crash: Crash) -> None:
    """As before: with a clean log nothing of it is read."""
    outcome, told = world.image(crash.before)
    assert outcome.root.bytes_read < SIZE // 4
    assert not told_notices(told)

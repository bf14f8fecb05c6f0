"""Kill a restore onto a disk before, within and after every write to it; run it again; compare.

The target keeps what was written in memory until ``sync``, as a drive's cache does, so a death
loses everything that was not made durable: whatever the journal tells must have been.
"""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fault.faulty import Kind, die, forked
from tests.imaging.disks import MIB, gpt_disk, make_ext4, run
from tests.imaging.world import ImageWorld
from twofold.disk.blocks import FileBlocks
from twofold.events import ignore
from twofold.format.layout import Buffer
from twofold.format.names import BlobKind
from twofold.graph import PageStore
from twofold.imaging import DiskRestored, Journal, open_source, plan_restore, restore_disk
from twofold.imaging.plan import Target

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

STEP = 1 << 20
PART = 12 * MIB


@dataclass
class CachedTarget:
    """A file behind a write cache; the process may die at the ``at``-th call that changes it."""

    path: Path
    kind: Kind = Kind.NOTHING
    at: int = 0
    made: int = 0
    dirty: list[tuple[int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fd = os.open(self.path, os.O_RDWR)
        self.now = bytearray(self.path.read_bytes())

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.now[offset : offset + length])

    def write_at(self, data: Buffer, offset: int) -> None:
        self._change(offset, bytes(data))

    def write_zeros(self, offset: int, length: int) -> None:
        self._change(offset, bytes(length))

    def _change(self, offset: int, data: bytes) -> None:
        due = self._due()
        if due and self.kind is Kind.TORN:
            os.pwrite(self.fd, data[: len(data) // 2], offset)
            die()
        self.now[offset : offset + len(data)] = data
        self.dirty.append((offset, data))
        if due and self.kind is Kind.KILL_AFTER:
            die()

    def sync(self) -> None:
        due = self._due()
        for offset, data in self.dirty:
            os.pwrite(self.fd, data, offset)
        self.dirty.clear()
        if due:
            die()

    def _due(self) -> bool:
        self.made += 1
        due = self.made == self.at
        if due and self.kind is Kind.KILL_BEFORE:
            die()
        return due


@dataclass(frozen=True)
class Case:
    """A repository with an image of a disk, and what an uninterrupted restore makes of a target."""

    world: ImageWorld
    disk: Path
    whole: bytes
    calls: int
    written: int

    @classmethod
    def make(cls, base: Path) -> "Case":
        world = ImageWorld.make(base / "world")
        assert isinstance(world, ImageWorld)
        for number in range(30):
            (world.source / f"{number}").write_bytes(os.urandom(number * 9_000))
        (world.source / "large").write_bytes(os.urandom(3 * MIB))
        (world.source / "zeros").write_bytes(b"a" + bytes(MIB))
        make_ext4(base / "part", world.source, PART)
        gpt_disk(base / "disk", [(base / "part", "8300")])
        world.image(base / "disk")
        self = cls(world, base / "disk", b"", 0, 0)
        target = self.target(base / "target")
        cached, result = self.restore(target)
        return cls(world, base / "disk", target.read_bytes(), cached.made, result.bytes_written)

    def target(self, path: Path) -> Path:
        """A target full of something else."""
        path.write_bytes(b"\xa5" * self.disk.stat().st_size)
        return path

    def restore(
        self, path: Path, kind: Kind = Kind.NOTHING, at: int = 0
    ) -> tuple[CachedTarget, DiskRestored]:
        """As the command does it."""
        cached = CachedTarget(path, kind, at)
        with self.world.open() as repository:
            snapshot = repository.snapshots()[-1]
            pages = PageStore(repository.blob_reader(repository.load_index()))
            assert snapshot.root.image is not None
            page = pages.image(snapshot.root.image)
            target = Target(os.fsencode(path), len(cached.now), 512, is_device=False, fresh=False)
            journal = Journal(repository.id, snapshot.id, None, f"test {path}", ignore)
            plan = plan_restore(page, target)
            keys = repository.keys
            result = restore_disk(pages, keys, plan, cached, ignore, journal, STEP)
        os.close(cached.fd)
        return cached, result

    def journal(self, path: Path) -> Journal:
        with self.world.open() as repository:
            snapshot = repository.snapshots()[-1]
            return Journal(repository.id, snapshot.id, None, f"test {path}", ignore)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case.make(tmp_path_factory.mktemp("restore-disk"))


def table_of(path: Path) -> str:
    with open(path, "rb") as file:
        return open_source(FileBlocks(file)).table


def die_and_go_on(case: Case, place: Path, kind: Kind, at: int) -> int:
    """One point of a sweep; the bytes that the second run wrote."""
    target = case.target(place)
    assert forked(lambda: case.restore(target, kind, at)) == -9, at
    left = target.read_bytes()
    if at > 3 and table_of(target) != "none":  # by then what the disk was known by is gone
        assert left[MIB : MIB + PART] == case.whole[MIB : MIB + PART], at
    recorded = case.journal(target).recorded
    _, result = case.restore(target)
    assert target.read_bytes() == case.whole, at
    assert (result.damaged, result.wrong) == (0, 0)
    if recorded is not None and (recorded.frames or recorded.round > 1):
        assert result.bytes_kept >= min(STEP, case.written // 8), (at, recorded)
        assert result.bytes_written < case.written
    assert case.journal(target).recorded is None
    target.unlink()
    return result.bytes_written


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Kind.KILL_BEFORE, Kind.KILL_AFTER, Kind.TORN])
def test_death_at_every_write(case: Case, memory_path: Path, kind: Kind) -> None:
    written = [
        die_and_go_on(case, memory_path / "target", kind, at) for at in range(1, case.calls + 1)
    ]
    assert written[-1] < written[len(written) // 2] < written[0]


def test_death_here_and_there(case: Case, memory_path: Path) -> None:
    assert case.calls > 20
    for at in range(2, case.calls, case.calls // 5):
        die_and_go_on(case, memory_path / "target", (Kind.TORN, Kind.KILL_AFTER)[at % 2], at)


def test_no_table_until_everything_else_is_there(case: Case, memory_path: Path) -> None:
    """A target that was a disk: from the first sync on nobody takes it for one."""
    target = memory_path / "target"
    shutil.copy(case.disk, target)
    with open(target, "ab") as file:  # a larger disk, whose backup table is at its end
        file.truncate(case.disk.stat().st_size + 8 * MIB)
    run("sgdisk", "-e", target)
    assert table_of(target) == "gpt"
    assert forked(lambda: case.restore(target, Kind.KILL_AFTER, 6)) == -9
    assert table_of(target) == "none"
    left = target.read_bytes()
    assert b"EFI PART" not in left[:MIB] + left[-MIB:]


def test_what_was_changed_meanwhile_is_written_again(case: Case, memory_path: Path) -> None:
    target = case.target(memory_path / "target")
    assert forked(lambda: case.restore(target, Kind.KILL_BEFORE, case.calls - 1)) == -9
    with open(target, "r+b") as file:
        file.seek(2 * MIB)
        file.write(os.urandom(5 * MIB))
    journal = case.journal(target)
    assert journal.recorded is not None
    assert journal.recorded.samples
    with case.world.open() as repository:
        blob_id = repository.keys.dedup.hasher(BlobKind.DATA)
    changed = CachedTarget(target)
    assert not journal.matches(changed, blob_id)
    _, result = case.restore(target)
    assert target.read_bytes()[MIB : MIB + 4096] == case.whole[MIB : MIB + 4096]
    assert result.bytes_kept > 0
    assert result.bytes_written < case.written

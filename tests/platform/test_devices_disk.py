"""Open disks against what the system's own tools say and what plain files hold."""

import errno
import mmap
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.platform.loops import MIB, loop, mounted, new_image, run
from twofold.disk.base import BlockReader
from twofold.disk.blocks import fill, hole_at
from twofold.disk.partitions import read_table
from twofold.errors import FormatError, NeedsRights, RefusedUnsafe, UsageError
from twofold.imaging.writing import StoredBlocks
from twofold.platform import Disk, current
from twofold.platform.linux import block_calls, direct, mounts, traffic

SIZE = 8 * MIB


def opened(path: Path | str, *, write: bool = False, create: bool = False) -> closing[Disk]:
    """A disk, closed at the end of the block."""
    return closing(current().open_disk(os.fsencode(path), write=write, create=create))


@pytest.fixture(params=["file", "512", "4096"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """(Path to open, file with its bytes): a file, or a device with sectors of that size."""
    image = new_image(tmp_path / "image", SIZE)
    if request.param == "file":
        yield str(image), image
        return
    with loop(image, "--sector-size", request.param) as device:
        yield device, image


def test_sizes_are_those_of_blockdev(tmp_path: Path) -> None:
    image = new_image(tmp_path / "image", SIZE + 4096)
    for sector in ("512", "4096"):
        with loop(image, "-b", sector) as device, opened(device) as disk:
            assert disk.is_device
            assert disk.size == int(run("blockdev", "--getsize64", device)) == SIZE + 4096
            assert disk.sector_size == int(run("blockdev", "--getss", device)) == int(sector)
    with opened(image) as disk:
        assert (disk.is_device, disk.size, disk.sector_size) == (False, SIZE + 4096, 512)


def test_a_disk_is_a_reader_for_parsers(tmp_path: Path) -> None:
    image = new_image(tmp_path / "image", SIZE)
    subprocess.run(["sfdisk", "-q", image], input=b"label: gpt\nsize=1M\nsize=2M\n", check=True)
    with loop(image) as device, opened(device) as disk:
        reader: BlockReader = disk
        table = read_table(reader)
    assert [each.size for each in table.partitions] == [MIB, 2 * MIB]


def test_what_is_written_is_what_is_read(target: tuple[str, Path]) -> None:
    path, image = target
    chance = random.Random(5)
    want = bytearray(SIZE)
    with opened(path, write=True) as disk:
        for _ in range(60):
            start = chance.randrange(SIZE)
            length = min(chance.choice([1, 511, 512, 4096, 70_001]), SIZE - start)
            if chance.random() < 0.3:
                want[start : start + length] = bytes(length)
                disk.write_zeros(start, length)
            else:
                data = chance.randbytes(length)
                want[start : start + length] = data
                disk.write_at(memoryview(data), start)
            assert disk.read(start, length) == want[start : start + length]
        disk.sync()
        view = memoryview(bytearray(SIZE))
        assert disk.read_into(view, 0) == SIZE
        assert view == want
        assert disk.read_into(view, SIZE - 10) == 10
    assert image.read_bytes() == want


def test_memory_is_filled_with_what_is_there(target: tuple[str, Path]) -> None:
    path, image = target
    data = random.Random(6).randbytes(SIZE)
    image.write_bytes(data)
    spans = [(0, SIZE), (4096, 2 * MIB), (512, MIB), (1000, MIB + 7), (SIZE - 300, 300), (7, 0)]
    with opened(path) as disk:
        for start, length in spans:
            for first in (0, 16):  # the second one begins where no direct read may
                view = memoryview(mmap.mmap(-1, SIZE + 16))[first : first + length]
                assert fill(disk, start, view)
                assert view == data[start : start + length]
        with pytest.raises(OSError, match="shorter"):
            fill(disk, SIZE - 4096, memoryview(bytearray(8192)))


def test_zeros_reach_over_everything(target: tuple[str, Path]) -> None:
    path, image = target
    with opened(path, write=True) as disk:
        disk.write_at(b"\xff" * SIZE, 0)
        disk.write_zeros(100, SIZE - 300)
        disk.sync()
        assert disk.read(0, SIZE) == b"\xff" * 100 + bytes(SIZE - 300) + b"\xff" * 200
    assert image.stat().st_blocks * 512 < SIZE // 4  # and gave back what they took


@pytest.mark.parametrize("refused", ["punch", "punch zero"])
def test_zeros_are_written_where_they_cannot_be_had(
    target: tuple[str, Path], refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, image = target
    for name in refused.split():
        monkeypatch.setattr(block_calls, name, lambda fd, offset, length: False)
    with opened(path, write=True) as disk:
        disk.write_at(b"\xff" * SIZE, 0)
        disk.write_zeros(5000, 3 * MIB)
        disk.sync()
    want = b"\xff" * 5000 + bytes(3 * MIB) + b"\xff" * (SIZE - 5000 - 3 * MIB)
    assert image.read_bytes() == want


def test_discarded_storage_is_given_back(target: tuple[str, Path]) -> None:
    path, image = target
    with opened(path, write=True) as disk:
        disk.write_at(b"\xff" * SIZE, 0)
        disk.sync()
        before = image.stat().st_blocks
        if not disk.discard(MIB, 4 * MIB):
            pytest.skip("not to be had on this file system")
        assert disk.read(0, MIB) == b"\xff" * MIB
        assert disk.read(5 * MIB, 3 * MIB) == b"\xff" * 3 * MIB
        assert not disk.discard(10, 100)  # no whole sector
    assert before - image.stat().st_blocks == 4 * MIB // 512


def test_what_lies_outside_is_refused(target: tuple[str, Path]) -> None:
    with opened(target[0], write=True) as disk:
        for offset, length in ((-1, 1), (SIZE, 1), (SIZE - 1, 2), (2**63, 5)):
            with pytest.raises(FormatError):
                disk.read(offset, length)
            deeds: list[Callable[[], object]] = [
                partial(disk.write_zeros, offset, length),
                partial(disk.discard, offset, length),
                partial(disk.write_at, b"x" * length, offset),
            ]
            for deed in deeds:
                with pytest.raises(OSError) as caught:
                    deed()
                assert caught.value.errno == errno.ENOSPC
        assert disk.read(SIZE, 0) == b""
        assert disk.read(0, SIZE) == bytes(SIZE)


def test_files_change_their_size_and_devices_do_not(tmp_path: Path) -> None:
    image = new_image(tmp_path / "image", SIZE)
    with opened(image, write=True) as disk:
        disk.resize(2 * SIZE)
        assert disk.size == image.stat().st_size == 2 * SIZE
        disk.write_at(b"end", 2 * SIZE - 3)
        disk.resize(SIZE)
    assert image.stat().st_size == SIZE
    with loop(image) as device, opened(device, write=True) as disk:
        with pytest.raises(OSError) as caught:
            disk.resize(SIZE)
        assert caught.value.errno == errno.EINVAL
        assert disk.size == SIZE


def test_several_threads_read_and_write(target: tuple[str, Path]) -> None:
    path, image = target
    part = SIZE // 8
    faults: list[BaseException] = []

    def work(disk: Disk, number: int) -> None:
        try:
            for round_ in range(10):
                data = bytes([number * 16 + round_]) * part
                disk.write_at(data, number * part)
                assert disk.read(number * part, part) == data
        except BaseException as error:
            faults.append(error)

    with opened(path, write=True) as disk:
        threads = [threading.Thread(target=work, args=(disk, number)) for number in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        disk.sync()
    assert not faults
    assert image.read_bytes() == b"".join(bytes([number * 16 + 9]) * part for number in range(8))


def test_what_is_stored_is_read_past_the_cache(ext4: Path) -> None:
    size = 3 * MIB + 700  # the end is in the middle of a page
    data, image = os.urandom(size), ext4 / "image"
    image.write_bytes(data)
    with opened(image, write=True) as disk:
        assert isinstance(disk, StoredBlocks)
        disk.sync()
        run("dd", f"if={image}", "iflag=nocache", "count=0", "status=none")
        assert cached(image) == 0
        for at, length in ((0, size), (5000, 1), (4096, 8192), (size - 9, 9), (MIB - 1, 2 * MIB)):
            assert disk.read_stored(at, length) == data[at : at + length]
        assert cached(image) == 0
        disk.write_at(b"new", MIB)  # not on the storage before somebody asks
        assert (
            disk.read_stored(MIB - 1, 5) == data[MIB - 1 : MIB] + b"new" + data[MIB + 3 : MIB + 4]
        )
        with pytest.raises(FormatError):
            disk.read_stored(size - 1, 2)


def test_each_thread_has_memory_for_what_is_stored(target: tuple[str, Path]) -> None:
    path, image = target
    data = os.urandom(SIZE)
    image.write_bytes(data)
    with opened(path) as disk:
        assert isinstance(disk, StoredBlocks)
        ours = disk.read_stored(512, 9000)
        theirs: list[bytes] = []
        other = threading.Thread(target=lambda: theirs.append(bytes(disk.read_stored(MIB, 9000))))
        other.start()
        other.join()
        assert (ours, theirs) == (data[512:9512], [data[MIB : MIB + 9000]])


def test_what_is_stored_is_read_as_usual_where_there_is_no_way_past(
    target: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, image = target
    data = os.urandom(SIZE)
    image.write_bytes(data)

    def refuse(*_: object) -> memoryview:
        raise OSError(errno.EINVAL, "not like this")

    for method in ("borrow", "__init__"):
        monkeypatch.setattr(direct.Direct, method, refuse)
        with opened(path) as disk:
            assert isinstance(disk, StoredBlocks)
            assert disk.read_stored(700, MIB) == data[700 : 700 + MIB]


def test_a_device_in_use_is_read_as_it_is_now(tmp_path: Path) -> None:
    """The file system that is mounted from it writes files past the memory of the device."""
    image = new_image(tmp_path / "image", SIZE)
    run("mkfs.ext4", "-q", "-F", "-b", "4096", image)
    with loop(image) as device, mounted(device, tmp_path / "mnt") as place:
        (place / "file").write_bytes(b"before" * 700)
        run("sync", "-f", place)
        at = image.read_bytes().index(b"before" * 600)
        with opened(device) as disk:
            assert disk.read(at, 4096)[:6] == b"before"
        with (place / "file").open("r+b") as file:
            file.write(b"after!")
        run("sync", "-f", place)
        assert image.read_bytes()[at : at + 6] == b"after!"
        with opened(device) as disk:
            assert disk.read(at, 4096) == image.read_bytes()[at : at + 4096]


def cached(image: Path) -> int:
    """Bytes of a file in the memory of the system, as fincore says."""
    return int(run("fincore", "--bytes", "--noheadings", "--output", "RES", image))


def test_big_transfers_leave_little_in_memory(ext4: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "WINDOW", 4 * MIB)
    image = new_image(ext4 / "image", 64 * MIB)
    order = list(range(64))
    random.Random(3).shuffle(order)
    with opened(image, write=True) as disk:
        for at in order:  # restoring writes in no order
            disk.write_at(os.urandom(MIB), at * MIB)
        assert cached(image) <= 8 * MIB
        disk.sync()
        assert cached(image) == 0
        for at in range(0, 64 * MIB, 256 << 10):
            disk.read(at, 256 << 10)
        assert cached(image) <= 40 * MIB  # what the system reads ahead (8 MiB here) among it
    image.read_bytes()
    assert cached(image) == 64 * MIB  # the measure works


def test_what_fills_memory_is_not_kept_by_the_system(ext4: Path) -> None:
    image = new_image(ext4 / "image", SIZE)
    image.write_bytes(random.Random(7).randbytes(SIZE))
    view = memoryview(mmap.mmap(-1, SIZE))
    with opened(image, write=True) as disk, open(image, "rb") as file:
        assert block_calls.is_cached(file.fileno(), 0, SIZE)
        disk.sync()
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert not block_calls.is_cached(file.fileno(), 0, SIZE)
        assert fill(disk, 0, view)
        assert cached(image) == 0
    assert view == image.read_bytes()


def test_a_device_being_written_is_nobody_elses(tmp_path: Path) -> None:
    image = new_image(tmp_path / "image", SIZE)
    run("mkfs.ext4", "-q", "-F", image)
    with loop(image) as device:
        place = tmp_path / "mounted"
        with opened(device, write=True):
            place.mkdir()
            refused = subprocess.run(["mount", device, place], capture_output=True, check=False)
            assert refused.returncode != 0
            with pytest.raises(RefusedUnsafe):
                current().open_disk(device.encode(), write=True)
            with opened(device) as second:  # reading is free
                assert second.size == SIZE
        with mounted(device, place):
            with pytest.raises(RefusedUnsafe, match=device):
                current().open_disk(device.encode(), write=True)
            with opened(device) as disk:
                assert disk.read(1024 + 56, 2) == b"\x53\xef"  # the magic number of ext


def test_a_file_being_written_is_nobody_elses(tmp_path: Path) -> None:
    image = new_image(tmp_path / "image", SIZE)
    with opened(image, write=True), pytest.raises(RefusedUnsafe, match="image"):
        current().open_disk(os.fsencode(image), write=True)
    with opened(image, write=True):
        pass


def test_files_are_made_only_if_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with pytest.raises(FileNotFoundError):
        current().open_disk(os.fsencode(path), write=True)
    with opened(path, write=True, create=True) as disk:
        assert (disk.size, disk.is_device) == (0, False)
        disk.resize(10)
        disk.write_at(b"0123456789", 0)
    assert path.read_bytes() == b"0123456789"
    assert path.stat().st_mode & 0o777 == 0o600
    with opened(path, write=True, create=True) as disk:
        assert disk.size == 10


def test_a_mistyped_device_does_not_become_a_file(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/dev/no-such-disk")
    for path in (b"/dev/no-such-disk", os.fsencode(link)):
        with pytest.raises(UsageError, match="no device"):
            current().open_disk(path, write=True, create=True)
    assert not os.path.exists("/dev/no-such-disk")


@pytest.mark.parametrize("kind", ["directory", "fifo", "character device"])
def test_other_things_are_no_disks(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path = Path("/dev/null")
    with pytest.raises(UsageError, match="neither a disk nor a file"):
        current().open_disk(os.fsencode(path))


def test_missing_rights_are_named(tmp_path: Path, as_root: None) -> None:
    image = new_image(tmp_path / "image", SIZE)
    with loop(image) as device:
        script = (
            "import os, sys; from twofold.platform import current; door = current();"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534);"
            "door.open_disk(sys.argv[1].encode())"
        )
        words = [sys.executable, "-c", script, device]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert NeedsRights.__name__ in done.stderr.splitlines()[-1]
    assert device in done.stderr.splitlines()[-1]


def test_after_closing_nothing_works(target: tuple[str, Path]) -> None:
    disk = current().open_disk(target[0].encode(), write=True)
    disk.close()
    disk.close()
    deeds: list[Callable[[], object]] = [
        lambda: disk.read(0, 1),
        lambda: disk.write_at(b"x", 0),
        lambda: disk.write_zeros(0, 4096),
        disk.sync,
    ]
    for deed in deeds:
        with pytest.raises(OSError) as caught:
            deed()
        assert caught.value.errno == errno.EBADF


def test_a_file_that_became_shorter_is_told(tmp_path: Path) -> None:
    image = new_image(tmp_path / "image", SIZE)
    with opened(image) as disk:
        os.truncate(image, MIB)
        with pytest.raises(OSError, match="shorter"):
            disk.read(0, 2 * MIB)
        assert disk.read(0, MIB) == bytes(MIB)


def test_a_device_that_cannot_read_says_so(tmp_path: Path) -> None:
    image = new_image(tmp_path / "image", SIZE)
    with loop(image) as device, opened(device) as disk:
        os.truncate(image, 4 * MIB)  # a loop device answers with errors beyond its file
        assert disk.read(0, 4 * MIB) == bytes(4 * MIB)
        with pytest.raises(OSError) as caught:
            disk.read(3 * MIB, 2 * MIB)
        assert caught.value.errno == errno.EIO
        assert isinstance(disk, StoredBlocks)
        with pytest.raises(OSError) as caught:
            disk.read_stored(3 * MIB, 2 * MIB)
        assert caught.value.errno == errno.EIO


def test_partitions_are_looked_for_again(tmp_path: Path) -> None:
    image = new_image(tmp_path / "image", SIZE)
    with loop(image, "--partscan", partitions=((MIB, MIB), (3 * MIB, MIB))) as device:
        assert os.path.exists(f"{device}p2")
        with opened(device, write=True) as disk:
            assert disk.reread_partitions()
        assert not os.path.exists(f"{device}p1")  # there is no table
    with opened(image) as disk:
        assert not disk.reread_partitions()


def test_holes_of_files_are_told_and_those_of_devices_read(target: tuple[str, Path]) -> None:
    path, image = target
    with image.open("r+b") as file:
        file.truncate(0)
        file.truncate(SIZE)
        file.seek(5 * MIB)
        file.write(b"\1" * MIB)
        file.flush()
        with opened(path) as disk:
            found = [hole_at(disk, at) for at in (0, MIB + 1, 5 * MIB, 6 * MIB)]
            told = [5 * MIB, 4 * MIB - 1, 0, 2 * MIB] if path == str(image) else [0, 0, 0, 0]
            assert found == told


def test_only_file_systems_known_to_tell_the_truth_are_asked_for_holes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = new_image(tmp_path / "image", SIZE)
    monkeypatch.setattr(mounts.Mounts, "fs_type", lambda *_: "zfs")
    with opened(image) as disk:
        assert hole_at(disk, 0) == 0

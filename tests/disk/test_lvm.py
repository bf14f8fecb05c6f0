"""Volume groups that the LVM2 tools made (without device mapper), read where they say data is."""

import os
import random
import re
import subprocess
from pathlib import Path

import pytest

from tests.disk.containers.disks import MIB, blocks
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.lvm import VolumeGroup, open_volume_group
from twofold.disk.lvm_label import checksum, read_label
from twofold.disk.lvm_text import parse_text
from twofold.errors import FormatError

SIZE = 32 * MIB
_CONFIG = (
    'devices { filter=["a|^/dev/loop.*|","r|.*|"] use_devicesfile=0 } '
    "activation { udev_sync=0 udev_rules=0 } backup { backup=0 archive=0 }"
)
_CREATE = "-an -Zn -Wn -y"
_COMMANDS = (
    "vgcreate -s 1M test {0} {1}",
    f"lvcreate {_CREATE} -l 2 -n small test {{0}}",
    f"lvcreate {_CREATE} -l 5 -n linear test {{0}}",
    f"lvcreate {_CREATE} -l 6 -i 2 -I 64k -n striped test",
    "lvextend -l +4 test/linear {1}",
    f"lvcreate {_CREATE} -l 4 --type error -n other test",
)


def lvm(words: str, device: str = "") -> str:
    """Run a command of LVM2, which sees this device or all loop devices; what it printed."""
    command, *rest = words.split()
    config = _CONFIG.replace("/dev/loop.*", f"{device}$") if device else _CONFIG
    line = [command, "--config", config, "--driverloaded", "n", *rest]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


class Group:
    """Physical volumes, the bytes on them, and what the tools say about the segments."""

    def __init__(self, folder: Path) -> None:
        self.files = [folder / "one", folder / "two"]
        chance = random.Random(3)
        for file in self.files:
            file.write_bytes(bytes(2 * MIB) + chance.randbytes(SIZE - 2 * MIB))
        loops = [_attach(file) for file in self.files]
        try:
            for loop in loops:
                lvm(f"pvcreate -y -ff {loop}")
            for command in _COMMANDS:
                lvm(command.format(*loops))
            told = lvm("lvs --noheadings --segments -o lv_name,segtype,seg_pe_ranges test")
            places = lvm("pvs --noheadings --units b --nosuffix -o pv_name,pe_start").split()
        finally:
            for loop in loops:
                subprocess.run(["losetup", "-d", loop], check=True)
        starts = dict(zip(places[::2], map(int, places[1::2]), strict=True))
        self.data = [file.read_bytes() for file in self.files]
        self.segments = [
            (name, kind, self._stripes(ranges, loops, starts))
            for name, kind, ranges in re.findall(r"(\w+) +(\w+) +(.*?) *\n", told)
        ]

    def _stripes(self, ranges: str, loops: list[str], starts: dict[str, int]) -> list[bytes]:
        """The bytes of each range of physical extents, such as ``/dev/loop0:5-9``."""
        found = []
        for loop, first, last in re.findall(r"(/dev/loop\d+):(\d+)-(\d+)", ranges):
            data, start = self.data[loops.index(loop)], starts[loop]
            found.append(data[start + int(first) * MIB : start + (int(last) + 1) * MIB])
        return found

    def wanted(self, name: str, stripe: int) -> bytes:
        """The bytes of a logical volume, laid together as its segments say."""
        whole = b""
        for owner, _, stripes in self.segments:
            if owner == name:
                turns = range(0, len(stripes[0]), stripe)
                whole += b"".join(part[at : at + stripe] for at in turns for part in stripes)
        return whole


def _attach(file: Path) -> str:
    os.sync()
    words = ["losetup", "-f", "--show", str(file)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Group:
    return Group(tmp_path_factory.mktemp("lvm"))


def _opened(group: Group) -> VolumeGroup:
    return open_volume_group([blocks(file) for file in group.files])


def test_linear_and_striped_volumes(group: Group) -> None:
    found = _opened(group)
    assert (found.name, found.extent_size, found.missing) == ("test", MIB, ())
    volumes = {volume.name: volume for volume in found.volumes}
    assert len([1 for name, _, _ in group.segments if name == "linear"]) == 2
    for name, size, stripe in (("linear", 9 * MIB, MIB), ("striped", 6 * MIB, 65536)):
        reader = volumes[name].reader
        assert reader
        assert reader.size == volumes[name].size == size
        whole = group.wanted(name, stripe)
        assert reader.read(0, size) == whole
        for at in (1, 65535, 5 * MIB - 3):
            assert reader.read(at, 70_000) == whole[at : at + 70_000]


def test_what_is_not_simple_is_told(group: Group) -> None:
    volumes = {volume.name: volume for volume in _opened(group).volumes}
    assert set(volumes) == {"small", "linear", "striped", "other"}
    assert volumes["other"].reader is None
    assert "error" in volumes["other"].reason


def test_a_missing_physical_volume(group: Group) -> None:
    found = open_volume_group([blocks(group.files[0])])
    assert found.missing == ("pv1",)
    volumes = {volume.name: volume for volume in found.volumes}
    for name in ("linear", "striped"):
        assert volumes[name].reader is None
        assert volumes[name].reason == "The physical volume pv1 is missing."
    small = volumes["small"].reader
    assert small
    assert small.read(0, 2 * MIB) == group.wanted("small", MIB)


@pytest.mark.parametrize("at", [512 + 20, 512 + 40, 4096 + 30, 4096 + 600])
def test_damage_is_refused(group: Group, at: int) -> None:
    """Label, its header, header of the area: with one physical volume there is nothing else."""
    data = bytearray(group.data[0])
    if at == 4096 + 600:
        start = data.index(b"seqno", 4096)
        for place in [m.start() for m in re.finditer(b"seqno", bytes(data[start - 100 : MIB]))]:
            data[start - 100 + place] ^= 1
    else:
        data[at] ^= 1
    with pytest.raises(FormatError):
        open_volume_group([MemoryBlocks(bytes(data))])


def test_volumes_of_two_groups_are_refused(group: Group) -> None:
    data = bytearray(group.data[1])
    label = read_label(MemoryBlocks(bytes(data)))
    assert label
    start, _ = label.areas[0]
    offset, length = (
        int.from_bytes(data[start + at : start + at + 8], "little") for at in (40, 48)
    )
    text = bytes(data[start + offset : start + offset + length])
    other = re.sub(rb'(\nid = ")......', rb"\1zzzzzz", text, count=1)
    assert other != text
    data[start + offset : start + offset + length] = other
    data[start + 56 : start + 60] = checksum(other).to_bytes(4, "little")
    data[start : start + 4] = checksum(bytes(data[start + 4 : start + 512])).to_bytes(4, "little")
    with pytest.raises(FormatError, match="different volume groups"):
        open_volume_group([MemoryBlocks(group.data[0]), MemoryBlocks(bytes(data))])


def test_something_else_is_refused() -> None:
    with pytest.raises(FormatError, match="not a physical volume"):
        open_volume_group([MemoryBlocks(bytes(4096))])


@pytest.mark.parametrize(
    "text",
    ["a {", "}", "a = ", "a = [1, 2", 'a = "open', "a 1", "= 1", "a { " * 20 + "} " * 20, "\x01"],
)
def test_texts_that_are_not_made_right_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_text(text)


def test_a_text() -> None:
    text = 'a { # so { to\n b = -5 c="x\\"y" d = ["p", 7, 1.5,] e { } }\nf = 1'
    assert parse_text(text) == {
        "a": {"b": -5, "c": 'x"y', "d": ["p", 7, 1.5], "e": {}},
        "f": 1,
    }

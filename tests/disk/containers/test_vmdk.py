"""Descriptors of VMDK: what odd ones say is read as it is meant, or not at all."""

from io import BytesIO

import pytest

from tests.disk.containers.disks import MIB
from twofold.disk.base import BlockReader
from twofold.disk.blocks import MemoryBlocks
from twofold.disk.containers import Container, Details, Extent, open_container, write_vmdk
from twofold.disk.containers.vmdk_descriptor import parse_descriptor
from twofold.errors import FormatError

ONE, TWO = b"\x01" * 1024, b"\x02" * 512
DISK = ONE + TWO
HEAD = '# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\ncreateType="twoGbMaxExtentFlat"\n'
PLAIN = HEAD + 'RW 2 FLAT "one" 0\nRW 1 FLAT "two" 0\n\n#DDB\nddb.comment = "say "hello""\n'


def opened(text: bytes, **files: bytes) -> Container:
    """The disk of a descriptor; files beside it are those given, and one and two."""
    held = {"one": ONE, "two": TWO} | files
    return open_container(MemoryBlocks(text), sibling=lambda name: MemoryBlocks(held[name]))


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("RW ", "  rw\t").replace("FLAT", "flat"),
        PLAIN.replace("RW", "Rdonly"),
        PLAIN.replace(" 0\n", "\n"),
        PLAIN.replace(" 0\n", " 0 partitionUUID\n"),
        PLAIN.replace("RW 1", "RW 0 ZERO\nRW 1"),
        PLAIN + "\0rubbish\n",
        PLAIN + "ddb.cut",
    ],
)
def test_spellings(text: str) -> None:
    container = opened(text.encode())
    assert (container.size, container.read(0, container.size)) == (len(DISK), DISK)


@pytest.mark.parametrize(
    "line",
    [
        "RW 1 FLAT two 0",
        "RW 1 FLAT 'two' 0",
        'RW 1 FLAT "two 0',
        'RW 1 FLAT "two"0',
        "RW -1 FLAT",
        'RW 1, FLAT "two" 0',
        'RDWR 1 FLAT "two" 0',
        'RW FLAT 1 "a=b" 0',
        'RW 1234567890123456789 FLAT "two" 0',
        "\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_a_line_that_makes_no_sense_is_not_passed_over(line: str) -> None:
    """It could be an extent: the disk would be shorter without it, and what follows elsewhere."""
    text = PLAIN.replace('RW 1 FLAT "two" 0', line)
    with pytest.raises(FormatError, match="makes no sense"):
        opened(text.encode())


def test_names_are_in_the_encoding_that_is_named() -> None:
    text = PLAIN.replace("version=1", 'encoding="windows-1252"').replace('"one"', '"Büro"')
    assert opened(text.encode("cp1252"), Büro=ONE).read(0, len(DISK)) == DISK
    text = text.replace("windows-1252", "rot13")
    assert opened(text.encode(), Büro=ONE).read(0, len(DISK)) == DISK


def test_a_disk_that_begins_as_a_descriptor_does() -> None:
    """Whoever may write to a raw disk would have files beside it read."""
    with pytest.raises(FormatError, match="too large"):
        opened(PLAIN.encode() + bytes(MIB))


def _sparse(data: bytes, details: Details | None = None) -> bytearray:
    out = BytesIO()
    write_vmdk(MemoryBlocks(data), [Extent(0, len(data))], out, details=details)
    return bytearray(out.getvalue())


def test_what_parts_say_of_themselves() -> None:
    part = _sparse(ONE)
    part[72] = 1  # it was not closed
    text = PLAIN.replace("FLAT", "SPARSE").replace('"two"', '"one"')
    container = opened(text.encode(), one=bytes(part))
    assert container.read(0, len(DISK)) == ONE + ONE[:512]
    assert container.notes == ("The image was not closed properly.",)


@pytest.mark.parametrize(("start", "end"), [(28, 44), (512, 21 * 512)])
def test_a_part_is_no_disk(start: int, end: int) -> None:
    """VMware gives parts no place for a descriptor, and QEMU an empty one."""
    part = _sparse(ONE)
    part[start:end] = bytes(end - start)
    with pytest.raises(FormatError, match="only a part") as caught:
        opened(bytes(part))
    assert "descriptor" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "kept"),
    [("my disk.vmdk", "my disk.vmdk"), ("Büro.vmdk", "Büro.vmdk"), ('a"\n\udcff', "a___")],
)
def test_a_file_says_what_it_is_called(name: str, kept: str) -> None:
    data = _sparse(ONE, Details(name, 0x12345678))
    descriptor = parse_descriptor(bytes(data[512 : 21 * 512]))
    assert [each.file for each in descriptor.extents] == [kept]
    assert descriptor.settings["cid"] == "12345678"
    reader: BlockReader = MemoryBlocks(bytes(data))
    assert open_container(reader).read(0, len(ONE)) == ONE

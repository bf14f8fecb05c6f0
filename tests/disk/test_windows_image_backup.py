"""What Windows writes around its virtual disks, and what others could write instead."""

from datetime import UTC, datetime

import pytest

from twofold.disk.windows_image_backup import (
    SPECS_LIMIT,
    SpecVolume,
    backup_time,
    is_disk,
    is_known,
    parse_specs,
    volume_guid,
    volume_name,
)
from twofold.errors import FormatError

ONE, TWO = "9b9cfbc3-369e-11e9-a17c-806e6f6e6963", "9b9cfbc4-369e-11e9-a17c-806e6f6e6963"


def volume(guid: str, path: str = "", more: str = "") -> str:
    return rf'<Volume Name="\\?\Volume{{{guid}}}\" AccessPath="{path}" {more}></Volume>'


def specs(*inside: str, version: str = "") -> str:
    return f"<BackupSpecs{version}><FileSpecs>{''.join(inside)}</FileSpecs></BackupSpecs>"


def test_folders_are_named_by_their_time() -> None:
    wanted = datetime(2019, 2, 22, 12, 43, 51, tzinfo=UTC)
    assert backup_time("Backup 2019-02-22 124351") == wanted.timestamp() * 10**9
    assert backup_time("backup 1970-01-01 000000") == 0
    for other in ("Backup Set 2019-02-22 124351", "Backup 2019-02-22", "Catalog", ""):
        assert backup_time(other) is None
    assert backup_time("Backup \uff12019-02-22 124351") is None
    for never in (
        "Backup 2019-02-30 000000",
        "Backup 0000-01-01 000000",
        "Backup 2019-01-01 240000",
    ):
        with pytest.raises(FormatError, match="not a date"):
            backup_time(never)


def test_disks_are_named_by_their_volume() -> None:
    assert volume_guid(f"{ONE.upper()}.VHD") == ONE
    assert is_disk("Esp.vhdx")
    assert volume_guid("Esp.vhdx") == ""
    assert not is_disk(".vhdx")
    assert not is_disk(f"{ONE}.vhd.txt")
    assert is_known(f"{ONE}_Writer{TWO}.xml")
    assert not is_known("README_FOR_DECRYPT.txt")


def test_volumes_are_told_apart() -> None:
    names = [
        volume_name(f"{ONE}.vhdx", "C:", "Windows"),
        volume_name(f"{ONE}.vhdx", "", "System Reserved"),
        volume_name(f"{TWO}.vhdx", "", "System Reserved"),
        volume_name(f"{TWO}.vhdx", "", ""),
        volume_name("Esp.vhdx", "", "SYSTEM"),
        volume_name("other.vhdx", "", ""),
    ]
    assert names == [
        "C:",
        "System Reserved 9b9cfbc3",
        "System Reserved 9b9cfbc4",
        "9b9cfbc4",
        "EFI system partition",
        "other",
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8", "utf-8-sig"])
def test_letters_are_read(encoding: str) -> None:
    text = specs(volume(ONE), volume(TWO.upper(), "C:\\"), version=' Version="3"')
    assert parse_specs(text.encode(encoding)) == [SpecVolume(ONE, ""), SpecVolume(TWO, "C:")]


def test_the_place_of_before_does_when_there_is_none_now() -> None:
    found = parse_specs(specs(volume(ONE, "", 'OriginalAccessPath="D:\\Größe"')).encode())
    assert found == [SpecVolume(ONE, "D:\\Größe")]


def test_what_is_not_known_is_passed_over() -> None:
    text = specs('<Volume Name="nothing"/>', f"<Other>{volume(ONE, 'E:')}</Other>", "<Volume/>")
    assert parse_specs(text.encode()) == [SpecVolume(ONE, "E:")]


BOMB = (
    '<!DOCTYPE b [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 20))
    + "]>"
)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not XML"),
        (b"\xff", "not XML"),
        (b"\xff\xfe<\0", "not XML"),
        (b"\xff\xfe\x00\xd8\x00\xd8", "not XML"),
        (specs().encode()[:-3], "not XML"),
        (specs(volume(ONE, "C:\\R&D")).encode(), "not XML"),
        (b"<Other/>", "what was backed up"),
        (BOMB.encode() + specs("&a19;").encode(), "document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd">' + specs().encode(), "document type"),
        (b"<BackupSpecs>" * 200, "elements"),
        (specs("<a/>" * 200_000).encode(), "elements"),
        (b" " * (SPECS_LIMIT + 1), "bytes"),
    ],
)
def test_what_is_no_such_file(data: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        parse_specs(data)

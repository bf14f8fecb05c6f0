"""Addresses: what is meant, and how it is told when nothing is."""

import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from twofold.errors import SnapshotNotFound, UsageError
from twofold.format.image import PartName
from twofold.format.records import Root, TreeRef
from twofold.repository import Snapshot
from twofold.view import parse_address, resolve
from twofold.view.address import parse_argument, parse_part, parse_path, part_order


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A time zone with summer time."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def made(text: str, ident: str, *, forgotten: bool = False, partial: bool = False) -> Snapshot:
    """A snapshot of a local time."""
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    root = Root(tree=TreeRef(bytes(32)), time_ns=int(moment.timestamp() * 10**9), partial=partial)
    return Snapshot(bytes.fromhex(ident.ljust(32, "0")), root, forgotten)


ALL = [
    made("2026-10-24 23:59:59", "aa"),
    made("2026-10-25 02:30", "ab", forgotten=True),
    made("2026-10-25 23:59:59.5", "ac"),  # a day of 25 hours
    made("2026-11-01 00:00", "b1"),
    made("2026-11-01 12:30:30", "b2"),
    made("2026-11-02 08:00", "c1", partial=True),
]


@pytest.mark.parametrize(
    ("address", "ident"),
    [
        ("latest", "b2"),
        ("latest~0", "b2"),
        ("latest~1", "b1"),
        ("latest~3", "aa"),
        ("@2026-11-01", "b2"),
        ("@2026-12-31", "b2"),
        ("@2026-10-31", "ac"),
        ("@2026-10-25", "ac"),
        ("@2026-10-24", "aa"),
        ("@2026-11-01T00:00", "b1"),
        ("@2026-11-01 12:29", "b1"),
        ("@2026-11-01T12:30", "b2"),
        ("@2026-11-01T12:30:29", "b1"),
        ("@2026-11-01T12:30:30", "b2"),
        ("aa", "aa"),
        ("AB0", "ab"),
        ("ab" + "0" * 30, "ab"),
        ("c", "c1"),
    ],
)
def test_resolved(address: str, ident: str) -> None:
    assert resolve(parse_address(address), ALL).id.hex().startswith(ident)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("a", "3 ids: aa0000000000 of 2026-10-24 23:59, ab"),
        ("f", "no snapshot's id begins with 'f'; the newest are"),
        ("latest~4", "more snapshots than there are (4)"),
        ("@2026-10-23", "the oldest is aa0000000000"),
    ],
)
def test_not_resolved(address: str, told: str) -> None:
    with pytest.raises(SnapshotNotFound) as caught:
        resolve(parse_address(address), ALL)
    assert told in caught.value.message


def test_nothing_there_yet() -> None:
    for address in ("latest", "@2026-01-01", "ab"):
        with pytest.raises(SnapshotNotFound):
            resolve(parse_address(address), [])


@pytest.mark.parametrize(
    ("address", "path", "partition"),
    [
        ("latest", None, None),
        ("latest:/", (), None),
        ("latest:", (), None),
        ("latest:/home/u", (b"home", b"u"), None),
        ("latest://home/./u//", (b"home", b"u"), None),
        ("@2026-11-01T12:30:/a:b", (b"a:b",), None),
        ("@2026-11-01:/12", (b"12",), None),
        ("ab:p3:/Users", (b"Users",), 3),
        ("ab:p3", None, 3),
        ("ab:p3.root:/etc", (b"etc",), "3.root"),
        ("ab:p03.root", None, "3.root"),
        ("ab:p3.a+b_c.d-1:", (), "3.a+b_c.d-1"),
        ("ab:p10000:/etc", (b"etc",), 10_000),
        ("ab:/p3", (b"p3",), None),
        ("latest:C:\\Users\\u", (b"C", b"Users", b"u"), None),
        ("latest:d:/x", (b"D", b"x"), None),
        ("latest:C:", (b"C",), None),
        ("latest:/C:/x", (b"C:", b"x"), None),
        ("latest:/a\\b\nc", (b"a\\b\nc",), None),
        ("latest:/\udcff", (b"\xff",), None),
    ],
)
def test_paths(address: str, path: tuple[bytes, ...] | None, partition: PartName | None) -> None:
    parsed = parse_address(address)
    assert (parsed.path, parsed.partition) == (path, partition)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "latest~",
        "latest~-1",
        "late",
        "@2026-13-01",
        "@2026-02-30",
        "@2026-11-01T24:00",
        "@2026-11-01T12:60",
        "@yesterday",
        "xyz",
        "latest:home",
        "latest:p3.",
        "latest:p3.a b",
        "latest:p3.é",
        "latest:p3.root/etc",
        "latest:p123456",
        "latest:/a/../b",
        "latest/home",
        "a" * 33,
    ],
)
def test_not_understood(address: str) -> None:
    with pytest.raises(UsageError):
        parse_address(address)


def test_partition_of_files() -> None:
    address = parse_address("aa:p3:/x")
    with pytest.raises(UsageError, match="not an image"):
        address.refuse_partition(resolve(address, ALL))


def test_arguments() -> None:
    assert parse_argument(b"docs/x") == parse_argument(b"/docs/./x/") == (b"docs", b"x")
    assert parse_argument(b"C:\\docs") == parse_path("c:/docs") == (b"C", b"docs")
    with pytest.raises(UsageError):
        parse_argument(b"docs/../x")


@pytest.mark.parametrize(
    ("text", "name"), [("3", 3), ("p3", 3), ("p3.root", "3.root"), ("3.root", "3.root")]
)
def test_a_partition_named_alone(text: str, name: PartName) -> None:
    assert parse_part(text) == name


@pytest.mark.parametrize("text", ["", "p", "x3", "3.", "pp3", "3:root", "-1", "3 ", "\u0663"])
def test_what_is_no_partition(text: str) -> None:
    with pytest.raises(UsageError):
        parse_part(text)


def test_partitions_are_sorted_as_they_are_counted() -> None:
    names: list[PartName] = ["3.swap", 10, "3.root", 2, 3, "10.a"]
    assert sorted(names, key=part_order) == [2, 3, "3.root", "3.swap", 10, "10.a"]

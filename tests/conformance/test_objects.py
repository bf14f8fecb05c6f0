"""Objects: written once, whole or not at all, read by range, listed, deleted."""

import array
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.stores import Place
from twofold.backend import Backend, Buffer, ObjectInfo
from twofold.errors import ObjectExists, ObjectNotFound, UsageError

KIB, MIB = 1 << 10, 1 << 20
SIZES = [0, 1, 511, 512, 513, 4 * KIB - 1, 4 * KIB, 4 * KIB + 1, MIB - 1, MIB + 1]
LARGE = [4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 32 * MIB, 33 * MIB]
BAD_NAMES = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/..",
    "a..b",
    ".hidden",
    "a/.hidden",
    "a.",
    "a./b",
    "A",
    "packs/3F",
    "a b",
    "a\\b",
    "c:a",
    "a\n",
    "a\0b",
    "ä",
    "a*",
    "nul",
    "packs/con",
    "com1.txt",
    "~",
    "x" * 256,
]


def data_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def listed(store: Backend, folder: str) -> dict[str, int]:
    """Name → size; nothing may be listed twice."""
    found = list(store.list(folder))
    names = {info.name: info.size for info in found}
    assert len(names) == len(found)
    assert all(isinstance(info, ObjectInfo) for info in found)
    return names


@pytest.mark.parametrize("size", SIZES + LARGE)
def test_sizes_come_back_whole(place: Place, size: int) -> None:
    data = data_of(size)
    place.open().put("packs/3f/1", data)
    other = place.open()
    assert other.get("packs/3f/1") == data
    assert other.size("packs/3f/1") == size
    assert listed(other, "packs") == {"packs/3f/1": size}


@pytest.mark.parametrize("pieces", [[], [0], [1, 0, 2], [70_000] * 5, [MIB, 3, 5 * MIB, 1]])
def test_pieces_are_joined(store: Backend, pieces: list[int]) -> None:
    data = data_of(sum(pieces))
    writer = store.create("packs/3f/1")
    start = 0
    for length in pieces:
        writer.write(data[start : start + length])
        start += length
    writer.finish()
    assert store.get("packs/3f/1") == data


def test_all_kinds_of_buffers(store: Backend) -> None:
    numbers = array.array("I", range(1000))
    cases: list[tuple[Buffer, bytes]] = [
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abcdef")[1:4], b"bcd"),
        (memoryview(numbers), numbers.tobytes()),  # its items are no bytes
    ]
    for n, (given, stored) in enumerate(cases):
        store.put(f"put/{n}", given)
        writer = store.create(f"created/{n}")
        writer.write(given)
        writer.finish()
        assert store.get(f"put/{n}") == store.get(f"created/{n}") == stored


def test_a_writer_keeps_no_claim_on_the_buffer(store: Backend) -> None:
    buffer = bytearray(b"first")
    writer = store.create("a")
    writer.write(buffer)
    buffer[:] = b"other"
    writer.write(buffer)
    writer.finish()
    assert store.get("a") == b"firstother"


def test_ranges(store: Backend) -> None:
    data = data_of(10_000)
    store.put("a", data)
    ends = [0, 1, 4095, 4096, 9_999, 10_000, 10_001, 1 << 40]
    for offset in ends:
        assert store.get("a", offset) == data[offset:]
        for length in ends:
            assert store.get("a", offset, length) == data[offset : offset + length]
    for bad in [(-1, None), (-1, 5), (0, -1)]:
        with pytest.raises(UsageError):
            store.get("a", *bad)


def test_ranges_of_an_empty_object(store: Backend) -> None:
    store.put("a", b"")
    assert store.get("a") == store.get("a", 0, 10) == store.get("a", 5) == b""


def test_invisible_until_finished(place: Place) -> None:
    store, other = place.open(), place.open()
    writer = store.create("packs/3f/1")
    for _ in range(3):
        writer.write(data_of(5 * MIB))
        for handle in (store, other):
            assert listed(handle, "") == {}
            for look in (handle.get, handle.size, handle.delete):
                with pytest.raises(ObjectNotFound):
                    look("packs/3f/1")
            with pytest.raises(ObjectNotFound):
                handle.move("packs/3f/1", "packs/3f/2")
    writer.finish()
    assert other.get("packs/3f/1") == data_of(5 * MIB) * 3


def test_an_aborted_object_was_never_there(place: Place) -> None:
    store = place.open()
    for size in (0, 10, 9 * MIB):
        writer = store.create("packs/3f/1")
        writer.write(data_of(size))
        writer.abort()
        writer.abort()
        assert listed(place.open(), "") == {}
    store.put("packs/3f/1", b"later")
    assert store.get("packs/3f/1") == b"later"


def test_abort_after_finish_takes_nothing_back(store: Backend) -> None:
    writer = store.create("a")
    writer.write(b"abc")
    writer.finish()
    writer.abort()
    assert store.get("a") == b"abc"


def test_the_same_bytes_again_are_a_lost_reply(place: Place) -> None:
    for size in (0, 5, 3 * MIB):
        place.open().put(f"packs/{size}", data_of(size))
        place.open().put(f"packs/{size}", data_of(size))
        writer = place.open().create(f"packs/{size}")
        writer.write(data_of(size))
        writer.finish()
        assert place.open().get(f"packs/{size}") == data_of(size)
    assert len(listed(place.open(), "packs")) == 3


@pytest.mark.parametrize(
    "other", [b"", b"abcdefg", b"abcdefghi", b"abcdefgH", b"Abcdefgh"], ids=repr
)
def test_other_bytes_are_refused_and_change_nothing(place: Place, other: bytes) -> None:
    place.open().put("a", b"abcdefgh")
    with pytest.raises(ObjectExists):
        place.open().put("a", other)
    writer = place.open().create("a")
    writer.write(other)
    with pytest.raises(ObjectExists):
        writer.finish()
    writer.abort()
    assert listed(place.open(), "") == {"a": 8}
    assert place.open().get("a") == b"abcdefgh"


def test_what_is_absent_is_not_found(store: Backend) -> None:
    store.put("packs/3f/1", b"x")
    for name in ("packs/3f/2", "packs/40/1", "packs/3f", "packs", "packs/3f/1/2"):
        for look in (store.get, store.size, store.delete):
            with pytest.raises(ObjectNotFound):
                look(name)
        with pytest.raises(ObjectNotFound):
            store.move(name, "elsewhere/1")
    assert listed(store, "") == {"packs/3f/1": 1}


def test_listing_is_by_folder_and_sees_everything_written_before(place: Place) -> None:
    store, other = place.open(), place.open()
    assert listed(other, "packs") == listed(other, "") == {}
    names = ["config", "a/1", "a/b/2", "a/b/c/d/e/3", "ab/4", "a-b/5", "a/b.c", "zz"]
    for n, name in enumerate(names):
        store.put(name, bytes(n))
        assert name in listed(other, "")
    assert listed(other, "") == {name: n for n, name in enumerate(names)}
    assert set(listed(other, "a")) == {"a/1", "a/b/2", "a/b/c/d/e/3", "a/b.c"}
    assert set(listed(other, "a/b")) == {"a/b/2", "a/b/c/d/e/3"}
    assert listed(other, "a/b/c/d/e/3") == {}
    assert listed(other, "a/x") == {}


def test_two_thousand_objects(place: Place) -> None:
    store = place.open()
    names = [f"packs/{n % 256:02x}/{n:032x}" for n in range(1000)]
    names += [f"roots/{n:032x}" for n in range(1000)]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda name: store.put(name, name[-3:].encode()), names))
    assert listed(place.open(), "") == dict.fromkeys(names, 3)
    assert len(listed(place.open(), "packs")) == 1000
    assert place.open().get(names[-1]) == b"3e7"


def test_a_deleted_object_is_gone_and_others_stay(place: Place) -> None:
    store = place.open()
    store.put("a/1", b"x")
    store.put("a/2", b"y")
    store.delete("a/1")
    assert listed(place.open(), "a") == {"a/2": 1}
    for look in (store.get, store.size, store.delete):
        with pytest.raises(ObjectNotFound):
            look("a/1")
    store.put("a/1", b"other bytes")
    assert place.open().get("a/1") == b"other bytes"


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_bad_names_are_refused_everywhere(store: Backend, name: str) -> None:
    store.put("a", b"x")
    uses: list[Callable[[], object]] = [
        lambda: store.create(name),
        lambda: store.put(name, b""),
        lambda: store.get(name),
        lambda: store.size(name),
        lambda: store.delete(name),
        lambda: store.move(name, "b"),
        lambda: store.move("a", name),
    ]
    if name:  # the empty folder is the whole store
        uses.append(lambda: store.list(name))
    for use in uses:
        with pytest.raises(UsageError):
            use()
    assert listed(store, "") == {"a": 1}


def test_longest_name(store: Backend) -> None:
    name = "/".join(["x" * 63] * 4)
    assert len(name) == 255
    store.put(name, b"x")
    assert listed(store, "") == {name: 1}


def test_it_says_where_it_is_and_closes_what_is_open(place: Place) -> None:
    assert place.open().location
    with place.open() as store:
        store.put("a", b"x")
        writer = store.create("b")
        writer.write(b"unfinished")
        store.put("c", b"x")
    writer.abort()
    assert listed(place.open(), "") == {"a": 1, "c": 1}

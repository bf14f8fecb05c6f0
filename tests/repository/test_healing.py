"""Reading heals: bursts, scattered and unreadable sectors, lost index objects, vanished packs."""

import random
from typing import cast

import pytest

from tests.repository.damages import find_target
from tests.repository.sample import Blob, Lab, Sample, back_up, needed, unreadable
from tests.repository.stores import SECTOR, BadSectors
from twofold.backend import Backend, LocalBackend
from twofold.errors import ObjectDamaged, StoreError
from twofold.events import Event, Finding
from twofold.format import names
from twofold.format.index import IndexRun
from twofold.format.names import BlobKind
from twofold.repository import PackBuilder, open_repository
from twofold.repository.pack_repair import parse_pack
from twofold.repository.rough_read import read_around


@pytest.fixture
def blobs(sample: Sample) -> dict[Blob, list[tuple[bytes, bytes]]]:
    with sample.open() as repository:
        return needed(repository)


@pytest.fixture
def large(lab: Lab) -> str:
    return find_target("data-pack", lab, lab).name


def burst(data: bytes, start: int, share: float) -> bytes:
    """The pack with a share of it overwritten from a place on."""
    length = int(len(data) * share)
    start = min(start, len(data) - length)
    return data[:start] + random.Random(start).randbytes(length) + data[start + length :]


def lost_after(
    lab: Lab, name: str, data: bytes, blobs: dict[Blob, list[tuple[bytes, bytes]]]
) -> int:
    lab.write(name, data)
    with lab.sample.open() as repository:
        return len(unreadable(repository, blobs))


@pytest.mark.parametrize("part", range(9))
def test_a_burst_of_three_per_cent_is_repaired_on_reading(
    part: int, lab: Lab, large: str, blobs: dict[Blob, list[tuple[bytes, bytes]]]
) -> None:
    data = lab.files[large]
    start = part * (len(data) - int(len(data) * 0.03)) // 8
    assert lost_after(lab, large, burst(data, start, 0.03), blobs) == 0
    result = lab.sample.check(read_data=True)
    assert result.exit_code == 5
    assert any("repairable" in finding.message for finding in result.findings)
    assert not result.affected


@pytest.mark.slow
def test_a_burst_of_three_per_cent_is_repaired_wherever_it_falls(
    lab: Lab, large: str, blobs: dict[Blob, list[tuple[bytes, bytes]]]
) -> None:
    data = lab.files[large]
    wanted = {blob: users for blob, users in blobs.items() if blob[0] is BlobKind.DATA}
    for start in range(0, int(len(data) * 0.97), 9973):
        assert lost_after(lab, large, burst(data, start, 0.03), wanted) == 0, start


def test_a_burst_too_long_for_parity_costs_no_more_than_it_hits(
    lab: Lab, large: str, blobs: dict[Blob, list[tuple[bytes, bytes]]]
) -> None:
    data = lab.files[large]
    assert 0 < lost_after(lab, large, burst(data, 200_000, 0.2), blobs) < 3
    result = lab.sample.check(read_data=True)
    assert {path.rpartition(b"/")[2] for each in result.affected for path in each.paths} == {
        b"big1"
    } or {path.rpartition(b"/")[2] for each in result.affected for path in each.paths} == {b"big0"}


def test_footer_and_a_frame_header_may_be_damaged_together(lab: Lab, large: str) -> None:
    """Walking the sections passes over what is none and finds the table behind it."""
    data = bytearray(lab.files[large])
    ident = names.id_from_name(large)
    true = parse_pack(ident, bytes(data)).footer
    data[-30:] = bytes(30)
    data[100] ^= 0xFF  # in the first frame's section header
    assert parse_pack(ident, bytes(data)).footer == true


def test_scattered_sectors_are_repaired(
    lab: Lab, large: str, blobs: dict[Blob, list[tuple[bytes, bytes]]]
) -> None:
    data = bytearray(lab.files[large])
    for start in (8192, 400_000):
        data[start : start + SECTOR] = bytes(SECTOR)
    assert lost_after(lab, large, bytes(data), blobs) == 0


def test_each_copy_of_a_small_pack_may_lose_another_part(
    lab: Lab, blobs: dict[Blob, list[tuple[bytes, bytes]]]
) -> None:
    """Frame by frame the copy that is whole is taken."""
    name = find_target("small-pack", lab, lab).name
    with lab.sample.open() as repository:
        builder = PackBuilder(repository.keys, BlobKind.DATA, 1 << 20)
        frames = []
        for number in range(3):
            blob = random.Random(number).randbytes(9000)
            ident = repository.keys.dedup.blob_id(BlobKind.DATA, blob)
            builder.add_frame([(ident, len(blob))], blob)
            frames.append((ident, blob))
        pack = builder.finish()
        data = bytearray(b"".join(map(bytes, pack.pieces)))
        half = len(data) // 2
        places = [frame.offset for frame in pack.entry.frames]
        data[places[0] + 50] ^= 1
        data[half + places[2] + 900] ^= 1
        lab.write(pack.name, bytes(data))
        for frame, (_, blob) in zip(pack.entry.frames, frames, strict=True):
            assert repository.packs.read_frame(BlobKind.DATA, pack.entry.pack, frame) == blob
    assert name != pack.name


# --- sectors that cannot be read at all ----------------------------------------------------


def open_on(store: BadSectors, sample: Sample) -> object:
    return open_repository(cast(Backend, store), sample.recovery_key.encode())


@pytest.mark.parametrize("kind", ["data-pack", "small-pack", "metadata-pack", "root", "data-index"])
def test_an_unreadable_sector_heals_like_a_damaged_one(
    kind: str, lab: Lab, blobs: dict[Blob, list[tuple[bytes, bytes]]]
) -> None:
    store = BadSectors(LocalBackend(lab.sample.store))
    store.bad[find_target(kind, lab, lab).name] = {0, 1} if kind == "data-pack" else {0}
    with open_repository(cast(Backend, store), lab.sample.recovery_key.encode()) as repository:
        assert len(repository.snapshots()) == len(lab.sample.snapshots)
        assert not unreadable(repository, blobs)
    assert store.refused


@pytest.mark.parametrize("name", ["config", "key-slot-in-use"])
def test_a_repository_opens_around_an_unreadable_sector(name: str, lab: Lab) -> None:
    store = BadSectors(LocalBackend(lab.sample.store))
    store.bad[find_target(name, lab, lab).name] = {0}
    open_repository(cast(Backend, store), lab.sample.recovery_key.encode()).close()
    assert store.refused


def test_an_object_of_which_nothing_can_be_read_is_damaged(lab: Lab, large: str) -> None:
    store = BadSectors(LocalBackend(lab.sample.store))
    store.bad[large] = set(range(2000))
    with pytest.raises(ObjectDamaged, match="Input/output"):
        read_around(cast(Backend, store), large, 1 << 30)


def test_a_store_out_of_reach_is_not_called_damaged(lab: Lab, large: str) -> None:
    store = BadSectors(LocalBackend(lab.sample.store), out_of_reach=True)
    with pytest.raises(StoreError):
        read_around(cast(Backend, store), large, 1 << 30)
    assert store.refused == 1


def test_check_goes_on_after_what_cannot_be_read(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every object of one kind is unreadable, each is told, and nothing else is affected."""
    names_ = [find_target(kind, lab, lab).name for kind in ("tombstone", "data-index", "root")]
    store = BadSectors(LocalBackend(lab.sample.store))
    store.bad = {name: {0, 1} for name in names_} | {find_target("data-pack", lab, lab).name: {9}}
    monkeypatch.setattr("twofold.commands.access.open_backend", lambda _location: store)
    result = lab.sample.check(read_data=True)
    said = " ".join(finding.subject for finding in result.findings)
    assert result.exit_code == 5 and not result.affected
    assert all(name.rpartition("/")[2] in said for name in store.bad)


# --- index objects and packs that are gone -------------------------------------------------


@pytest.mark.parametrize("kind", ["data-index", "metadata-index"])
def test_a_deleted_index_object_is_made_up_for_and_listed_again(kind: str, lab: Lab) -> None:
    lab.path(find_target(kind, lab, lab).name).unlink()
    back_up(lab.sample)
    result = lab.sample.check(read_data=True)
    assert result.exit_code == 0, result.findings


@pytest.mark.parametrize("kind", ["data-index", "metadata-index"])
def test_the_packs_of_a_damaged_index_object_are_listed_again(kind: str, lab: Lab) -> None:
    name = find_target(kind, lab, lab).name
    lab.write(name, b"")
    back_up(lab.sample)
    assert [f.subject for f in lab.sample.check().findings] == [name]
    lab.path(name).unlink()
    assert not lab.sample.check(read_data=True).findings


def test_what_a_vanished_pack_held_is_stored_again_from_the_source(
    lab: Lab, blobs: dict[Blob, list[tuple[bytes, bytes]]], large: str
) -> None:
    """The remedy that check gives for a missing pack works."""
    lab.path(large).unlink()
    assert lab.sample.check().affected
    back_up(lab.sample, force=True)
    with lab.sample.open() as repository:
        assert not unreadable(repository, blobs)
    result = lab.sample.check()
    assert not result.affected
    assert [f.subject for f in result.findings] == [f"pack {large[-32:]}"]


def test_a_reader_looks_again_before_it_speaks_of_damage(lab: Lab) -> None:
    """An index object listed after ours was loaded, as by a prune that repacked, is found."""
    with lab.sample.open() as writer, lab.sample.open() as reader:
        index = reader.load_index()
        blob = b"written after the index was loaded"
        ident = writer.keys.dedup.blob_id(BlobKind.DATA, blob)
        builder = PackBuilder(writer.keys, BlobKind.DATA, 1 << 20)
        builder.add_frame([(ident, len(blob))], blob)
        pack = builder.finish()
        writer.backend.put(pack.name, b"".join(map(bytes, pack.pieces)))
        assert bytes(reader.blob_reader(index).read(BlobKind.DATA, ident)) == blob
        with pytest.raises(ObjectDamaged, match="in no index"):
            reader.blob_reader(index).read(BlobKind.DATA, bytes(32))


def test_a_blob_listed_twice_in_one_index_object_is_read_from_either_pack(lab: Lab) -> None:
    with lab.sample.open() as repository:
        blob = b"held by two packs"
        ident = repository.keys.dedup.blob_id(BlobKind.DATA, blob)
        packs = []
        for _ in range(2):
            builder = PackBuilder(repository.keys, BlobKind.DATA, 1 << 20)
            builder.add_frame([(ident, len(blob))], blob)
            packs.append(builder.finish())
            repository.backend.put(packs[-1].name, b"".join(map(bytes, packs[-1].pieces)))
        from twofold.format.index import encode_index

        run = IndexRun(encode_index([pack.entry for pack in packs]))
        for gone in packs:
            index = repository.load_index()
            index.add(BlobKind.DATA, run)
            data = lab.path(gone.name).read_bytes()
            lab.path(gone.name).unlink()
            assert bytes(repository.blob_reader(index).read(BlobKind.DATA, ident)) == blob
            lab.write(gone.name, data)


def test_what_was_lost_once_is_looked_for_elsewhere_first(
    lab: Lab, blobs: dict[Blob, list[tuple[bytes, bytes]]], large: str
) -> None:
    """A damaged pack is read whole, in vain, for each frame that is looked for in it: but once."""
    remembered = bytes.fromhex(large[-32:])
    lab.path(large).unlink()
    back_up(lab.sample, force=True)
    lab.write(large, bytes(len(lab.files[large])))
    with lab.sample.open() as repository:
        index = repository.load_index()
        index.note_lost({remembered})
        wanted = [ident for kind, ident in blobs if kind is BlobKind.DATA]
        places = [index.place(BlobKind.DATA, ident) for ident in wanted]
        assert all(place is not None and place.pack.id != remembered for place in places)
        assert any(
            place.pack.id == remembered
            for ident in wanted
            for place in index.places(BlobKind.DATA, ident)
        )
        assert not unreadable(repository, blobs)


def test_healing_is_told_once_per_pack(lab: Lab, large: str) -> None:
    data = bytearray(lab.files[large])
    data[5000] ^= 1
    lab.write(large, bytes(data))
    told: list[Event] = []
    backend = LocalBackend(lab.sample.store)
    with open_repository(backend, lab.sample.recovery_key.encode(), emit=told.append) as repository:
        unreadable(repository, needed(repository))
        unreadable(repository, needed(repository))
    assert [type(event) for event in told] == [Finding]

"""Index objects sealed with our keys that say what cannot be: told as damage, never believed."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.hostile.conftest import Place
from tests.hostile.forge import Forge, file_node, with_frame
from twofold.errors import DamageFound
from twofold.format import names
from twofold.format.index import (
    INDEX_BLOB,
    INDEX_FRAME,
    INDEX_HEAD,
    INDEX_PACK,
    PackEntry,
    encode_index,
)
from twofold.format.names import BlobKind, Kind
from twofold.format.segments import iterate

BODY = b"contents of a file, long enough to be worth a lie" * 20
Change = Callable[[PackEntry], PackEntry]


def pack_changed(**changes: object) -> Change:
    return lambda entry: PackEntry(entry.pack._replace(**changes), entry.frames)  # type: ignore[arg-type]


def frame_changed(**changes: object) -> Change:
    return lambda entry: with_frame(entry, 0, **changes)


CHANGES: dict[str, Change] = {
    "frame outside its pack": frame_changed(offset=1 << 31),
    "frame of the whole address space": frame_changed(sealed_length=(1 << 32) - 1),
    "frame at another place": frame_changed(offset=200),
    "frame of another length": frame_changed(raw_length=77),
    "frame longer than any": frame_changed(raw_length=(1 << 32) - 1),
    "frame of another number": frame_changed(ordinal=7),
    "frame of number nought": frame_changed(ordinal=0),
    "frame of another encoding": frame_changed(encoding=0),
    "frame of no known encoding": frame_changed(encoding=200),
    "pack of another size": pack_changed(size=1),
    "pack of any size": pack_changed(size=(1 << 64) - 1),
    "pack of another salt": pack_changed(salt=b"s" * 32),
    "pack of an epoch to come": pack_changed(epoch=9),
    "pack of another cipher": pack_changed(aead=2),
    "pack of no known cipher": pack_changed(aead=77),
    "pack that is not there": pack_changed(id=b"p" * 16),
    "blobs in each other's place": lambda entry: PackEntry(
        entry.pack, tuple(replace(f, blobs=((b"i" * 32, f.blobs[0][1]),)) for f in entry.frames)
    ),
}


@pytest.fixture
def blob(place: Place) -> tuple[Forge, bytes]:
    """A data blob about to be stored, needed by a snapshot."""
    segment = place.forge.data(BODY)
    (found,) = iterate(segment)
    assert isinstance(found.blob, bytes)
    return place.forge, found.blob


@pytest.mark.parametrize("case", CHANGES, ids=[case.replace(" ", "-") for case in CHANGES])
def test_an_index_that_lies_about_a_pack(
    case: str, place: Place, blob: tuple[Forge, bytes]
) -> None:
    forge, ident = blob
    tree = forge.nodes(file_node(b"f", forge.data(BODY), len(BODY)))
    meta = forge.blobs[BlobKind.META].copy()
    forge.blobs[BlobKind.META].clear()
    forge.store(CHANGES[case])
    forge.blobs[BlobKind.META].update(meta)
    forge.commit(tree)
    for options in ({}, {"read_data": True}):
        result = place.check(**options)
        if options or case != "pack of another salt":
            assert result.exit_code == 5 or not options
    assert result.exit_code == 5
    repository = place.again().repository
    reader = repository.blob_reader(repository.load_index())
    try:
        assert bytes(reader.read(BlobKind.DATA, ident)) == BODY
    except DamageFound:
        assert result.affected and result.affected[0].paths == (b"/f",)


def columns(entry: PackEntry) -> tuple[bytearray, int, int, int]:
    """An index of one pack, and where its frame, id and blob columns begin."""
    data = bytearray(encode_index([entry]))
    frames = INDEX_HEAD.size + INDEX_PACK.size
    ids = frames + INDEX_FRAME.size * len(entry.frames)
    blobs = ids + 32 * sum(len(frame.blobs) for frame in entry.frames)
    return data, frames, ids, blobs


def put_index(forge: Forge, contents: bytes, kind: Kind = Kind.DATA_INDEX) -> None:
    forge.repository.objects.write(kind, names.INDEX, names.new_id(), contents)


@pytest.mark.parametrize("what", ["blob outside its frame", "blob of a frame not listed", "order"])
def test_blobs_placed_where_they_cannot_be(what: str, place: Place) -> None:
    forge = place.forge
    blobs = {}
    for number in range(2):
        text = BODY + bytes([number])
        blobs[forge.repository.keys.dedup.blob_id(BlobKind.DATA, text)] = text
    entry = forge.pack(BlobKind.DATA, blobs)
    data, _, ids, places = columns(entry)
    if what == "blob outside its frame":
        data[places : places + INDEX_BLOB.size] = INDEX_BLOB.pack(0, 1 << 31, 1 << 31)
    elif what == "blob of a frame not listed":
        data[places : places + INDEX_BLOB.size] = INDEX_BLOB.pack(1 << 30, 0, 1)
    else:
        data[ids : ids + 64] = data[ids + 32 : ids + 64] + data[ids : ids + 32]
    put_index(forge, bytes(data))
    result = place.check(read_data=True)
    assert result.exit_code == 5
    assert any("says what cannot be" in finding.message for finding in result.findings)
    repository = place.again().repository
    reader = repository.blob_reader(repository.load_index())
    for ident, text in blobs.items():
        try:
            assert bytes(reader.read(BlobKind.DATA, ident)) == text
        except DamageFound:
            continue


@pytest.mark.parametrize("size", [0, 3, 15, 16, 17, 100])
def test_contents_that_are_no_index(size: int, place: Place) -> None:
    put_index(place.forge, b"\xff" * size)
    assert place.check().exit_code == 5
    place.again().repository.load_index()


def test_an_index_of_nothing_is_an_index(place: Place) -> None:
    put_index(place.forge, encode_index([]))
    assert place.check().exit_code == 0


def test_a_pack_listed_as_the_other_kind_does_not_open_as_it(place: Place) -> None:
    """File contents that parse as metadata are not metadata."""
    forge = place.forge
    tree = forge.nodes(file_node(b"f"))
    page = forge.blobs[BlobKind.META].pop(tree.id)
    ident = forge.add(BlobKind.DATA, page)
    entry = forge.pack(BlobKind.DATA, forge.blobs[BlobKind.DATA])
    forge.blobs[BlobKind.DATA].clear()
    lie = with_frame(entry, 0, blobs=((tree.id, len(page)),))
    put_index(forge, encode_index([lie]), Kind.META_INDEX)
    forge.commit(tree)
    result = place.check()
    assert result.exit_code == 5 and result.affected[0].paths == (b"/",)
    assert ident != tree.id


def test_impossible_places_do_not_hide_possible_ones(place: Place) -> None:
    """One index object lies, another tells the truth: the blob is read."""
    forge = place.forge
    tree = forge.nodes(file_node(b"f", forge.data(BODY), len(BODY)))
    ident = next(iter(forge.blobs[BlobKind.DATA]))
    entry = forge.pack(BlobKind.DATA, forge.blobs[BlobKind.DATA])
    forge.blobs[BlobKind.DATA].clear()
    put_index(forge, encode_index([entry]))
    for _ in range(6):  # some are found before, some after the honest one
        data, _, _, places = columns(entry)
        data[places : places + INDEX_BLOB.size] = INDEX_BLOB.pack(0, 1 << 31, 5)
        put_index(forge, bytes(data))
    forge.commit(tree)
    result = place.check()
    assert result.exit_code == 5 and not result.affected
    repository = place.again().repository
    reader = repository.blob_reader(repository.load_index())
    assert bytes(reader.read(BlobKind.DATA, ident)) == BODY

"""Every kind of object in the place of every other: refused by its header, told by check."""

import shutil

import pytest

from tests.hostile.conftest import Place
from tests.hostile.forge import file_node
from twofold.errors import TwofoldError
from twofold.format import names
from twofold.format.names import Kind
from twofold.format.records import Mark, Tombstone, encode_record

PLACES = (
    "config",
    "config.copy",
    "keys",
    "data pack",
    "metadata pack",
    "data index",
    "metadata index",
    "roots",
    "sessions/committed",
    names.FORGOTTEN,
    names.TOMBS,
)


def objects(place: Place) -> dict[str, str]:
    """One object of each kind in a complete repository."""
    forge = place.forge
    snapshot = forge.commit(forge.nodes(file_node(b"f", forge.data(b"text" * 100), 400)))
    objects = forge.repository.objects
    objects.write(Kind.FORGOTTEN, names.FORGOTTEN, snapshot.id, encode_record(Mark()))
    objects.write(Kind.TOMB, names.TOMBS, names.new_id(), encode_record(Tombstone()))
    found = {name: name for name in PLACES if (place.store / name).is_file()}
    kinds = {3: "data pack", 4: "metadata pack", 5: "data index", 6: "metadata index"}
    for path in place.store.rglob("*"):
        if path.is_file() and path.name not in ("config", "config.copy"):
            name = str(path.relative_to(place.store))
            found[kinds.get(path.read_bytes()[10], name.rpartition("/")[0])] = name
    assert set(found) == set(PLACES)
    return found


def test_every_kind_in_the_place_of_every_other(place: Place) -> None:
    found = objects(place)
    assert not place.check(read_data=True).findings
    cells = 0
    for target in PLACES:
        there = place.store / found[target]
        kept = there.read_bytes()
        for source in PLACES:
            data = (place.store / found[source]).read_bytes()
            if target == source or data == kept:
                continue
            there.write_bytes(data)
            try:
                assert place.check(read_data=True).exit_code == 5, (target, source)
            except TwofoldError as error:
                assert error.exit_code in (5, 12), (target, source)
            there.write_bytes(kept)
            cells += 1
    assert cells == len(PLACES) * (len(PLACES) - 1) - 2
    assert not place.check(read_data=True).findings


@pytest.mark.parametrize("target", PLACES[2:])
def test_a_directory_in_the_place_of_an_object(target: str, place: Place) -> None:
    found = objects(place)
    path = place.store / found[target]
    path.unlink()
    path.mkdir()
    try:
        assert place.check().exit_code in (0, 5)
    except TwofoldError as error:
        assert error.exit_code in (5, 12, 13)
    shutil.rmtree(path)


def test_the_order_of_epochs_is_not_believed(place: Place) -> None:
    """A header that names a key epoch we do not have is damage, not a crash."""
    found = objects(place)
    for target in PLACES[3:]:
        path = place.store / found[target]
        data = bytearray(path.read_bytes())
        half = -(-len(data) // 8192) * 4096
        for start in (0, half):
            data[start + 12 : start + 16] = b"\xff\xff\xff\x7f"
        kept = path.read_bytes()
        path.write_bytes(data)
        assert place.check(read_data=True).exit_code == 5, target
        path.write_bytes(kept)

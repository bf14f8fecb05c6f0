"""Small objects that are not small: read one copy at a time, healed and judged like the others."""

import os
from collections.abc import Iterator

import pytest

from tests.repository.sample import Sample
from tests.repository.stores import BadSectors
from twofold.backend import LocalBackend
from twofold.errors import ObjectDamaged
from twofold.events import ignore
from twofold.format import names
from twofold.format.envelope import second_copy_start
from twofold.format.names import Kind
from twofold.repository import ObjectStore, Repository

IDENT = bytes(range(16))
NAME = names.object_name(names.INDEX, IDENT)


@pytest.fixture
def repository(sample: Sample) -> Iterator[Repository]:
    with sample.open() as opened:
        yield opened


@pytest.fixture(params=[700_000, (1 << 20) - 4096, 1 << 20, 3_000_000], ids=str)
def contents(request: pytest.FixtureRequest, repository: Repository) -> bytes:
    """Incompressible contents whose file is longer than what is read in one go."""
    data = os.urandom(request.param)
    repository.objects.write(Kind.DATA_INDEX, names.INDEX, IDENT, data)
    return data


def read(repository: Repository) -> tuple[bytes, bool]:
    return repository.objects.inspect(Kind.DATA_INDEX, NAME, IDENT)


def patch(sample: Sample, place: int, data: bytes) -> None:
    with open(sample.store / NAME, "r+b") as file:
        file.seek(place)
        file.write(data)


def test_it_comes_back_whole(repository: Repository, contents: bytes) -> None:
    assert read(repository) == (contents, True)


@pytest.mark.parametrize("place", ["header", "middle", "fill", "second header", "end"])
def test_damage_of_one_copy_is_made_up_for_and_told(
    place: str, repository: Repository, contents: bytes, sample: Sample
) -> None:
    size = (sample.store / NAME).stat().st_size
    second = second_copy_start(size)
    at = {
        "header": 20,
        "middle": 600_000,
        "fill": second - 1,
        "second header": second + 20,
        "end": size - 1,
    }[place]
    old = (sample.store / NAME).read_bytes()[at]
    patch(sample, at, bytes([old ^ 1]))
    assert read(repository) == (contents, False)


def test_damage_of_both_copies_is_damage(
    repository: Repository, contents: bytes, sample: Sample
) -> None:
    second = second_copy_start((sample.store / NAME).stat().st_size)
    patch(sample, 300_000, b"\1\2\3")
    patch(sample, second + 500_000, b"\1\2\3")
    with pytest.raises(ObjectDamaged):
        read(repository)


@pytest.mark.parametrize("length", ["short by one", "first copy only", "longer"])
def test_another_length_is_told(
    length: str, repository: Repository, contents: bytes, sample: Sample
) -> None:
    path = sample.store / NAME
    size = path.stat().st_size
    new = {"short by one": size - 1, "first copy only": size // 2, "longer": size + 5000}[length]
    os.truncate(path, new)
    assert read(repository) == (contents, False)


@pytest.mark.parametrize("sector", [0, 100])
def test_a_bad_sector_is_read_around(
    sector: int, repository: Repository, contents: bytes, sample: Sample
) -> None:
    store = BadSectors(LocalBackend(sample.store))
    store.bad[NAME] = {sector}
    objects = ObjectStore(store, repository.keys, ignore)  # type: ignore[arg-type]
    assert objects.inspect(Kind.DATA_INDEX, NAME, IDENT) == (contents, False)

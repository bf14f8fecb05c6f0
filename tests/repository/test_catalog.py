"""What a writer may rely on as the index changes under it; index objects out of the cache."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository.sample import Lab
from tests.twins import CODES, either
from twofold.events import Event, Finding
from twofold.format import names
from twofold.format.index import IndexRun, PackEntry, PackInfo, encode_index
from twofold.format.names import BlobKind
from twofold.format.pack import FrameEntry
from twofold.repository import Catalog, Index, index_cache

DATA, META = BlobKind.DATA, BlobKind.META


@pytest.fixture(autouse=True, scope="module", params=CODES)
def code(request: pytest.FixtureRequest) -> Iterator[None]:
    """All of this holds for both codes."""
    yield from either(request.param, "twofold.format.index", "twofold.repository.blob_set")


def ident(letter: str) -> bytes:
    return letter.encode() * 32


def run_of(**packs: str) -> IndexRun:
    """Packs named by one letter that hold blobs of one letter each."""
    entries = []
    for name, letters in packs.items():
        blobs = tuple((ident(letter), 10) for letter in letters)
        frame = FrameEntry(1, 128, 60, 10 * len(blobs), 0, blobs)
        entries.append(PackEntry(pack(name), (frame,)))
    return IndexRun(encode_index(entries))


def pack(name: str) -> PackInfo:
    return PackInfo(name.encode() * 16, 5000, b"s" * 32, 0, 1)


def known(catalog: Catalog, kind: BlobKind = DATA) -> str:
    return "".join(letter for letter in "abcdef" if catalog.known(kind, ident(letter)))


def test_packs_that_are_doomed_or_gone_do_not_count() -> None:
    """A blob that another pack holds too is still there."""
    index = Index()
    index.add(DATA, run_of(P="ab", Q="bc"))
    index.add(DATA, run_of(R="cd"))
    assert known(Catalog(index, set())) == "abcd"
    doomed = Catalog(index, {pack("Q").id})
    assert known(doomed) == "abcd"
    assert known(Catalog(index, {pack("P").id})) == "bcd"
    index.note_absent(frozenset({pack("R").id}))
    assert known(doomed) == "ab"
    index.note_absent(frozenset())
    assert known(doomed) == "abcd"
    index.note_lost([pack("R").id])
    assert known(doomed) == "ab"
    assert doomed.relied_on() == {pack("P").id: 5000}


def test_a_pack_that_has_lost_something_is_asked_last() -> None:
    """Whichever index object lists it, and in whatever order the places lie there."""
    for lost, other in ("PQ", "QP", "PR", "RP"):
        index = Index()
        index.add(DATA, run_of(P="ab", Q="b"))
        index.add(DATA, run_of(R="ab"))
        index.note_lost([pack(lost).id])
        asked = [place.pack for place in index.places(DATA, ident("b"))]
        assert {pack(name) for name in "PQR"} == set(asked)
        assert asked[-1] == pack(lost) != pack(other)
        assert index.place(DATA, ident("b")) in list(index.places(DATA, ident("b")))[:2]


def test_what_is_listed_meanwhile_counts() -> None:
    index = Index()
    catalog = Catalog(index, set())
    assert known(catalog) == ""
    index.add(DATA, run_of(P="a"))
    assert known(catalog) == "a"
    index.add(META, run_of(Q="b"))
    assert (known(catalog), known(catalog, META)) == ("a", "b")


def test_a_claim_outlives_a_change_of_the_index() -> None:
    """What this run has taken on is not taken on again when the table is filled anew."""
    index = Index()
    index.add(DATA, run_of(P="ab"))
    catalog = Catalog(index, set())
    assert catalog.claim(DATA, ident("c"))
    assert not catalog.claim(DATA, ident("a"))
    index.note_absent(frozenset({pack("P").id}))
    assert not catalog.claim(DATA, ident("c"))
    assert catalog.claim(DATA, ident("a"))
    assert not catalog.claim(DATA, ident("a"))
    assert catalog.claim(META, ident("a"))


@pytest.fixture
def small_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The cache keeps objects of any size; its folder."""
    monkeypatch.setattr(index_cache, "SMALLEST", 0)
    monkeypatch.setenv("TWOFOLD_CACHE_DIR", str(tmp_path))
    return tmp_path


def listed(index: Index) -> list[tuple[BlobKind, list[PackEntry]]]:
    return [(kind, run.pack_entries()) for kind in BlobKind for run in index.runs[kind]]


def test_the_index_comes_out_of_the_cache_as_it_was(lab: Lab, small_too: Path) -> None:
    """The second time without reading the objects: damage to them is not even seen."""
    told: list[Event] = []
    with lab.sample.open() as repository:
        repository.objects.emit = told.append
        first = listed(repository.load_index())
        idents = set(repository.objects.ids(names.INDEX))
        folder = small_too / "index" / repository.id.hex()
        assert set(os.listdir(folder)) == {one.hex() for one in idents}
        for one in idents:
            lab.write(names.object_name(names.INDEX, one), b"damaged")
        assert listed(repository.load_index()) == first
        assert not [event for event in told if isinstance(event, Finding)]


def test_an_object_that_is_gone_leaves_the_cache(lab: Lab, small_too: Path) -> None:
    with lab.sample.open() as repository:
        assert repository.load_index().runs[DATA]
        for one in list(repository.objects.ids(names.INDEX)):
            repository.objects.delete(names.INDEX, one)
        repository.load_index()
        assert os.listdir(small_too / "index" / repository.id.hex()) == []


@pytest.mark.usefixtures("small_too")
def test_an_object_that_cannot_be_searched_counts_as_damaged(lab: Lab) -> None:
    """Its packs' own tables are used; nothing of it is kept."""
    told: list[Event] = []
    with lab.sample.open() as repository:
        repository.objects.emit = told.append
        before = listed(repository.load_index())
        (kind, entries), *_ = before
        contents = encode_index(entries)
        run = IndexRun(contents)
        ids = b"".join(run.ids())
        backwards = b"".join(reversed(list(run.ids())))
        assert backwards != ids
        forged = names.new_id()
        lying = contents.replace(ids, backwards)
        repository.objects.write(kind.index_kind, names.INDEX, forged, lying)
        index = repository.load_index()
    assert index.damaged == [forged]
    assert sorted(map(repr, listed(index))) == sorted(map(repr, before))
    assert any("out of order" in str(event) for event in told)

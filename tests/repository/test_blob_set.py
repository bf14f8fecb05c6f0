"""Sets of blob ids against a plain set, on honest and on lying index objects, in both codes."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twins import CODES, choose, either, needs_extension
from twofold.errors import FormatError
from twofold.format.index import INDEX_BLOB, INDEX_HEAD, IndexRun, PackEntry, PackInfo, encode_index
from twofold.format.pack import FrameEntry
from twofold.native import EXTENSION
from twofold.repository.blob_set import new_blob_set

MODULES = ("twofold.format.index", "twofold.repository.blob_set")


@pytest.fixture(scope="module", params=CODES)
def code(request: pytest.FixtureRequest) -> Iterator[None]:
    """Which of the two codes is asked."""
    yield from either(request.param, *MODULES)


def blob(number: int) -> bytes:
    """An id that differs from its neighbours in one byte only."""
    return b"id" * 12 + number.to_bytes(8, "little")


def entry(pack: int, blobs: list[int], per_frame: int = 3) -> PackEntry:
    """A pack with these blobs, ten bytes each."""
    parts = [blobs[at : at + per_frame] for at in range(0, len(blobs), per_frame)]
    frames = tuple(
        FrameEntry(n, 128 * n, 60, 10 * len(part), 0, tuple((blob(b), 10) for b in part))
        for n, part in enumerate(parts, 1)
    )
    return PackEntry(PackInfo(bytes([pack]) * 16, 1 << 20, b"s" * 32, 0, 1), frames)


def run_of(*packs: list[int]) -> IndexRun:
    """Packs number 0, 1, 2, ... with these blobs."""
    return IndexRun(encode_index(entry(n, blobs) for n, blobs in enumerate(packs)))


BLOBS = st.lists(st.integers(0, 60), max_size=12)
RUNS = st.lists(st.tuples(st.lists(BLOBS, max_size=4), st.sets(st.integers(0, 3))), max_size=4)


@pytest.mark.usefixtures("code")
@given(RUNS, BLOBS)
def test_it_is_the_set_of_what_usable_packs_hold(
    runs: list[tuple[list[list[int]], set[int]]], claimed: list[int]
) -> None:
    """Runs and claims in any order, packs without any frame among them."""
    found, expected = new_blob_set(), set[int]()
    for number, (packs, condemned) in enumerate(runs):
        found.add_run(run_of(*packs), {bytes([n]) * 16 for n in condemned})
        expected |= {b for n, pack in enumerate(packs) if n not in condemned for b in pack}
        for one in claimed[number::4]:
            assert found.claim(blob(one)) == (one not in expected)
            expected.add(one)
    assert {n for n in range(61) if blob(n) in found} == expected


@pytest.mark.usefixtures("code")
@given(RUNS, BLOBS, BLOBS)
def test_many_are_claimed_as_one_by_one(
    runs: list[tuple[list[list[int]], set[int]]], claimed: list[int], asked: list[int]
) -> None:
    """Those of another set are not, and one that is asked for twice is new once."""
    known, found, expected = new_blob_set(), new_blob_set(), new_blob_set()
    for packs, condemned in runs:
        known.add_run(run_of(*packs), {bytes([n]) * 16 for n in condemned})
    for one in claimed:
        found.claim(blob(one)), expected.claim(blob(one))
    fresh = found.claim_many(b"".join(map(blob, asked)), known)
    assert list(fresh) == [blob(n) not in known and expected.claim(blob(n)) for n in asked]
    assert all((blob(n) in found) == (blob(n) in expected) for n in range(61))


@pytest.mark.usefixtures("code")
def test_ids_cut_short_are_refused() -> None:
    found, known = new_blob_set(), new_blob_set()
    with pytest.raises(ValueError, match="32 bytes"):
        found.claim_many(bytes(65), known)
    assert bytes(32) not in found


@pytest.mark.usefixtures("code")
@pytest.mark.parametrize("expected", [0, 1, 100_000])
def test_it_grows(expected: int) -> None:
    """Far beyond what was expected, over several blocks and many doublings."""
    rng = random.Random(expected)
    ids = [rng.randbytes(32) for _ in range(40_000)]
    found = new_blob_set(expected)
    assert all(map(found.claim, ids))
    assert not any(map(found.claim, ids))
    assert all(one in found for one in ids)
    assert not any(rng.randbytes(32) in found for _ in ids)


@pytest.mark.usefixtures("code")
def test_claims_and_runs_mix() -> None:
    """Ordinals of runs and of claims never meet, whatever came first."""
    found = new_blob_set()
    for number in range(40):
        assert found.claim(blob(3 * number))
        found.add_run(run_of([3 * number + 1]))
    assert [n for n in range(121) if blob(n) in found] == [n for n in range(120) if n % 3 < 2]


@pytest.mark.usefixtures("code")
def test_a_claim_is_true_for_one_thread_only() -> None:
    """Eight threads want the same blobs."""
    found = new_blob_set()
    ids = [blob(number) for number in range(3000)]
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: sum(map(found.claim, ids)), range(8)))
    assert sum(outcomes) == len(ids)


@pytest.mark.usefixtures("code")
@pytest.mark.parametrize("length", [0, 31, 33])
def test_ids_of_another_length_are_refused(length: int) -> None:
    found = new_blob_set()
    with pytest.raises(ValueError, match="32 bytes"):
        found.claim(bytes(length))
    with pytest.raises(ValueError, match="32 bytes"):
        assert bytes(length) in found


@pytest.mark.usefixtures("code")
def test_blobs_at_impossible_places_are_left_out() -> None:
    """No such frame; beyond the frame; a frame of no pack. The others stay."""
    data = run_of([1, 2, 3], [4, 5, 6])
    contents = encode_index([entry(0, [1, 2, 3]), entry(1, [4, 5, 6])])
    rows = len(contents) - 6 * INDEX_BLOB.size
    order = [int.from_bytes(one[24:], "little") for one in data.ids()]
    for place, value in ((0, 2), (0, 2**32 - 1), (4, 21), (8, 31), (8, 2**32 - 1)):
        at = rows + place
        changed = contents[:at] + value.to_bytes(4, "little") + contents[at + 4 :]
        found = new_blob_set()
        found.add_run(IndexRun(changed))
        assert [n for n in range(1, 7) if blob(n) in found] == sorted(order[1:])


@needs_extension
@given(st.lists(BLOBS, min_size=1, max_size=4), st.data())
def test_lying_bytes_are_told_or_harmless(packs: list[list[int]], data: st.DataObject) -> None:
    """Any bytes changed: both codes refuse, or say the same of every blob."""
    contents = bytearray(encode_index(entry(n, blobs) for n, blobs in enumerate(packs)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(contents) - 1))
        contents[at] = data.draw(st.sampled_from([0, 1, 2, 127, 128, 255]))
    told = [judged(code, bytes(contents), len(packs)) for code in ("twin", "extension")]
    assert told[0] == told[1]


def judged(code: str, contents: bytes, packs: int) -> object:
    """All there is to learn of an index object, in one of the codes."""
    with pytest.MonkeyPatch.context() as patch:
        choose(patch, code, *MODULES)
        try:
            run = IndexRun(contents)
            run.prove()
        except FormatError as error:
            return str(error)
        found = new_blob_set()
        found.add_run(run, {bytes([packs - 1]) * 16})
        ids = sorted({*run.ids(), *map(blob, range(61))})
        places = [place_of(run, position) for position in range(run.count)]
        return [(one in found, run.positions(one)) for one in ids], places


def place_of(run: IndexRun, position: int) -> object:
    try:
        return run.location(position)
    except FormatError as error:
        return str(error)


@needs_extension
def test_unproven_bytes_never_lead_out_of_the_buffer() -> None:
    """Even columns that nobody proved are searched without a crash."""
    assert EXTENSION is not None
    rng = random.Random(5)
    contents = encode_index(entry(n, list(range(9 * n, 9 * n + 9))) for n in range(4))
    for _ in range(3000):
        lying = bytearray(contents)
        for at in (rng.randrange(INDEX_HEAD.size, len(lying)) for _ in range(rng.randint(1, 60))):
            lying[at] = rng.choice((0, 1, 255, rng.randrange(256)))
        run = IndexRun(bytes(lying))
        found = new_blob_set()
        found.add_run(run, {b"\1" * 16})
        for position, one in enumerate(run.ids()):
            run.positions(one)
            place_of(run, position)
    with pytest.raises(IndexError):
        run.columns.place(run.count)


@needs_extension
def test_strange_arguments_are_refused() -> None:
    assert EXTENSION is not None
    with pytest.raises(ValueError, match="seed"):
        EXTENSION.IndexTable(b"short")
    for expected in (-1, 1 << 40):
        with pytest.raises(OverflowError):
            EXTENSION.IndexTable(bytes(32), expected)
    table = EXTENSION.IndexTable(bytes(32))
    columns = run_of([1], [2]).columns
    with pytest.raises(ValueError, match="one byte per pack"):
        table.add(columns, b"\1")
    with pytest.raises(TypeError):
        table.add(b"columns")
    with pytest.raises(TypeError):
        table.claim("words")
    assert len(table) == 0

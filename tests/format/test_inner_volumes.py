"""Volumes inside of volumes, as image pages tell them: what cannot be is refused."""

from typing import Any

import msgspec
import pytest

from twofold.errors import FormatError
from twofold.format.image import ImagePage, VolumeRecord, inner_runs, pack_runs
from twofold.format.pages import decode_page, encode_page
from twofold.format.records import PageRef

PLAIN = VolumeRecord(3, 0, 1000, "83", "", "", "lvm2", "", "", 1, 9, 0, 9, True, PageRef(bytes(32)))
change = msgspec.structs.replace


def inner(number: int, name: str, runs: list[tuple[int, int]], **changes: Any) -> VolumeRecord:
    size = sum(length for _, length in runs)
    made = change(PLAIN, number=number, name=name, size=size, parent=3, runs=pack_runs(runs))
    return change(made, **changes)


def page(*volumes: VolumeRecord) -> ImagePage:
    return ImagePage(6, 1 << 30, 512, 0, "gpt", 512, "", list(volumes))


ROOT = inner(10_000, "root", [(500, 100), (100, 50)])
HOME = inner(10_001, "home", [(150, 350)])
ALL = (PLAIN, ROOT, HOME)


def test_volumes_side_by_side_are_taken() -> None:
    made = decode_page(encode_page(page(PLAIN, ROOT, HOME)), ImagePage)
    made.check()
    assert [each.called for each in made.volumes] == [3, "3.root", "3.home"]
    assert list(inner_runs(made.volumes[1], 1000)) == [(500, 100), (100, 50)]
    page(ROOT, PLAIN).check()


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a/b", "\x1b[2J", "é", "x" * 128, "root\n"])
def test_names_that_cannot_be_typed_are_no_addresses(name: str) -> None:
    made = change(ROOT, name=name)
    page(PLAIN, made).check()
    assert made.called == 10_000


@pytest.mark.parametrize(
    "volumes",
    [
        [ROOT],
        [PLAIN, change(ROOT, parent=4)],
        [PLAIN, change(ROOT, parent=-3)],
        [PLAIN, change(ROOT, parent=10_000)],
        [PLAIN, ROOT, change(HOME, parent=10_000)],
        [change(PLAIN, parent=10_000), ROOT],
        [PLAIN, change(ROOT, start=5)],
        [PLAIN, change(ROOT, size=149)],
        [PLAIN, change(ROOT, size=151)],
        [PLAIN, change(ROOT, size=-1, runs=b"")],
        [PLAIN, change(ROOT, runs=b"")],
        [PLAIN, change(ROOT, runs=b"\xff" * 20)],
        [PLAIN, change(ROOT, runs=pack_runs([(-1, 150)]))],
        [PLAIN, change(ROOT, runs=pack_runs([(851, 150)]))],
        [PLAIN, change(ROOT, runs=pack_runs([(0, 100), (99, 50)]))],
        [PLAIN, ROOT, inner(10_001, "home", [(149, 10)])],
        [PLAIN, ROOT, inner(10_001, "home", [(0, 1000)])],
        [PLAIN, ROOT, inner(10_001, "root", [(0, 10)])],
        [change(PLAIN, size=-1), ROOT],
        [change(PLAIN, runs=pack_runs([(0, 5)]))],
    ],
)
def test_what_cannot_be_is_refused(volumes: list[VolumeRecord]) -> None:
    with pytest.raises(FormatError):
        page(*volumes).check()


def test_as_many_pieces_as_a_page_has_room_for() -> None:
    """Pieces are looked at once each, in the order of their places."""
    runs = [(2 * n, 1) for n in range(100_000)]
    outer = change(PLAIN, size=200_000)
    page(outer, inner(10_000, "comb", runs[::-1])).check()
    with pytest.raises(FormatError):
        page(outer, inner(10_000, "a", runs[::-1]), inner(10_001, "b", [(150_000, 1)])).check()

"""Whether a blob can be had: in any pack that lists it, by its length, and not where it is lost."""

import pytest

from twofold.format.index import IndexRun, PackEntry, PackInfo, encode_index
from twofold.format.names import BlobKind
from twofold.format.pack import FrameEntry
from twofold.repository import Survey

ONE, TWO, STRANGER = (bytes([number]) * 32 for number in (1, 2, 3))


def pack(number: int, *blobs: tuple[bytes, int]) -> IndexRun:
    """An index object with one pack of one frame."""
    size = sum(length for _, length in blobs)
    frame = FrameEntry(1, 100, size, size, 0, blobs)
    info = PackInfo(bytes([number]) * 16, 1000, bytes(32), 0, 1)
    return IndexRun(encode_index([PackEntry(info, (frame,))]))


@pytest.fixture
def survey() -> Survey:
    """Both blobs in the first pack, one of them in the second as well."""
    found = Survey()
    found.index.add(BlobKind.DATA, pack(1, (ONE, 5), (TWO, 6)))
    found.index.add(BlobKind.DATA, pack(2, (TWO, 6)))
    return found


def had(survey: Survey, length: dict[bytes, int] | None = None) -> list[bytes]:
    """The blobs that can be had, asked twice, for what is remembered in between."""
    blobs = (TWO, ONE, STRANGER, TWO, ONE, STRANGER)
    lengths = length or {}
    found = [each for each in blobs if survey.has(BlobKind.DATA, each, lengths.get(each))]
    assert found[: len(found) // 2] == found[len(found) // 2 :]
    return found[: len(found) // 2]


def test_what_is_listed_can_be_had_in_its_length(survey: Survey) -> None:
    assert had(survey) == [TWO, ONE]
    assert had(survey, {ONE: 5, TWO: 6}) == [TWO, ONE]
    assert had(survey, {ONE: 6, TWO: 5}) == []
    assert not survey.has(BlobKind.META, ONE)


@pytest.mark.parametrize(("lost", "left"), [(1, [TWO]), (2, [TWO, ONE])])
@pytest.mark.parametrize("known", [{}, {ONE: 5, TWO: 6}])
def test_what_one_pack_lost_another_may_have(
    survey: Survey, lost: int, left: list[bytes], known: dict[bytes, int]
) -> None:
    survey.missing.add(bytes([lost]) * 16)
    assert had(survey, known) == left
    survey.missing.clear()
    survey.lost_frames.add((bytes([lost]) * 16, 1))
    assert had(survey, known) == left

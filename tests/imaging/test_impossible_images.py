"""Pages of images that nobody could have captured: refused before anything is written."""

import pytest

from tests.format.volumes import volume_of
from twofold.errors import FormatError
from twofold.format.image import IMAGE, EntryRole, ExtentEntry, ImagePage, VolumeRecord, pack_runs
from twofold.format.segments import pack_blob, pack_zeros
from twofold.graph import PageStore
from twofold.imaging import plan_restore
from twofold.imaging.placing import Part, Span, parts_of
from twofold.imaging.plan import Target

SIZE = 1 << 20
ID = bytes(32)
FRESH = Target(b"/target", 0, 512, is_device=False, fresh=True)
NO_PAGES = PageStore(None)  # type: ignore[arg-type]  # all that is asked for is in the entry


def disk(size: int, *parts: VolumeRecord) -> ImagePage:
    return ImagePage(IMAGE, size, 512, 0, "gpt", 512, "", [*parts])


def test_a_partition_up_to_the_end_of_its_disk_is_restored() -> None:
    page = disk(SIZE, volume_of(SIZE, number=0), volume_of(4096, start=SIZE - 4096))
    assert [part.at for part in plan_restore(page, FRESH).parts] == [SIZE - 4096, 0]


@pytest.mark.parametrize(
    ("start", "size"), [(SIZE, 512), (SIZE - 512, 1024), (0, SIZE + 1), (-512, 512), (0, -512)]
)
def test_a_partition_outside_of_its_disk_is_refused(start: int, size: int) -> None:
    page = disk(SIZE, volume_of(SIZE, number=0), volume_of(size, start=start))
    with pytest.raises(FormatError, match="partition 1"):
        plan_restore(page, FRESH)


def test_a_disk_of_less_than_nothing_is_refused() -> None:
    with pytest.raises(FormatError, match="disk"):
        plan_restore(disk(-512), FRESH)


def test_a_stream_on_a_volume_without_units_lies_nowhere() -> None:
    place = volume_of(SIZE, unit=0)
    runs = pack_runs([(-1, 8)])
    entry = ExtentEntry(5, b"", EntryRole.FILE, 600, runs, pack_blob(ID, 600))
    with pytest.raises(FormatError, match="longer than its units"):
        list(parts_of(NO_PAGES, place, entry, 0))
    empty = ExtentEntry(5, b"", EntryRole.FILE, 0, b"", pack_zeros(0))
    assert list(parts_of(NO_PAGES, place, empty, 0)) == [Part(None, 0, ())]


def test_the_same_stream_on_a_volume_with_units_lies_there() -> None:
    place = volume_of(SIZE, unit=512, units=2048)
    entry = ExtentEntry(5, b"", EntryRole.FILE, 600, pack_runs([(3, 2)]), pack_blob(ID, 600))
    assert list(parts_of(NO_PAGES, place, entry, 0)) == [Part(ID, 600, (Span(1536, 600),), 424)]

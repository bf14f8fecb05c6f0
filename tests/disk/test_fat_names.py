"""Names of FAT: short ones in a code page, long ones in pieces, and pieces left behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.disk.fat_builder import FatBuilder, long_slots, slot
from twofold.disk.fat import open_fat

SHORT = b"LONG~1  TXT"


def names(*slots: bytes, code_page: str = "cp437", bits: int = 16) -> list[bytes]:
    """The names a root directory of these slots has."""
    builder = FatBuilder(bits, 5000 if bits == 16 else 100, root_slots=512)
    builder.root(*slots)
    return [entry.name for entry in open_fat(builder.disk, code_page=code_page).entries(0)]


def notes(*slots: bytes) -> tuple[str, ...]:
    """What is noted about them, but for the local times."""
    builder = FatBuilder(16, 5000, root_slots=512)
    builder.root(*slots)
    fs = open_fat(builder.disk)
    list(fs.entries(0))
    return fs.facts.notes[1:]


@pytest.mark.parametrize(
    ("stored", "case", "name"),
    [
        (b"README  TXT", 0x00, "README.TXT"),
        (b"README  TXT", 0x08, "readme.TXT"),
        (b"README  TXT", 0x10, "README.txt"),
        (b"README  TXT", 0x18, "readme.txt"),
        (b"README     ", 0x18, "readme"),
        (b"A B C D E  ", 0x00, "A B C D.E"),
        (b"\x05BC     X  ", 0x00, "\u03c3BC.X"),
        (b"CAF\x90       ", 0x00, "CAFÉ"),
        (b"CAF\x90       ", 0x08, "café"),
        (b"OD\xe4     S\xe4 ", 0x18, "od\u03c3.s\u03c3"),
        (b"\xb5\x9b        ", 0x00, "╡¢"),
    ],
)
def test_short_names(stored: bytes, case: int, name: str) -> None:
    assert names(slot(stored, case=case)) == [name.encode()]


def test_the_code_page_is_the_callers_choice() -> None:
    assert names(slot(b"\xb5\x9b"), code_page="cp850") == ["Áø".encode()]


@pytest.mark.parametrize("page", ["cp437", "cp850"])
def test_every_byte_of_a_short_name_is_told_apart(page: str) -> None:
    stored = [slot(b"X" + bytes([byte])) for byte in range(0x21, 256) if byte != 0x2F]
    assert len(set(names(*stored, code_page=page))) == len(stored)


@given(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=127))
def test_long_names(name: str) -> None:
    if name in (".", ".."):
        return
    stored = names(*long_slots(name.encode("utf-16-le", "surrogatepass"), SHORT), slot(SHORT))
    assert stored == [name.encode("utf-8", "surrogatepass")]


@pytest.mark.parametrize(
    ("units", "name"),
    [
        (b"a\0\x3d\xd8\x00\xde", "a\U0001f600".encode()),
        (b"a\0\x3d\xd8", b"a\xed\xa0\xbd"),
        (b"\x00\xdeb\0", b"\xed\xb8\x80b"),
    ],
)
def test_surrogates(units: bytes, name: bytes) -> None:
    assert names(*long_slots(units, SHORT), slot(SHORT)) == [name]


@pytest.mark.parametrize("length", [1, 12, 13, 14, 26, 255, 260])
def test_long_names_of_all_lengths(length: int) -> None:
    name = ("abcdefghij" * 26)[:length]
    stored = names(*long_slots(name.encode("utf-16-le"), SHORT), slot(SHORT))
    assert stored == [name.encode()]


@pytest.mark.parametrize("name", [".", "..", "a/b", "../x", "\0x"])
def test_long_names_that_are_no_steps_of_a_path_give_way_to_short_ones(name: str) -> None:
    slots = (*long_slots(name.encode("utf-16-le"), SHORT), slot(SHORT))
    assert names(*slots) == [b"LONG~1.TXT"]
    assert notes(*slots) == ("there are long names that belong to no file",)


def test_short_names_that_are_no_steps_of_a_path_are_left_out_and_told() -> None:
    slots = (slot(b"A/B"), slot(b"A\0B"), slot(b"GOOD"), slot(b"        "))
    assert names(*slots) == [b"GOOD"]
    assert len(notes(*slots)) == 3


LONG = long_slots("a name of three pieces, no less".encode("utf-16-le"), SHORT)


@pytest.mark.parametrize(
    "slots",
    [
        [*LONG, slot(b"OTHER")],
        [*LONG[:-1], slot(SHORT)],
        [*LONG[1:], slot(SHORT)],
        [LONG[0], LONG[2], slot(SHORT)],
        [*reversed(LONG), slot(SHORT)],
        [LONG[0], *LONG, slot(b"OTHER")],
        [*LONG, slot(b"LABEL", 8), slot(SHORT)],
        [*LONG, b"\xe5" + slot(SHORT)[1:], slot(SHORT)],
        [*LONG[:2], LONG[2][:13] + b"\0" + LONG[2][14:], slot(SHORT)],
        [b"\x7f" + LONG[0][1:], slot(SHORT)],
        [slot(SHORT), *LONG],
    ],
)
def test_orphaned_pieces_are_dropped_and_told(slots: list[bytes]) -> None:
    assert names(*slots) in ([b"LONG~1.TXT"], [b"OTHER"])
    assert notes(*slots) == ("there are long names that belong to no file",)


def test_a_long_name_after_orphans_is_read() -> None:
    whole = long_slots("whole".encode("utf-16-le"), b"WHOLE")
    assert names(*LONG[:2], *whole, slot(b"WHOLE")) == [b"whole"]


def test_removed_files_labels_and_what_follows_the_end_are_no_entries() -> None:
    removed = b"\xe5" + slot(b"XEMOVED")[1:]
    slots = (removed, slot(b"LABEL", 8), slot(b"A"), removed, slot(b"B"), bytes(32), slot(b"C"))
    assert names(*slots) == [b"A", b"B"]
    assert notes(*slots) == ()


def test_long_names_removed_with_their_file_are_no_orphans() -> None:
    removed = [b"\xe5" + part[1:] for part in (*LONG, slot(SHORT))]
    assert notes(*removed, slot(b"A")) == ()


def test_the_short_name_is_kept_beside_the_long_one() -> None:
    builder = FatBuilder(12, 100)
    builder.root(*LONG, slot(SHORT, 0x21, case=0x18))
    fs = open_fat(builder.disk)
    (entry,) = fs.entries(0)
    facts = fs.facts_of(entry.file)
    assert (entry.name, facts.short_name) == (b"a name of three pieces, no less", b"LONG~1.TXT")
    assert facts.attributes == 0x21


def test_numbers_are_the_places_of_entries() -> None:
    builder = FatBuilder(12, 100)
    builder.root(slot(b"A"), *LONG, slot(SHORT))
    assert [e.file for e in open_fat(builder.disk).entries(0)] == [
        builder.root_offset // 32,
        builder.root_offset // 32 + 1 + len(LONG),
    ]


def test_names_over_the_border_of_clusters() -> None:
    builder = FatBuilder(32, 100)
    builder.chain(2, 40, 30)
    filler = [slot(b"F%d" % number) for number in range(15)]
    slots = [*filler, *LONG, slot(SHORT)]
    builder.root(*slots[:16])
    builder.disk.write(builder.offset(40), b"".join(slots[16:]))
    fs = open_fat(builder.disk)
    entries = list(fs.entries(0))
    assert entries[-1].name == b"a name of three pieces, no less"
    assert fs.facts_of(entries[-1].file).short_name == b"LONG~1.TXT"

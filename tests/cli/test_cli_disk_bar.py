"""Pictures of disks, as they are seen in a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from twofold.cli.render.base import Line
from twofold.cli.render.disk_bar import DiskPicture, Part, cells, change_lines, disk_lines

MIB, GIB = 1 << 20, 1 << 30

PC = DiskPicture(
    "Fast SSD, /dev/sda",
    931 * GIB,
    (
        Part("1", "EFI system", MIB, 512 * MIB, 36 * MIB),
        Part("2", "Windows", 600 * MIB, 800 * GIB, 512 * GIB),
        Part("3", "Recovery", 801 * GIB, GIB),
    ),
)
SMALL = DiskPicture(
    "Small SSD, /dev/sdb",
    465 * GIB,
    (
        Part("1", "EFI system", MIB, 512 * MIB, 36 * MIB),
        Part("2", "Windows", 600 * MIB, 463 * GIB, 450 * GIB),
        Part("4", "Data", 464 * GIB, GIB),
    ),
)


def text(lines: list[str | Line]) -> str:
    """The lines as they are printed without colours."""
    return "\n".join(line.text if isinstance(line, Line) else line for line in lines)


def test_a_disk() -> None:
    assert text(disk_lines(PC)) == (
        """\
Fast SSD, /dev/sda: 931 GiB
│█░│██████████████████████████████████████░░░░░░░░░░░░░░░░░░░░░░│▒▒│···········│
 1  2                                                            3
1  EFI system   512 MiB  7 % used
2  Windows      800 GiB  64 % used
3  Recovery    1.00 GiB
   free         130 GiB"""
    )


def test_a_disk_in_a_narrow_place() -> None:
    assert text(disk_lines(PC, 40)[:3]) == (
        """\
Fast SSD, /dev/sda: 931 GiB
│█░│████████████████░░░░░░░░░│▒▒│······│
 1  2                         3"""
    )


def test_before_and_after_to_one_scale() -> None:
    assert text(change_lines(PC, SMALL)) == (
        """\
before: Fast SSD, /dev/sda: 931 GiB
│█░│██████████████████████████████████████░░░░░░░░░░░░░░░░░░░░░░│▒▒│···········│
 1  2                                                            3
after: Small SSD, /dev/sdb: 465 GiB
│█░│███████████████████████████████░│▒▒│
 1  2                                4
1  EFI system   512 MiB  →   512 MiB  same place
2  Windows      800 GiB  →   463 GiB  shrunk
3  Recovery    1.00 GiB  →            gone
4  Data                  →  1.00 GiB  new"""
    )


def test_partitions_that_move_and_grow() -> None:
    before = DiskPicture("a", 10 * GIB, (Part("1", "", 0, GIB), Part("2", "x", GIB, GIB)))
    after = DiskPicture("a", 10 * GIB, (Part("1", "", 0, 2 * GIB), Part("2", "x", 2 * GIB, GIB)))
    rows = text(change_lines(before, after)).splitlines()[-2:]
    assert rows == ["1     1.00 GiB  →  2.00 GiB  grown", "2  x  1.00 GiB  →  1.00 GiB  moved"]
    both = DiskPicture("a", 10 * GIB, (Part("2", "x", 2 * GIB, GIB // 2),))
    assert text(change_lines(before, both)).splitlines()[-1].endswith("moved, shrunk")


def test_what_is_written_anew_does_not_move() -> None:
    """Nobody is to think that the partition of the same number survives."""
    before = DiskPicture("a", 4 * GIB, (Part("1", "Photos", 0, GIB), Part("2", "", GIB, GIB)))
    after = DiskPicture("a", 4 * GIB, (Part("1", "EFI", GIB, GIB), Part("2", "x", 2 * GIB, GIB)))
    rows = text(change_lines(before, after, anew=True)).splitlines()[-2:]
    assert [row.split("GiB  ")[-1] for row in rows] == [
        "replaces Photos",
        "replaces what was there",
    ]


def test_an_empty_disk() -> None:
    bar = "│" + "·" * 78 + "│"
    assert (
        text(disk_lines(DiskPicture("New", 4 * GIB, ())))
        == f"New: 4.00 GiB\n{bar}\n\n  free  4.00 GiB"
    )


def test_what_lies_in_a_partition_is_told_and_not_drawn() -> None:
    """Its bytes in use are the partition's, too; it leaves no less room free."""
    parts = (
        Part("p1", "lvm2", 0, 2 * GIB, 0),
        Part("p1.root", "ext4", 0, GIB, GIB, "p1"),
        Part("p1.home", "xfs", 0, GIB, 0, "p1"),
    )
    lines = disk_lines(DiskPicture("d", 4 * GIB, parts), 45)
    assert lines[1] == "│██████████░░░░░░░░░░░│·····················│"
    assert [str(line).split()[0] for line in lines[3:]] == ["p1", "p1.root", "p1.home", "free"]
    assert "50 % used" in str(lines[3]) and "100 % used" in str(lines[4])
    unknown = (*parts, Part("p1.odd", "", 0, 1, None, "p1"))
    assert "▒" in str(disk_lines(DiskPicture("d", 4 * GIB, unknown), 45)[1])


def test_full_and_empty_file_systems_look_it() -> None:
    parts = [Part(str(at), "", at * GIB, GIB, used) for at, used in enumerate((0, 1, GIB - 1, GIB))]
    bar = disk_lines(DiskPicture("d", 4 * GIB, tuple(parts)), 45)[1]
    assert bar == "│░░░░░░░░░░│█░░░░░░░░░│█████████░│██████████│"


def test_more_partitions_than_columns_are_joined() -> None:
    parts = [Part(str(at), f"n{at}", at * GIB, GIB) for at in range(128)]
    lines = disk_lines(DiskPicture("Many", 128 * GIB, tuple(parts)))
    bar = lines[1]
    assert isinstance(bar, str)
    assert len(bar) == 80
    assert set(bar) == {"│", "▒"}
    assert len(lines) == 3 + 128  # the table leaves none out


def test_names_do_not_command_the_terminal() -> None:
    part = Part("1\x1b[31m", "日本語" * 30 + "\x1b]0;x\x07", 0, GIB)
    lines = text(disk_lines(DiskPicture("a\nb" * 60, 2 * GIB, (part,))))
    assert "\x1b" not in lines
    assert len(lines.splitlines()) == 5
    assert "…" in lines


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=26), st.integers(80, 200))
def test_cells_add_up_and_follow_the_sizes(sizes: list[int], room: int) -> None:
    shares = cells(sizes, room)
    assert min(shares) >= 2
    if sum(sizes):
        assert sum(shares) == room
        spare = room - 2 * len(sizes)
        for each, share in zip(sizes, shares, strict=True):
            assert abs(share - 2 - each / sum(sizes) * spare) < 1.001


NAMES = st.text(max_size=8) | st.text(max_size=1).map(lambda one: one * 50)
PARTS = st.builds(
    Part,
    label=NAMES,
    name=NAMES,
    start=st.integers(0, 10**13),
    size=st.integers(0, 10**13),
    used=st.none() | st.integers(0, 10**13),
)
DISKS = st.builds(
    DiskPicture,
    title=NAMES,
    size=st.integers(0, 10**13),
    parts=st.lists(PARTS, max_size=30).map(tuple),
)


def columns_of(line: str) -> int:
    """Columns on a terminal, by the Unicode database."""
    marks = ("Mn", "Me", "Cf")
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in line)
    return len(line) + wide - sum(unicodedata.category(one) in marks for one in line)


@given(DISKS, DISKS)
def test_no_line_is_too_wide_whatever_the_disk(before: DiskPicture, after: DiskPicture) -> None:
    for lines in (disk_lines(before), change_lines(before, after)):
        for line in text(lines).split("\n"):
            assert columns_of(line) <= 80

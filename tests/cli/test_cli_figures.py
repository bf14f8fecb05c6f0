"""Bars of shares and trees of growth, as they are seen in a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from twofold.cli.render.base import Line
from twofold.cli.render.figures import backup_lines, grown_lines, repository_lines
from twofold.cli.render.growth_tree import Grown, growth_lines, signed
from twofold.cli.render.share_bar import Share, percent, share_lines
from twofold.cli.render.words import width, wrapped
from twofold.commands.stats_results import (
    BackupStats,
    FolderGrowth,
    GroupStats,
    GrowthStats,
    RepositoryStats,
    StatsResult,
    VolumeStats,
)
from twofold.view import Amount, Program, Sharing, SystemFacts, User

from .test_cli_disk_bar import text

MIB, GIB = 1 << 20, 1 << 30


def test_shares() -> None:
    shares = [Share("in files", 30 * GIB), Share("in images", 0), Share("only here", GIB, "more")]
    assert text(share_lines(shares, 40)) == (
        """\
│███████████████████████████████████░░░│
█ in files   30.0 GiB   97 %
▓ in images       0 B    0 %
░ only here  1.00 GiB  3.2 %  more"""
    )
    assert text(share_lines([Share("nothing", 0)], 40)) == "█ nothing  0 B  0 %"


def test_percent() -> None:
    assert [percent(part, 1000) for part in (0, 1, 999, 1000)] == ["0 %", "0.1 %", "100 %", "100 %"]
    assert (percent(1, 10**9), percent(5, 0)) == ("< 0.1 %", "500 %")


def test_a_tree_of_growth() -> None:
    folders = [
        Grown((), 300 * MIB, 100 * MIB),
        Grown(("home",), 300 * MIB, 60 * MIB),
        Grown(("home", "blue"), 300 * MIB, 0),
        Grown(("home", "blue", "Videos"), 300 * MIB, 0),
        Grown(("home", "green"), 0, 60 * MIB),
        Grown(("var",), 0, 40 * MIB),
    ]
    assert text(list(growth_lines(folders, 60))) == (
        """\
  +200 MiB  ███████████████░░░░░  /
  +240 MiB  ███████████████░░░      home
  +300 MiB  ███████████████           blue/Videos
 -60.0 MiB  ░░░                       green
 -40.0 MiB  ░░                      var"""
    )


def test_signs() -> None:
    assert [signed(each) for each in (0, 5, -2048)] == ["0 B", "+5 B", "-2.00 KiB"]


names = st.text(st.characters(codec="utf-8"), max_size=30)
sizes = st.integers(0, 1 << 60)
widths = st.integers(30, 120)


def fits(lines: list[str | Line], columns_wide: int) -> bool:
    return all(
        width(line.text if isinstance(line, Line) else line) <= columns_wide for line in lines
    )


@given(st.lists(st.tuples(st.lists(names, max_size=60), sizes, sizes), max_size=20), widths)
def test_any_growth_fits(folders: list[tuple[list[str], int, int]], wide: int) -> None:
    grown = [Grown(tuple(path), new, gone) for path, new, gone in folders]
    assert fits(list(growth_lines(grown, wide)), wide)
    told = [
        FolderGrowth(("/" + "/".join(path)).encode(), len(path), new, gone, 1, 2, 3)
        for path, new, gone in folders
    ]
    growth = GrowthStats(b"a" * 16, 0, b"b" * 16, 10**18, 1 << 60, 5, 6, 7, 8)
    assert fits(list(grown_lines(growth, told, wide)), wide)


@given(st.lists(st.tuples(names, sizes), max_size=8), widths)
def test_any_repository_fits(hosts: list[tuple[str, int]], wide: int) -> None:
    groups = [GroupStats(host, "files", 3, 0, 10**18, each, each, each) for host, each in hosts]
    stats = RepositoryStats(
        id=b"r" * 16,
        location="/" + "x" * 200,
        snapshots=len(hosts),
        forgotten=2,
        bytes_total=1 << 60,
        bytes_chunks=1 << 50,
        bytes_data=1 << 49,
        bytes_metadata=5,
        bytes_stored=1 << 48,
        chunks=7,
        packs=8,
    )
    lines = list(repository_lines(stats, groups, wide))
    assert fits(lines, wide)
    if len(hosts) > 5:
        assert f"{len(hosts) - 4} others" in text(lines)


@given(st.lists(names, min_size=12, max_size=12), st.lists(sizes, min_size=12, max_size=12), widths)
def test_any_image_fits(texts: list[str], numbers: list[int], wide: int) -> None:
    amounts = [Amount(*numbers[at : at + 3]) for at in (0, 3, 6, 9)]
    users = tuple(User(each, "1", each, disabled=True) for each in texts)
    programs = tuple(Program(1, each, each, each, "2026-01-01", each, 32) for each in texts)
    system = SystemFacts(
        partition=1,
        family="windows",
        name=texts[0],
        version=texts[1],
        build=texts[2],
        edition=texts[3],
        computer=texts[4],
        time_zone=texts[5],
        owner=texts[6],
        installed_ns=10**18,
        mounts=tuple(texts),
        users=users,
        programs=programs,
        notes=tuple(texts),
    )
    volume = VolumeStats(1, 1, 0, 1 << 40, 1 << 39, texts[7], texts[8], texts[9], texts[10])
    backup = BackupStats(
        id=b"a" * 16,
        short_id="abcdabcd",
        kind="image",
        time_ns=0,
        end_ns=1,
        host=texts[0],
        name=texts[1],
        tags=(),
        sources=(b"/dev/sda",),
        files=0,
        directories=0,
        bytes_total=numbers[0],
        bytes_read=numbers[1],
        bytes_stored=numbers[2],
        bytes_disk=2 << 40,
        table="gpt",
        sharing=Sharing(amounts[0], amounts[1], amounts[2], amounts[3], 0),
    )
    result = StatsResult(backup=backup, volumes=(volume,), systems=(system,), programs=programs)
    for full in (False, True):
        assert fits(list(backup_lines(result, backup, wide, programs=full)), wide)


@given(st.text(max_size=200), widths)
def test_any_text_is_wrapped(words: str, wide: int) -> None:
    assert all(width(line) <= wide for line in wrapped(words, wide, "    "))

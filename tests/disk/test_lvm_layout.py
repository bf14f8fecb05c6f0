"""Which logical volumes of a group are told, and where they lie: LVM's own, and hostile ones."""

import pytest

from tests.disk.lvm_builder import PE_START, Group, Logical
from twofold.disk import lvm_layout
from twofold.disk.blocks import MemoryBlocks, Pieces, joined
from twofold.disk.lvm_layout import GroupLayout, group_layout
from twofold.errors import FormatError

SIZE = PE_START + (1 << 20)
EXTENT = 8 * 512


def laid_out(group: Group, size: int = SIZE) -> GroupLayout:
    return group_layout(MemoryBlocks(bytes(group.put(bytearray(size)))))


def test_linear_volumes_and_their_pieces() -> None:
    """Neighbouring segments are one piece; the order is that of the volume."""
    volumes = [Logical("root", [(9, 2), (11, 1), (0, 4)]), Logical("home", [(20, 1)])]
    found = laid_out(Group(volumes))
    assert (found.name, found.notes) == ("vg", ())
    assert [(each.name, each.uuid) for each in found.volumes] == [
        ("root", "id of root"),
        ("home", "id of home"),
    ]
    assert found.volumes[0].pieces == (
        (PE_START + 9 * EXTENT, 3 * EXTENT),
        (PE_START, 4 * EXTENT),
    )


def test_hidden_volumes_are_nobodys() -> None:
    """Parts of mirrors and pools have bytes that mean nothing alone."""
    hidden = Logical("pool_tdata", [(0, 4)], status='"READ", "WRITE"')
    assert laid_out(Group([hidden, Logical("root", [(4, 4)])])).volumes[0].name == "root"


@pytest.mark.parametrize("kind", ["thin-pool", "raid1", "mirror", "cache", "snapshot", "vdo", ""])
def test_other_kinds_are_told_and_others_stay(kind: str) -> None:
    found = laid_out(Group([Logical("odd", [(0, 4)], kind), Logical("root", [(4, 4)])]))
    assert [each.name for each in found.volumes] == ["root"]
    assert len(found.notes) == 1 and "'odd' is kept as it is" in found.notes[0]


def test_what_a_snapshot_is_kept_in_is_no_volume() -> None:
    snapshot = (
        'snapshot0 { id = "s" status = ["READ"] segment_count = 1 segment1 { start_extent = 0'
        ' extent_count = 4 type = "snapshot" chunk_size = 8 origin = "root" cow_store = "snap" } }'
    )
    group = Group([Logical("root", [(0, 4)]), Logical("snap", [(4, 4)])], more=snapshot)
    found = laid_out(group)
    assert [each.name for each in found.volumes] == ["root"]
    assert "snapshots read from it" in " ".join(found.notes)


@pytest.mark.parametrize(
    "store, told",
    [("cow_store", [("home", False), ("root", True)]), ("merging_store", [("home", False)])],
)
def test_what_snapshots_read_from_is_shared(store: str, told: list[tuple[str, bool]]) -> None:
    """And what a snapshot is being merged into is neither of the two."""
    snapshot = (
        'snapshot0 { id = "s" status = ["READ"] segment_count = 1 segment1 { start_extent = 0'
        f' extent_count = 4 type = "snapshot" chunk_size = 8 origin = "root" {store} = "snap" }} }}'
    )
    volumes = [Logical("home", [(9, 1)]), Logical("root", [(0, 4)]), Logical("snap", [(4, 4)])]
    found = laid_out(Group(volumes, more=snapshot))
    assert [(each.name, each.shared) for each in found.volumes] == told
    assert sum("'root'" in note for note in found.notes) == 1
    assert sum("'snap'" in note for note in found.notes) == 1


def test_stripes_are_left() -> None:
    striped = (
        'fast { id = "f" status = ["VISIBLE"] segment_count = 1 segment1 { start_extent = 0'
        ' extent_count = 4 type = "striped" stripe_count = 2 stripe_size = 8'
        ' stripes = ["pv0", 0, "pv0", 10] } }'
    )
    found = laid_out(Group([Logical("root", [(40, 4)])], more=striped))
    assert [each.name for each in found.volumes] == ["root"]
    assert "striped" in found.notes[0]


def test_a_group_on_several_disks_is_left() -> None:
    found = laid_out(Group([Logical("root", [(0, 4)])], others=["pv1"]))
    assert found.volumes == ()
    assert "several physical volumes" in found.notes[0]


@pytest.mark.parametrize(
    "pieces",
    [
        [(255, 2)],
        [(256, 1)],
        [(1 << 60, 1)],
        [(0, 1 << 53)],
    ],
)
def test_extents_outside_are_left(pieces: list[tuple[int, int]]) -> None:
    """The last extent that is inside is one; the next is not."""
    inside = laid_out(Group([Logical("root", [(255, 1)])]))
    assert inside.volumes[0].pieces == ((SIZE - EXTENT, EXTENT),)
    found = laid_out(Group([Logical("odd", pieces), Logical("root", [(4, 4)])]))
    assert [each.name for each in found.volumes] == ["root"]


@pytest.mark.parametrize("other", [[(3, 1)], [(0, 9)], [(8, 1), (1, 1)], [(0, 4)]])
def test_volumes_that_share_bytes_are_left_all_of_them(other: list[tuple[int, int]]) -> None:
    found = laid_out(Group([Logical("one", [(0, 4)]), Logical("two", other)]))
    assert found.volumes == ()
    assert "share" in found.notes[0]


def test_a_volume_that_meets_itself_is_left() -> None:
    assert laid_out(Group([Logical("one", [(0, 4), (2, 4)])])).volumes == ()


@pytest.mark.parametrize("name", ["x" * 128, "a/b", "A" + "é"])
def test_names_that_lvm_would_not_give(name: str) -> None:
    """Some are no names even of its text."""
    try:
        found = laid_out(Group([Logical(name, [(0, 4)])]))
    except FormatError:
        return
    assert found.volumes == ()
    assert "its name" in found.notes[0]


def test_too_much_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    volumes = [Logical(f"v{n}", [(2 * n, 1), (2 * n + 60, 1)]) for n in range(5)]
    monkeypatch.setattr(lvm_layout, "MOST_VOLUMES", 3)
    assert len(laid_out(Group(volumes)).volumes) == 3
    monkeypatch.setattr(lvm_layout, "MOST_PIECES", 5)
    found = laid_out(Group(volumes))
    assert [each.name for each in found.volumes] == ["v0", "v1"]
    assert len(found.notes) == 3


def test_pieces_that_are_no_whole_sectors_are_left() -> None:
    disk = bytes(
        Group([Logical("root", [(0, 9)]), Logical("home", [(16, 8)])], sectors=1).put(
            bytearray(SIZE)
        )
    )
    assert len(group_layout(MemoryBlocks(disk)).volumes) == 2
    found = group_layout(MemoryBlocks(disk, 4096))
    assert [each.name for each in found.volumes] == ["home"]
    assert "sectors" in found.notes[0]


def test_texts_of_the_disk_cannot_command_the_terminal() -> None:
    found = laid_out(
        Group([Logical("a", [(0, 1)], "\x1b[2J"), Logical("b", [(1, 1)], volume="\x1b]")])
    )
    assert len(found.notes) == 2
    assert all(note.isprintable() for note in found.notes)


def test_an_empty_volume_is_left() -> None:
    odd = 'odd { id = "o" status = ["VISIBLE"] segment_count = 0 }'
    assert laid_out(Group(more=odd)).volumes == ()


def test_what_is_no_group_is_refused() -> None:
    with pytest.raises(FormatError):
        group_layout(MemoryBlocks(bytes(SIZE)))
    gap = (
        'odd { id = "o" status = ["VISIBLE"] segment1 { start_extent = 5 extent_count = 1'
        ' type = "striped" stripes = ["pv0", 0] } }'
    )
    with pytest.raises(FormatError, match="do not fit"):
        laid_out(Group(more=gap))


# readers of pieces


class Holey(MemoryBlocks, frozen=True):
    """Bytes 100 to 200 are known zeros, 300 to 310 could not be read."""

    def hole(self, offset: int) -> int:
        return max(0, 200 - offset) if offset >= 100 else 0

    def unread(self, offset: int, length: int) -> list[tuple[int, int]]:
        low, high = max(offset, 300), min(offset + length, 310)
        return [(low, high - low)] if low < high else []


WHOLE = Holey(bytes(n * 7 % 251 for n in range(1000)))
RUNS = [(290, 15), (90, 30), (500, 5)]


def test_pieces_read_as_one() -> None:
    pieces = Pieces(WHOLE, 10, RUNS)
    wanted = b"".join(WHOLE.data[10 + start : 10 + start + size] for start, size in RUNS)
    assert (pieces.size, pieces.sector_size) == (50, 512)
    for start in range(51):
        for end in range(start, 51):
            assert pieces.read(start, end - start) == wanted[start:end]
    for start, length in ((-1, 1), (0, 51), (50, 1), (3, -1)):
        with pytest.raises(FormatError):
            pieces.read(start, length)


def test_holes_of_pieces_end_with_the_piece() -> None:
    pieces = Pieces(WHOLE, 10, RUNS)
    assert [pieces.hole(at) for at in (0, 14, 15, 20, 44, 45, 50)] == [0, 0, 30, 25, 1, 0, 0]


def test_what_could_not_be_read_of_pieces() -> None:
    pieces = Pieces(WHOLE, 10, RUNS)
    assert pieces.unread(0, 50) == [(0, 10)]
    assert pieces.unread(4, 3) == [(4, 3)]
    assert pieces.unread(10, 40) == []


def test_neighbours_are_joined() -> None:
    assert list(joined([(0, 5), (5, 5), (20, 1), (10, 3), (13, 1)])) == [(0, 10), (20, 1), (10, 4)]
    assert list(joined([])) == []

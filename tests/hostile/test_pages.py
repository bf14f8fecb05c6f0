"""Metadata pages written with valid keys that break every rule there is: typed errors, exact words.

Each case builds a tree with one thing wrong in it, beside a file that is right. Check must name
what is wrong and only that; reading it must raise ``FormatError`` or ``ObjectDamaged``; the good
file must stay readable.
"""

from collections.abc import Callable

import msgspec
import pytest

from tests.hostile.conftest import Place
from tests.hostile.forge import OWNER, Forge, file_node, folder_node, raw
from twofold.commands.reading import Library
from twofold.errors import DamageFound, NewerFormat
from twofold.events import Event, Finding
from twofold.format.image import pack_runs
from twofold.format.names import BlobKind
from twofold.format.pages import (
    MAX_LEVEL,
    NODES,
    SEGMENTS,
    ExtraStream,
    More,
    Node,
    NodeKind,
)
from twofold.format.records import PageRef, TreeRef
from twofold.format.segments import pack_blob, pack_holes, pack_zeros
from twofold.graph import PageStore, reachable
from twofold.view import ImageDisk, Tree, parse_address, resolve, snapshot_tree

HOUR = b"x" * 100
ONLY_FOR_CHECK = {"page begins elsewhere", "references without names", "names that are numbers"}
"""Keys of references serve to find one name; reading a whole folder does not look at them."""


def bad_folder(forge: Forge, tree: TreeRef) -> TreeRef:
    """A root directory with the bad thing in ``bad`` and a good file beside it."""
    return forge.nodes(folder_node(b"bad", tree), file_node(b"good", forge.data(HOUR), len(HOUR)))


def of_nodes(*nodes: Node) -> Callable[[Forge], TreeRef]:
    """A folder of these nodes."""
    return lambda forge: forge.nodes(*nodes)


def named(*names: bytes) -> Callable[[Forge], TreeRef]:
    """A folder with empty files of these names."""
    return of_nodes(*(file_node(name) for name in names))


def chain_of_references(levels: int) -> Callable[[Forge], TreeRef]:
    """A reference page over a reference page, and so on."""

    def build(forge: Forge) -> TreeRef:
        ident = forge.nodes(file_node(b"leaf")).id
        for level in range(1, levels + 1):
            ident = forge.references(level, (ident, b"leaf"))
        return TreeRef(ident, levels)

    return build


def nested(depth: int) -> Callable[[Forge], TreeRef]:
    """A node whose name is an array in an array in an array."""

    def build(forge: Forge) -> TreeRef:
        packed = raw(NODES, [OWNER], [[b"name"]])
        return TreeRef(forge.add(BlobKind.META, packed[:-6] + b"\x91" * depth + b"\xc0"))

    return build


def level_lie(said: int, true: int) -> Callable[[Forge], TreeRef]:
    def build(forge: Forge) -> TreeRef:
        leaf = forge.nodes(file_node(b"leaf")).id
        return TreeRef(forge.references(true, (leaf, b"leaf")), said)

    return build


def two_pages(
    first: bytes, second: bytes, *, key: bytes | None = None
) -> Callable[[Forge], TreeRef]:
    """Two pages of one file each under a reference page."""

    def build(forge: Forge) -> TreeRef:
        one, two = forge.nodes(file_node(first)).id, forge.nodes(file_node(second)).id
        page = forge.references(1, (one, first), (two, key or second))
        return TreeRef(page, 1)

    return build


def page(*items: object) -> Callable[[Forge], TreeRef]:
    return lambda forge: TreeRef(forge.page(*items))


FOLDERS: dict[str, Callable[[Forge], TreeRef]] = {
    "name dot dot": named(b".."),
    "name dot": named(b"."),
    "empty name": named(b""),
    "slash in name": named(b"a/b"),
    "absolute name": named(b"/etc/passwd"),
    "zero in name": named(b"a\0b"),
    "same name twice": named(b"a", b"a"),
    "names out of order": named(b"b", b"a"),
    "same name on two pages": two_pages(b"a", b"a"),
    "pages out of order": two_pages(b"b", b"a"),
    "page begins elsewhere": two_pages(b"a", b"c", key=b"b"),
    "owner out of range": of_nodes(Node(b"a", NodeKind.FILE, 0, 1, 0)),
    "owner negative": of_nodes(Node(b"a", NodeKind.FILE, 0, -1, 0)),
    "no owners": lambda forge: forge.nodes(file_node(b"a"), owners=()),
    "unknown kind": of_nodes(Node(b"a", 99, 0, 0, 0)),
    "kind nought": of_nodes(Node(b"a", 0, 0, 0, 0)),
    "directory without contents": of_nodes(Node(b"a", NodeKind.DIRECTORY, 0, 0, 0)),
    "chain beyond the highest level": chain_of_references(MAX_LEVEL + 1),
    "chain of fifty levels": chain_of_references(50),
    "level lower than said": level_lie(2, 1),
    "level higher than said": level_lie(1, 2),
    "level nought in a reference page": level_lie(1, 0),
    "negative level": level_lie(-1, -1),
    "leaf where references belong": lambda forge: TreeRef(forge.nodes(file_node(b"a")).id, 1),
    "references where a leaf belongs": lambda forge: TreeRef(
        forge.references(1, (forge.nodes(file_node(b"a")).id, b"a"))
    ),
    "references without names": lambda forge: TreeRef(
        forge.references(1, (forge.nodes(file_node(b"a")).id, None)), 1
    ),
    "names that are numbers": lambda forge: TreeRef(
        forge.references(1, (forge.nodes(file_node(b"a")).id, 7)), 1
    ),
    "nested 17 deep": nested(17),
    "nested 100,000 deep": nested(100_000),
    "page of another kind": page(SEGMENTS, b""),
    "page of no kind": page(77, [OWNER], []),
    "page that is a map": lambda forge: TreeRef(forge.add(BlobKind.META, raw({"a": 1})[1:])),
    "page that is empty": lambda forge: TreeRef(forge.add(BlobKind.META, b"\x90")),
    "page with half a node": page(NODES, [OWNER], [[b"a"]]),
    "name that is text": page(NODES, [OWNER], [["a", 1, 0, 0, 0]]),
    "size beyond 64 bits": page(NODES, [OWNER], [[b"a", 1, 0, 0, 1.5e300]]),
    "array that claims four thousand million": lambda forge: TreeRef(
        forge.add(BlobKind.META, b"\x93\x01\x90\xdd\xff\xff\xff\xff")
    ),
    "bytes that claim four thousand million": lambda forge: TreeRef(
        forge.add(BlobKind.META, b"\x93\x01\x90\xc6\xff\xff\xff\xff")
    ),
    "page beyond its limit": lambda forge: forge.nodes(
        *(file_node(b"%09d" % n, pack_zeros(1), 1) for n in range(40_000))
    ),
    "page that is not there": lambda _forge: TreeRef(b"n" * 32),
    "page that is data": lambda forge: TreeRef(forge.add(BlobKind.DATA, raw(NODES, [OWNER], []))),
    "id that is too short": lambda _forge: TreeRef(b"short"),
    "id that is empty": lambda _forge: TreeRef(b""),
}


@pytest.mark.parametrize("case", FOLDERS, ids=[case.replace(" ", "-") for case in FOLDERS])
def test_a_folder_that_breaks_a_rule(case: str, place: Place) -> None:
    snapshot = place.forge.commit(bad_folder(place.forge, FOLDERS[case](place.forge)))
    result = place.check(read_data=True)
    assert result.exit_code == 5
    (affected,) = result.affected
    assert affected.id == snapshot.id and affected.paths == (b"/bad/",)
    repository = place.again().repository
    tree = Tree(PageStore(repository.blob_reader(repository.load_index())), snapshot.root)
    bad, good = tree.find([b"bad"]), tree.find([b"good"])
    assert bad is not None and good is not None
    if case not in ONLY_FOR_CHECK:
        with pytest.raises(DamageFound):
            list(tree.entries(bad.node))
    assert [segment.length for segment in tree.segments(good.node)] == [len(HOUR)]


# --- contents of files ---------------------------------------------------------------------


def content(packed: bytes, size: int) -> Callable[[Forge], Node]:
    return lambda _forge: file_node(b"bad", packed, size)


def paged(*lengths: int, size: int, said: int | None = None) -> Callable[[Forge], Node]:
    """A file of zero runs, one page each, under a page of references."""

    def build(forge: Forge) -> Node:
        pages = [(forge.segments(pack_zeros(n)), n if said is None else said) for n in lengths]
        ref = TreeRef(forge.references(1, *pages), 1)
        return file_node(b"bad", b"", size, ref=ref)

    return build


def with_more(**more: object) -> Callable[[Forge], Node]:
    return lambda _forge: file_node(b"bad", more=More(**more))  # type: ignore[arg-type]


FILES: dict[str, Callable[[Forge], Node]] = {
    "shorter than its size": content(pack_zeros(70_000), 70_001),
    "longer than its size": content(pack_zeros(70_000), 69_999),
    "nothing of a size": content(b"", 1),
    "negative size": content(pack_zeros(5), -5),
    "half a segment": content(pack_blob(bytes(32), 5)[:-1], 5),
    "unknown segment": content(b"\x07" * 40, 5),
    "blob that is not there": content(pack_blob(b"n" * 32, 5), 5),
    "blob of another length": lambda forge: file_node(
        b"bad", forge.data(b"five!")[:-4] + b"\x06\0\0\0", 6
    ),
    "pages that do not add up": paged(70_000, 80_000, size=150_001),
    "references that lie about lengths": paged(70_000, 80_000, size=150_000, said=75_000),
    "references without lengths": lambda forge: file_node(
        b"bad", b"", 5, ref=TreeRef(forge.references(1, (forge.segments(pack_zeros(5)), None)), 1)
    ),
    "holes that overlap": with_more(holes=pack_holes([(0, 10), (5, 10)])),
    "holes out of order": with_more(holes=pack_holes([(50, 10), (5, 10)])),
    "empty hole": with_more(holes=pack_holes([(5, 0)])),
    "half a hole": with_more(holes=bytes(15)),
    "further stream that does not add up": with_more(
        streams=[ExtraStream(b"ads", 5, pack_zeros(6))]
    ),
    "further stream that is not there": with_more(
        streams=[ExtraStream(b"ads", 5, ref=PageRef(b"n" * 32))]
    ),
    "segments that are nodes": lambda forge: file_node(b"bad", ref=forge.nodes(file_node(b"a"))),
}


@pytest.mark.parametrize("case", FILES, ids=[case.replace(" ", "-") for case in FILES])
def test_a_file_that_breaks_a_rule(case: str, place: Place) -> None:
    forge = place.forge
    good = file_node(b"good", forge.data(HOUR), len(HOUR))
    snapshot = forge.commit(forge.nodes(FILES[case](forge), good))
    result = place.check(read_data=True)
    assert result.exit_code == 5
    (affected,) = result.affected
    assert affected.id == snapshot.id and affected.paths == (b"/bad",)


def test_a_wrong_length_that_adds_up_is_left_to_reading_data(place: Place) -> None:
    """Without ``read_data`` the lengths of data blobs are not looked up."""
    packed = place.forge.data(b"five!")[:-4] + b"\x06\0\0\0"
    place.forge.commit(place.forge.nodes(file_node(b"bad", packed, 6)))
    assert place.check().exit_code == 0


# --- listings, failures, roots -------------------------------------------------------------

LISTINGS: dict[str, tuple[object, ...]] = {
    "half a record": (2, 0, bytes(30), []),
    "name beyond the end": (2, 0, bytes(48) + b"\xff\xff" + bytes(6), []),
    "empty name": (2, 0, bytes(56), []),
    "child that is not there": (2, 0, b"", [[b"sub", [b"n" * 32, 0]]]),
    "of another kind": (1, [OWNER], []),
}


@pytest.mark.parametrize("case", LISTINGS, ids=[case.replace(" ", "-") for case in LISTINGS])
def test_a_listing_that_breaks_a_rule_affects_no_file(case: str, place: Place) -> None:
    listing = PageRef(place.forge.page(*LISTINGS[case]))
    place.forge.commit(place.forge.nodes(file_node(b"a")), listing)
    result = place.check()
    assert result.exit_code == 5
    assert result.affected[0].paths == () and result.affected[0].listings == 1
    assert any("no file is affected" in finding.remedy for finding in result.findings)


def test_a_list_of_failures_that_cannot_be_read_affects_no_file(place: Place) -> None:
    failures = PageRef(place.forge.page(5, [[b"path"]]))
    place.forge.commit(place.forge.nodes(file_node(b"a")), failures=failures)
    result = place.check()
    assert result.exit_code == 5 and result.affected[0].paths == ()


ROOTS: dict[str, dict[str, object]] = {
    "nothing": {},
    "tree that is text": {"tree": "here"},
    "tree without id": {"tree": []},
    "counts that are a list": {"tree": [b"x" * 32], "counts": []},
    "time beyond 64 bits": {"tree": [b"x" * 32], "time_ns": 1e300},
    "files with a disk": {"tree": [b"x" * 32], "image": [b"x" * 32]},
    "image without a disk": {"kind": "image"},
    "image with a directory": {"kind": "image", "tree": [b"x" * 32], "image": [b"x" * 32]},
}


@pytest.mark.parametrize("case", ROOTS, ids=[case.replace(" ", "-") for case in ROOTS])
def test_a_root_that_breaks_a_rule_hides_no_other(case: str, place: Place) -> None:
    good = place.forge.commit(place.forge.nodes(file_node(b"a")))
    bad = place.forge.commit_raw(ROOTS[case])
    result = place.check()
    assert result.exit_code == 5
    assert any(bad.hex() in finding.subject for finding in result.findings)
    assert [each.id for each in place.again().repository.snapshots()] == [good.id]


def test_a_volume_in_another_one_where_it_cannot_be(place: Place) -> None:
    """Nothing of such an image is read; the one before it is whole."""
    good = place.forge.commit(place.forge.nodes(file_node(b"a")))
    empty = place.forge.page(7, [])
    names = ["", "", "", "lvm2", "", ""]
    outer = [3, 0, 4096, *names, 512, 8, 0, 0, True, [empty]]
    for parent, runs in ((3, [(0, 512), (256, 512)]), (3, [(3584, 1024)]), (10_000, [(0, 1024)])):
        inner = [10_000, 0, 1024, *names, 512, 2, 0, 0, True, [empty], parent, pack_runs(runs)]
        page = place.forge.page(6, 4096, 512, 0, "gpt", 512, "", [outer, inner])
        root = {"kind": "image", "image": [page], "time_ns": 5}
        bad = place.forge.commit_raw(root)
        result = place.check()
        assert result.exit_code == 5
        assert any(bad.hex()[:8] in finding.subject for finding in result.findings)
        repository = place.again().repository
        (snapshot,) = (each for each in repository.snapshots() if each.id == bad)
        pages = PageStore(repository.blob_reader(repository.load_index()))
        with pytest.raises(DamageFound):
            ImageDisk(pages, snapshot.root)
    assert good.id in {each.id for each in place.again().repository.snapshots()}


def test_a_kind_of_snapshot_that_nobody_knows_is_listed_and_refused(place: Place) -> None:
    """An older one is not given out instead of it, nothing is said to be whole, nothing is lost."""
    good = place.forge.commit(place.forge.nodes(file_node(b"a")))
    later = {"kind": "tape", "time_ns": 2**62, "reels": [b"x" * 32]}
    bad = place.forge.commit_raw(later)
    repository = place.again().repository
    snapshots = repository.snapshots()
    assert [each.id for each in snapshots] == [good.id, bad]
    for address in ("latest", bad.hex()[:8]):
        with pytest.raises(NewerFormat, match="tape") as caught:
            resolve(parse_address(address), snapshots)
        assert caught.value.exit_code == 1
    assert resolve(parse_address("latest~1"), snapshots).id == good.id
    pages = PageStore(repository.blob_reader(repository.load_index()))
    with pytest.raises(NewerFormat):
        reachable(pages, snapshots[1].root, set())
    with pytest.raises(NewerFormat):
        snapshot_tree(pages, snapshots[1].root, None)
    result = place.check()
    assert (result.exit_code, result.notes) == (0, 1)
    assert bad.hex()[:8] in result.findings[0].subject
    told: list[Event] = []
    repository.emit = told.append
    assert [each.id for each in Library(repository).kept] == [good.id]
    assert [event.subject for event in told if isinstance(event, Finding)] == [
        f"snapshot {bad.hex()[:8]}"
    ]


def test_extreme_numbers_in_a_root_are_only_numbers(place: Place) -> None:
    tree = place.forge.nodes(file_node(b"a"))
    for time_ns in (-(2**63), 2**63 - 1, 2**64 - 1):
        place.forge.commit_raw(
            {
                "tree": [tree.id, 0, 2**63, 2**63, 2**63],
                "time_ns": time_ns,
                "chain": {"source": b"s", "sequence": time_ns, "digest": b"d", "previous": b"p"},
            }
        )
    assert place.check().exit_code == 0


def test_names_with_control_characters_reach_the_report_unharmed(place: Place) -> None:
    """Making them harmless is the business of whoever shows them."""
    name = b"\x1b[31mred\r\n\xff\xe2\x80\xae"
    place.forge.commit(place.forge.nodes(file_node(name, pack_blob(b"n" * 32, 5), 5)))
    result = place.check()
    assert result.affected[0].paths == (b"/" + name,)


def test_a_deep_tree_is_followed_without_recursion(place: Place) -> None:
    """5,000 directories in one another, with something lost at the bottom."""
    tree = place.forge.nodes(file_node(b"f", pack_blob(b"n" * 32, 5), 5))
    for _ in range(5000):
        tree = place.forge.nodes(folder_node(b"d" * 10, tree))
    place.forge.commit(tree)
    result = place.check()
    assert result.affected[0].paths == ((b"/" + b"d" * 10) * 5000 + b"/f",)


def test_repetition_does_not_multiply_the_work(place: Place) -> None:
    """Eight levels of pages that each name the same page 100 times: 10^16 leaves."""
    ident, length = place.forge.segments(pack_zeros(1)), 1
    for level in range(1, 9):
        ident = place.forge.references(level, *[(ident, length)] * 100)
        length *= 100
    node = file_node(b"bomb", b"", 5, ref=TreeRef(ident, 8))
    place.forge.commit(place.forge.nodes(node))
    result = place.check()
    assert result.affected[0].paths == (b"/bomb",)
    assert result.pages == 10


def test_repetition_of_damage_does_not_multiply_the_work_either(place: Place) -> None:
    ident = place.forge.segments(pack_blob(b"n" * 32, 1))
    for level in range(1, 9):
        ident = place.forge.references(level, *[(ident, 1)] * 1000)
    node = file_node(b"bomb", b"", 5, ref=TreeRef(ident, 8))
    place.forge.commit(place.forge.nodes(node))
    assert place.check().affected[0].paths == (b"/bomb",)


def test_what_one_snapshot_misses_every_one_that_shares_it_misses(place: Place) -> None:
    """The second snapshot does not pass over a page because the first one has seen it."""
    bad = place.forge.nodes(file_node(b"f", pack_blob(b"n" * 32, 5), 5))
    trees = [
        place.forge.nodes(folder_node(b"here", bad)),
        place.forge.nodes(folder_node(b"there", bad), folder_node(b"where", bad)),
        place.forge.nodes(file_node(b"fine")),
    ]
    ids = [place.forge.commit(tree).id for tree in trees]
    result = place.check()
    assert {each.id: set(each.paths) for each in result.affected} == {
        ids[0]: {b"/here/f"},
        ids[1]: {b"/there/f", b"/where/f"},
    }


def test_msgpack_extensions_are_refused(place: Place) -> None:
    ext = msgspec.msgpack.Ext(4, b"danger")
    tree = TreeRef(place.forge.page(NODES, [OWNER], [[ext, 1, 0, 0, 0]]))
    place.forge.commit(tree)
    assert place.check().affected[0].paths == (b"/",)

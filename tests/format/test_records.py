"""Records of small objects: round trips, defaults, unknown keys, bounds of the configuration."""

from contextlib import nullcontext

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import FormatError, NewerFormat, RefusedUnsafe
from twofold.format.config import Config
from twofold.format.pages import Node, NodePage, Owner, decode_page, encode_page
from twofold.format.records import (
    Chain,
    Mark,
    PageRef,
    Root,
    SessionRecord,
    TreeRef,
    decode_record,
    encode_record,
)

from . import strategies as own

TEXT = st.text(max_size=10)
CHAIN = st.builds(
    Chain,
    source=st.binary(max_size=16),
    sequence=own.U32,
    previous=st.none() | own.OBJECT_ID,
    digest=st.binary(max_size=32),
)
ROOT = st.builds(
    Root,
    kind=st.sampled_from(["files", "image"]),
    partial=st.booleans(),
    time_ns=own.I64,
    host=TEXT,
    tags=st.lists(TEXT, max_size=3),
    sources=st.lists(st.binary(max_size=20), max_size=3),
    tree=own.TREE_REF,
    listing=st.none() | st.builds(PageRef, own.HASH, st.integers(0, 8)),
    counts=st.dictionaries(TEXT, own.U64, max_size=3),
    parent=st.none() | own.OBJECT_ID,
    chain=CHAIN,
)
SESSION = st.builds(SessionRecord, role=TEXT, host=TEXT, process=own.U32, started_ns=own.I64)
MARK = st.builds(Mark, time_ns=own.I64, host=TEXT)
TREE = TreeRef(b"t" * 32)


@given(st.one_of(ROOT, SESSION, MARK))
def test_records_round_trip(record: Root | SessionRecord | Mark) -> None:
    """Nothing is lost; every truncation and a trailing byte are told."""
    data = encode_record(record)
    assert decode_record(data, type(record)) == record
    for length in range(len(data)):
        with pytest.raises(FormatError):
            decode_record(data[:length], type(record))
    with pytest.raises(FormatError):
        decode_record(data + b"\0", type(record))


def test_missing_keys_take_defaults_and_unknown_ones_are_passed_over() -> None:
    """Records of older and of later programs are read."""
    data = msgspec.msgpack.encode({"tree": [b"t" * 32], "later": {"things": [1, None]}})
    assert decode_record(data, Root) == Root(tree=TREE)
    assert Root(tree=TREE).kind == "files"
    with pytest.raises(FormatError):
        decode_record(msgspec.msgpack.encode({}), Root).check()


HUGE = b"\xff\xff\xff\xff"
HOSTILE = {
    "nothing": b"",
    "an array": b"\x90",
    "a map of four billion": b"\xdf" + HUGE,
    "counts of four billion": b"\x82\xa4tree\x91\xc4\x00\xa6counts\xdf" + HUGE,
    "tags of four billion": b"\x82\xa4tree\x91\xc4\x00\xa4tags\xdd" + HUGE,
    "deep nonsense": b"\x82\xa1x" + b"\x91" * 100_000 + b"\xc0\xa4tree\x91\xc4\x00",
    "deep maps": b"\x82\xa1x" + b"\x81\xa0" * 100_000 + b"\xc0\xa4tree\x91\xc4\x00",
    "keys that are numbers": b"\x82\x01\x02\xa4tree\x91\xc4\x00",
    "an id as text": b"\x81\xa4tree\x91\xa1t",
    "bad text": b"\x82\xa4tree\x91\xc4\x00\xa4host\xa1\xff",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_records_are_refused(data: bytes) -> None:
    """Huge counts, nesting, wrong types: a FormatError, before anything is allocated."""
    with pytest.raises(FormatError):
        decode_record(data, Root)


def test_a_tree_without_its_totals_is_a_page() -> None:
    """The page reference of a tree."""
    assert TreeRef(b"t" * 32, 2, 3, 4, 5).page == PageRef(b"t" * 32, 2)


def test_unknown_features_are_refused() -> None:
    """A mandatory feature that we lack means a newer program, not damage."""
    good = Config(created_ns=1, writer="w")
    good.check()
    assert decode_record(encode_record(good), Config) == good
    with pytest.raises(NewerFormat):
        Config(created_ns=1, writer="w", features_read=["quantum"]).check()


@pytest.mark.parametrize(
    ("features", "refused"),
    [
        ({}, (False, False)),
        ({"features_delete": ["quantum"]}, (False, True)),
        ({"features_write": ["quantum"]}, (True, True)),
    ],
)
def test_who_must_not_write_must_not_delete(
    features: dict[str, list[str]], refused: tuple[bool, bool]
) -> None:
    """All may be read; the later lists are part of the earlier ones."""
    config = Config(created_ns=1, writer="w", **features)  # type: ignore[arg-type]
    config.check()
    for check, no in zip((config.check_writing, config.check_deleting), refused, strict=True):
        with pytest.raises(RefusedUnsafe) if no else nullcontext():
            check()


def test_kinds_of_snapshots_hold_what_they_should() -> None:
    """Of two tops nobody could tell which one counts; unknown kinds are read, and refused."""
    page = PageRef(b"i" * 32)
    Root(tree=TREE).check()
    Root(kind="image", image=page).check()
    for bad in (Root(), Root(tree=TREE, image=page), Root(kind="image"),
                Root(kind="image", tree=TREE, image=page)):  # fmt: skip
        bad.check_kind()
        with pytest.raises(FormatError):
            bad.check()
    Root(kind="tape").check()
    with pytest.raises(NewerFormat, match="tape"):
        Root(kind="tape").check_kind()


@pytest.mark.parametrize(
    ("frame", "pack"),
    [(65535, 32 << 20), ((16 << 20) + 1, 32 << 20), (1 << 20, (1 << 20) - 1), (-1, -1),
     (1 << 20, (1 << 30) + 1)],
)  # fmt: skip
def test_sizes_out_of_bounds_are_refused(frame: int, pack: int) -> None:
    """Frame and pack sizes stay within what the other records can hold."""
    with pytest.raises(FormatError):
        Config(created_ns=1, writer="w", frame_size=frame, pack_size=pack).check()


def test_text_that_is_no_utf8_is_spelled_out() -> None:
    """A Latin-1 user name must not stop a backup; everything else is kept as it is."""
    latin = b"Ren\xe9".decode("utf-8", "surrogateescape")
    root = Root(tree=TREE, host=latin, counts={"excluded:" + latin: 2}, sources=[b"\xe9"])
    read = decode_record(encode_record(root), Root)
    assert read.host == "Ren\\udce9"
    assert read.counts == {"excluded:Ren\\udce9": 2}
    assert msgspec.structs.replace(read, host=latin, counts=root.counts) == root
    page = NodePage(1, [Owner(1, 2, latin)], [Node(b"\xe9", 1, 0o644, 0, -7, ref=TREE)])
    assert decode_page(encode_page(page), NodePage) == NodePage(
        1, [Owner(1, 2, "Ren\\udce9")], page.nodes
    )

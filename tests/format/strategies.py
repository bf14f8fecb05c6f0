"""Values of the format as hypothesis draws them."""

from hypothesis import strategies as st

from twofold.format import envelope, pages
from twofold.format.envelope import Header
from twofold.format.index import PackEntry, PackInfo
from twofold.format.names import Kind
from twofold.format.pack import FrameEntry
from twofold.format.records import TreeRef

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)
BYTE = st.integers(0, 255)
OBJECT_ID = st.binary(min_size=16, max_size=16)
HASH = st.binary(min_size=32, max_size=32)
CLOSE_HASH = st.lists(st.sampled_from([0, 1, 255]), min_size=32, max_size=32).map(bytes)
"""Ids of few different bytes: their concatenation is full of matches at wrong places."""

HEADER = st.builds(
    Header,
    kind=st.sampled_from(Kind),
    aead=st.sampled_from([envelope.AES_256_GCM, envelope.CHACHA20_POLY1305]),
    epoch=U32,
    repository=OBJECT_ID,
    object=OBJECT_ID,
    salt=HASH,
    body_length=U64,
)


@st.composite
def frames(draw: st.DrawFn, ids: st.SearchStrategy[bytes] = HASH) -> tuple[FrameEntry, ...]:
    """Frames of one pack, back to back, each with blobs (or none: padding)."""
    place = draw(st.integers(96, 4096))
    found = []
    for ordinal in range(1, draw(st.integers(0, 6)) + 1):
        blobs = draw(st.lists(st.tuples(ids, st.integers(1, 1 << 20)), max_size=5))
        raw = sum(length for _, length in blobs) or draw(st.integers(0, 1 << 20))
        sealed = draw(st.integers(16, 1 << 21))
        encoding = draw(st.integers(0, 1))
        found.append(FrameEntry(ordinal, place + 32, sealed, raw, encoding, tuple(blobs)))
        place += 32 + sealed
    return tuple(found)


PACK_INFO = st.builds(
    PackInfo, id=OBJECT_ID, size=U64, salt=HASH, epoch=U32, aead=st.sampled_from([1, 2])
)


def pack_entries(ids: st.SearchStrategy[bytes] = HASH) -> st.SearchStrategy[list[PackEntry]]:
    """What one index object lists."""
    return st.lists(st.builds(PackEntry, pack=PACK_INFO, frames=frames(ids)), max_size=5)


NAME = st.binary(min_size=1, max_size=40).filter(
    lambda name: name not in (b".", b"..") and not {0, ord("/")} & set(name)
)
TREE_REF = st.builds(
    TreeRef, id=HASH, level=st.integers(0, 8), directories=U64, files=U64, bytes=U64
)
MORE = st.builds(
    pages.More,
    xattrs=st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=60)), max_size=3),
    flags=U32,
    device=U64,
    holes=st.binary(max_size=64),
    system=st.sampled_from(["", "windows"]),
)
NODE = st.builds(
    pages.Node,
    name=NAME,
    kind=st.sampled_from(list(pages.NodeKind)).map(int),
    mode=st.integers(0, 0o7777),
    owner=st.integers(0, 4095),
    mtime=I64,
    size=U64,
    content=st.binary(max_size=100),
    ref=st.none() | TREE_REF,
    linked=st.booleans(),
    more=st.none() | MORE,
)

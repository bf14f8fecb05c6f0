"""Metadata pages: nodes, listings, references, segments, failures (docs/format/metadata.md).

Those of images are in ``image.py``; all are encoded and decoded here.
"""

import stat
import struct
from array import array
from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import accumulate, chain
from operator import lt
from typing import Any, NoReturn, TypeVar

import blake3
import msgspec

from twofold.errors import FormatError
from twofold.format.image import EXTENTS, IMAGE, ExtentsPage, ImagePage
from twofold.format.layout import Buffer
from twofold.format.records import PageRef, TreeRef, encode_record
from twofold.native import EXTENSION

NODES, LISTING, REFERENCES, SEGMENTS, FAILURES = 1, 2, 3, 4, 5
PAGE_LIMIT = 1 << 20
PAGE_AIM = 512 << 10
MAX_ITEMS = 4096
MAX_REFERENCES = 1024  # with names of 255 bytes still far below the page limit
MAX_LEVEL = 8
NAME_BORDER = 2**32 // 256
SEGMENT_BORDER = 2**32 // 1024
_ROLE_OWNER = struct.Struct("<BQ")


class NodeKind(IntEnum):
    """What an entry is."""

    FILE = 1
    DIRECTORY = 2
    SYMLINK = 3
    FIFO = 4
    SOCKET = 5
    CHARACTER_DEVICE = 6
    BLOCK_DEVICE = 7


_TYPE_OF_KIND: dict[int, int] = {
    NodeKind.FILE: stat.S_IFREG,
    NodeKind.DIRECTORY: stat.S_IFDIR,
    NodeKind.SYMLINK: stat.S_IFLNK,
    NodeKind.FIFO: stat.S_IFIFO,
    NodeKind.SOCKET: stat.S_IFSOCK,
    NodeKind.CHARACTER_DEVICE: stat.S_IFCHR,
    NodeKind.BLOCK_DEVICE: stat.S_IFBLK,
}
_KIND_OF_TYPE = {_TYPE_OF_KIND[kind]: kind for kind in NodeKind}


def kind_of_mode(mode: int) -> NodeKind | None:
    """The node kind for a stat mode, None for types we do not know."""
    return _KIND_OF_TYPE.get(stat.S_IFMT(mode))


def file_type(kind: int) -> int:
    """The stat file type bits for a node kind; ``FormatError`` for a kind we do not know."""
    found = _TYPE_OF_KIND.get(kind)
    if found is None:
        raise FormatError(f"a directory holds an entry of unknown kind {kind}")
    return found


class Owner(msgspec.Struct, frozen=True, array_like=True):
    """Owner of entries, by number and by name."""

    uid: int
    gid: int
    user: str = ""
    group: str = ""


class ExtraStream(msgspec.Struct, frozen=True, array_like=True):
    """A further byte stream of an entry."""

    name: bytes
    size: int
    content: bytes = b""
    ref: PageRef | None = None


class More(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What few entries have."""

    xattrs: list[tuple[bytes, bytes]] = msgspec.field(default_factory=list)
    flags: int = 0
    device: int = 0
    holes: bytes = b""
    streams: list[ExtraStream] = msgspec.field(default_factory=list)
    system: str = ""
    seconds: int = 0


class Node(msgspec.Struct, frozen=True, array_like=True):
    """One entry of a directory, with everything a restore writes."""

    name: bytes
    kind: int
    mode: int
    owner: int
    mtime: int
    size: int = 0
    content: bytes = b""
    ref: TreeRef | None = None
    linked: bool = False
    more: More | None = None

    @property
    def mtime_ns(self) -> int:
        """Time of the last change of contents, ns since 1970, also far from now."""
        return self.mtime if self.more is None else self.mtime + self.more.seconds * 10**9


def split_time(time_ns: int) -> tuple[int, int]:
    """(seconds for ``more``, ns for the node) of a time; seconds are 0 where 64 bits suffice."""
    if -(1 << 63) <= time_ns < 1 << 63:
        return 0, time_ns
    return divmod(time_ns, 10**9)


class Reference(msgspec.Struct, frozen=True, array_like=True):
    """One page below a reference page; ``key`` as docs/format/metadata.md says."""

    id: bytes
    key: bytes | int | None = None


class ChildListing(msgspec.Struct, frozen=True, array_like=True):
    """The listing of a subdirectory."""

    name: bytes
    ref: PageRef


class NodePage(msgspec.Struct, frozen=True, array_like=True):
    """A leaf of a directory: owners, and nodes that refer to them by position."""

    kind: int
    owners: list[Owner]
    nodes: list[Node]


class ListingPage(msgspec.Struct, frozen=True, array_like=True):
    """A leaf of a packed listing, with the listings of the subdirectories on it.

    ``stored`` and ``bytes`` count what the snapshot holds of the page's entries, directories not
    counted; ``excluded`` counts those left out by a rule.
    """

    kind: int
    device: int
    packed: bytes
    children: list[ChildListing]
    stored: int = 0
    bytes: int = 0
    excluded: int = 0


class ReferencePage(msgspec.Struct, frozen=True, array_like=True):
    """Pages of the level below, in order."""

    kind: int
    level: int
    refs: list[Reference]


class SegmentPage(msgspec.Struct, frozen=True, array_like=True):
    """A leaf of a long stream's segments."""

    kind: int
    packed: bytes


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """One thing that could not be backed up, as the ledger keeps it."""

    path: bytes
    action: str
    reason: str


class FailurePage(msgspec.Struct, frozen=True, array_like=True):
    """A leaf of the list of failures."""

    kind: int
    failures: list[Failure]


PageT = TypeVar(
    "PageT",
    NodePage,
    ListingPage,
    ReferencePage,
    SegmentPage,
    FailurePage,
    ImagePage,
    ExtentsPage,
)
Page = NodePage | ListingPage | ReferencePage | SegmentPage | FailurePage | ImagePage | ExtentsPage

_KINDS: dict[type[Any], int] = {
    NodePage: NODES,
    ListingPage: LISTING,
    ReferencePage: REFERENCES,
    SegmentPage: SEGMENTS,
    FailurePage: FAILURES,
    ImagePage: IMAGE,
    ExtentsPage: EXTENTS,
}
_DECODERS = {kind: msgspec.msgpack.Decoder(kind) for kind in _KINDS}


def encode_page(page: Page) -> bytes:
    """A page as MessagePack; ``FormatError`` when it is longer than any reader takes."""
    data = encode_record(page)
    if len(data) > PAGE_LIMIT:
        raise FormatError("a metadata page would be too long")
    return data


def decode_page(data: Buffer, kind: type[PageT]) -> PageT:
    """Read a page of the kind expected; ``FormatError`` for anything else."""
    if len(data) > PAGE_LIMIT:
        raise FormatError("a metadata page is too long")
    try:
        page: PageT = _DECODERS[kind].decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"a metadata page is damaged ({error})") from error
    if page.kind != _KINDS[kind]:
        raise FormatError("a metadata page is of another kind than expected")
    return page


def check_names(nodes: list[Node], after: bytes) -> bytes:
    """Names must be single components, ascending and unique; returns the last one.

    ``after`` is the last name of the page before (empty for the first). Raises ``FormatError``.
    """
    names = [node.name for node in nodes]
    ascending = all(map(lt, chain((after,), names), names))
    if not ascending or b"." in names or b".." in names or _has_separator(names):
        _refuse_names(names, after)
    return names[-1] if names else after


def _has_separator(names: list[bytes]) -> bool:
    joined = b"".join(names)
    return b"/" in joined or b"\0" in joined


def _refuse_names(names: list[bytes], after: bytes) -> NoReturn:
    """Tell which one it is; apart, so that the good way stays quick."""
    for name in names:
        if name <= after or name in (b".", b"..") or b"/" in name or b"\0" in name:
            break
        after = name
    raise FormatError(f"a directory holds an impossible name {name!r}")


def ends_page(page_key: bytes, name: bytes) -> bool:
    """Whether a page border follows the item of this name."""
    digest = blake3.blake3(name, key=page_key).digest(4)
    return int.from_bytes(digest, "little") < NAME_BORDER


def page_ends(page_key: bytes, names: Sequence[bytes]) -> list[bool]:
    """``ends_page`` for each of many names."""
    if EXTENSION is None or not EXTENSION.BLAKE3_KERNELS:
        return [ends_page(page_key, name) for name in names]
    ends = list(accumulate(map(len, names), initial=0))
    spans = array("Q", bytes(16 * len(names)))
    spans[::2], spans[1::2] = array("Q", ends[:-1]), array("Q", ends[1:])
    digests: bytes = EXTENSION.keyed_hashes(page_key, b"".join(names), spans)
    # little-endian, so the number is below 2**24 where its last byte is 0
    return [not last for last in digests[3::32]]


def ends_extents_page(page_key: bytes, role: int, owner: int) -> bool:
    """Whether a page border follows the entry of this role and owner."""
    return ends_page(page_key, _ROLE_OWNER.pack(role, owner))


def extents_page_ends(page_key: bytes, entries: Iterable[tuple[int, int]]) -> list[bool]:
    """``ends_extents_page`` for each of many roles and owners."""
    return page_ends(page_key, [_ROLE_OWNER.pack(role, owner) for role, owner in entries])


def ends_reference_page(blob_id: bytes) -> bool:
    """Whether a border follows this id in a reference page."""
    return int.from_bytes(blob_id[:4], "little") < NAME_BORDER


def ends_segment_page(blob_id: bytes) -> bool:
    """Whether a border follows this blob in segment pages."""
    return int.from_bytes(blob_id[:4], "little") < SEGMENT_BORDER

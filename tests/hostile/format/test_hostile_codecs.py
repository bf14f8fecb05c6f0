"""Every decoder of the format on bytes made to hurt: damage is told, memory and time are bounded.

Valid samples are flipped, cut, spliced and given impossible numbers. A decoder may return a value
(the bytes may happen to be fine) or raise ``FormatError`` or ``NewerFormat``; anything else, and
any large allocation on the way, is a bug.
"""

import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator

import msgspec
import pytest

from twofold.errors import FormatError, NewerFormat
from twofold.format import segments
from twofold.format.compression import compress, decompress
from twofold.format.config import Config
from twofold.format.envelope import Header, decode_body, encode_body
from twofold.format.image import (
    ExtentEntry,
    ExtentsPage,
    ImagePage,
    VolumeRecord,
    iterate_runs,
    pack_runs,
)
from twofold.format.index import IndexRun, PackEntry, PackInfo, encode_index
from twofold.format.keyslot import ARGON2ID, SlotKind, SlotParameters, SlotPayload
from twofold.format.names import Kind
from twofold.format.pack import Footer, FrameEntry, PackTable
from twofold.format.pages import (
    ChildListing,
    Failure,
    FailurePage,
    ListingPage,
    More,
    Node,
    NodePage,
    Owner,
    Reference,
    ReferencePage,
    SegmentPage,
    check_names,
    decode_page,
    encode_page,
)
from twofold.format.records import (
    Mark,
    PageRef,
    Root,
    SessionRecord,
    Target,
    Tombstone,
    TreeRef,
    decode_record,
)
from twofold.seal import Keyring

Decoder = Callable[[bytes], object]
MEMORY = 16 << 20
ID, HASH = b"o" * 16, b"h" * 32
KEYS = Keyring(b"r" * 16, [b"m" * 32], b"d" * 32, 1)


def frames() -> tuple[FrameEntry, ...]:
    """Three frames, the last one padding."""
    blobs = tuple((bytes([n]) * 32, 100) for n in range(20))
    return (
        FrameEntry(1, 128, 2016, 2000, 0, blobs),
        FrameEntry(2, 2176, 116, 100, 1, ((HASH, 100),)),
        FrameEntry(3, 2324, 66, 50, 0),
    )


def nodes() -> NodePage:
    """Every sort of node."""
    more = More(
        xattrs=[(b"user.a", b"b")],
        flags=1,
        device=5,
        holes=segments.pack_holes([(0, 9), (99, 1)]),
        system="windows",
    )
    ref = TreeRef(HASH, 1, 2, 3, 4)
    return NodePage(
        1,
        [Owner(0, 0, "root", "root"), Owner(1000, 1000)],
        [
            Node(b"a", 1, 0o644, 0, 10**18, 100, segments.pack_blob(HASH, 100)),
            Node(b"b", 2, 0o755, 1, -5, ref=ref, more=more),
            Node(b"c", 3, 0o777, 1, 0, content=b"target", linked=True),
        ],
    )


def whole_index(data: bytes) -> None:
    """Use an index object in every way there is."""
    run = IndexRun(data)
    for position, ident in enumerate(run.ids()):
        assert run.find(ident) >= 0 or sorted(run.ids()) != list(run.ids())
        try:
            run.location(position)
        except FormatError:
            continue
    list(run.packs())
    run.pack_entries()


def whole_page(data: bytes) -> None:
    """Use a page of nodes as a restore does."""
    page = decode_page(data, NodePage)
    check_names(page.nodes, b"")
    for node in page.nodes:
        list(segments.iterate(node.content if node.kind == 1 else b""))
        if node.more:
            segments.iterate_holes(node.more.holes)


def whole_extents(data: bytes) -> None:
    """Use a page of extents as a restore does."""
    for entry in decode_page(data, ExtentsPage).entries:
        list(iterate_runs(entry.runs, 1 << 20))
        list(segments.iterate(entry.content))


INFO = PackInfo(ID, 8192, HASH, 0, 1)
INDEX = encode_index([PackEntry(INFO, frames()), PackEntry(INFO, frames())])
LISTING = ListingPage(2, 7, bytes(57), [ChildListing(b"below", PageRef(HASH, 1))])
ROOT = Root(tree=TreeRef(HASH), counts={"stored": 3}, tags=["t"], sources=[b"/home"])
VOLUME = VolumeRecord(1, 0, 9, "83", "", "", "ext4", "", "", 4096, 9, 0, 9, False, PageRef(HASH, 1))
IMAGE_PAGE = ImagePage(6, 1 << 30, 512, 4096, "gpt", 512, "id", [VOLUME])
EXTENTS_PAGE = ExtentsPage(
    7,
    [
        ExtentEntry(12, b"", 1, 99, pack_runs([(5, 3)]), segments.pack_blob(HASH, 99)),
        ExtentEntry(0, b"", 4, 9, pack_runs([(0, 9)]), b"", PageRef(HASH, 0), b"stamp"),
    ],
)
COMPRESSED = bytes(compress(b"text " * 2000)[1])
SAMPLES: dict[str, tuple[bytes, Decoder]] = {
    "header": (Header(Kind.ROOT, 1, 0, ID, ID, HASH, 99).encode(), Header.decode),
    "plain body": (encode_body(b"text", 1 << 20), lambda d: decode_body(d, 1 << 20)),
    "packed body": (encode_body(bytes(9999), 1 << 20), lambda d: decode_body(d, 1 << 20)),
    "object": (KEYS.seal_small(Kind.ROOT, ID, b"t"), lambda d: KEYS.open_small(Kind.ROOT, ID, d)),
    "slot": (
        SlotParameters(ARGON2ID, SlotKind.PASSWORD, 65536, 3, 4).encode(HASH),
        SlotParameters.decode,
    ),
    "table": (PackTable(list(frames())).encode()[:900], PackTable.decode),
    "footer": (Footer(ID, 4096, 900, 100, 3, 9999).encode(), Footer.decode),
    "index": (INDEX, whole_index),
    "zstd": (COMPRESSED, lambda d: decompress(1, d, 10_000)),
    "segments": (
        segments.pack_blob(HASH, 9) + segments.pack_zeros(65536),
        lambda d: list(segments.iterate(d)),
    ),
    "holes": (segments.pack_holes([(0, 5), (9, 9)]), segments.iterate_holes),
    "nodes": (encode_page(nodes()), whole_page),
    "listing": (encode_page(LISTING), lambda d: decode_page(d, ListingPage)),
    "references": (
        encode_page(ReferencePage(3, 1, [Reference(HASH, b"name"), Reference(HASH, 7)])),
        lambda d: decode_page(d, ReferencePage),
    ),
    "segment page": (encode_page(SegmentPage(4, bytes(99))), lambda d: decode_page(d, SegmentPage)),
    "failures": (
        encode_page(FailurePage(5, [Failure(b"/x", "read", "why")])),
        lambda d: decode_page(d, FailurePage),
    ),
    "root": (msgspec.msgpack.encode(ROOT), lambda d: decode_record(d, Root)),
    "session": (
        msgspec.msgpack.encode(SessionRecord(role="writer", host="h")),
        lambda d: decode_record(d, SessionRecord),
    ),
    "mark": (msgspec.msgpack.encode(Mark(time_ns=5)), lambda d: decode_record(d, Mark)),
    "config": (
        msgspec.msgpack.encode(Config(created_ns=1, writer="w", features_read=["f"])),
        lambda d: decode_record(d, Config).check(),
    ),
    "image": (encode_page(IMAGE_PAGE), lambda d: decode_page(d, ImagePage)),
    "extents": (encode_page(EXTENTS_PAGE), whole_extents),
    "runs": (pack_runs([(5, 3), (-1, 9), (1, 2)]), lambda d: list(iterate_runs(d, 1 << 20))),
    "tombstone": (
        msgspec.msgpack.encode(Tombstone(time_ns=5, host="h", targets=[Target(3, ID)])),
        lambda d: decode_record(d, Tombstone),
    ),
    "payload": (
        msgspec.msgpack.encode(SlotPayload([HASH], HASH, "label")),
        lambda d: decode_record(d, SlotPayload),
    ),
}


def mutants(sample: bytes, rng: random.Random, count: int) -> Iterator[bytes]:
    """The sample flipped, cut, spliced with itself, and with extreme numbers in it."""
    extremes = (b"\xff" * 4, b"\0" * 4, b"\xff" * 8, b"\0\0\0\x80", b"\xdd" + b"\xff" * 4, b"\xc1")
    for _ in range(count):
        data = bytearray(sample)
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            place = rng.randrange(len(data) + 1)
            way = rng.randrange(7)
            if way == 0 and place < len(data):
                data[place] ^= 1 << rng.randrange(8)
            elif way == 1 and place < len(data):
                data[place] = rng.randrange(256)
            elif way == 2:
                data[place:] = b""
            elif way == 3:
                data[place:place] = rng.randbytes(rng.randrange(1, 9))
            elif way == 4:
                end = rng.randrange(len(data) + 1)
                data[place:place] = data[min(place, end) : max(place, end)][:200]
            elif way == 5:
                data[place : place + rng.randrange(9)] = b""
            else:
                extreme = rng.choice(extremes)
                data[place : place + len(extreme)] = extreme
        yield bytes(data)
    for _ in range(count // 10):
        yield rng.randbytes(rng.randrange(200))


def attack(name: str, seed: int, count: int) -> None:
    """Feed mutants to a decoder; nothing but refusal or a value may come of it."""
    sample, decode = SAMPLES[name]
    for data in mutants(sample, random.Random(f"{name} {seed}"), count):
        try:
            decode(data)
        except (FormatError, NewerFormat):
            continue
        except Exception as error:
            raise AssertionError(f"{name}: {error!r} on {data.hex()}") from error


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_accepted(name: str) -> None:
    """The attacks begin with something valid (but for the feature nobody knows)."""
    sample, decode = SAMPLES[name]
    if name == "config":
        with pytest.raises(NewerFormat):
            decode(sample)
    else:
        decode(sample)


@pytest.mark.parametrize("name", SAMPLES)
def test_mutants_are_refused_or_read(name: str) -> None:
    """Eight hundred mutants of each sample; little memory is ever taken."""
    tracemalloc.start()
    try:
        attack(name, 0, 800)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEMORY, f"{peak} bytes"


COUNTS = """
import resource
from twofold.errors import FormatError
from twofold.format.image import (
    ExtentEntry,
    ExtentsPage,
    ImagePage,
    VolumeRecord,
    iterate_runs,
    pack_runs,
)
from twofold.format.index import IndexRun
from twofold.format.pack import PackTable
from twofold.format.pages import FailurePage, ListingPage, NodePage, ReferencePage, decode_page
from twofold.format.records import Root, decode_record
from twofold.format.compression import compress, decompress

now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (256 << 20),) * 2)
huge = b"\\xff" * 4
hostile = [
    lambda: decode_page(b"\\x93\\x01\\x90\\xdd" + huge, NodePage),
    lambda: decode_page(b"\\x93\\x01\\xdd" + huge, NodePage),
    lambda: decode_page(b"\\x94\\x02\\x00\\xc6" + huge, ListingPage),
    lambda: decode_page(b"\\x93\\x03\\x01\\xdd" + huge, ReferencePage),
    lambda: decode_page(b"\\x92\\x05\\x91\\x93\\xc4\\x00\\xdb" + huge, FailurePage),
    lambda: decode_record(b"\\xdf" + huge, Root),
    lambda: decode_record(b"\\x81\\xa6counts\\xdf" + huge, Root),
    lambda: decode_record(b"\\x81\\xa4tags\\xdd" + huge, Root),
    lambda: IndexRun(huge * 4),
    lambda: PackTable.decode(huge * 2 + bytes(4088)),
    lambda: decompress(1, compress(bytes(64 << 20))[1], 1000),
]
for number, attempt in enumerate(hostile):
    try:
        attempt()
    except FormatError:
        print(number)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_counts_are_believed_only_as_far_as_the_bytes_go() -> None:
    """Four billion elements in a dozen bytes: refused within 256 MiB of address space."""
    said = subprocess.check_output([sys.executable, "-c", COUNTS], text=True)
    assert said.split() == [str(number) for number in range(11)]

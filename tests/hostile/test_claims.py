"""Objects that claim more than there is: what they cost is bounded, in memory and in time.

Bombs need our keys; long files do not. Each check runs in a process of its own, whose peak memory
is measured; an empty repository takes about 60 MiB.
"""

import os
import sys

import pytest
from msgspec.structs import replace

from tests.hostile.bounded import Cost, run_check
from tests.hostile.conftest import Place
from tests.hostile.forge import file_node, with_frame
from twofold.errors import FormatError
from twofold.format import names
from twofold.format.config import Config
from twofold.format.envelope import BODY, TAG_SIZE, mirror
from twofold.format.index import encode_index
from twofold.format.names import BlobKind, Kind
from twofold.format.pack import FRAME, FrameEntry, section_header
from twofold.format.records import encode_record
from twofold.format.segments import pack_blob
from twofold.pipeline.run import chunker_of
from twofold.repository import PackBuilder

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEN = 10 << 30


def assert_bounded(cost: Cost, rss: float = 300) -> None:
    assert cost.exit_code == 5, cost
    assert cost.rss < rss and cost.seconds < 30, cost


def bomb(size: int) -> bytes:
    """A zstd frame of zeros."""
    packer = zstd.ZstdCompressor(3)
    step = 64 << 20
    parts = [packer.compress(bytes(min(step, size - at))) for at in range(0, size, step)]
    return b"".join([*parts, packer.flush()])


@pytest.mark.parametrize("claim", [1 << 20, 64 << 20, (1 << 32) - 1], ids=["1M", "64M", "4G"])
def test_a_bomb_in_a_frame(claim: int, place: Place) -> None:
    """1 GiB of zeros in a frame that says it holds less, the most there can be, or more."""
    repository = place.forge.repository
    builder = PackBuilder(repository.keys, BlobKind.DATA, 1 << 30)
    packed = bomb(1 << 30)
    front = section_header(FRAME, builder.id, len(packed) + TAG_SIZE, 1, 1)
    sealed = builder._seal.seal(1, packed, front)
    ident = b"b" * 32
    entry = FrameEntry(1, builder._size + len(front), len(sealed), 100, 1, ((ident, 100),))
    builder._append(front + sealed)
    builder._frames.append(entry)
    pack = builder.finish()
    repository.backend.put(pack.name, b"".join(map(bytes, pack.pieces)))
    listed = with_frame(pack.entry, 0, raw_length=claim, blobs=((ident, claim),))
    contents = encode_index([listed])
    repository.objects.write(Kind.DATA_INDEX, names.INDEX, names.new_id(), contents)
    place.forge.commit(place.forge.nodes(file_node(b"bomb", pack_blob(ident, claim), claim)))
    cost = run_check(place.store)
    assert_bounded(cost)
    assert "/bomb" in cost.words


@pytest.mark.parametrize("kind", [Kind.ROOT, Kind.SESSION, Kind.DATA_INDEX, Kind.TOMB])
@pytest.mark.parametrize("claim", ["honest", "small", "huge"])
def test_a_bomb_in_a_small_object(kind: Kind, claim: str, place: Place) -> None:
    keys, ident = place.forge.repository.keys, names.new_id()
    size = (300 << 20) if kind == Kind.DATA_INDEX else (40 << 20)
    packed = bomb(size)
    said = {"honest": size, "small": 100, "huge": (1 << 32) - 1}[claim]
    plain = BODY.pack(1, len(packed), said) + packed
    header = replace(keys.new_header(kind, ident), body_length=len(plain) + TAG_SIZE)
    file = mirror(header.encode() + keys.object_seal(header).seal(0, plain))
    folder = {
        Kind.ROOT: names.ROOTS,
        Kind.SESSION: names.SESSIONS_COMMITTED,
        Kind.DATA_INDEX: names.INDEX,
        Kind.TOMB: names.TOMBS,
    }[kind]
    place.forge.repository.backend.put(names.object_name(folder, ident), file)
    assert_bounded(run_check(place.store))


def test_the_largest_index_object_there_can_be_is_read_and_refused(place: Place) -> None:
    """256 MiB of zeros: within the limit, so it is unpacked, but no index."""
    keys, ident = place.forge.repository.keys, names.new_id()
    contents = bytes(256 << 20)
    file = keys.seal_small(Kind.DATA_INDEX, ident, contents)
    place.forge.repository.backend.put(names.object_name(names.INDEX, ident), file)
    assert_bounded(run_check(place.store), rss=900)


FILES = [folder for folder in names.FOLDERS if folder != names.SESSIONS_FENCED]


@pytest.mark.parametrize("folder", FILES)
def test_a_file_of_ten_gigabytes(folder: str, place: Place) -> None:
    """Needs no key, and costs no memory: no more is read than a header says an object has."""
    path = place.store / names.object_name(folder, names.new_id())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.truncate(path, TEN)
    assert_bounded(run_check(place.store))


def test_a_file_of_ten_gigabytes_with_a_header_that_fits(place: Place) -> None:
    """Still no key: a header that claims the longest index object there can be."""
    keys, ident = place.forge.repository.keys, names.new_id()
    header = replace(keys.new_header(Kind.DATA_INDEX, ident), body_length=256 << 20)
    path = place.store / names.object_name(names.INDEX, ident)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(header.encode())
    os.truncate(path, TEN)
    assert_bounded(run_check(place.store), rss=700)


def test_a_config_of_ten_gigabytes(place: Place) -> None:
    path = place.store / "config.copy"
    path.write_bytes(b"")
    os.truncate(path, TEN)
    assert_bounded(run_check(place.store))


def test_a_pack_that_grew_to_ten_gigabytes(place: Place) -> None:
    """It is read no further than the index says, and nothing in it is lost."""
    place.forge.commit(place.forge.nodes(file_node(b"f", place.forge.data(b"x" * 5000), 5000)))
    for path in place.store.glob("packs/*/*"):
        os.truncate(path, TEN)
    cost = run_check(place.store)
    assert_bounded(cost)
    assert "cannot be restored" not in cost.words


def test_a_pack_of_which_the_index_says_that_it_has_ten_gigabytes(place: Place) -> None:
    """The index is sealed with our keys, the file has a hole as long as it says: still too long."""
    forge = place.forge
    tree = forge.nodes(file_node(b"f", forge.data(b"x" * 5000), 5000))
    forge.store(lambda entry: type(entry)(entry.pack._replace(size=TEN), entry.frames))
    forge.commit(tree)
    for path in place.store.glob("packs/*/*"):
        os.truncate(path, TEN)
    assert_bounded(run_check(place.store))


def test_a_folder_of_strange_files(place: Place) -> None:
    folder = place.store / "strange"
    folder.mkdir()
    for number in range(2_000):
        (folder / str(number)).touch()
    cost = run_check(place.store)
    assert cost.exit_code == 0 and cost.rss < 200, cost


def test_a_config_of_chunks_that_cannot_be(place: Place) -> None:
    """A backup says that the repository is damaged, not that its user asked for nonsense."""
    config = encode_record(Config(created_ns=1, writer="w", chunk_min=0))
    sealed = place.forge.repository.keys.seal_small(Kind.CONFIG, names.new_id(), config)
    for name in (names.CONFIG, names.CONFIG_COPY):
        (place.store / name).write_bytes(sealed)
    with place.again().repository as repository, pytest.raises(FormatError, match="chunk sizes"):
        chunker_of(repository)

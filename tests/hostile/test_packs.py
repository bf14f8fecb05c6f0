"""Packs sealed with our keys that are not what they say: told by reading them whole."""

from tests.hostile.conftest import Place
from tests.hostile.forge import Forge, file_node
from twofold.format import names
from twofold.format.envelope import HEADER
from twofold.format.index import PackEntry, encode_index
from twofold.format.names import BlobKind
from twofold.format.segments import pack_blob
from twofold.repository import PackBuilder

TEXT = b"what the file holds" * 30


def store(forge: Forge, builder: PackBuilder) -> PackEntry:
    """The pack and an index object that agrees with it."""
    pack = builder.finish()
    forge.repository.backend.put(pack.name, b"".join(map(bytes, pack.pieces)))
    contents = encode_index([pack.entry])
    kind = builder.kind.index_kind
    forge.repository.objects.write(kind, names.INDEX, names.new_id(), contents)
    return pack.entry


def commit_file(forge: Forge, ident: bytes) -> None:
    forge.commit(forge.nodes(file_node(b"f", pack_blob(ident, len(TEXT)), len(TEXT))))


def test_contents_that_are_not_those_of_the_id(place: Place) -> None:
    """Table and index agree, the seal is right, but the bytes are other bytes."""
    forge = place.forge
    ident = forge.repository.keys.dedup.blob_id(BlobKind.DATA, TEXT)
    builder = PackBuilder(forge.repository.keys, BlobKind.DATA, 1 << 20)
    builder.add_frame([(ident, len(TEXT))], TEXT[::-1])
    store(forge, builder)
    commit_file(forge, ident)
    assert place.check().exit_code == 0, "only reading it can tell"
    result = place.check(read_data=True)
    assert result.exit_code == 5 and result.affected[0].paths == (b"/f",)
    assert any("not what its table says" in finding.message for finding in result.findings)


def test_frames_with_something_in_between(place: Place) -> None:
    """The bytes between two frames belong to nothing; who walks the sections would stumble."""
    forge = place.forge
    ident = forge.repository.keys.dedup.blob_id(BlobKind.DATA, TEXT)
    builder = PackBuilder(forge.repository.keys, BlobKind.DATA, 1 << 20)
    builder._append(bytes(1000))
    builder.add_frame([(ident, len(TEXT))], TEXT)
    assert builder._size > HEADER.size + 1000
    store(forge, builder)
    commit_file(forge, ident)
    result = place.check(read_data=True)
    assert result.exit_code == 5 and not result.affected
    assert any("do not lie where" in finding.message for finding in result.findings)


def test_a_pack_that_holds_a_blob_twice(place: Place) -> None:
    """Wasteful, but whole."""
    forge = place.forge
    ident = forge.repository.keys.dedup.blob_id(BlobKind.DATA, TEXT)
    builder = PackBuilder(forge.repository.keys, BlobKind.DATA, 1 << 20)
    for _ in range(2):
        builder.add_frame([(ident, len(TEXT))], TEXT)
    store(forge, builder)
    commit_file(forge, ident)
    assert place.check(read_data=True).exit_code == 0

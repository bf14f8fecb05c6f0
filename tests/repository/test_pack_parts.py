"""Packs taken apart: what a hostile footer or section claims never counts before it is checked."""

import os
import struct

import pytest

from tests.repository.damages import find_target
from tests.repository.sample import Lab
from twofold import parity
from twofold.errors import DamageFound, FormatError
from twofold.events import ignore
from twofold.format import names
from twofold.format.envelope import HEADER
from twofold.format.index import PackInfo
from twofold.format.names import BlobKind
from twofold.format.pack import (
    DIGESTS,
    FOOTER,
    FRAME,
    TABLE,
    Footer,
    FrameEntry,
    section_header,
)
from twofold.repository import PackReader
from twofold.repository.pack_check import PackExaminer
from twofold.repository.pack_repair import parse_pack, walk

PACK = bytes(range(16))


@pytest.fixture
def large(lab: Lab) -> tuple[bytes, bytes]:
    name = find_target("data-pack", lab, lab).name
    return names.id_from_name(name), lab.files[name]


@pytest.fixture
def reader(lab: Lab) -> PackReader:
    repository = lab.sample.open()
    return PackReader(repository.backend, repository.keys, ignore)


def test_a_whole_pack_has_no_faults(large: tuple[bytes, bytes], reader: PackReader) -> None:
    image = parse_pack(*large)
    assert not image.problems and not image.faults()
    assert walk(*large) == image.footer


@pytest.mark.parametrize("share", [0.5, 0.9, 0.97, 0.999])
def test_walking_a_cut_pack_gives_the_parts_that_are_there(
    share: float, large: tuple[bytes, bytes]
) -> None:
    ident, data = large
    true = parse_pack(ident, data).footer
    found = walk(ident, data[: int(len(data) * share)])
    if share > 0.95:
        assert found == true
    else:
        assert found is None or found.groups in (0, true.groups if true else 0)


CLAIMS = {
    "table far away": {"table_offset": 1 << 60},
    "table before the frames": {"table_offset": 10},
    "table of 4 GiB": {"table_length": (1 << 32) - 1},
    "digests of 4 GiB": {"digests_length": (1 << 32) - 1},
    "parity of 32 TiB": {"groups": (1 << 32) - 1},
    "no parity": {"groups": 0},
    "one group": {"groups": 1},
    "another length": {"copy_length": 77},
}


@pytest.mark.parametrize("claim", CLAIMS, ids=[claim.replace(" ", "-") for claim in CLAIMS])
def test_a_footer_that_does_not_fit_is_not_believed(
    claim: str, large: tuple[bytes, bytes], reader: PackReader
) -> None:
    """Anybody can make a valid footer: no key is needed. The sections tell the truth."""
    ident, data = large
    true = parse_pack(ident, data).footer
    assert true is not None
    fields = {name: getattr(true, name) for name in Footer.__struct_fields__} | CLAIMS[claim]
    forged = data[: -FOOTER.size] + Footer(**fields).encode()
    image = parse_pack(ident, forged)
    assert image.problems == ["its footer does not fit its size"]
    assert image.footer == true
    reader.parse(ident, forged)


def test_a_forged_list_of_digests_cannot_claim_memory() -> None:
    """A section of digests that says there are a million parity groups: the pack is refused."""
    table = section_header(TABLE, PACK, 100) + bytes(100)
    digests = section_header(DIGESTS, PACK, 16 << 20) + bytes(16 << 20)
    data = bytes(HEADER.size) + table + digests
    assert walk(PACK, data) is None


def test_endless_sections_end() -> None:
    one = section_header(FRAME, PACK, 0)
    assert walk(PACK, bytes(HEADER.size) + one * 300_000) is None


@pytest.mark.parametrize("seed", range(40))
def test_noise_is_no_pack(seed: int, reader: PackReader) -> None:
    data = os.urandom(seed * 700)
    image = parse_pack(PACK, data)
    assert image.faults()
    with pytest.raises(DamageFound):
        reader.parse(PACK, data)


def test_every_pack_of_a_sample_survives_mutation(lab: Lab, reader: PackReader) -> None:
    """Random damage anywhere: a verdict, never a crash; a verdict of health only if it is true."""
    import random

    chance = random.Random(7)
    examiner = PackExaminer(reader, lab.sample.open().keys.dedup, lambda _pack: None)
    small = [name for name in lab.names("packs") if len(lab.files[name]) < 1 << 20]
    for name in small * 6:
        data = bytearray(lab.files[name])
        for _ in range(chance.randrange(1, 4)):
            start = chance.randrange(len(data))
            length = chance.choice([1, 1, 8, 600, 5000])
            data[start : start + length] = chance.randbytes(min(length, len(data) - start))
        verdict = examiner.examine(names.id_from_name(name), bytes(data), None)
        assert verdict.healthy == (bytes(data) == lab.files[name])


def test_a_frame_that_claims_too_much_is_refused(reader: PackReader) -> None:
    pack = PackInfo(PACK, 1000, bytes(32), 0, 1)
    frame = FrameEntry(1, 128, 500, (64 << 20) + 1, 1)
    with pytest.raises(FormatError, match="longer than any"):
        reader.open_frame(BlobKind.DATA, pack, frame, b"")


def test_the_table_at_the_end_serves_when_the_first_is_lost(
    large: tuple[bytes, bytes], reader: PackReader
) -> None:
    """More of the pack is gone than parity bears, but not what says where its frames are."""
    ident, data = large
    footer = parse_pack(ident, data).footer
    assert footer is not None
    start, end = footer.table_offset - 50_000, footer.parity_offset + footer.parity_length - 9000
    damaged = data[:start] + bytes(end - start) + data[end:]
    _, whole = reader.parse(ident, damaged)
    assert whole.table == reader.parse(ident, data)[1].table


def test_parity_that_was_made_wrong_is_found(large: tuple[bytes, bytes], lab: Lab) -> None:
    """Wrong parity with right digests: only putting it to use shows it."""
    ident, data = large
    footer = parse_pack(ident, data).footer
    assert footer is not None
    size = footer.digests_offset
    wrong = os.urandom(footer.parity_length)
    rows = parity.shard_digests(data[:size]) + parity.shard_digests(wrong)
    front = section_header(DIGESTS, ident, len(rows) + 8)
    from twofold.format.pack import short_digest

    digests = front + rows + short_digest(front + rows)
    gap = bytes(footer.parity_offset - size - len(digests))
    table = data[footer.table_offset : size]
    forged = data[:size] + digests + gap + wrong + table + digests + footer.encode()
    assert len(forged) == len(data)
    lab.write(names.object_name(names.PACKS, ident), forged)
    result = lab.sample.check(read_data=True)
    assert result.exit_code == 5 and not result.affected
    assert "its parity does not fit its contents" in result.findings[0].message


def test_a_pack_too_long_to_be_one_is_not_read(lab: Lab) -> None:
    """A file of 100 GiB (with a hole) in the place of a pack that no index lists."""
    name = names.object_name(names.PACKS, PACK)
    lab.write(name, b"")
    os.truncate(lab.path(name), 100 << 30)
    result = lab.sample.check(read_data=True)
    assert result.exit_code == 5
    assert any("longer than any pack can be" in finding.message for finding in result.findings)


def test_digest_sizes_are_as_the_format_says(large: tuple[bytes, bytes]) -> None:
    ident, data = large
    footer = parse_pack(ident, data).footer
    assert footer is not None
    shards = -(-footer.digests_offset // parity.SHARD_SIZE)
    assert footer.digests_length == 32 + 8 * (shards + 2 * footer.groups) + 8
    assert struct.unpack_from("<Q", data, len(data) - 16)[0] == len(data)

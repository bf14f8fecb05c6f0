"""Reading back from targets whose storage holds something else than the system's cache."""

import os
from dataclasses import dataclass

from twofold.format.layout import Buffer
from twofold.format.names import BlobKind
from twofold.imaging.new_ids import Patch, PatchedTarget
from twofold.imaging.placing import Part, Span
from twofold.imaging.proving import prove
from twofold.imaging.writing import DiskTarget
from twofold.parallel import Threads
from twofold.seal import DedupKeys

KEYS = DedupKeys(bytes(32))
SIZE = 64 << 10


@dataclass
class TwoFaced:
    """A target: what reads give, and what is on the storage."""

    shown: bytearray
    stored: bytearray

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.shown[offset : offset + length])

    def read_stored(self, offset: int, length: int) -> Buffer:
        return self.stored[offset : offset + length]

    def write_at(self, data: Buffer, offset: int) -> None:
        raise AssertionError

    def write_zeros(self, offset: int, length: int) -> None:
        raise AssertionError

    def sync(self) -> None:
        raise AssertionError


def differing(target: DiskTarget, parts: list[Part]) -> list[Part]:
    with Threads(2, "test") as threads:
        return [part for proof in prove(target, parts, KEYS, threads) for part in proof.differing]


def test_what_the_storage_holds_is_proven() -> None:
    data = os.urandom(100 * SIZE)
    parts = [
        Part(KEYS.blob_id(BlobKind.DATA, data[at : at + SIZE]), SIZE, (Span(at, SIZE),))
        for at in range(0, len(data), SIZE)
    ]
    target = TwoFaced(bytearray(data), bytearray(data))
    assert differing(target, parts) == []
    target.stored[70 * SIZE + 5] ^= 1
    assert differing(target, parts) == [parts[70]]
    target.stored[:] = data
    target.shown[:] = bytes(len(data))  # nobody asks the cache
    assert differing(target, parts) == []


def test_so_it_is_where_new_ids_are_given() -> None:
    data = os.urandom(4 * SIZE)
    parts = [
        Part(KEYS.blob_id(BlobKind.DATA, data[at : at + SIZE]), SIZE, (Span(at, SIZE),))
        for at in range(0, len(data), SIZE)
    ]
    at = SIZE + 100
    new = bytearray(data)
    new[at : at + 16] = b"the new identity"
    target = TwoFaced(bytearray(len(data)), new)
    patched = PatchedTarget(target, [Patch(at, data[at : at + 16], b"the new identity")])
    assert differing(patched, parts) == []
    new[at] ^= 1
    assert differing(patched, parts) == [parts[1]]

"""Digests of shards by every kernel, against the library; data that are no whole shards. And the
CRC-32C of the same, against its twin.

An input is a header, then steps that make the data (``material.py``).
"""

from struct import Struct

from tests.native.fuzz.material import expand, memory
from twofold.disk import crc32c
from twofold.native import EXTENSION
from twofold.parity import SHARD_SIZE, shard_digests
from twofold.parity.encode import shard_digests_twin

HEADER = Struct("<BBH")  # flags, kernel, bytes cut off
LARGEST = 40 * SHARD_SIZE  # more than two rounds of sixteen lanes


def target(data: bytes) -> None:
    """Raises AssertionError where the extension is wrong."""
    assert EXTENSION is not None, "there is no extension to fuzz"
    flags, number, short = HEADER.unpack(data[: HEADER.size].ljust(HEADER.size, b"\1"))
    material = expand(data[HEADER.size :], LARGEST)
    if flags & 1:
        material = material[: len(material) // SHARD_SIZE * SHARD_SIZE]
    elif flags & 2:
        material = material[short:]
    some = memoryview(memory(material[:3000])).cast("B")
    assert crc32c.remainder(short, some) == crc32c.remainder_twin(short, some)
    wanted = shard_digests_twin(memoryview(material))
    held = memory(material)
    assert shard_digests(memoryview(held).cast("B")) == wanted
    kernels = [*EXTENSION.BLAKE3_KERNELS, "unknown"]
    kernel = kernels[number % len(kernels)]
    try:
        found = EXTENSION.shard_digests(held, kernel)
    except ValueError:
        found = None
    possible = kernel != "unknown" and len(material) % SHARD_SIZE == 0
    assert found == (wanted if possible else None), kernel

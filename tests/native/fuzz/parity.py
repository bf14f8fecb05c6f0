"""P and Q of any data for any number of groups, against the twin; and what they give back.

Every kernel must give what the twin gives, impossible numbers of groups are refused, and with two
shards of each group lost ``salvage`` finds and rebuilds them all.

An input is a header, then steps that make the data (``material.py``).
"""

from struct import Struct

from tests.native.fuzz.material import expand, memory
from twofold.native import EXTENSION
from twofold.parity import SHARD_SIZE, Layout, salvage, shard_digests
from twofold.parity.encode import encode_twin

HEADER = Struct("<BBBq")  # flags (2: rebuild), kernel, shard to lose, groups
LARGEST = 11 * SHARD_SIZE + 7
MANY = 1 << 40  # groups whose parity no machine has room for


def target(data: bytes) -> None:
    """Raises AssertionError where the extension is wrong."""
    assert EXTENSION is not None, "there is no extension to fuzz"
    head = data[: HEADER.size].ljust(HEADER.size, b"\1")
    flags, number, lost, groups = HEADER.unpack(head)
    material = expand(data[HEADER.size :], LARGEST)
    kernel = [*EXTENSION.PARITY_KERNELS, None, "unknown"][
        number % (len(EXTENSION.PARITY_KERNELS) + 2)
    ]
    if 0 < groups < MANY:
        groups = 1 + groups % 40
    wanted = _twin(material, groups, kernel)
    try:
        words = () if kernel is None else (kernel,)
        found = EXTENSION.parity(memory(material), groups, *words)
    except (ValueError, MemoryError, OverflowError):
        found = None
    assert found == wanted, (groups, kernel)
    if flags & 2 and found is not None:
        _check_rebuilding(material, groups, found, lost)


def _twin(material: bytes, groups: int, kernel: str | None) -> bytes | None:
    if not 0 < groups < MANY or kernel == "unknown":
        return None
    shards = -(-len(material) // SHARD_SIZE)
    layout = Layout(len(material), shards, groups, -(-shards // groups))
    return encode_twin(memoryview(material), layout)


def _check_rebuilding(material: bytes, groups: int, parity: bytes, lost: int) -> None:
    shards = -(-len(material) // SHARD_SIZE)
    if not shards:
        return
    first = lost % shards
    torn = bytearray(material)
    for shard in range(first, min(first + 2 * groups, shards)):
        torn[shard * SHARD_SIZE] ^= 1 + lost % 255
        torn[min((shard + 1) * SHARD_SIZE, len(torn)) - 1] ^= 0x80
    digests = shard_digests(material), shard_digests(parity)
    again = salvage(torn, len(material), parity, *digests)
    assert (again.data, again.lost, again.parity_shards) == (material, (), ())

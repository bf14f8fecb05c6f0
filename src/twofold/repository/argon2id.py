"""Argon2id, for which one waits at every start: by the extension where it can, else by the library.

The library is written for any processor and takes one block after the other on one thread. The
extension uses the vectors of this processor, a thread for every two lanes, fetches blocks ahead,
and asks for large pages, which spare look-ups of addresses that are spread over the whole memory.
The key is the same (RFC 9106, version 0x13); decision 0020 has the figures.

Memory is not wiped afterwards: it goes back to the system, which gives it to nobody before it has
cleared it, and the password that it was made of is in this process in any case.
"""

import contextlib
import hashlib
import mmap
from struct import pack
from threading import Lock
from typing import NamedTuple

from twofold.format.keyslot import SlotParameters
from twofold.native import EXTENSION
from twofold.processes import processors

_BLOCK = 1024
_VERSION, _ARGON2ID = 0x13, 2
_SLICES = 4
_WHOLE, _HALF = 64, 32

_one_at_a_time = Lock()
"""OpenSSL 4.0.3 fails or hangs when two threads derive with several lanes at the same moment."""


class Inputs(NamedTuple):
    """What is stretched; ``key`` and ``data`` are the two that Twofold leaves empty."""

    secret: bytes
    salt: bytes
    key: bytes = b""
    data: bytes = b""


def argon2id(parameters: SlotParameters, secret: bytes, salt: bytes) -> bytes:
    """The key of 32 bytes.

    Raises:
        MemoryError: there is not as much memory.
    """
    if EXTENSION is not None and EXTENSION.ARGON2_KERNELS:
        return by_lanes(parameters, Inputs(secret, salt))
    return by_library(parameters, secret, salt)


def by_library(parameters: SlotParameters, secret: bytes, salt: bytes) -> bytes:
    """The same by the library."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: PLC0415 (seldom needed)

    derivation = Argon2id(
        salt=salt,
        length=_HALF,
        iterations=parameters.iterations,
        lanes=parameters.lanes,
        memory_cost=parameters.memory_kib,
    )
    with _one_at_a_time:
        return derivation.derive(secret)


def by_lanes(parameters: SlotParameters, inputs: Inputs, kernel: str | None = None) -> bytes:
    """The same by the extension, with its best kernel or one of ``ARGON2_KERNELS``."""
    assert EXTENSION is not None, "asked for only where it is"
    passes, lanes = parameters.iterations, parameters.lanes
    row = parameters.memory_kib // (_SLICES * lanes) * _SLICES * _BLOCK
    start = _start(parameters, inputs)
    with _memory(row * lanes) as memory:
        for lane in range(lanes):
            first = b"".join(_long_hash(start + pack("<II", i, lane), _BLOCK) for i in range(2))
            memory[lane * row : lane * row + len(first)] = first
        last: bytes = EXTENSION.argon2id_fill(memory, passes, lanes, _threads(lanes), kernel)
    return _long_hash(last, _HALF)


def _threads(lanes: int) -> int:
    """Two lanes for each: while one is worked on, memory for the other comes."""
    return max(1, min(processors(), lanes // 2))


def _memory(size: int) -> mmap.mmap:
    """So many bytes of zeros, in large pages if the system has them at hand."""
    large: int | None = getattr(mmap, "MADV_HUGEPAGE", None)  # Linux; only of private memory
    access = mmap.ACCESS_WRITE if large is None else mmap.ACCESS_COPY
    try:
        memory = mmap.mmap(-1, size, access=access)
    except OSError as error:
        raise MemoryError from error
    advise = getattr(memory, "madvise", None)
    if advise is not None and large is not None:
        with contextlib.suppress(OSError):  # a kernel without them
            advise(large)
    return memory


def _start(parameters: SlotParameters, inputs: Inputs) -> bytes:
    """H0, the 64 bytes that all is made of (section 3.2, step 1)."""
    numbers = (parameters.lanes, _HALF, parameters.memory_kib, parameters.iterations)
    head = pack("<6I", *numbers, _VERSION, _ARGON2ID)
    fields = b"".join(pack("<I", len(field)) + field for field in inputs)
    return hashlib.blake2b(head + fields).digest()


def _long_hash(data: bytes, length: int) -> bytes:
    """H', a hash of any length (section 3.3)."""
    head = pack("<I", length) + data
    if length <= _WHOLE:
        return hashlib.blake2b(head, digest_size=length).digest()
    value, parts = hashlib.blake2b(head).digest(), []
    left = length
    while left > _WHOLE:
        parts.append(value[:_HALF])
        left -= _HALF
        value = hashlib.blake2b(value, digest_size=min(left, _WHOLE)).digest()
    return b"".join([*parts, value])

"""Argon2id with any numbers by every kernel, against the reference; numbers that it cannot have.

An input is a header, then the secret.
"""

import contextlib
from struct import Struct

from argon2.low_level import Type, hash_secret_raw

from tests.native.fuzz.material import memory
from twofold.format.keyslot import ARGON2ID, SlotKind, SlotParameters
from twofold.native import EXTENSION
from twofold.repository.argon2id import Inputs, by_lanes

HEADER = Struct(
    "<BBIIIH"
)  # flags (7: none of them for a comparison), kernel, passes, lanes, threads, KiB
SALT = b"some salt"
BLOCK = 1024
IMPOSSIBLE = 1 << 30  # passes that are refused; fewer would be made


def target(data: bytes) -> None:
    """Raises AssertionError where the extension is wrong."""
    assert EXTENSION is not None, "there is no extension to fuzz"
    head = data[: HEADER.size].ljust(HEADER.size, b"\1")
    flags, number, passes, lanes, threads, kib = HEADER.unpack(head)
    kernels = [*EXTENSION.ARGON2_KERNELS, "unknown"]
    kernel = kernels[number % len(kernels)]
    if flags & 7:
        _fill(kernel, passes if passes >= IMPOSSIBLE else passes % 3, lanes, threads, kib % 70)
    elif kernel != "unknown":
        lanes = 1 + lanes % 3
        _compare(data[HEADER.size :], kernel, 1 + passes % 3, lanes, 8 * lanes + kib % 40)


def _fill(kernel: str, passes: int, lanes: int, threads: int, kib: int) -> None:
    assert EXTENSION is not None
    whole = passes and lanes and kib >= 8 * lanes and kib % (4 * lanes) == 0
    held = memory(bytes(kib * BLOCK))
    last = b""
    with contextlib.suppress(ValueError):
        last = EXTENSION.argon2id_fill(held, passes, lanes, threads, kernel)
    possible = whole and passes < IMPOSSIBLE and kernel != "unknown"
    assert len(last) == (BLOCK if possible else 0), (passes, lanes, kib)


def _compare(secret: bytes, kernel: str, passes: int, lanes: int, kib: int) -> None:
    parameters = SlotParameters(ARGON2ID, SlotKind.PASSWORD, kib, passes, lanes)
    wanted = hash_secret_raw(secret, SALT, passes, kib, lanes, 32, Type.ID)
    assert by_lanes(parameters, Inputs(secret, SALT), kernel) == wanted, parameters

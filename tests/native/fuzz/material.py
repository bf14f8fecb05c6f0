"""Data made from few bytes: literals, zeros and repetitions, in memory of exactly its size."""

import ctypes
from struct import Struct

STEP = Struct("<BH")


def expand(steps: bytes, most: int) -> bytes:
    """The data that steps describe, at most so many bytes."""
    material = bytearray()
    at = 0
    while at + STEP.size <= len(steps) and len(material) < most:
        kind, size = STEP.unpack_from(steps, at)
        at += STEP.size
        if kind % 4 == 0:
            material += bytes(size + kind)
        elif kind % 4 == 1:
            material += bytes(material[-(kind // 4 + 1) :]) * (size % 256)
        else:
            material += steps[at : at + size % 1024]
            at += size % 1024
    return bytes(material[:most])


def memory(data: bytes) -> "ctypes.Array[ctypes.c_uint8]":
    """A copy that ends where the data end, so that a byte too many is seen."""
    return (ctypes.c_uint8 * len(data)).from_buffer_copy(data)

"""Content-defined, keyed chunking of byte streams, with zero runs taken out.

A stream is divided at its maximal runs of 64 KiB or more zero bytes; every segment between two
runs is cut on its own by aes16. The pieces depend on nothing but the content, the key and the
parameters. Specified in ``docs/format/chunking.md``.
"""

from twofold.chunker.cut import Buffer, Chunker, ChunkerParams
from twofold.chunker.stream import Piece, StreamCutter, cut_whole
from twofold.chunker.zeros import ZERO_RUN, zero_runs

__all__ = [
    "ZERO_RUN",
    "Buffer",
    "Chunker",
    "ChunkerParams",
    "Piece",
    "StreamCutter",
    "cut_whole",
    "zero_runs",
]

"""Following chains: clusters become runs, loops and cross-links are found without big sets.

A single chain is bounded by the number of clusters its file can have, so a loop ends it as a
chain that is too long. When all chains are followed in one pass, one bit per cluster tells which
are claimed; a chain that meets a claimed cluster is a loop or crosses another one. Steps grow
1, 2, 4, ... along a run, so what a wrong chain costs is paid by what it claims anew: the whole pass
takes time in proportion to clusters and files, whatever the chains look like.
"""

from collections.abc import Callable
from typing import NamedTuple

from twofold.disk.base import Run
from twofold.disk.clusters.table import END_OF_CHAIN, FIRST_CLUSTER, PIECE, AllocationTable
from twofold.errors import FormatError

MAX_RUNS = 1 << 20
"""A file in more pieces than this is not understood; it would take 100 MB to say where it is."""


class Allocation(NamedTuple):
    """Clusters as a directory names them."""

    first: int
    """First cluster; 0 for none."""
    size: int | None
    """Bytes; None where only the chain's end tells (directories of FAT)."""
    contiguous: bool = False
    """The clusters follow each other and the table says nothing of them (exFAT's NoFatChain)."""


class Chain(NamedTuple):
    """Clusters of a file in its order."""

    runs: tuple[Run, ...]
    units: int
    ended: bool
    """Whether the chain ends here; otherwise it goes on beyond what was asked for."""


class Claims:
    """One bit per unit: claimed by a stream or not."""

    def __init__(self, units: int) -> None:
        self._bits = bytearray((units + 7) // 8)

    def take(self, first: int, count: int) -> None:
        """Claim units; FormatError when one of them is claimed already."""
        low, high = first >> 3, (first + count + 7) >> 3
        wanted = ((1 << count) - 1) << (first & 7)
        taken = int.from_bytes(self._bits[low:high], "little")
        self._bits[low:high] = (taken | wanted).to_bytes(high - low, "little")
        if taken & wanted:
            raise FormatError(
                f"clusters from {first + FIRST_CLUSTER} on belong to something else as well, "
                "or their chain is a loop"
            )


Steps = Callable[[int, int], tuple[int, int]]
"""From a cluster at most so many: how many follow each other, and where the last one leads."""


def chained(table: AllocationTable, first: int, at_most: int, claims: Claims | None) -> Chain:
    """Follow the table's links for at most so many clusters (1 or more).

    FormatError for links that lead nowhere, and for clusters claimed by something else.
    """
    table.check(first)
    return _follow(table.run, first, at_most, claims)


def contiguous(table: AllocationTable, first: int, count: int, claims: Claims | None) -> Chain:
    """Clusters that follow each other; errors as above."""
    table.check(first)
    table.check(first + count - 1)
    last = first + count - 1

    def steps(cluster: int, at_most: int) -> tuple[int, int]:
        length = min(at_most, last - cluster + 1)
        return length, cluster + length if cluster + length <= last else END_OF_CHAIN

    return _follow(steps, first, count, claims)


def _follow(steps: Steps, first: int, at_most: int, claims: Claims | None) -> Chain:
    runs: list[Run] = []
    start = cluster = first
    units, step = 0, 1
    while True:
        length, link = steps(cluster, min(step, at_most - units))
        if claims is not None:
            claims.take(cluster - FIRST_CLUSTER, length)
        units += length
        cluster += length
        step = min(2 * step, PIECE) if link == cluster else 1
        if link != cluster or units == at_most:
            runs.append(Run(start - FIRST_CLUSTER, cluster - start))
            start = link
        if link == END_OF_CHAIN or units == at_most:
            return Chain(tuple(runs), units, link == END_OF_CHAIN)
        if len(runs) >= MAX_RUNS:
            raise FormatError(f"a chain is in more than {MAX_RUNS} pieces")
        cluster = link

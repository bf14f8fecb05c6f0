"""From pieces in blocks to runs in units, as streams have them.

Blocks that are reserved and not written read as zeros, so a stream has a hole there. Nobody claims
such units then, and they are kept as they are because the allocation map has them in use.

With clusters of several blocks (``bigalloc``) a unit may be written only in part, and what stands
in the rest is not what programs read. A file with such a unit is ``CODED``: kept as it is, not as
read.
"""

from collections.abc import Iterable

from twofold.disk.base import HOLE, Run
from twofold.disk.ext.pieces import Piece
from twofold.disk.ext.superblock import Superblock
from twofold.errors import FormatError


def clip(pieces: Iterable[Piece], start: int, end: int) -> list[Piece]:
    """What is written between two logical blocks, counted from the first of them."""
    clipped = []
    for logical, blocks, physical, written in pieces:
        if logical >= end:
            break
        skipped = max(0, start - logical)
        blocks = min(blocks, end - logical) - skipped  # noqa: PLW2901 - clipped in place
        if written and blocks > 0:
            clipped.append(Piece(logical + skipped - start, blocks, physical + skipped, True))
    return clipped


def of_blocks(sb: Superblock, pieces: Iterable[Piece], blocks: int) -> tuple[Run, ...]:
    """Runs of a stream of so many blocks, where units are blocks."""
    runs = []
    at = 0
    for logical, count, physical, _ in pieces:
        if logical > at:
            runs.append(Run(HOLE, logical - at))
        runs.append(Run(physical - sb.first_block, count))
        at = logical + count
    if at < blocks:
        runs.append(Run(HOLE, blocks - at))
    return tuple(runs)


def of_clusters(
    sb: Superblock, pieces: Iterable[Piece], blocks: int
) -> tuple[tuple[Run, ...], bool]:
    """Runs where units are clusters, and whether every claimed one is written as a whole.

    FormatError when blocks do not lie in their clusters as they do in the file.
    """
    ratio = sb.cluster_blocks
    clusters: list[Piece] = []
    whole = True
    end = physical_end = 0
    for logical, count, physical, _ in pieces:
        if (physical - sb.first_block - logical) % ratio:
            raise FormatError("blocks of a file are not where their clusters are")
        joined = end == logical and physical_end == physical
        whole = whole and (joined or not (end % ratio or logical % ratio))
        _join(clusters, logical // ratio, -(-(logical + count) // ratio), physical // ratio)
        end, physical_end = logical + count, physical + count
    if any(cluster.physical + cluster.blocks > sb.units for cluster in clusters):
        raise FormatError("a file claims a cluster that is not whole")
    whole = whole and (not end % ratio or end == blocks)
    return of_blocks(sb, clusters, -(-blocks // ratio)), whole


def _join(clusters: list[Piece], first: int, end: int, physical: int) -> None:
    """Add clusters, the first of which the piece before may have part in."""
    if clusters:
        last = clusters[-1]
        shared = last.logical + last.blocks - first
        if shared > 0:
            if last.physical + last.blocks - shared != physical:
                raise FormatError("one cluster of a file lies in two places")
            first, physical = first + shared, physical + shared
    if first < end:
        clusters.append(Piece(first, end - first, physical, True))

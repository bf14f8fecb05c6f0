"""Holes of files: sorted lists of (start, length) in bytes."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

Holes = Sequence[tuple[int, int]]


def without(start: int, end: int, holes: Holes) -> Iterator[tuple[int, int]]:
    """(start, end) of the parts of a range that lie in no hole; holes ascend."""
    for hole, length in holes[max(0, bisect_left(holes, (start, 0)) - 1) :]:
        if hole >= end:
            break
        if hole + length > start:
            if hole > start:
                yield start, hole
            start = hole + length
    if start < end:
        yield start, end


def common(ones: Holes, others: Holes) -> Iterator[tuple[int, int]]:
    """What is a hole in both lists."""
    one = other = 0
    while one < len(ones) and other < len(others):
        start = max(ones[one][0], others[other][0])
        ends = sum(ones[one]), sum(others[other])
        if start < min(ends):
            yield start, min(ends) - start
        if ends[0] <= ends[1]:
            one += 1
        else:
            other += 1

"""Made-up contents, always the same for the same seed, that compress as real ones do.

Text is made of lines that were made of words, with word frequencies falling as 1/rank (Zipf), so
that a line returns now and then as in source code. With zstd 1 a tree of such files (one in twenty
noise) shrinks to 0.45 file by file and to 0.40 in groups of a MiB; a real tree of programs and
documentation was seen to shrink to 0.40 and 0.31, so grouping gains less here than it does there.
Noise stands for pictures, video and archives.
"""

import itertools
import random
from collections.abc import Iterator

MIB = 1 << 20
SYLLABLES = "ba co di fe gu la mi no pe ra se ti vo wu xa ze ri lo ne ka".split()
LINES = 25_000
NAMES = ("Makefile", "notes.txt", "index.html", "part.c", "module.py", "data.json", "page.md")


class Text:
    """A supply of lines; two supplies of the same seed give the same text."""

    def __init__(self, seed: int, lines: int = LINES) -> None:
        rng = random.Random(seed)
        words = ["".join(rng.choices(SYLLABLES, k=rng.randrange(1, 5))) for _ in range(20_000)]
        weights = list(itertools.accumulate(1 / rank for rank in range(2, len(words) + 2)))
        supply = iter(rng.choices(words, cum_weights=weights, k=9 * lines))
        self._lines = [_line(rng, supply) for _ in range(lines)]

    def piece(self, rng: random.Random, size: int) -> bytes:
        """Text of exactly this many bytes."""
        lines = rng.choices(self._lines, k=size // 20 + 2)
        return "\n".join(lines).encode()[:size].ljust(size, b"\n")


def _line(rng: random.Random, words: Iterator[str]) -> str:
    indent = " " * (4 * rng.choice((0, 0, 1, 1, 1, 2, 2, 3)))
    joint = rng.choice((" ", " ", " ", "_", ", ", " = ", "("))
    return indent + joint.join(itertools.islice(words, rng.randrange(2, 9)))


def noise(rng: random.Random, size: int) -> Iterator[bytes]:
    """Incompressible bytes, at most a MiB at a time."""
    for start in range(0, size, MIB):
        yield rng.randbytes(min(MIB, size - start))


def small_size(rng: random.Random) -> int:
    """The size of a small file: half of them below 3.5 kB, few above 100 kB, 9 kB on average."""
    return min(512 << 10, int(rng.lognormvariate(8.16, 1.4)))


def edited(data: bytes, rng: random.Random, edits: int) -> bytes:
    """The data with scattered edits of 1-64 B: half overwrite, a quarter each insert and delete."""
    at = sorted(rng.randrange(len(data)) for _ in range(edits))
    parts, start = [], 0
    for place in at:
        if place < start:
            continue  # inside what the edit before took
        length = rng.randrange(1, 65)
        parts.append(data[start:place])
        kind = rng.randrange(4)
        parts.append(b"" if kind == 0 else rng.randbytes(length))
        start = place if kind == 1 else place + length
    return b"".join([*parts, data[start:]])

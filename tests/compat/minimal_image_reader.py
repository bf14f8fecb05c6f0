"""Writes the disk of an image to a raw file, from docs/format alone; the other half of the reader.

What opens a repository and finds blobs is in ``minimal_reader``; here is what images.md says. It is
as plain: all bytes of all entries are written in the order of the entries, and nothing else.

    TWOFOLD_PASSWORD=… python -m tests.compat.minimal_image_reader REPO FILE
        [--snapshot ID|latest] [--volume NUMBER] [--without-index] [--blobs FILE]

FILE must not exist. With ``--volume`` it becomes that volume alone, else the whole disk.
``--blobs`` lists the ids of all blobs that were needed, pages (M) and data (D).
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from tests.compat.minimal_reader import DATA, META, Blobs, Damaged, Keys, choose, need, segments

IMAGE_PAGE, EXTENTS_PAGE, SEGMENTS_PAGE = 6, 7, 4
RAW = 4
HOLE = -1
WINDOW = 64 << 20
LONGEST_RUNS = 262_144
STEP = 1 << 20
MOST_VOLUMES = 4096
LEFT_OUT = 2
LOST = {1: "could not be read", LEFT_OUT: "were left out"}
SECTORS = [512 << n for n in range(8)]
VOLUME = (
    "number start size sort name guid system label serial unit units origin used exact entries"
    " parent runs"
).split()


class Image:
    """One image of a repository."""

    def __init__(self, blobs: Blobs, root: dict[str, Any]) -> None:
        self.blobs = blobs
        (page,) = blobs.leaves(IMAGE_PAGE, *root["image"])
        self.size, *sectors, self.table, table_sector, self.disk, volumes = page[1:8]
        for sector in (*sectors, table_sector):
            need(sector in SECTORS or (sector == 0 and sector is sectors[1]), "odd sectors")
        need(len(volumes) <= MOST_VOLUMES, "too many volumes")
        self.volumes = [dict(zip(VOLUME, volume, strict=False)) for volume in volumes]
        self.losses: list[str] = []
        self.absent: Counter[int] = Counter()  # bytes that are zeros, by cause: 0 they really are

    def write(self, path: Path, number: int | None) -> None:
        """All volumes at their places, or one of them at the start with what is inside of it."""
        by_number = {v["number"]: v for v in self.volumes}
        wanted = [v for v in self.volumes if number in (None, v["number"], v["parent"] or None)]
        need(wanted, f"there is no volume {number}")
        with open(path, "x+b") as file:
            file.truncate(self.size if number is None else by_number[number]["size"])
            for volume in wanted:
                need(volume["start"] + volume["size"] <= self.size, "a volume outside of the disk")
                outer = by_number[volume["parent"] or volume["number"]]
                need(outer["number"] == 0 or not outer["parent"], "a volume two levels deep")
                start = outer["start"] if number is None else 0
                pieces = [(start, volume["size"])]
                if volume["parent"] and number != volume["number"]:
                    runs = list(decoded(volume["runs"], outer["size"]))
                    need(
                        all(first != HOLE for first, _ in runs), "a volume with holes in its place"
                    )
                    need(sum(n for _, n in runs) == volume["size"], "a volume that lies nowhere")
                    pieces = [(start + first, n) for first, n in runs]
                self._volume(volume, file, pieces)

    def _volume(
        self, volume: dict[str, Any], file: IO[bytes], pieces: list[tuple[int, int]]
    ) -> None:
        last: tuple[int, int, bytes] = (0, 0, b"")
        for page in self.blobs.leaves(EXTENTS_PAGE, *volume["entries"]):
            for entry in page[1]:
                whole = entry + [0, b"", 0, 0, b"", b"", None][len(entry) :]
                owner, name, role, size, runs, content, ref = whole[:7]
                need((role, owner, name) >= last, "entries out of order")
                last = role, owner, name
                places = Places(volume, role, owner, runs, pieces)
                try:
                    self._entry(places, size, content, ref, file)
                except Damaged as error:
                    self.losses.append(f"volume {volume['number']}, owner {owner}: {error}")

    def _entry(
        self, places: "Places", size: int, content: bytes, ref: Any, file: IO[bytes]
    ) -> None:
        pages: Iterable[list[Any]] = [[SEGMENTS_PAGE, content]]
        if ref:
            pages = self.blobs.leaves(SEGMENTS_PAGE, *ref[:2])
        done = 0
        for page in pages:
            for ident, length in segments(page[1]):
                if not isinstance(ident, bytes):
                    self.absent[ident or 0] += length
                    places.zeros(file, length)
                else:
                    blob = self.blobs.read(DATA, ident)
                    need(len(blob) == length, "a blob of another length")
                    places.write(file, blob)
                done += length
        need(done == size, "the segments of an entry do not add up")
        places.zeros(file, -size % places.unit)


class Places:
    """Where the bytes of an entry lie in the file, taken from its start on."""

    def __init__(
        self,
        volume: dict[str, Any],
        role: int,
        owner: int,
        packed: bytes,
        pieces: list[tuple[int, int]],
    ) -> None:
        need(len(packed) <= LONGEST_RUNS, "too many runs")
        units, self.unit, origin = volume["units"], volume["unit"], volume["origin"]
        if role == RAW:
            units, self.unit, origin = volume["size"], 1, 0
        self.end = volume["size"]
        self.pieces = pieces
        self.window = (owner * WINDOW, (owner + 1) * WINDOW) if role == RAW else None
        self.runs = (
            (HOLE if first == HOLE else origin + first * self.unit, count * self.unit)
            for first, count in decoded(packed, units)
        )
        self.place, self.left = 0, 0

    def take(self, length: int) -> Iterator[tuple[int, int]]:
        """(offset in the file or HOLE, bytes) of the next bytes."""
        while length:
            if not self.left:
                self.place, self.left = next(self.runs, (0, 0))
                need(self.left, "an entry is longer than its runs")
            part = min(length, self.left)
            if self.place != HOLE:
                low, high = self.window or (0, self.end)
                need(low <= self.place and self.place + part <= min(high, self.end), "outside")
            yield from self.laid_out(self.place, part)
            self.place += part if self.place != HOLE else 0
            self.left -= part
            length -= part

    def laid_out(self, place: int, length: int) -> Iterator[tuple[int, int]]:
        """The same bytes of the volume as places in the file: a volume may lie in pieces."""
        if place == HOLE:
            yield HOLE, length
            return
        begin = 0
        for start, size in self.pieces:
            low, high = max(place, begin), min(place + length, begin + size)
            if low < high:
                yield start + low - begin, high - low
            begin += size

    def write(self, file: IO[bytes], data: bytes) -> None:
        """The next bytes of the entry; those that fall into a hole must be zero."""
        done = 0
        for offset, length in self.take(len(data)):
            part = data[done : done + length]
            if offset == HOLE:
                need(not any(part), "something is said to lie in a hole")
            else:
                file.seek(offset)
                file.write(part)
            done += length

    def zeros(self, file: IO[bytes], length: int) -> None:
        """The next bytes are zero; written only where the file holds something else."""
        for start, count in self.take(length):
            for at in range(start, start + count, STEP) if start != HOLE else ():
                part = min(STEP, start + count - at)
                file.seek(at)
                if file.read(part).strip(b"\0"):
                    file.seek(at)
                    file.write(bytes(part))


def decoded(packed: bytes, units: int) -> Iterator[tuple[int, int]]:
    """(first unit or HOLE, units) of every run."""
    numbers = varints(packed)
    end = 0
    for number in numbers:
        count = number >> 1
        need(count, "a run of no units")
        if number & 1:
            yield HOLE, count
            continue
        distance = next(numbers, None)
        if distance is None:
            raise Damaged("runs are cut short")
        first = end + (-(distance + 1) // 2 if distance & 1 else distance // 2)
        end = first + count
        need(first >= 0 and end <= units, "a run outside of its volume")
        yield first, count


def varints(packed: bytes) -> Iterator[int]:
    """Numbers of seven bits in a byte, low ones first."""
    number = shift = 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        need(shift <= 70, "a number of too many bytes")
        if byte < 0x80:
            yield number
            number = shift = 0
    need(not shift, "runs are cut short")


class Noting(Blobs):
    """Remembers what was read."""

    def __init__(self, keys: Keys, *, without_index: bool) -> None:
        super().__init__(keys, without_index=without_index)
        self.needed: set[tuple[int, bytes]] = set()

    def read(self, kind: int, ident: bytes) -> bytes:
        """As ``Blobs``."""
        self.needed.add((kind, ident))
        return super().read(kind, ident)


def main() -> int:
    """Write the disk as the command line says; 1 when something was lost."""
    parser = argparse.ArgumentParser(description="Write a Twofold image to a raw file.")
    parser.add_argument("repo", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--snapshot", default="latest")
    parser.add_argument("--volume", type=int)
    parser.add_argument("--without-index", action="store_true")
    parser.add_argument("--blobs", type=Path)
    words = parser.parse_args()
    try:
        keys = Keys(words.repo, os.environ["TWOFOLD_PASSWORD"])
        blobs = Noting(keys, without_index=words.without_index)
        image = Image(blobs, choose(keys, words.snapshot, "image"))
        image.write(words.file, words.volume)
        losses = image.losses
        for cause, what in LOST.items():
            count = image.absent[cause]
            if count and cause == LEFT_OUT:
                sys.stderr.write(f"minimal_image_reader: {count} bytes {what}\n")
            elif count:
                losses.append(f"{count} bytes {what}")
        if words.blobs:
            lines = sorted(f"{'M' if k == META else 'D'} {i.hex()}\n" for k, i in blobs.needed)
            words.blobs.write_text("".join(lines), "ascii")
    except (Damaged, OSError) as error:
        losses = [str(error)]
    sys.stderr.writelines(f"minimal_image_reader: {loss}\n" for loss in losses)
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())

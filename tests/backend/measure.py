"""What the durable recipe costs: ``python -m tests.backend.measure FOLDER``.

Prints medians for the three ways to publish a 4 KiB object, and for a 32 MiB object written with
and without early write-back, fast and at the pace of a backup (20 ms between pieces).
"""

import errno
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from twofold.backend import LocalBackend
from twofold.backend.files import FileCalls
from twofold.backend.local_writer import PIECE

SMALL_ROUNDS, LARGE_ROUNDS = 300, 15


class _ByLink(FileCalls):
    def rename_new(self, source: str, target: str) -> None:
        raise OSError(errno.EINVAL, "played", source, None, target)


class _ByLooking(_ByLink):
    def link(self, source: str, target: str) -> None:
        raise OSError(errno.EPERM, "played", source, None, target)


class _Late(FileCalls):
    def start_writeback(self, fd: int, offset: int, length: int) -> None:
        """Nothing before the fsync."""


def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def _say(what: str, times: list[float]) -> None:
    sys.stdout.write(f"{what:44s} {statistics.median(times):9.3f} ms\n")


def _publish(root: Path) -> None:
    ways = {"rename, no replace": FileCalls(), "link, unlink": _ByLink(), "look": _ByLooking()}
    times: dict[str, list[float]] = {way: [] for way in ways}
    stores = {way: LocalBackend(root, calls) for way, calls in ways.items()}
    for n in range(SMALL_ROUNDS):
        for k, (way, store) in enumerate(stores.items()):
            name = f"roots/{k}{n:04x}"
            times[way].append(_timed(lambda s=store, n=name: s.put(n, bytes(4096))))  # type: ignore[misc]
    for way, taken in times.items():
        _say(f"put 4 KiB, {way}", taken)


def _write(root: Path, pause: float) -> None:
    data = memoryview(os.urandom(8 * PIECE))
    kinds = {"late": LocalBackend(root, _Late()), "early": LocalBackend(root)}
    whole: dict[str, list[float]] = {kind: [] for kind in kinds}
    finish: dict[str, list[float]] = {kind: [] for kind in kinds}
    for n in range(LARGE_ROUNDS):
        for kind, store in kinds.items():
            writer = store.create(f"packs/{kind}{n}")
            started = time.perf_counter()
            for start in range(0, len(data), PIECE):
                writer.write(data[start : start + PIECE])
                time.sleep(pause)
            finish[kind].append(_timed(writer.finish))
            whole[kind].append((time.perf_counter() - started) * 1000)
            store.delete(f"packs/{kind}{n}")
    for kind in kinds:
        title = f"32 MiB, write-back {kind}, {pause * 1000:.0f} ms pauses"
        _say(f"{title}: whole", whole[kind])
        _say(f"{title}: finish", finish[kind])


def main(folder: str) -> None:
    """Measure in a new folder below the one given."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        _publish(Path(place))
        _write(Path(place), 0.0)
        _write(Path(place), 0.02)


if __name__ == "__main__":
    main(sys.argv[1])

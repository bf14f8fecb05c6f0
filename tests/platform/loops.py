"""Loop devices to test on; the kernel is told of partitions one by one: it may know no tables."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

MIB = 1 << 20


def run(*words: str | Path) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout.strip()


def _try(*words: str | Path) -> str:
    """The output of a command; the test is skipped where it does not work."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{words[0]} does not work here: {done.stderr.strip()}")
    return done.stdout.strip()


def new_image(path: Path, size: int) -> Path:
    """A file of that many bytes, all of it a hole."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


@contextmanager
def loop(image: Path, *words: str, partitions: tuple[tuple[int, int], ...] = ()) -> Iterator[str]:
    """A loop device of an image, with partitions at (start, size) in bytes."""
    if os.geteuid():
        pytest.skip("loop devices need root")
    with ExitStack() as stack:
        device = _try("losetup", "--find", "--show", *words, image)
        stack.callback(run, "losetup", "--detach", device)
        for number, (start, size) in enumerate(partitions, 1):
            _try("addpart", device, str(number), str(start // 512), str(size // 512))
            stack.callback(_forget, device, number)
        yield device


def _forget(device: str, number: int) -> None:
    subprocess.run(["delpart", device, str(number)], capture_output=True, check=False)


@contextmanager
def mounted(device: str, place: Path, *words: str) -> Iterator[Path]:
    """A device mounted at a folder that is made."""
    place.mkdir(parents=True, exist_ok=True)
    run("mount", *words, device, place)
    try:
        yield place
    finally:
        run("umount", place)


def outcome(action: Callable[[], object]) -> BaseException | None:
    """What an action raises."""
    try:
        action()
    except Exception as error:
        return error
    return None

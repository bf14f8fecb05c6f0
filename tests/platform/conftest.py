"""Real file systems to test on; what cannot be had here is skipped with the reason."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.twins import CODES, either
from twofold.platform.linux import source, target

Mounter = Callable[[str], Path]

KINDS: dict[str, tuple[list[str], list[str]]] = {  # how to make it, how to mount it
    "ext4": (["mkfs.ext4", "-q", "-F"], ["mount", "-o", "loop"]),
    "ext4-small-inodes": (["mkfs.ext4", "-q", "-F", "-I", "128"], ["mount", "-o", "loop"]),
    "ext4-casefold": (["mkfs.ext4", "-q", "-F", "-O", "casefold"], ["mount", "-o", "loop"]),
    "xfs": (["mkfs.xfs", "-q", "-f"], ["mount", "-o", "loop"]),
    "btrfs": (["mkfs.btrfs", "-q", "-f"], ["mount", "-o", "loop"]),
    "vfat": (["mkfs.vfat"], ["mount", "-t", "vfat", "-o", "loop"]),
    "exfat": (["mkfs.exfat"], ["mount.exfat-fuse"]),
    "ramfs": ([], ["mount", "-t", "ramfs"]),
    "tiny": ([], ["mount", "-t", "tmpfs", "-o", "size=1m"]),
}
SIZE = 320 << 20  # sparse; xfs takes no less than 300 MiB


WITH_TWINS = (source.__name__, target.__name__)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that ask for ``either_code`` run with both; those that fake ``os`` only with twins."""
    if "either_code" in metafunc.fixturenames:
        codes = ["twin"] if "twins_only" in metafunc.fixturenames else CODES
        metafunc.parametrize("either_code", codes, indirect=True)


@pytest.fixture
def either_code(request: pytest.FixtureRequest) -> Iterator[None]:
    """With the C extension, or with its Python twins."""
    yield from either(request.param, *WITH_TWINS)


@pytest.fixture
def twins_only(either_code: None) -> None:
    """The twins alone: for tests that put something else in the place of what ``os`` offers."""


def _try(*words: str | Path) -> None:
    if not shutil.which(words[0]):
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{words[0]} does not work here: {(done.stderr or done.stdout).strip()}")


def _quietly(*words: str | Path) -> None:
    subprocess.run(words, capture_output=True, check=False)


def _mounted(kind: str, stack: ExitStack) -> Path:
    if os.geteuid():
        pytest.skip("mounting needs root")
    make, mount = KINDS[kind]
    base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"twofold-{kind}-")))
    place, source = base / "mounted", base / "image"
    place.mkdir()
    if make:
        with source.open("wb") as image:
            image.truncate(SIZE)
        _try(*make, source)
    if mount[0].startswith("mount."):  # the FUSE kind, which takes no -o loop
        loop = subprocess.run(["losetup", "-f", "--show", source], capture_output=True, check=True)
        device = loop.stdout.decode().strip()
        stack.callback(_quietly, "losetup", "-d", device)
        _try(*mount, device, place)
    else:
        _try(*mount, source, place)
    stack.callback(_quietly, "umount", "-l", place)
    return place


@pytest.fixture(scope="session")
def mounts() -> Iterator[Mounter]:
    """Mount points by kind (a key of KINDS), each mounted once and only if asked for."""
    with ExitStack() as stack:
        yield cache(lambda kind: _mounted(kind, stack))


@pytest.fixture
def mounted(mounts: Mounter, request: pytest.FixtureRequest) -> Iterator[Mounter]:
    """A fresh directory on a mounted file system, by kind."""
    with ExitStack() as stack:

        def fresh(kind: str) -> Path:
            folder = Path(tempfile.mkdtemp(dir=mounts(kind)))
            stack.callback(remove, folder)
            return folder

        yield fresh


def remove(folder: Path) -> None:
    """Remove a tree of any depth, with any flags."""
    if subprocess.run(["rm", "-rf", folder], capture_output=True, check=False).returncode:
        _quietly("chattr", "-R", "-f", "-i", "-a", folder)
        subprocess.run(["rm", "-rf", folder], check=True)


@pytest.fixture
def ext4(tmp_path: Path, mounted: Mounter) -> Iterator[Path]:
    """A fresh directory on ext4: the temporary directory if it is there, else a mounted one."""
    told = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, check=True)
    folder = tmp_path if told.stdout.strip() == b"ext2/ext3" else mounted("ext4")
    yield folder
    if folder is tmp_path:
        _quietly("chattr", "-R", "-f", "-i", "-a", folder)


@pytest.fixture
def tmpfs() -> Iterator[Path]:
    """A fresh directory on tmpfs."""
    if not os.path.ismount("/dev/shm"):
        pytest.skip("/dev/shm is not a tmpfs here")
    folder = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="twofold-"))
    yield folder
    remove(folder)


@pytest.fixture
def deep_folder(tmp_path: Path) -> Iterator[Path]:
    """A fresh directory that may be filled with a tree too deep for ordinary removal."""
    folder = tmp_path / "deep"
    folder.mkdir()
    yield folder
    remove(folder)


@pytest.fixture
def as_root() -> None:
    """Skip where we are not root."""
    if os.geteuid():
        pytest.skip("needs root")

"""Every step of a restore killed, and every step failed: what has its name is whole, and a second
run completes it. strace does it to a real process, from outside."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.restorer.place import Place, differences_below
from tests.restorer.processes import ROOT, command

CHANGING = (
    "mkdirat renameat linkat symlinkat mknodat unlinkat pwrite64 ftruncate fallocate fchmod "
    "fchown utimensat rename chmod lchown syncfs"
).split()
MOST = 12  # steps of one kind in one thread


def fill(top: Path) -> None:
    for name in ("a", "d/b", "d/e/c", "f/g"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(name.encode() * 500)
    (top / "large").write_bytes(os.urandom(2_500_000) + bytes(300_000))
    os.link(top / "d/b", top / "f/linked")
    (top / "link").symlink_to("d/b")
    if ROOT:
        os.mknod(top / "f/fifo", stat.S_IFIFO | 0o600)
    os.chmod(top / "d/e", 0o500)
    os.utime(top / "d", (9, 9))


@pytest.fixture
def filled(place: Place) -> Place:
    if not shutil.which("strace"):
        pytest.skip("no strace")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode:
        pytest.skip("strace may not trace here")
    fill(place.source)
    place.backup()
    return place


def run(place: Place, target: Path, call: str, what: str) -> "subprocess.CompletedProcess[str]":
    """A restore to which something is done at one of its system calls."""
    words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    words += ["-e", f"inject={call}:{what}", *command(place, target)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


def whole(place: Place, target: Path) -> None:
    """Whatever has a name of the source is what the source has there."""
    for folder, _, names in os.walk(target):
        for name in names:
            path = Path(folder, name)
            if name.startswith(".twofold-") or ".twofold-replaced" in folder:
                continue
            source = place.source / path.relative_to(target)
            if path.is_symlink():
                assert os.readlink(path) == os.readlink(source)
            elif path.is_file():
                assert path.read_bytes() == source.read_bytes(), path


def completed(place: Place, target: Path) -> None:
    result = place.restore(target=os.fsencode(target))
    assert (result.exit_code, result.replaced, result.conflicts) == (0, 0, 0)
    assert differences_below(place.source, target) == []
    assert not [name for _, _, names in os.walk(target) for name in names if ".twofold" in name]


@pytest.mark.slow
@pytest.mark.parametrize("call", CHANGING)
def test_killed_before_every_step(filled: Place, call: str) -> None:
    for step in range(1, MOST):
        target = filled.base / f"killed at {step}"
        done = run(filled, target, call, f"signal=SIGKILL:when={step}")
        whole(filled, target)
        completed(filled, target)
        if not done.returncode:
            return


@pytest.mark.slow
@pytest.mark.parametrize("call", CHANGING)
@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EACCES", "EPERM"])
def test_every_step_fails_once(filled: Place, call: str, error: str) -> None:
    for step in range(1, 5):
        target = filled.base / f"{error} at {step}"
        done = run(filled, target, call, f"error={error}:when={step}")
        whole(filled, target)
        code = done.stdout.split()[0] if done.stdout else ""
        if code != "0":
            assert "warning" in done.stdout or "twofold.errors." in done.stderr, done
        completed(filled, target)
        if code == "0" and "loss" not in done.stdout:
            return

"""Sizes that break programs: a folder of a million files, in bounded memory."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

MANY = 1_000_000
LIMIT_KIB = 1 << 20


def peak_of(place: Path, *words: str) -> int:
    """Run a command; its peak memory in KiB."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "TWOFOLD_REPO": str(place / "repo"),
        "TWOFOLD_PASSWORD": "a password of this test",
    }
    script = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run([sys.executable, '-m', 'twofold', *sys.argv[1:]]).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    command = [sys.executable, "-c", script, *words, "-q"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    code, peak = done.stdout.split()[-2:]
    assert code == "0", done.stderr
    return int(peak)


@pytest.mark.slow
def test_a_folder_of_a_million_files(tmp_path: Path) -> None:
    source = tmp_path / "many"
    source.mkdir()
    folder = os.open(source, os.O_RDONLY)
    for i in range(MANY):
        os.close(os.open(b"%07d" % i, os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    try:
        peak_of(tmp_path, "init", str(tmp_path / "repo"))
        assert peak_of(tmp_path, "backup", str(source)) < LIMIT_KIB
        assert peak_of(tmp_path, "backup", str(source)) < LIMIT_KIB
        assert peak_of(tmp_path, "ls", f"latest:{source}/0000007") < LIMIT_KIB
    finally:
        subprocess.run(["rm", "-rf", "--", str(source)], check=True)


def test_folders_far_below_one_another(tmp_path: Path) -> None:
    """All paths of 2,000 folders with names of 200 bytes are 400 MB."""
    source, name = tmp_path / "source", "d" * 200
    source.mkdir()
    folder = os.open(source, os.O_RDONLY)
    for _ in range(2000):
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
        os.mkdir(name, dir_fd=folder)
        folder, above = os.open(name, os.O_RDONLY, dir_fd=folder), folder
        os.close(above)
    os.close(folder)
    try:
        peak_of(tmp_path, "init", str(tmp_path / "repo"))
        for _ in range(2):  # the second finds all of it unchanged
            assert peak_of(tmp_path, "backup", str(source)) < LIMIT_KIB // 4
        out = str(tmp_path / "out")
        assert peak_of(tmp_path, "restore", "latest", "--to", out) < LIMIT_KIB // 4
    finally:
        subprocess.run(["rm", "-rf", "--", str(source), str(tmp_path / "out")], check=True)


def test_few_descriptors_are_enough(tmp_path: Path) -> None:
    """Deep and wide trees with 64 descriptors in all."""
    here = tmp_path / "source"
    for level in range(120):
        here = here / f"{level}"
        here.mkdir(parents=True)
        (here / "file").write_text(str(level))
    peak_of(tmp_path, "init", str(tmp_path / "repo"))
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, old[1]))
    try:
        peak_of(tmp_path, "backup", str(tmp_path / "source"))
        peak_of(tmp_path, "restore", "latest", "--to", str(tmp_path / "out"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, old)
    assert len(list((tmp_path / "out").rglob("file"))) == 120

"""Restores in processes of their own, and file systems of their own to restore into."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.restorer.place import Place

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="needs root")

RUN = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from tests.restorer.place import Place
    base, key, target, nofile = sys.argv[1:5]
    if int(nofile):
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(nofile), int(nofile)))
    place = Place(Path(base), key.encode())
    snapshot = "".join(sys.argv[5:]) or None
    result = place.restore(snapshot, target=os.fsencode(target))
    print(result.exit_code, result.new, result.failed, flush=True)
    for loss in result.losses:
        print("loss", loss.entries, loss.words)
    for note in result.plan.notes:
        print("note", note)
    for warning in place.warnings():
        print("warning", warning.path, warning.action, warning.reason)
    """
)


def command(place: Place, target: Path, nofile: int = 0) -> list[str]:
    """A restore in a process of its own."""
    words = [sys.executable, "-c", RUN, str(place.base), place.key.decode(), str(target)]
    return [*words, str(nofile)]


@contextmanager
def mounted(place: Path, *words: str) -> Iterator[Path]:
    place.mkdir()
    done = subprocess.run(["mount", *words, place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr!r}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)

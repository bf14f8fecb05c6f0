"""File systems as they are: full, read-only, ext4 – in a mount namespace of their own.

Nothing of it is seen outside; where namespaces are not allowed the tests are skipped.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]


def in_namespace(mount: str, place: Path, script: str) -> str:
    """Mount something at a place that only a child sees, and run Python there; its output."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    probe = [*UNSHARE, "sh", "-c", f"mount -t tmpfs none {place}"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("mount namespaces are not allowed here")
    program = f"import sys\nplace = {str(place)!r}\n{script}"
    command = f'{mount} && exec "$0" -c "$1"'
    done = subprocess.run(
        [*UNSHARE, "sh", "-c", command, sys.executable, program],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FULL = """
import os
from twofold.backend import create_backend, open_backend
from twofold.errors import NoSpace
store = create_backend(place)
store.put("config", b"x")
stored = []
for n in range(100):
    try:
        store.put(f"packs/{n:02x}/1", os.urandom(300_000))
    except NoSpace as error:
        print(error.message)
        break
    stored.append(n)
assert 4 <= len(stored) <= 6, stored
found = {info.name: info.size for info in store.list("packs")}
assert found == {f"packs/{n:02x}/1": 300_000 for n in stored}
assert not [n for _, _, names in os.walk(place) for n in names if n.endswith(".tmp")]
store.delete("packs/00/1")
store.put("packs/ff/1", bytes(300_000))
"""


def test_a_full_disk(tmp_path: Path) -> None:
    said = in_namespace(f"mount -t tmpfs -o size=2m none {tmp_path}", tmp_path, FULL)
    assert said.startswith("cannot ") and "No space left on device" in said
    assert str(tmp_path) in said


READ_ONLY = """
import subprocess
from twofold.backend import create_backend, open_backend
from twofold.errors import NeedsRights
create_backend(place).put("config", b"x")
store = open_backend(place)
store.put("packs/3f/1", b"abc")
subprocess.run(["mount", "-o", "remount,ro", place], check=True)
with open_backend(place) as store:
    assert store.get("packs/3f/1", 1) == b"bc"
    assert [info.name for info in store.list("packs")] == ["packs/3f/1"]
    for change in (
        lambda: store.put("packs/3f/1", b"abc"),
        lambda: store.put("roots/1", b"abc"),
        lambda: store.delete("config"),
        lambda: store.move("config", "other"),
        lambda: store.move("config", "new/other"),
    ):
        try:
            change()
        except NeedsRights as error:
            print(error.message)
    assert store.sweep() == 0
"""


def test_a_read_only_store_can_be_read(tmp_path: Path) -> None:
    said = in_namespace(f"mount -t tmpfs none {tmp_path}", tmp_path, READ_ONLY).splitlines()
    assert len(said) == 5
    assert all("Read-only file system" in line and str(tmp_path) in line for line in said)

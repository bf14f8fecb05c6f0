"""Many small windows of work: what follows the files of one is done during those of the next."""

import errno
import os
import random
from pathlib import Path

import pytest

from tests.restorer.place import Place, differences
from twofold.errors import NoSpace
from twofold.platform.linux.target import LinuxTargetDir
from twofold.restorer import contents, jobs

EACH = 7


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "WINDOW_ENTRIES", EACH)
    monkeypatch.setattr(contents, "GATHERED_FILES", 3)
    monkeypatch.setattr(contents, "ROUND_BYTES", 100_000)


def tangled(top: Path) -> None:
    """Directories that cannot be written to, links from each to an earlier one, large files."""
    rand = random.Random(3)
    for number in range(60):
        folder = top / f"d{number:02}"
        (folder / "below").mkdir(parents=True)
        for name in ("a", "b", "below/c"):
            (folder / name).write_bytes(rand.randbytes(rand.choice([0, 1, 500, 60_000])))
        if number % 9 == 0:
            (folder / "large").write_bytes(rand.randbytes(1_500_000) + bytes(200_000))
        if number:
            os.link(top / f"d{rand.randrange(number):02}" / "a", folder / "link")
        os.symlink("a", folder / "symlink")
    for number in range(60):
        folder = top / f"d{number:02}"
        for place in (folder / "below", folder):
            os.utime(place, ns=(0, number * 10**9))
            os.chmod(place, rand.choice([0o500, 0o755, 0o711, 0o1770]))


def test_everything_is_as_it_was(place: Place) -> None:
    tangled(place.source)
    os.utime(place.source, (1, 1))
    place.backup()
    result = place.restore()
    assert (result.exit_code, result.failed, result.damaged) == (0, 0, 0)
    assert differences(place.source, place.target) == []


def test_a_full_disk_in_the_middle_stops_all_of_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for a writer that will do nothing more does not wait for ever."""
    tangled(place.source)
    place.backup()
    left = [40]

    def full(self: LinuxTargetDir, names: list[bytes], *_rest: object) -> list[object]:
        left[0] -= len(names)
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_batch(self, names, *_rest)  # type: ignore[arg-type, return-value]

    write_batch = LinuxTargetDir.write_batch
    monkeypatch.setattr(LinuxTargetDir, "write_batch", full)
    monkeypatch.setattr(LinuxTargetDir, "write_below", lambda *_: 0)
    with pytest.raises(NoSpace):
        place.restore()
    monkeypatch.undo()
    assert not list(place.target.rglob(".twofold-*.tmp"))
    result = place.restore()
    assert result.exit_code == 0
    assert differences(place.source, place.target) == []

"""Holes of sparse files: where they were made, and no trouble where the system cannot tell."""

import errno
import os
from contextlib import closing
from pathlib import Path

import pytest

from tests.platform.conftest import Mounter
from twofold.platform import SourceDir, current


def open_source(folder: Path) -> closing[SourceDir]:
    """The folder as a source, closed at the end of the block."""
    return closing(current().open_source(os.fsencode(folder)))


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs"])
def test_holes_are_where_they_were_made(
    kind: str, request: pytest.FixtureRequest, mounted: Mounter
) -> None:
    folder = request.getfixturevalue("tmpfs") if kind == "tmpfs" else mounted(kind)
    mib = 1 << 20
    with (folder / "sparse").open("wb") as file:
        for at in (1 * mib, 5 * mib, 6 * mib):
            file.seek(at)
            file.write(b"\1" * mib)
        file.truncate(20 * mib)
    os.truncate(folder / "sparse", 20 * mib)
    (folder / "dense").write_bytes(b"\1" * mib)
    with (folder / "hollow").open("wb") as file:
        file.truncate(10**12)
    with open_source(folder) as source:
        with closing(source.open_file(b"sparse")) as file:
            spans = [(hole.start, hole.start + hole.length) for hole in file.holes(20 * mib)]
            assert spans == [(0, mib), (2 * mib, 5 * mib), (7 * mib, 20 * mib)]
            cut = [(hole.start, hole.start + hole.length) for hole in file.holes(3 * mib)]
            assert cut == [(0, mib), (2 * mib, 3 * mib)]
        with closing(source.open_file(b"dense")) as file:
            assert not list(file.holes(mib))
            assert not list(file.holes(0))
            beyond = list(file.holes(2 * mib))  # shrunk since it was measured
            assert [(hole.start, hole.length) for hole in beyond] in ([], [(mib, mib)])
        with closing(source.open_file(b"hollow")) as file:
            assert [(hole.start, hole.length) for hole in file.holes(10**12)] == [(0, 10**12)]


@pytest.mark.parametrize("answers", [[OSError(errno.EINVAL, "")], [0, OSError(errno.EIO, "")]])
def test_no_holes_where_the_system_cannot_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[int | OSError]
) -> None:
    assert _holes_with(tmp_path, monkeypatch, answers) == []


def test_a_file_system_that_lies_does_not_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _holes_with(tmp_path, monkeypatch, [10, 10]) == [(0, 10)]
    assert _holes_with(tmp_path, monkeypatch, [0, 0]) == []
    assert _holes_with(tmp_path, monkeypatch, [0, 50, 20]) == []
    assert _holes_with(tmp_path, monkeypatch, [0, 50, 500]) == [(50, 50)]


def _holes_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch, answers: list[int | OSError]
) -> list[tuple[int, int]]:
    """Holes of a file of 100 bytes when lseek answers just so."""
    (folder / "file").write_bytes(bytes(100))
    replies = iter(answers)

    def lseek(_fd: int, _at: int, _how: int) -> int:
        reply = next(replies)
        if isinstance(reply, OSError):
            raise reply
        return reply

    with open_source(folder) as source, closing(source.open_file(b"file")) as file:
        monkeypatch.setattr(os, "lseek", lseek)
        found = [(hole.start, hole.length) for hole in file.holes(100)]
        monkeypatch.undo()
    return found

"""Why a target refused an entry is told in words that say what to do, whatever number it gave."""

import errno
import os

import pytest

from tests.restorer.place import Place
from tests.restorer.processes import needs_root
from tests.restorer.test_restore_drops import stick
from twofold.format.pages import NodeKind
from twofold.restorer.refusals import words_for

NAME = "the target's file system takes no such name"


@pytest.mark.parametrize(
    ("number", "name", "kind", "words"),
    [
        (errno.ENOENT, b"a:b", NodeKind.FILE, NAME),
        (errno.EINVAL, b"what?", NodeKind.DIRECTORY, NAME),
        (errno.EINVAL, b"dots..", NodeKind.FILE, NAME),
        (errno.EILSEQ, b"\xff", NodeKind.FILE, NAME),
        (errno.ENOENT, "schön".encode(), NodeKind.FILE, os.strerror(errno.ENOENT)),
        (errno.EIO, b"a:b", NodeKind.FILE, os.strerror(errno.EIO)),
        (errno.EPERM, b"a", NodeKind.FILE, os.strerror(errno.EPERM)),
        (errno.ENOSYS, b"a", NodeKind.SYMLINK, "the target takes no symbolic links"),
        (errno.EACCES, b"a", NodeKind.SYMLINK, os.strerror(errno.EACCES)),
        (errno.EPERM, b"a", NodeKind.FIFO, "the target takes no special files"),
    ],
)
def test_words(number: int, name: bytes, kind: NodeKind, words: str) -> None:
    assert words_for(OSError(number, os.strerror(number)), name, kind) == words


@needs_root
def test_a_name_that_is_no_text(place: Place) -> None:
    """NTFS holds text; of a folder all that is in it is counted."""
    top = os.fsencode(place.source)
    os.mkdir(top + b"/folder \xff")
    for name in (b"file \xff", b"folder \xff/inner", b"other"):
        with open(top + b"/" + name, "wb") as file:
            file.write(name)
    place.backup()
    with stick(place.base) as target:
        result = place.restore(target=os.fsencode(target))
        assert os.listdir(target) == ["other"]
    assert (result.exit_code, result.failed) == (1, 3)
    assert {(os.path.basename(each.path), each.reason) for each in place.warnings()} == {
        (b"file \xff", NAME),
        (b"folder \xff", NAME),
    }

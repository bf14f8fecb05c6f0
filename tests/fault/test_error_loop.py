"""Every call fails once with every error: the right exception, no harm, the next run works."""

import errno
from pathlib import Path

import pytest

from tests.fault.faulty import MUTATING, READING, Fault, FaultyCalls, Kind
from tests.fault.mutations import NoLink, NoRenameNew
from tests.fault.steps import examine, perform, prepare, recover
from twofold.backend import LocalBackend
from twofold.backend.files import FileCalls
from twofold.errors import NeedsRights, NoSpace, ObjectNotFound, StoreError, TwofoldError

ERRORS = [
    errno.EIO,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.ESTALE,
    errno.EINTR,
    errno.ETIMEDOUT,
    errno.EMFILE,
]
EXPECTED: dict[int, type[TwofoldError]] = {
    errno.ENOSPC: NoSpace,
    errno.EDQUOT: NoSpace,
    errno.EROFS: NeedsRights,
    errno.EACCES: NeedsRights,
    errno.EPERM: NeedsRights,
}
TOLD = ("packs/", "index/", "roots/", "sessions/", "tombs/", "the store", "no longer there")
LOST_REPLIES = [errno.EIO, errno.ETIMEDOUT, errno.ENOENT]


def attempt(root: Path, fault: Fault) -> tuple[FaultyCalls, list[str], TwofoldError | None]:
    """Do everything with one fault: the calls made, what was acknowledged, and the error."""
    calls = FaultyCalls(fault)
    done: list[str] = []
    try:
        with LocalBackend(root, calls) as store:
            perform(store, done.append)
    except TwofoldError as error:
        return calls, done, error
    return calls, done, None


def judge(root: Path, fault: Fault) -> bool:
    """One run with a fault, then all that must hold; False when the fault was not reached."""
    prepare(root)
    calls, done, error = attempt(root, fault)
    if not calls.fired:
        assert error is None
        return False
    examine(root, done)
    if error is not None:
        assert isinstance(error, EXPECTED.get(fault.code, StoreError)), (fault, error)
        assert str(root) in error.message, (fault, error)
        assert any(word in error.message for word in TOLD), (fault, error)
    recover(root)
    return True


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
def test_every_changing_call_fails_once(memory_path: Path, code: int) -> None:
    at = 1
    while judge(memory_path / str(at), Fault(Kind.FAIL, at, code)):
        at += 1
    assert at > 40


@pytest.mark.parametrize("code", LOST_REPLIES, ids=errno.errorcode.get)
def test_every_reply_is_lost_once(memory_path: Path, code: int) -> None:
    at = 1
    while judge(memory_path / str(at), Fault(Kind.FAIL_AFTER, at, code)):
        at += 1
    assert at > 40


@pytest.mark.parametrize("code", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("call", READING)
def test_every_other_call_fails_once(memory_path: Path, call: str, code: int) -> None:
    at = 1
    while judge(memory_path / str(at), Fault(Kind.FAIL, at, code, call)):
        at += 1


@pytest.mark.parametrize("call", MUTATING)
def test_a_failed_call_is_told(memory_path: Path, call: str) -> None:
    """No error is swallowed where it could matter: the first call of each kind, with EIO."""
    prepare(memory_path)
    _, done, error = attempt(memory_path, Fault(Kind.FAIL, 1, errno.EIO, call))
    if call in ("rename", "link"):  # only where the kernel cannot refuse an existing target
        assert error is None and len(done) == 6
    else:
        assert error is not None and len(done) < 6, call


def test_short_writes_are_completed(memory_path: Path) -> None:
    prepare(memory_path)
    calls, done, error = attempt(memory_path, Fault(Kind.SHORT, 1))
    assert (error, len(done)) == (None, 6)
    assert calls.made.count("write") > 20
    examine(memory_path, done)
    recover(memory_path)


class _Nothing(FileCalls):
    def write(self, fd: int, data: memoryview) -> int:
        return 0


def test_a_write_of_nothing_is_an_error_not_a_loop(memory_path: Path) -> None:
    with pytest.raises(StoreError, match="took no bytes"):
        LocalBackend(memory_path, _Nothing()).put("a", b"x")


@pytest.mark.parametrize("calls", [NoRenameNew, NoLink])
def test_other_ways_to_publish_meet_errors_too(
    memory_path: Path, calls: type[NoRenameNew], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: FileCalls, source: str, target: str) -> None:
        raise OSError(errno.EINVAL, "no such flag")

    monkeypatch.setattr(FileCalls, "rename_new", missing)
    if calls is NoLink:
        monkeypatch.setattr(FileCalls, "link", missing)
    at = 1
    while judge(memory_path / str(at), Fault(Kind.FAIL, at, errno.EIO)):
        at += 1
    assert at > 40


def test_a_full_disk_leaves_no_litter(memory_path: Path) -> None:
    """What a failed writer wrote is given back at once, not at the next sweep."""
    prepare(memory_path)
    _, _, error = attempt(memory_path, Fault(Kind.FAIL, 2, errno.ENOSPC, "write"))
    assert isinstance(error, NoSpace) and not error.retryable
    assert not list(memory_path.rglob("*.tmp"))


def test_absent_is_not_failed(memory_path: Path) -> None:
    prepare(memory_path)
    store = LocalBackend(memory_path)
    for action in (store.get, store.size, store.delete):
        with pytest.raises(ObjectNotFound):
            action("packs/00/00")

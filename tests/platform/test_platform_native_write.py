"""Small files written by the C extension and by its Python twin: the same files, losses and errors,
whatever is asked for, stands in the way or fails, and nothing half there."""

import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.platform.conftest import WITH_TWINS
from tests.platform.injected import injected
from tests.platform.oracles import find_names, run
from tests.platform.trees import (
    NAMES,
    REGULAR,
    SLOW,
    TIMES,
    Made,
    fresh,
    make,
    once_per_folder,
    opened,
    without_extension,
)
from tests.twins import CODES, choose, needs_extension
from twofold.platform import Attributes, current, is_temporary
from twofold.platform.linux.target import LinuxTargetDir

pytestmark = needs_extension


LISTS = [
    None,
    (),
    [(b"user.a", b"1"), (b"user.b", b"")],
    [(b"user.nul\0", b"1")],
    [(b"security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))],
    [(b"system.posix_acl_access", b"\2\0\0\0garbage")],
    [(b"trusted.a", b"1")],
    [(b"nowhere.a", b"1")],
]
WANTED = st.builds(
    Attributes,
    (st.integers(0, 0o777) | st.integers(0, 0o7777)).map(REGULAR.__or__),
    st.integers(0, 2**61) | st.integers(-(2**40), 2**40) | TIMES,
    st.sampled_from([None, 0, 1234, 2**32 - 2, 2**32 - 1, -1, 2**70]),
    st.sampled_from([None, 0, 1234, 2**32 - 2, 2**32 - 1, -1]),
    st.sampled_from(LISTS),
    st.sampled_from([None, None, 0, 0x40, 0x10]),
)
FILES = st.dictionaries(
    NAMES | st.sampled_from([b"", b"..", b"a/b"]),
    st.tuples(st.sampled_from([b"", b"x", b"content"]), WANTED),
    max_size=20,
)
IN_THE_WAY = st.sampled_from(["", "", "file", "folder", "link"])


def look(folder: Path, *, times: bool = True) -> list[object]:
    """All that can be told of the entries of a directory but for inodes and the time of change."""
    told: list[object] = []
    with opened(folder) as fd:
        for name in sorted(os.listdir(fd)):
            path = f"/proc/self/fd/{fd}/{name}"
            status = os.lstat(path)
            row: list[object] = [name, status.st_mode, status.st_uid, status.st_gid]
            row += [status.st_mtime_ns * times, status.st_size, status.st_nlink]
            if stat.S_ISREG(status.st_mode):
                row += [(key, os.getxattr(path, key)) for key in sorted(os.listxattr(path))]
                row += [Path(path).read_bytes(), flags_of(path)]
            told.append(row)
    return told


def flags_of(path: str) -> bytes:
    """Inode flags of a file as the kernel gives them (FS_IOC_GETFLAGS)."""
    with open(path, "rb") as file:
        return fcntl.ioctl(file, 0x8008_6601, bytes(8))[:4]


def put_in_the_way(folder: Path, names: Sequence[bytes], kinds: Sequence[str]) -> None:
    with opened(folder) as fd:
        for name, kind in zip(names, kinds, strict=False):
            if kind and name not in (b"", b"..", b"a/b"):
                make(fd, name, Made(kind, 3, 0o600, 0, {}))


@once_per_folder
@given(
    files=FILES,
    kinds=st.lists(IN_THE_WAY, max_size=20),
    default_acl=st.sampled_from([False, False, True]),
)
def test_written_files_are_the_same_both_ways(
    ext4: Path,
    files: dict[bytes, tuple[bytes, Attributes]],
    kinds: list[str],
    default_acl: bool,
) -> None:
    names, data = list(files), [content for content, _ in files.values()]
    wanted = [attributes for _, attributes in files.values()]
    with fresh(ext4) as one, fresh(ext4) as two:
        for folder in (one, two):
            put_in_the_way(folder, names, kinds)
            if default_acl:
                run("setfacl", "-d", "-m", "u:1234:rwx", folder)
        results = written(one, names, data, wanted)
        with without_extension():
            assert written(two, names, data, wanted) == results
        assert look(one) == look(two)


def written(
    folder: Path, names: Sequence[bytes], data: Sequence[bytes], wanted: Sequence[Attributes]
) -> list[tuple[int, list[str]]]:
    """Results of one batch; every one has losses of its own."""
    with closing(current().open_target(os.fsencode(folder), create=False)) as target:
        results = target.write_batch(names, data, wanted)
    assert len({id(losses) for _, losses in results}) == len(results)
    return results


@pytest.fixture(params=[0o022, 0o077, 0o777, 0])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("group", [0, 1234])
def test_what_files_are_born_with_is_what_they_are_given(
    ext4: Path, group: int, in_twin: list[bytes]
) -> None:
    """One file says nothing of the next: in any order, under any umask, with a group passed on."""
    modes = [0o644, 0o644, 0o600, 0o644, 0o444, 0o1644, 0o000, 0o777, 0o777, 0o644]
    owners = [(0, 0), (0, 0), (None, None), (1234, 1234), (0, 1234), (1234, 0), (0, None)]
    pairs = [(mode, owner) for owner in [*owners, *owners[::-1]] for mode in modes]
    names = [b"%03d" % number for number in range(len(pairs))]
    wanted = [Attributes(REGULAR | mode, 10**18, *owner, (), 0) for mode, owner in pairs]
    with fresh(ext4) as folder:
        os.chown(folder, 0, group)
        os.chmod(folder, 0o2755 if group else 0o755)
        assert written(folder, names, names, wanted) == [(0, [])] * len(pairs)
        for name, (mode, (uid, gid)) in zip(names, pairs, strict=True):
            status = os.stat(os.fsencode(folder) + b"/" + name)
            assert stat.S_IMODE(status.st_mode) == mode, name
            assert status.st_uid == (uid or 0), name
            assert status.st_gid == (group if gid is None else gid), name
    assert in_twin == []


USUAL = Attributes(REGULAR | 0o1640, 10**18, 1234, 4321, [(b"user.a", b"1")], 0)


@pytest.fixture(autouse=True)
def imported() -> None:
    """Nothing is to be imported where calls are counted."""
    current().machine()


@pytest.fixture
def in_twin(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Names of the files that the extension leaves to Python."""
    names: list[bytes] = []
    write_small = LinuxTargetDir._write_small

    def noting(self: LinuxTargetDir, name: bytes, *words: Any) -> tuple[int, list[str]]:
        names.append(name)
        return write_small(self, name, *words)

    monkeypatch.setattr(LinuxTargetDir, "_write_small", noting)
    return names


def test_usual_files_are_left_to_the_extension(
    ext4: Path, as_root: None, in_twin: list[bytes]
) -> None:
    names = [b"%d" % number for number in range(300)]
    put_in_the_way(ext4, names, ["file", "link"])
    assert written(ext4, names, names, [USUAL] * 300) == [(0, [])] * 300
    assert in_twin == []
    assert find_names(ext4) == sorted(names)
    old = Attributes(REGULAR | 0o600, 1, None, None, None, None)
    assert written(ext4, [b"old"], [bytearray(b"x")], [old]) == [(0, [])]  # type: ignore[list-item]
    assert in_twin == []


def test_unusual_files_are_left_to_python_and_many_of_them_end_it(
    ext4: Path, as_root: None, in_twin: list[bytes]
) -> None:
    set_id = Attributes(REGULAR | 0o4755, 10**18, 0, 0, ())
    names = [b"%03d" % number for number in range(100)]
    few = [set_id if number in (0, 50, 99) else USUAL for number in range(100)]
    assert written(ext4, names, names, few) == [(0, [])] * 100
    assert in_twin == [b"000", b"050", b"099"]
    del in_twin[:]
    assert written(ext4, names, names, [set_id] * 20 + [USUAL] * 80) == [(0, [])] * 100
    assert in_twin == names
    assert {stat.S_IMODE((ext4 / os.fsdecode(name)).stat().st_mode) for name in names} == {
        0o4755,
        0o1640,
    }


def test_the_same_name_twice_is_written_twice(ext4: Path) -> None:
    contents = [b"first", b"second", b"third"]
    plain = Attributes(REGULAR | 0o600, 0)
    assert written(ext4, [b"n"] * 3, contents, [plain] * 3) == [(0, [])] * 3
    assert (ext4 / "n").read_bytes() == b"third"


def test_parts_of_a_batch_that_do_not_go_together(ext4: Path) -> None:
    for names, data in (([b"a"], []), ([], [b""]), ([b"a", b"b"], [b""])):
        with pytest.raises(ValueError):
            written(ext4, names, data, [USUAL] * len(names))


WRITE_CALLS = "openat pwrite64 fchown fchmod fsetxattr utimensat ioctl close".split()
WRITE_CALLS += ["?renameat,?renameat2"]
WRITE_ERRORS = ["EIO", "ENOSPC", "EPERM", "EACCES", "EOPNOTSUPP", "EROFS", "ENOTTY"]


def _batch(folder: Path) -> str:
    names = [b"a", b"b", b"c"]
    return repr(written(folder, names, names, [USUAL] * 3))


@pytest.mark.parametrize("call", WRITE_CALLS)
@pytest.mark.parametrize("error", ["EIO", *[pytest.param(e, marks=SLOW) for e in WRITE_ERRORS[1:]]])
def test_calls_that_always_fail_end_alike(ext4: Path, as_root: None, call: str, error: str) -> None:
    """From the second call on: opening the directory is the first one of some."""
    told, state = [], []
    for code in CODES:
        with fresh(ext4) as folder, pytest.MonkeyPatch.context() as patch:
            put_in_the_way(folder, [b"b"], ["file"])
            choose(patch, code, *WITH_TWINS)
            told.append(injected(call, f"error={error}:when=2+", lambda: _batch(folder)))
            state.append(look(folder, times=call != "utimensat"))
            assert not any(map(is_temporary, find_names(folder)))
    assert told[0] == told[1]
    assert state[0] == state[1]


@pytest.mark.parametrize("call", [*WRITE_CALLS, "unlinkat"])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_call_that_fails_once_is_made_up_for(
    ext4: Path, as_root: None, call: str, step: int
) -> None:
    put_in_the_way(ext4, [b"b"], ["file"])
    names = [b"a", b"b", b"c"]
    step += call == "openat"  # the first one opens the directory
    told = injected(call, f"error=EIO:when={step}", lambda: _batch(ext4))
    assert told == repr([(0, [])] * 3)
    assert find_names(ext4) == names
    assert [(ext4 / os.fsdecode(name)).read_bytes() for name in names] == names


@pytest.mark.parametrize("call", [*WRITE_CALLS, "unlinkat"])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_killed_at_a_call_what_has_its_name_is_whole(
    ext4: Path, as_root: None, call: str, step: int
) -> None:
    (ext4 / "b").write_bytes(b"old")
    injected(call, f"signal=SIGKILL:when={step}", lambda: _batch(ext4))
    for name in find_names(ext4):
        path = ext4 / os.fsdecode(name)
        if not is_temporary(name):
            content = path.read_bytes()
            assert content == name or (name, content) == (b"b", b"old")
            if content == name:
                assert stat.S_IMODE(path.stat().st_mode) == 0o1640

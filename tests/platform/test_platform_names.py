"""Which names are names, and which are ours."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.platform import is_temporary
from twofold.platform.names import check_name, check_windows_name, temporary_name


@settings(deadline=None)
@given(st.binary())
def test_posix_names(name: bytes) -> None:
    wrong = name in (b"", b".", b"..") or set(name) & set(b"/\0")
    try:
        check_name(name)
    except OSError as error:
        assert wrong
        assert (error.errno, error.filename) == (22, name)
    else:
        assert not wrong


GOOD = "a|.a|a.b|CONSOLE|COM|COM10|LPT|.CON|xCON|ü|" + "x" * 300
BAD = (
    r"..|.||a:b|a\b|a/b|..\x|C:|C:\x|\\srv\x|\\?\x|a*|a?|a<|a>|a" + '"|'
    "a\n|a\0|a\x1f|a.|a |...|CON|con|Con.txt|CON .txt|NUL|nul.tar.gz|AUX|PRN|COM1|com9.log|LPT0"
    "|COM¹|lpt³.x|CONIN$"
)


@pytest.mark.parametrize("name", GOOD.split("|"))
def test_windows_names(name: str) -> None:
    check_windows_name(name.encode())


@pytest.mark.parametrize("name", [*BAD.split("|"), "a|b"])
def test_names_that_are_none_on_windows(name: str) -> None:
    with pytest.raises(OSError) as caught:
        check_windows_name(name.encode())
    assert caught.value.errno == 22


def test_temporary_names() -> None:
    made = {temporary_name() for _ in range(1000)}
    assert len(made) == 1000
    for name in made:
        check_name(name)
        check_windows_name(name)
        assert is_temporary(name)
        for other in (name[1:], name[:-1], name + b"x", name[:-6] + b".part", name.upper()):
            assert not is_temporary(other)
    for name in (b".twofold-.part", b".twofold-0123456789abcdeg.part", b".twofold.part", b""):
        assert not is_temporary(name)

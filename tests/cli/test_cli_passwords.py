"""Secrets come from where they may, in the right order, and show up nowhere else."""

import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from twofold.cli import passwords
from twofold.cli.config import Config
from twofold.cli.given import Given
from twofold.errors import UsageError
from twofold.options import Secret

from .world import PASSWORD, Program


@pytest.fixture
def program(twofold: Program) -> Program:
    """A world in which nobody has told the password yet."""
    del twofold.env["TWOFOLD_KEY_FILE"]
    (twofold.place / "pw").write_text(f"{PASSWORD}\r\nsecond line\n", "utf-8")
    return twofold


def saying(program: Program, statement: str) -> str:
    """A command that runs a statement of Python."""
    script = program.place / "say.py"
    script.write_text(f"import os, sys\n{statement}\n", "utf-8")
    return f"'{sys.executable}' '{script}'"


def test_from_a_file(program: Program) -> None:
    program("snapshots", "--password-file", "pw", code=0)
    program("--password-file=pw", "snapshots", code=0)
    program("snapshots", env={"TWOFOLD_PASSWORD_FILE": "pw"}, code=0)


def test_from_a_variable(program: Program) -> None:
    program("snapshots", env={"TWOFOLD_PASSWORD": PASSWORD}, code=0)


def test_from_a_command(program: Program) -> None:
    print_it = "sys.stdout.buffer.write(open('pw', 'rb').read())"
    command = saying(program, print_it)
    program("snapshots", "--password-command", command, code=0)
    program("snapshots", env={"TWOFOLD_PASSWORD_COMMAND": command}, code=0)


def test_from_a_pipe_that_can_be_read_once(program: Program) -> None:
    pipe = program.place / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(PASSWORD.encode(),))
    writer.start()
    program("snapshots", "--password-file", "pipe", code=0)
    writer.join()


def test_from_a_key_file(program: Program) -> None:
    program("snapshots", "--key-file", "key", code=0)


def test_from_the_configuration(program: Program) -> None:
    (program.place / "c.toml").write_text(f"password-file = '{program.place / 'pw'}'\n", "utf-8")
    program("snapshots", env={"TWOFOLD_CONFIG": "c.toml"}, code=0)


def test_the_command_line_decides_before_variables(program: Program) -> None:
    wrong = {"TWOFOLD_PASSWORD": "wrong"}
    program("snapshots", env=wrong, code=12)
    program("snapshots", "--password-file", "pw", env=wrong, code=0)


def test_variables_decide_before_the_configuration(program: Program) -> None:
    (program.place / "c.toml").write_text("password-command = 'false'\n", "utf-8")
    env = {"TWOFOLD_CONFIG": "c.toml", "TWOFOLD_PASSWORD": PASSWORD}
    program("snapshots", env=env, code=0)


def test_two_places_in_one_row_are_an_error(program: Program) -> None:
    outcome = program("snapshots", "--password-file", "pw", "--key-file", "key", code=2)
    assert "--password-file and --key-file cannot be used together" in outcome.err
    both = {"TWOFOLD_PASSWORD": "x", "TWOFOLD_PASSWORD_FILE": "pw"}
    outcome = program("snapshots", env=both, code=2)
    assert "TWOFOLD_PASSWORD_FILE and TWOFOLD_PASSWORD cannot be" in outcome.err


def test_without_a_terminal_the_ways_are_named(program: Program) -> None:
    outcome = program("snapshots", code=2)
    assert "there is no terminal to ask on" in outcome.err
    for way in ("--password-file", "--password-command", "TWOFOLD_PASSWORD"):
        assert way in outcome.err


def test_the_place_is_looked_at_before_anybody_is_asked(program: Program) -> None:
    program("-r", "nowhere", "snapshots", code=10)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--password-file", "absent"], "the password file 'absent' cannot be read"),
        (["--password-file", "."], "the password file '.' cannot be read"),
        (["--password-file", "/dev/null"], "the password file '/dev/null' is empty"),
        (["--key-file", "absent"], "the key file 'absent' cannot be read"),
        (["--password-command", "/nonexistent x"], "'/nonexistent' cannot be started"),
        (["--password-command", "false"], "'false' failed (code 1)"),
        (["--password-command", "true"], "the password from --password-command is empty"),
        (["--password-command", "a 'b"], "the password command cannot be read"),
        (["--password-command", " "], "the password command is empty"),
    ],
)
def test_what_is_wrong_is_named(program: Program, words: Sequence[str], message: str) -> None:
    outcome = program("snapshots", *words, code=2)
    assert message in outcome.err


def test_a_command_sees_no_shell(program: Program) -> None:
    check = "assert sys.argv[1:] == ['$HOME', '*', ';', 'a b', '>x'], sys.argv; "
    command = saying(program, check + "print(open('pw').read())") + " '$HOME' * ; 'a b' >x"
    program("snapshots", "--password-command", command, env={"PYTHONUTF8": "1"}, code=0)


def test_a_command_does_not_inherit_the_password(program: Program) -> None:
    check = "assert 'TWOFOLD_PASSWORD' not in os.environ; assert 'TWOFOLD_REPO' in os.environ; "
    command = saying(program, check + "print(open('pw').read())")
    env = {"TWOFOLD_PASSWORD": "hidden", "PYTHONUTF8": "1"}
    program("snapshots", "--password-command", command, env=env, code=0)


def test_no_process_shows_a_password_in_its_words(program: Program) -> None:
    if not os.path.isdir("/proc/self"):
        pytest.skip("needs /proc")
    release = program.place / "release"
    wait = f"import time\nwhile not os.path.exists({str(release)!r}): time.sleep(.01)\n"
    command = saying(program, wait + "print(open('pw').read())")
    program.env["PYTHONUTF8"] = "1"
    process = program.start("snapshots", "--password-command", command, stdout=-1, stderr=-1)
    seen = b""
    while seen.count(b"say.py") < 2:
        time.sleep(0.05)
        seen = b"".join(_command_lines())
    assert PASSWORD.encode() not in seen
    release.touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert PASSWORD.encode() not in out + err


def _command_lines() -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue
    return found


def test_no_output_shows_a_password(program: Program) -> None:
    for words in (["snapshots"], ["snapshots", "--json"], ["snapshots", "-vv"], ["key", "list"]):
        outcome = program(*words, env={"TWOFOLD_PASSWORD": "seCret-seCret", "TWOFOLD_DEBUG": "1"})
        assert outcome.code == 12
        assert "seCret" not in outcome.out + outcome.err


def test_a_secret_hides_itself() -> None:
    secret = Secret(b"seCret", is_key_file=True)
    assert "seCret" not in repr(secret) + str(secret) + f"{secret}"
    assert secret.reveal() == b"seCret"
    assert secret == Secret(b"seCret")
    assert secret != Secret(b"other")
    assert secret != b"seCret"
    with pytest.raises(TypeError):
        secret.__reduce__()


def test_windows_command_lines_keep_their_backslashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sep", "\\")
    assert passwords.split('"C:\\Program Files\\pw.exe" --get x') == [
        "C:\\Program Files\\pw.exe",
        "--get",
        "x",
    ]


def test_passwords_are_the_bytes_that_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Given()
    origin = passwords.find(given, Config(), {"TWOFOLD_PASSWORD": "p\udcff "})
    assert origin is not None
    assert origin.read().reveal() == b"p\xff "
    assert "p" not in repr(origin.read())


@pytest.mark.parametrize(
    "contents",
    [b"\xef\xbb\xbfp\xc3\xa4ss\r\n", "p\u00e4ss\r\nmore".encode("utf-16"), b"p\xc3\xa4ss"],
)
def test_marks_of_windows_are_no_part_of_a_password(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "pw").write_bytes(contents)
    origin = passwords.Origin("--password-file", "password_file", str(tmp_path / "pw"))
    assert origin.read().reveal() == b"p\xc3\xa4ss"


def test_too_large_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(passwords.LONGEST + 1))
    with pytest.raises(UsageError, match="too large"):
        passwords.Origin("--key-file", "key_file", str(tmp_path / "big")).read()

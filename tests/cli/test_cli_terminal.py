"""On a real terminal: questions, the bar, colours, and names that would like to take it over."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from .world import PASSWORD, Program

pytest.importorskip("termios", reason="needs a pseudo-terminal")

from .terminal import Terminal

ANSI = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|\][^\x07]*\x07)")


@pytest.fixture
def locked(twofold: Program) -> Program:
    """A world whose repository is opened by a password that nobody has told."""
    del twofold.env["TWOFOLD_KEY_FILE"]
    return twofold


def test_the_password_is_asked_for_and_not_shown(locked: Program) -> None:
    terminal = Terminal.start(locked, "snapshots")
    terminal.answer("Password: ", PASSWORD)
    assert terminal.end() == 0
    assert "0 backups" in terminal.text
    assert PASSWORD not in terminal.text


def test_the_question_stays_out_of_the_results(locked: Program) -> None:
    terminal = Terminal.start(locked, "snapshots", "--json", stdout=subprocess.PIPE)
    terminal.answer("Password: ", PASSWORD)
    out, _ = terminal.process.communicate(timeout=60)
    assert terminal.end() == 0
    assert all(line.startswith(b"{") for line in out.splitlines())
    assert b"Password" not in out


def test_a_wrong_answer_is_a_wrong_key(locked: Program) -> None:
    terminal = Terminal.start(locked, "snapshots")
    terminal.answer("Password: ", "wrong")
    assert terminal.end() == 12


def test_ctrl_c_at_the_question(locked: Program) -> None:
    terminal = Terminal.start(locked, "snapshots")
    terminal.wait_for("Password: ")
    terminal.interrupt()
    assert terminal.end() == 130
    assert "error: interrupted" in ANSI.sub("", terminal.text)


def test_end_of_file_at_the_question(locked: Program) -> None:
    terminal = Terminal.start(locked, "snapshots")
    terminal.wait_for("Password: ")
    os.write(terminal.master, b"\x04")
    assert terminal.end() == 2
    assert "no password was given" in terminal.text


def test_init_asks_twice_and_prints_the_recovery_key(bare: Program) -> None:
    terminal = Terminal.start(bare, "init", "fresh")
    terminal.answer("New password: ", "pass one")
    terminal.answer("The same once more: ", "pass one")
    assert terminal.end() == 0
    keys = re.findall(r"\b(?:[0-9A-Z]{5}-){5}[0-9A-Z]{5}\b", terminal.text)
    assert len(keys) == 1
    for secret in ("pass one", keys[0], keys[0].lower().replace("-", " ")):
        bare("-r", "fresh", "snapshots", env={"TWOFOLD_PASSWORD": secret}, code=0)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [("", None, "an empty password protects nothing"), ("one", "two", "the two passwords differ")],
)
def test_init_is_careful(bare: Program, first: str, second: str | None, message: str) -> None:
    terminal = Terminal.start(bare, "init", "fresh")
    terminal.answer("New password: ", first)
    if second is not None:
        terminal.answer("The same once more: ", second)
    assert terminal.end() == 2
    assert message in terminal.text
    assert not (bare.place / "fresh").exists()


def test_init_looks_before_it_asks(locked: Program) -> None:
    terminal = Terminal.start(locked, "init")
    assert terminal.end() == 17
    assert "assword:" not in terminal.text


def test_removing_a_key_is_confirmed(twofold: Program) -> None:
    for answer, code, keys in (("n", 4, 3), ("", 4, 3), ("y", 0, 2)):
        found = twofold("key", "list", "--json").of("key")
        (target,) = [each["short_id"] for each in found if each["kind"] == "password"]
        terminal = Terminal.start(twofold, "key", "remove", target)
        terminal.answer(f"Remove password {target}? [y/N] ", answer)
        assert terminal.end() == code
        assert len(twofold("key", "list", "--json").of("key")) == keys


def test_restoring_over_something_is_confirmed(twofold: Program, sample: Path) -> None:
    twofold("backup", "sample", code=0)
    letter = sample / "letter.txt"
    words = ("restore", f"latest:{sample}", "--to", str(sample), "--existing", "replace")
    for answer, code, text in (("n", 4, "mine"), ("yes", 0, "Dear reader\n" * 100)):
        letter.write_text("mine", "utf-8")
        terminal = Terminal.start(twofold, *words)
        terminal.answer("Replace 1 entry for good? [y/N] ", answer)
        assert terminal.end() == code
        assert (
            "0 files and folders new, 1 replaced, 2 unchanged, 0 deleted; 1.17 KiB to write"
            in terminal.text
        )
        assert letter.read_text("utf-8") == text


def test_restoring_into_a_new_place_asks_nothing(twofold: Program, sample: Path) -> None:
    twofold("backup", "sample", code=0)
    assert _shown(twofold, "restore", f"latest:{sample}", "--to", "out").count("[y/N]") == 0


def test_a_bar_is_shown_and_leaves_nothing_behind(twofold: Program, sample: Path) -> None:
    (sample / "large").write_bytes(os.urandom(24 << 20))
    terminal = Terminal.start(twofold, "backup", str(sample))
    assert terminal.end() == 0
    assert "backing up ━━━" in ANSI.sub("", terminal.text)
    assert "\x1b[?25l" in terminal.text  # the cursor was hidden
    assert terminal.text.rindex("\x1b[?25h") > terminal.text.rindex("\x1b[?25l")
    percents = [int(each) for each in re.findall(r"(\d+) %", ANSI.sub("", terminal.text))]
    assert all(each <= 100 for each in percents)


@pytest.mark.parametrize("words", [["-q"], ["--progress", "none"], ["--progress", "plain"]])
def test_a_bar_is_not_shown_when_not_wanted(
    twofold: Program, sample: Path, words: list[str]
) -> None:
    terminal = Terminal.start(twofold, "backup", str(sample), *words)
    assert terminal.end() == 0
    assert "\x1b[?25l" not in terminal.text


def test_no_color_means_none(twofold: Program, sample: Path) -> None:
    assert "\x1b[1m" in _shown(twofold, "backup", str(sample))
    twofold.env["NO_COLOR"] = "1"
    assert "\x1b[" not in _shown(twofold, "snapshots")
    del twofold.env["NO_COLOR"]
    assert "\x1b[" not in _shown(twofold, "snapshots", "--no-color")


def test_color_can_be_forced(twofold: Program, sample: Path) -> None:
    twofold("backup", str(sample))
    assert "\x1b[1m" in twofold("snapshots", env={"FORCE_COLOR": "1"}).out
    assert "\x1b" not in twofold("snapshots").out


def _shown(program: Program, *words: str) -> str:
    terminal = Terminal.start(program, *words)
    assert terminal.end() == 0
    return terminal.text


EVIL = b"evil\x1b]0;owned\x07\x1b[2J\x9b31m\r\n\xe2\x80\xaegpj"


@pytest.mark.parametrize("words", [["-v"], ["-vv"], ["--progress", "bar"], ["--json", "-vv"]])
def test_no_name_commands_the_terminal(twofold: Program, sample: Path, words: list[str]) -> None:
    for number in range(40):
        path = os.fsencode(sample) + b"/%d " % number + EVIL
        Path(os.fsdecode(path)).write_bytes(os.urandom(1 << 16))
    shown = _shown(twofold, "backup", str(sample), *words)
    assert "owned" in shown or words == ["--progress", "bar"]
    _is_harmless(shown)


def test_no_source_commands_the_terminal(twofold: Program) -> None:
    folder = Path(os.fsdecode(os.fsencode(twofold.place) + b"/" + EVIL))
    folder.mkdir()
    _is_harmless(_shown(twofold, "backup", str(folder), "--name", "\x1b[2Jname", "--tag", "\x07"))
    _is_harmless(_shown(twofold, "snapshots"))


def test_no_error_commands_the_terminal(twofold: Program) -> None:
    terminal = Terminal.start(twofold, "-r", "no\x1b]0;owned\x07where", "snapshots")
    assert terminal.end() == 10
    _is_harmless(terminal.text)


def _is_harmless(shown: str) -> None:
    """Only the sequences that we and the bar send: styles, cursor and lines."""
    rest = re.sub(r"\x1b\[(\?25[lh]|[0-9;]*m|2K|1A)", "", shown)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", rest), rest


def test_ctrl_c_in_the_middle_of_a_backup(twofold: Program, sample: Path) -> None:
    (sample / "large").write_bytes(os.urandom(16 << 20))
    terminal = Terminal.start(twofold, "backup", str(sample), "--limit-upload", "1M")
    terminal.wait_for("backing up")
    terminal.process.send_signal(signal.SIGINT)  # what Ctrl-C sends
    assert terminal.end() == 130
    assert "error: interrupted" in terminal.text
    assert terminal.text.rindex("\x1b[?25h") > terminal.text.rindex("\x1b[?25l")
    assert "Traceback" not in terminal.text
    twofold("backup", str(sample), code=0)
    twofold("check", "--read-data", code=0)

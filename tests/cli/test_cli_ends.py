"""Every way in which a run can end: its exit code, its last words, and never a traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest

from twofold import errors
from twofold.cli import main as cli_main
from twofold.commands import snapshots, version
from twofold.errors import TwofoldError

from .world import Program

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "manual"


def all_errors(kind: type[TwofoldError] = TwofoldError) -> list[type[TwofoldError]]:
    """The whole tree."""
    return [kind, *(each for sub in kind.__subclasses__() for each in all_errors(sub))]


def run(monkeypatch: pytest.MonkeyPatch, error: BaseException, *words: str) -> int:
    """Run a verb whose command raises this."""

    def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(version, "run", fail)
    return cli_main.run([*words, "version"])


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("TWOFOLD_")]:
        monkeypatch.delenv(name)
    for kind in ("CACHE", "CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_a_deliberate_error_is_a_sentence_and_its_exit_code(
    kind: type[TwofoldError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(monkeypatch, kind("the sky fell", hint="look up"))
    out, err = capsys.readouterr()
    assert (code, out, err) == (kind.exit_code, "", "error: the sky fell\nhint: look up\n")


def test_families_of_errors_share_no_code() -> None:
    codes: dict[int, str] = {}
    for family in TwofoldError.__subclasses__():
        for kind in all_errors(family):
            assert kind.exit_code == family.exit_code, kind
        if family.exit_code != 1:
            assert codes.setdefault(family.exit_code, family.__name__) == family.__name__


def test_the_manual_lists_the_codes_of_all_errors() -> None:
    text = (MANUAL / "exit-codes.md").read_text("utf-8")
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| ")][1:]
    listed = {int(code): {name.strip(" `") for name in names.split(",")} for code, _, names in rows}
    raised: dict[int, set[str]] = {}
    for kind in TwofoldError.__subclasses__():
        raised.setdefault(kind.exit_code, set()).add(kind.__name__)
    for code, names in raised.items():
        assert names <= listed[code], code
    ends = {0, 1, 2, 3, 4, 5, 18, cli_main.INTERRUPTED, cli_main.TERMINATED}
    assert set(listed) == set(raised) | ends


def test_a_bug_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, ZeroDivisionError("no \x1b[31m way")) == 1
    err = capsys.readouterr().err
    assert err.startswith(
        "error: this is a bug in Twofold: ZeroDivisionError: no \\x1b[31m way\nhint: "
    )
    assert "Traceback" not in err
    (kept,) = (tmp_path / "state" / "twofold").iterdir()
    assert str(kept) in err
    assert "ZeroDivisionError: no" in kept.read_text("utf-8")


def test_details_of_a_bug_are_kept_where_memories_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TWOFOLD_STATE_DIR", str(tmp_path / "elsewhere"))
    assert run(monkeypatch, ZeroDivisionError("no way")) == 1
    (kept,) = (tmp_path / "elsewhere").iterdir()
    assert str(kept) in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_too_little_memory_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, MemoryError()) == 1
    assert capsys.readouterr().err.startswith("error: there is not enough memory\nhint: ")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("how", ["variable", "-vv"])
def test_details_of_a_bug_are_shown_when_asked_for(
    how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TWOFOLD_DEBUG", "1" if how == "variable" else "0")
    assert run(monkeypatch, KeyError("k"), *([how] if how == "-vv" else [])) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_bug_is_told_even_if_nothing_can_be_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file in the way", "utf-8")
    assert run(monkeypatch, KeyError("k")) == 1
    assert "TWOFOLD_DEBUG=1 shows the details" in capsys.readouterr().err


def test_ctrl_c_says_that_work_can_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, KeyboardInterrupt()) == 130
    assert capsys.readouterr().err.startswith("error: interrupted\nhint: run again to resume")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--nonsense"], "No such option '--nonsense'", "see 'twofold --help'"),
        (["nonsense"], "No such command 'nonsense'", "see 'twofold --help'"),
        (["snapshots", "--nonsense"], "No such option", "see 'twofold snapshots --help'"),
        (["snapshots", "extra"], "unexpected extra argument", "see 'twofold snapshots --help'"),
        (["key"], "Missing command", "see 'twofold key --help'"),
        (["key", "remove"], "Missing argument 'ID'", "see 'twofold key remove --help'"),
        (["--limit-upload", "fast", "version"], "'fast' is not a size", "see 'twofold --help'"),
        (["version", "-q", "-v"], "--quiet and --verbose cannot be used together", ""),
        (["version", "--progress", "loud"], "'loud' is not one of", "twofold version --help"),
        (["backup", ""], "an empty path names nothing", "see 'twofold backup --help'"),
        (["init", "one", "-r", "two"], "two places are named: 'one' and 'two'", ""),
        (["snapshots"], "no repository is named", "TWOFOLD_REPO"),
        (["-r", "x", "snapshots", "--limit-upload", "0"], "must be more than 0 bytes", ""),
    ],
)
def test_words_not_understood(
    words: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli_main.run(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    error, _, rest = err.partition("\nhint: ")
    assert error.startswith("error: ")
    assert message in error
    assert hint in rest


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 143)])
def test_signals_end_a_run_in_order(twofold: Program, number: str, code: int) -> None:
    if not hasattr(signal, number):
        pytest.skip(f"there is no {number} here")
    process = _waiting(twofold)
    process.send_signal(getattr(signal, number))
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert (out, err.partition(b"\n")[0]) == (b"", b"error: interrupted")
    assert b"Traceback" not in err


def test_a_signal_while_all_is_loaded_ends_without_a_traceback() -> None:
    statement = """
import sys
class Signal:
    def find_spec(self, name, path, target=None):
        if name == "twofold.cli.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Signal())
from twofold.cli.start import main
main()
"""
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"error: interrupted\n")


def test_what_was_ignored_stays_ignored(twofold: Program) -> None:
    if not hasattr(signal, "SIGHUP"):
        pytest.skip("there is no SIGHUP here")
    process = _waiting(twofold, "nohup")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143


def _waiting(program: Program, *before: str) -> "subprocess.Popen[bytes]":
    """A run that waits for its password command, which has just begun."""
    begun = program.place / "begun"
    (program.place / "wait.py").write_text(
        f"import time\nopen({str(begun)!r}, 'w').close()\ntime.sleep(30)\n", "utf-8"
    )
    from .world import COMMAND

    command = f"{COMMAND[0]} {program.place / 'wait.py'}"
    if not before and hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it
    process = subprocess.Popen(
        [*before, *COMMAND, "snapshots", "--password-command", command],
        env={name: value for name, value in program.env.items() if name != "TWOFOLD_KEY_FILE"},
        cwd=program.place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while not begun.exists():
        time.sleep(0.02)
    return process


def test_a_second_signal_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[str, object] = {}

    def first(*_: object) -> version.VersionResult:
        handlers["before"] = signal.getsignal(signal.SIGTERM)
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            handlers["after"] = signal.getsignal(signal.SIGTERM)
        raise AssertionError

    outside = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(version, "run", first)
    assert cli_main.run(["version"]) == 143
    assert callable(handlers["before"])
    assert handlers["after"] is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is outside


def test_a_reader_that_leaves_a_listing_is_no_failure(twofold: Program) -> None:
    code = _with_closed_stdout(twofold, "snapshots", "--json")
    assert code == (0, b"")
    assert _with_closed_stdout(twofold, "--help") == (0, b"")


def test_a_reader_that_leaves_does_not_stop_work(twofold: Program, sample: Path) -> None:
    assert _with_closed_stdout(twofold, "backup", str(sample), "--json") == (0, b"")
    assert len(twofold("snapshots", "--json", code=0).of("snapshot")) == 1


def _with_closed_stdout(program: Program, *words: str) -> tuple[int, bytes]:
    reader, writer = os.pipe()
    os.close(reader)
    process = program.start(*words, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def test_a_full_disk_under_the_output_is_told(twofold: Program) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with open("/dev/full", "wb") as full:
        process = twofold.start("snapshots", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == b"error: the output cannot be written (No space left on device)\n"


def test_without_any_streams_the_work_is_done(twofold: Program, sample: Path) -> None:
    words = f'"$0" -m twofold backup "{sample}" <&- >&- 2>&-'
    from .world import COMMAND

    done = subprocess.run(
        ["sh", "-c", words, COMMAND[0]], env=twofold.env, cwd=twofold.place, check=False
    )
    assert done.returncode == 0
    assert len(twofold("snapshots", "--json", code=0).of("snapshot")) == 1


def test_damage_found_on_the_way_keeps_its_code(
    twofold: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_: object) -> NoReturn:
        raise errors.ObjectDamaged("a pack is damaged")

    for name, value in twofold.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(snapshots, "run", damaged)
    assert cli_main.run(["list", "--json"]) == 5

"""Starting costs little: help loads click and nothing of the engines."""

import json
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from twofold.cli.root import ALIASES, VERBS, root

from .world import Program

HEAVY = set(
    """asyncio blake3 cryptography email http importlib.metadata json logging msgspec
    multiprocessing platformdirs rich socket sqlite3 subprocess tomlkit tomllib twofold.backend
    twofold.commands twofold.events twofold.format twofold.options twofold.pipeline twofold.platform
    twofold.repository twofold.seal twofold.view unittest urllib.request""".split()
)
SCRIPT = """
import sys
from twofold.cli.main import run
code = run(sys.argv[1:])
found = sorted(sys.modules)
import json
sys.stderr.write(json.dumps([code, found]))
"""


def modules_after(program: Program, *words: str) -> set[str]:
    """Everything that is imported when these words were handled."""
    command = [sys.executable, "-c", SCRIPT, *words]
    done = subprocess.run(command, env=program.env, capture_output=True, text=True, check=True)
    code, found = json.loads(done.stderr)
    assert code == 0
    return set(found)


def test_help_imports_nothing_heavy(bare: Program) -> None:
    found = modules_after(bare, "--help")
    assert found & HEAVY == set()
    assert "click.core" in found
    assert len([name for name in found if name.startswith("twofold")]) <= 12


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "version"])
def test_help_of_a_verb_imports_nothing_heavy(bare: Program, verb: str) -> None:
    assert modules_after(bare, verb, "--help") & (
        HEAVY - {"msgspec", "twofold.events", "twofold.options"}
    ) <= {"subprocess"}


def test_the_judge_of_imports_can_say_no(bare: Program) -> None:
    assert modules_after(bare, "version") & HEAVY


def test_the_table_of_verbs_says_what_the_verbs_say() -> None:
    with root.make_context("twofold", [], resilient_parsing=True) as context:
        for verb, sentence in VERBS.items():
            command = root.get_command(context, verb)
            assert command is not None
            assert command.name == verb
            assert sentence.rstrip(".") in (command.help or "").partition("\n\n")[0], verb


def test_every_variable_is_called_like_its_option() -> None:
    with root.make_context("twofold", [], resilient_parsing=True) as context:
        for command in all_commands(context):
            for option in command.params:
                if isinstance(option, click.Option) and option.allow_from_autoenv:
                    longest = max(option.opts, key=len).removeprefix("--")
                    assert option.name == longest.replace("-", "_")


def all_commands(context: click.Context) -> Iterator[click.Command]:
    """Every verb, those of two words included."""
    yield root
    for verb in VERBS:
        command = root.get_command(context, verb)
        assert command is not None
        yield command
        if isinstance(command, click.Group):
            yield from command.commands.values()


def test_an_alias_is_the_verb_itself() -> None:
    with root.make_context("twofold", [], resilient_parsing=True) as context:
        for alias, verb in ALIASES.items():
            assert root.get_command(context, alias) is root.get_command(context, verb)
        assert root.get_command(context, "nonsense") is None


def end_of(bare: Program, before: str, *words: str) -> tuple[int, str]:
    """Exit code and output of the program as it is started, after some lines of Python."""
    start = f"import sys; from twofold.cli.start import main; sys.argv[1:] = {words!r}; main()"
    code = f"{before}\n{start}"
    done = subprocess.run(
        [sys.executable, "-c", code], env=bare.env, stdout=subprocess.PIPE, text=True, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(("words", "code"), [(("version",), 0), (("nonsense",), 2)])
def test_what_was_wanted_at_the_end_is_done(bare: Program, words: tuple[str], code: int) -> None:
    ended, out = end_of(bare, "import atexit; atexit.register(print, 'at the end', end='')", *words)
    assert ended == code
    assert out.endswith("at the end")


def test_the_end_waits_for_other_threads(bare: Program) -> None:
    before = """
import threading
def work():
    threading.main_thread().join()
    print("after the main thread", flush=True)
threading.Thread(target=work).start()
"""
    ended, out = end_of(bare, before, "nonsense")
    assert (ended, out) == (2, "after the main thread\n")

"""The configuration file: strict, and the last to be asked."""

from pathlib import Path

import pytest

from twofold.cli import config
from twofold.cli.configured import Configured
from twofold.cli.root import root
from twofold.errors import UsageError

from .world import Program

WHERE = Path("config.toml")


def write(program: Program, text: str) -> Path:
    """Make this the user's configuration."""
    path = program.place / "config" / "twofold" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_values_are_checked_and_kept() -> None:
    values = config.parse(
        'repo = "~/b"\nexclude = ["*.tmp", "a b"]\nexclude-from = "one"\nexclude-caches = true\n'
        'limit-upload = 5000\nlimit-download = "1.5M"\npassword-command = ["pass", "show", "x"]\n',
        WHERE,
    )
    assert not values.pop("repo").startswith("~")
    assert values == {
        "exclude": ("*.tmp", "a b"),
        "exclude-from": ("one",),
        "exclude-caches": True,
        "limit-upload": "5000",
        "limit-download": "1.5M",
        "password-command": ("pass", "show", "x"),
    }


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("\nrepoo = 'x'", "config.toml, line 2: unknown key 'repoo'", "did you mean 'repo'?"),
        ("exclude_caches = true", "line 1: unknown key 'exclude_caches'", "'exclude-caches'"),
        ("[backup]\nname = 'x'", "line 1: unknown key 'backup'", "known keys: repo, "),
        ("password = 'x'", "unknown key 'password'", "use password-file or password-command"),
        ("repo = 7", "'repo' must be text", ""),
        ("repo = ''", "'repo' must be text", ""),
        ("exclude = [1]", "'exclude' must be a list of texts", ""),
        ("exclude-caches = 'yes'", "'exclude-caches' must be true or false", ""),
        ("limit-upload = true", "'limit-upload' must be a size", ""),
        ("password-command = []", "'password-command' must be a command", ""),
        ("repo = 'a'\nrepo = 'b'", "config.toml: Cannot overwrite a value", "TOML"),
        ("repo", "config.toml: ", "key = value"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        config.parse(text, WHERE)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_no_file_is_no_error(bare: Program) -> None:
    assert "no repository is set up" in bare(code=0).out


def test_a_file_that_is_named_must_exist(bare: Program) -> None:
    outcome = bare(env={"TWOFOLD_CONFIG": "/nonexistent.toml"}, code=2)
    assert "'/nonexistent.toml' does not exist" in outcome.err


def test_an_unknown_key_stops_the_run(twofold: Program) -> None:
    path = write(twofold, "exlude = ['x']\n")
    outcome = twofold("snapshots", code=2)
    assert outcome.err == (
        f"error: {path}, line 1: unknown key 'exlude'\nhint: did you mean 'exclude'?\n"
    )


def test_help_and_version_do_not_care(bare: Program) -> None:
    write(bare, "nonsense")
    bare("--help", code=0)
    bare("backup", "--help", code=0)
    bare("version", code=0)


def test_option_before_variable_before_file(twofold: Program, pristine: Path) -> None:
    other = str(twofold.place / "nowhere")
    write(twofold, f"repo = '{other}'\n")
    assert twofold("snapshots").code == 0
    assert other in twofold("snapshots", env={"TWOFOLD_REPO": ""}, code=10).err
    right = str(pristine)
    wrong = {"TWOFOLD_REPO": "/variable"}
    assert right in twofold("-r", right, "snapshots", env=wrong, code=0).out
    assert right in twofold("snapshots", "-r", right, env=wrong, code=0).out
    assert right in twofold("-r", "/before", "snapshots", "-r", right, env=wrong, code=0).out


def test_options_of_backup_come_from_the_file_too(twofold: Program, sample: Path) -> None:
    write(twofold, "name = 'file'\ntag = ['a', 'b']\nexclude = ['numbers']\n")
    twofold("backup", str(sample), code=0)
    twofold("backup", str(sample), env={"TWOFOLD_NAME": "variable", "TWOFOLD_TAG": "c\nd"}, code=0)
    twofold("backup", str(sample), "--name", "option", env={"TWOFOLD_NAME": "variable"}, code=0)
    found = twofold("snapshots", "--json", code=0).of("snapshot")
    assert [(each["name"], each["tags"], each["files"]) for each in found] == [
        ("file", ["a", "b"], 1),
        ("variable", ["c", "d"], 1),
        ("option", ["a", "b"], 1),
    ]


def test_the_keys_are_the_options() -> None:
    with root.make_context("twofold", [], resilient_parsing=True) as context:
        backup = root.get_command(context, "backup")
        assert backup is not None
        configured = {each.key for each in backup.params if isinstance(each, Configured)}
        spelled = {word.lstrip("-") for each in root.params for word in each.opts}
    assert configured == set(config.BACKUP_KEYS)
    assert set(config.GLOBAL_KEYS) <= spelled

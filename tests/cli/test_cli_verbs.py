"""What the verbs say and do, from words to text, and the same verb before and after options."""

import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from twofold.cli.verbs.ls import permissions
from twofold.format.names import Kind

from .world import COMMAND, PASSWORD, Outcome, Program


def test_the_main_job(twofold: Program, sample: Path) -> None:
    made = twofold("backup", "sample", code=0)
    folders = len(sample.relative_to("/").parts) + 1  # those above it, itself and the one in it
    assert "  2 files, 11.2 KiB in all\n" in made.out
    listed = twofold("snapshots", code=0).out.splitlines()
    assert listed[0].split() == "id made host files size stored folders".split()
    assert listed[1].split()[-1] == str(sample)
    assert listed[1].split()[0] in made.out
    assert twofold("ls", f"latest:{sample}", code=0).out.splitlines()[:2] == [
        f"{sample}/letter.txt",
        f"{sample}/sub/",
    ]
    back = twofold("restore", f"latest:{sample}", "--to", "out", code=0)
    assert "3 files and folders new, 0 replaced, 0 unchanged, 0 deleted; 11.2 KiB to" in back.out
    assert "\nrestored 3 files and folders, " in back.out
    whole = twofold("restore", "latest", "--to", "whole", code=0)
    assert f"\nrestored {2 + folders} files and folders, 11.2 KiB in " in whole.out
    for name in ("letter.txt", "sub/numbers"):
        assert (twofold.place / "out" / name).read_bytes() == (sample / name).read_bytes()


def test_global_options_stand_anywhere(twofold: Program, sample: Path) -> None:
    def records(outcome: Outcome) -> int:
        return len(outcome.records)

    assert records(twofold("--json", "backup", "sample", "-n", code=0)) >= 2
    assert records(twofold("-n", "backup", "sample", "--json", code=0)) >= 2
    assert records(twofold("-n", "backup", "--json", "sample", code=0)) >= 2
    assert twofold("snapshots", "--json").of("snapshot") == []
    assert twofold("-q", "snapshots", code=0).out == ""
    assert twofold("key", "-q", "list", code=0).out == twofold("key", "list", "-q", code=0).out


def test_quiet_leaves_results(twofold: Program, sample: Path) -> None:
    assert twofold("backup", "sample", "-q", code=0).out == ""
    lines = twofold("snapshots", "-q", code=0).out.splitlines()
    assert len(lines) == 2
    assert twofold("ls", "latest", "-q", code=0).out.count("\n") == 1


def test_verbose_names_entries(twofold: Program, sample: Path) -> None:
    said = twofold("backup", "sample", "-v", code=0).err
    assert f"stored     {sample}/letter.txt (1.17 KiB)\n" in said
    assert "letter.txt" not in twofold("backup", "sample", "-v", code=0).err
    words = ("backup", "sample", "--exclude", "*.txt", "--force")
    assert "letter.txt" not in twofold(*words, "-v", code=0).err
    assert f"excluded   {sample}/letter.txt\n" in twofold(*words, "-vv", code=0).err


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs rights that can be taken away")
def test_what_cannot_be_read_is_told(twofold: Program, sample: Path) -> None:
    listed = twofold.place / "list"
    listed.write_text(f"{sample}\n{sample}/absent\n", "utf-8")
    outcome = twofold("backup", "--files-from", "list")
    assert outcome.code == 3
    assert f"warning: {sample}/absent: " in outcome.err
    assert "1 entry could not be read: this backup is not complete" in outcome.out


def test_options_of_backup_arrive(twofold: Program, sample: Path) -> None:
    words = "--name docs --tag a --tag b --host other --exclude numbers".split()
    twofold("backup", "sample", *words, code=0)
    (found,) = twofold("snapshots", "--json").of("snapshot")
    assert [found[key] for key in ("name", "tags", "host", "files")] == [
        "docs",
        ["a", "b"],
        "other",
        1,
    ]
    larger = twofold("backup", "sample", "--exclude-larger-than", "2K", "--json", code=0).summary
    assert (larger["stored"], larger["excluded"]) == (1, 1)


def test_standard_input_becomes_a_file(twofold: Program) -> None:
    twofold("backup", "--stdin-name", "dump.sql", stdin=b"select 1;\n", code=0)
    twofold("restore", "latest", "--to", "out", code=0)
    assert (twofold.place / "out" / "dump.sql").read_bytes() == b"select 1;\n"


def test_what_cannot_be_read_from_standard_input_is_told(twofold: Program) -> None:
    zero = twofold("backup", "--files-from", "-", stdin=b"sample\0other\n", code=2)
    assert "--files-from0" in zero.err
    # the shell leaves the program without standard input, or with one that only takes
    for redirected, code in (("<&-", 2), ("0>/dev/null", 1)):
        words = shlex.join([*COMMAND, "backup", "--stdin-name", "dump"])
        done = subprocess.run(
            f"{words} {redirected}", shell=True, env=twofold.env, capture_output=True, check=False
        )
        assert done.returncode == code
        assert done.stderr.startswith(b"error: ")
        assert b"bug" not in done.stderr


def test_a_repository_that_is_reached_through_a_link_is_not_backed_up(twofold: Program) -> None:
    (twofold.place / "link").symlink_to("repository")
    twofold("-r", "link", "backup", ".", code=0)
    found = twofold("--json", "find", "config.copy", code=0)
    assert found.summary["entries"] == 0


def test_a_folder_that_is_gone_is_no_place_to_start_from(twofold: Program) -> None:
    """What is named by its whole path is found even so."""
    words = shlex.join([*COMMAND, "backup", "sample"])
    (twofold.place / "gone").mkdir()
    command = f"cd gone && rmdir ../gone && {words}"
    done = subprocess.run(
        command, shell=True, env=twofold.env, cwd=twofold.place, capture_output=True, check=False
    )
    assert (done.returncode, b"folder you are in is gone" in done.stderr) == (2, True)


def test_filters_of_snapshots(twofold: Program, sample: Path) -> None:
    for name, tag in (("one", "a"), ("two", "b")):
        twofold("backup", "sample", "--name", name, "--tag", tag, code=0)
    variables = {"TWOFOLD_NAME": "two", "TWOFOLD_TAG": "b"}  # for backup, not for looking
    assert len(twofold("snapshots", "--json", env=variables).of("snapshot")) == 2
    for words in (["--name", "one"], ["--tag", "a"], ["--tag", "a", "--name", "one"]):
        (found,) = twofold("snapshots", "--json", *words).of("snapshot")
        assert found["name"] == "one"
    outcome = twofold("snapshots", "--tag", "a", "--tag", "b", code=0)
    assert outcome.out.startswith("0 backups, 2 more not shown in ")


def test_restore_leaves_out_only_what_its_words_leave_out(twofold: Program, sample: Path) -> None:
    twofold("backup", "sample", code=0)
    variables = {"TWOFOLD_EXCLUDE": "*", "TWOFOLD_INCLUDE": "nothing"}
    twofold("restore", f"latest:{sample}", "--to", "out", env=variables, code=0)
    assert (twofold.place / "out" / "letter.txt").exists()
    twofold("restore", f"latest:{sample}", "--to", "less", "--exclude", "*.txt", code=0)
    assert not (twofold.place / "less" / "letter.txt").exists()


def test_restore_dry_run_writes_nothing(twofold: Program, sample: Path) -> None:
    twofold("backup", "sample", code=0)
    outcome = twofold("restore", f"latest:{sample}", "--to", "out", "-n", code=0)
    assert outcome.out.startswith("3 files and folders new, 0 replaced")
    assert not (twofold.place / "out").exists()


def test_restore_without_a_terminal_never_loses_anything(twofold: Program, sample: Path) -> None:
    twofold("backup", "sample", code=0)
    (sample / "letter.txt").write_text("mine", "utf-8")
    words = ("restore", f"latest:{sample}", "--to", str(sample))
    refused = twofold(*words, "--existing", "replace", code=17)
    assert "would lose entries for good\nhint: add --yes" in refused.err
    assert (sample / "letter.txt").read_text("utf-8") == "mine"
    kept = twofold(*words, code=0).out
    aside = Path(kept.partition("is kept in ")[2].splitlines()[0])
    assert [each.read_text("utf-8") for each in aside.rglob("letter.txt")] == ["mine"]
    (sample / "letter.txt").write_text("mine", "utf-8")
    twofold(*words, "--existing", "replace", "--yes", code=0)
    assert (sample / "letter.txt").read_text("utf-8").startswith("Dear reader")


def test_long_listings(twofold: Program, sample: Path) -> None:
    os.chmod(sample / "letter.txt", 0o640)
    os.utime(sample / "letter.txt", (0, 0))
    if hasattr(os, "symlink"):
        os.symlink("letter.txt", sample / "link")
    twofold("backup", "sample", code=0)
    lines = twofold("ls", "-l", f"latest:{sample}", code=0).out.splitlines()
    assert lines[0].startswith("-rw-r----- ")
    assert " 1.17 KiB 1970-01-01 00:00  " in lines[0]
    assert lines[1].endswith("/link -> letter.txt")
    assert lines[2].startswith("d")


@pytest.mark.parametrize(
    ("mode", "letters"),
    [
        (0o755, "rwxr-xr-x"),
        (0o4755, "rwsr-xr-x"),
        (0o6644, "rwSr-Sr--"),
        (0o1777, "rwxrwxrwt"),
        (0o1000, "--------T"),
    ],
)
def test_permissions(mode: int, letters: str) -> None:
    assert permissions(mode) == letters


def test_check_of_a_whole_repository(twofold: Program, sample: Path) -> None:
    twofold("backup", "sample", code=0)
    said = twofold("check", code=0).out
    assert said.startswith("no damage found in ")
    assert "  1 backup, 2 packs with " in said
    assert "contents were not read" in said
    assert "  2 packs with " in twofold("check", "--read-data", code=0).out
    assert twofold("check", "--read-data", "--json", code=0).summary["packs_read"] == 2


def test_check_of_a_damaged_repository(twofold: Program, sample: Path) -> None:
    twofold("backup", "sample", code=0)
    packs = sorted((twofold.place / "repository" / "packs").rglob("*"))
    for pack in packs:
        if pack.is_file():
            pack.unlink()
    outcome = twofold("check", code=5)
    assert "damage: " in outcome.err
    assert "findings of damage; 1 of 1 backups miss something" in outcome.out
    records = twofold("check", "--json", code=5)
    assert records.of("finding")
    (affected,) = records.of("affected")
    assert affected["paths"]
    assert "findings" not in records.summary


def test_a_backup_that_cannot_be_read_is_missed_in_the_list(twofold: Program, sample: Path) -> None:
    twofold("backup", "sample", code=0)
    twofold("backup", "sample", code=0)
    next((twofold.place / "repository/roots").iterdir()).write_bytes(b"")
    summary = twofold("--json", "snapshots", code=5).summary
    assert (summary["total"], summary["damaged"]) == (1, 1)
    assert "1 more cannot be read" in twofold("snapshots", code=5).out


def test_a_backup_that_cannot_be_read_may_be_the_one_that_is_meant(
    twofold: Program, sample: Path
) -> None:
    for _ in range(2):
        twofold("backup", "sample", code=0)
    found = {each["id"] for each in twofold("--json", "snapshots", code=0).of("snapshot")}
    lost, *_ = (twofold.place / "repository/roots").iterdir()
    lost.write_bytes(b"")
    (left,) = found - {lost.name}
    told = twofold("restore", "latest", "--to", "there", code=5)
    assert "one may be newer" in told.err
    assert (twofold.place / "there").exists()
    assert "newer" not in twofold("restore", left, "--to", "elsewhere", code=0).err
    assert twofold("ls", "latest", code=0).out


def test_what_a_restore_has_missed_is_stored_again_too(twofold: Program, sample: Path) -> None:
    """Nobody has to ask for a check."""
    twofold("backup", "sample", code=0)
    for pack in (twofold.place / "repository/packs").rglob("*"):
        if pack.is_file() and pack.read_bytes()[10] == Kind.DATA_PACK:
            pack.write_bytes(os.urandom(pack.stat().st_size))
    twofold("restore", f"latest:{sample}", "--to", "lost", code=5)
    twofold("backup", "sample", code=0)
    twofold("restore", f"latest~1:{sample}", "--to", "back", code=0)
    assert (twofold.place / "back/letter.txt").read_bytes() == (sample / "letter.txt").read_bytes()


def test_what_check_advises_brings_back_what_is_still_there(twofold: Program, sample: Path) -> None:
    """No file has changed, and all packs have their lengths."""
    twofold("backup", "sample", code=0)
    for pack in (twofold.place / "repository/packs").rglob("*"):
        if pack.is_file() and pack.read_bytes()[10] == Kind.DATA_PACK:
            pack.write_bytes(os.urandom(pack.stat().st_size))
    told = twofold("check", "--read-data", code=5).err
    assert "its next backup stores again what is still here" in told
    twofold("restore", f"latest:{sample}", "--to", "lost", code=5)
    twofold("backup", "sample", code=0)
    assert not twofold("--json", "check", "--read-data", code=5).of("affected")
    twofold("restore", f"latest:{sample}", "--to", "back", code=0)
    assert (twofold.place / "back/letter.txt").read_bytes() == (sample / "letter.txt").read_bytes()


def test_status_says_how_to_start(bare: Program) -> None:
    said = bare(code=0).out
    assert said.startswith("Nothing is backed up yet")
    assert "twofold init PLACE" in said


def test_status_says_how_things_stand(twofold: Program, sample: Path) -> None:
    assert "holds no backup yet" in twofold(code=0).out
    twofold("backup", "sample", code=0)
    assert "was made just now" in twofold(code=0).out
    summary = twofold("--json", code=0).summary
    assert (summary["backups"], summary["unlocked"]) == (1, True)
    del twofold.env["TWOFOLD_KEY_FILE"]
    assert "without its password nothing more can be told" in twofold(code=0).out
    assert twofold(env={"TWOFOLD_PASSWORD": "wrong"}, code=12).out == ""


def test_keys_come_and_go(twofold: Program) -> None:
    (twofold.place / "pw").write_text("another password\n", "utf-8")
    twofold("key", "add", "--new-password-file", "pw", "--label", "mine", code=0)
    listed = twofold("key", "list", "--password-file", "pw", code=0).out
    (used,) = [line for line in listed.splitlines() if "in use" in line]
    assert used.split()[1:5] == ["password", "in", "use", "mine"]
    ident = used.split()[0]
    assert "needs somebody to confirm it" in twofold("key", "remove", ident, code=17).err
    assert "would remove" in twofold("key", "remove", ident, "-n", code=0).out
    twofold("key", "remove", ident, "--yes", code=0)
    twofold("key", "list", "--password-file", "pw", code=12)
    assert "names 0 keys" in twofold("key", "remove", ident, "--yes", code=2).err


def test_a_key_file_is_made_when_it_does_not_exist(twofold: Program) -> None:
    twofold("key", "add", "--new-key-file", "made", "-n", code=0)
    assert not (twofold.place / "made").exists()
    twofold("key", "add", "--new-key-file", "made", code=0)
    assert (twofold.place / "made").stat().st_size == 32
    if os.sep == "/":
        assert (twofold.place / "made").stat().st_mode & 0o777 == 0o600
    twofold("snapshots", "--key-file", "made", code=0)
    assert "cannot be made" in twofold("key", "add", "--new-key-file", "no/made", code=2).err


def test_a_recovery_kit_opens_the_repository(twofold: Program) -> None:
    kit = twofold("key", "recovery-kit", "--json", code=0).summary
    page = twofold("key", "recovery-kit", code=0).out
    assert kit["repository"] in page
    del twofold.env["TWOFOLD_KEY_FILE"]
    twofold("snapshots", env={"TWOFOLD_PASSWORD": kit["recovery_key"]}, code=0)


def test_a_pair_of_repositories(twofold: Program, sample: Path) -> None:
    words = ["init", "second", "--pair-with", "repository", "--key-file", "key"]
    made = twofold(*words, "--pair-key-file", "key", code=0)
    assert "paired with repository" in made.out
    (twofold.place / "bad").write_bytes(b"x" * 32)
    twofold("init", "third", *words[2:], "--pair-key-file", "bad", code=12)
    assert not (twofold.place / "third").exists()


def test_init_tells_before_it_does(bare: Program) -> None:
    env = {"TWOFOLD_PASSWORD": PASSWORD}
    assert "would make" in bare("init", "new", "-n", env=env, code=0).out
    assert not (bare.place / "new").exists()
    bare("init", "new", "-q", env=env, code=0)
    assert "there is a repository at new already" in bare("init", "new", env=env, code=17).err


def test_limits_are_held(twofold: Program, sample: Path) -> None:
    (sample / "large").write_bytes(os.urandom(3 << 20))
    began = time.monotonic()
    twofold("backup", "sample", "--limit-upload", "1M", code=0)
    assert time.monotonic() - began > 2.5


def test_the_schema_can_be_printed(bare: Program) -> None:
    from .manual import schema_text

    assert bare("version", "--schema", code=0).out == schema_text()

"""How each program is asked for what else is done with a repository than backing up and restoring.

A verb is a line of words with places in braces. What a program has no verb for is left out, and
verbs that do a little more or less than their neighbours in the row stand in ``NOTES``.

    {root} {folder} {near} {file}
                              absolute paths in the source: all of it, the folder to restore, the
                              folder to list, and a file in that; {bare_…} without the first slash,
                              {in_…} what follows the root
    {name}                    a file's name that occurs once
    {last} {before}           ids of the newest backup and of the one before it
    {out}                     an empty folder to restore into
"""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.measure import Pipeline
from bench.program import Program, World

VERBS: dict[str, dict[str, str]] = {
    "twofold": {
        "snapshots": "snapshots",
        "ls of all": "ls -R latest:{root}",
        "ls of a folder": "ls latest:{near}",
        "find in one": "find --snapshot latest {name}",
        "find in all": "find {name}",
        "versions": "versions {file}",
        "diff": "diff latest~1 latest",
        "cat": "cat latest:{file}",
        "restore a file": "restore latest:{file} --to {out}",
        "restore a folder": "restore latest:{folder} --to {out}",
        "stats": "stats",
        "stats of one": "stats latest",
        "check": "check",
        "check all data": "check --read-data",
        "keys": "key list",
    },
    "restic": {
        "snapshots": "snapshots",
        "ls of all": "ls {last}",
        "ls of a folder": "ls {last} {near}",
        "find in one": "find --snapshot {last} {name}",
        "find in all": "find {name}",
        "versions": "find {file}",
        "diff": "diff {before} {last}",
        "cat": "dump {last} {file}",
        "restore a file": "restore {last} --include {file} --target {out}",
        "restore a folder": "restore {last}:{folder} --target {out}",
        "stats": "stats --mode raw-data",
        "stats of one": "stats {last}",
        "check": "check",
        "check all data": "check --read-data",
        "keys": "key list",
    },
    "borg": {
        "snapshots": "list",
        "ls of all": "list --short ::{last}",
        "ls of a folder": "list --short ::{last} {bare_near}",
        "find in one": "list --short ::{last} sh:**/{name}",
        "diff": "diff ::{before} {last}",
        "cat": "extract --stdout ::{last} {bare_file}",
        "restore a file": "extract ::{last} {bare_file}",
        "restore a folder": "extract ::{last} {bare_folder}",
        "stats": "info",
        "stats of one": "info ::{last}",
        "check": "check",
        "check all data": "check --verify-data",
    },
    "rustic": {
        "snapshots": "snapshots",
        "ls of all": "ls latest",
        "ls of a folder": "ls latest:{near}",
        "find in one": "find --glob {name} latest",
        "find in all": "find --glob {name}",
        "versions": "find --path {file}",
        "diff": "diff latest~1 latest",
        "cat": "dump latest:{file}",
        "restore a file": "restore latest:{file} {out}",
        "restore a folder": "restore latest:{folder} {out}",
        "stats": "repoinfo",
        "check": "check",
        "check all data": "check --read-data",
        "keys": "list keys",
    },
    "kopia": {
        "snapshots": "snapshot list --all",
        "ls of all": "ls --recursive {last}",
        "ls of a folder": "ls {last}{in_near}",
        "diff": "diff {before} {last}",
        "cat": "show {last}{in_file}",
        "restore a file": "restore --no-progress {last}{in_file} {out}/{name}",
        "restore a folder": "restore --no-progress {last}{in_folder} {out}",
        "stats": "content stats",
        "check": "snapshot verify",
        "check all data": "snapshot verify --verify-files-percent=100",
    },
}
NOTES = {
    "check": "borg reads everything and compares checksums already here",
    "check all data": "kopia reads each file of each backup, the others each pack",
    "stats": "restic, rustic and kopia count what is stored; Twofold also tells which computer and"
    " kind it belongs to, borg answers from its cache",
    "stats of one": "Twofold tells what no other backup has; restic sums sizes up",
    "diff": "kopia downloads the contents of both states, unless asked for numbers only",
}
Ids = tuple[str, str]


def ids(program: Program, world: World, env: Mapping[str, str]) -> Ids:
    """What the program calls the newest backup and the one before it."""
    match program.tool:
        case "restic":
            return _told(program, env, ["snapshots", "--json"], lambda each: each["short_id"])
        case "kopia":
            words = ["snapshot", "list", "--json"]
            return _told(program, env, words, lambda each: each["rootEntry"]["obj"])
        case _:
            return f"b{world.number}", f"b{world.number - 1}"


def _told(
    program: Program, env: Mapping[str, str], words: list[str], name: Callable[[Any], str]
) -> Ids:
    said = subprocess.run(
        [program.command, *words], env=env, capture_output=True, check=True
    ).stdout
    before, last = [name(each) for each in json.loads(said)][-2:]
    return last, before


def places(world: World, file: Path, folder: Path, known: Ids) -> dict[str, str]:
    """What stands for the braces."""
    root = world.source
    paths = {"root": root, "folder": folder, "near": file.parent, "file": file}
    return {
        **{name: str(path) for name, path in paths.items()},
        **{f"bare_{name}": str(path).removeprefix("/") for name, path in paths.items()},
        **{f"in_{name}": str(path).removeprefix(str(root)) for name, path in paths.items()},
        "name": file.name,
        "last": known[0],
        "before": known[1],
        "out": str(world.restored),
    }


def words(program: Program, verb: str, filled: Mapping[str, str]) -> Pipeline | None:
    """The command for a verb; None when the program has none."""
    line = VERBS[program.tool].get(verb)
    if line is None:
        return None
    command = [program.command, *(word.format(**filled) for word in line.split())]
    if program.tool == "borg" and verb.startswith("restore"):  # it extracts where it stands
        command = ["env", f"--chdir={filled['out']}", *command]
    return [command]

"""The parts of the manual that are made from the program itself.

    PYTHONPATH=tests .venv/bin/python -m cli.manual     writes them anew

A test compares what is checked in with what this would write.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from twofold.cli.render.schema import whole_schema
from twofold.cli.root import ALIASES, VERBS, root

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMANDS = DOCS / "manual" / "commands.md"
SCHEMA = DOCS / "schema" / "records-v1.json"
WIDTH = 96

INTRODUCTION = """\
# Commands

Made from `twofold --help` and the help of every verb; see also [exit codes](exit-codes.md),
[configuration](configuration.md) and [records for programs](json.md).
"""


def commands_page() -> str:
    """The page of all verbs."""
    return "\n".join([INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    with root.make_context(
        "twofold", [], resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH
    ) as context:
        yield _section(root, context)
        for verb in VERBS:
            command = root.get_command(context, verb)
            assert command is not None
            yield from _sections_of(command, verb, context)


def _sections_of(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    context.terminal_width = context.max_content_width = WIDTH
    yield _section(command, context)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            yield from _sections_of(command.commands[each], each, context)


def _section(command: click.Command, context: click.Context) -> str:
    others = [alias for alias, verb in ALIASES.items() if verb == command.name]
    also = f"\nAlso called `{', '.join(others)}`.\n" if others else ""
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"## {context.command_path}\n{also}\n```text\n{text}\n```\n"


def schema_text() -> str:
    """The schema of the records."""
    return json.dumps(whole_schema(), indent=1) + "\n"


if __name__ == "__main__":
    COMMANDS.write_text(commands_page(), "utf-8")
    SCHEMA.parent.mkdir(exist_ok=True)
    SCHEMA.write_text(schema_text(), "utf-8")

"""The manual says what the program says."""

import re

from twofold.cli import config
from twofold.cli.render.schema import RESULTS, result_types, whole_schema
from twofold.cli.root import root

from .manual import COMMANDS, DOCS, SCHEMA, commands_page, schema_text
from .test_cli_start import all_commands


def test_the_page_of_commands_is_current() -> None:
    assert COMMANDS.read_text("utf-8") == commands_page()


def test_the_schema_is_current() -> None:
    assert SCHEMA.read_text("utf-8") == schema_text()


def test_every_verb_has_a_result_in_the_schema() -> None:
    with root.make_context("twofold", [], resilient_parsing=True) as context:
        names = {name for command in all_commands(context) if (name := command.name)}
    spoken = {verb.rpartition(" ")[2] for verb in RESULTS} | {"twofold", "key"}
    assert spoken == names | {"status"}
    definitions = whole_schema()["$defs"]
    assert isinstance(definitions, dict)
    assert {f"summary of {verb}" for verb in result_types()} <= set(definitions)


def test_the_page_of_configuration_names_every_key_and_variable() -> None:
    text = (DOCS / "manual" / "configuration.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)
    assert rows == list(config.KEYS)
    for variable in ("TWOFOLD_CONFIG", "TWOFOLD_PASSWORD", "TWOFOLD_DEBUG", "NO_COLOR"):
        assert f"`{variable}`" in text


def test_the_page_of_records_names_every_type() -> None:
    text = (DOCS / "manual" / "json.md").read_text("utf-8")
    definitions = whole_schema()["$defs"]
    assert isinstance(definitions, dict)
    for name in definitions:
        assert f"`{name.partition(' ')[0]}`" in text, name

"""--json: every line is a record that obeys the published schema; the last is the summary."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest
from msgspec.structs import replace

from twofold.cli.render.encode import plain, plain_fields, record_schema, records_in
from twofold.cli.render.ndjson import JsonRenderer
from twofold.cli.render.output import Output
from twofold.cli.render.schema import RESULTS
from twofold.events import Finding, ItemDone, Notice, Phase, Progress, Severity, SourceWarning
from twofold.format.image import PartName
from twofold.options import Secret

from .manual import SCHEMA
from .schema_judge import fits, violations
from .world import PASSWORD, Outcome, Program

SCHEMA_V1 = json.loads(SCHEMA.read_text("utf-8"))


def obeys(outcome: Outcome) -> None:
    """Fail unless the output is what programs were promised."""
    assert outcome.out.isascii()
    assert outcome.out.endswith("\n")
    records = outcome.records
    assert [each["type"] for each in records].count("start") == 1
    assert [each["type"] for each in records].count("summary") == 1
    assert (records[0]["type"], records[-1]["type"]) == ("start", "summary")
    assert records[-1]["exit_code"] == outcome.code
    for record in records:
        assert definitions_that_fit(record), (
            sorted(violations(record, SCHEMA_V1["$defs"][record["type"]], SCHEMA_V1))
            if record["type"] in SCHEMA_V1["$defs"]
            else record
        )


def definitions_that_fit(record: dict[str, object]) -> list[str]:
    """The parts of the schema that a record obeys."""
    parts = SCHEMA_V1["$defs"].items()
    return [name for name, each in parts if fits(record, each, SCHEMA_V1)]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 0),
        (["version"], 0),
        (["snapshots"], 0),
        (["snapshots", "--host", "nobody"], 0),
        (["key", "list"], 0),
        (["key", "add", "--new-key-file", "another"], 0),
        (["key", "add", "-n", "--new-key-file", "another"], 0),
        (["key", "recovery-kit"], 0),
        (["key", "recovery-kit", "-n"], 0),
        (["key", "remove", "00000000000000000000000000000000"], 2),
        (["init", "fresh"], 0),
        (["init", "fresh", "-n"], 0),
        (["init"], 17),
        (["backup", "sample", "-vv"], 0),
        (["backup", "sample", "-n"], 0),
        (["backup", "nowhere"], None),
        (["ls", "latest"], 2),
        (["check"], 0),
        (["check", "--read-data"], 0),
        (["check", "--read-data=5%"], 0),
        (["check", "--read-data", "0"], 2),
        (["-r", "nowhere", "snapshots"], 10),
        (["--nonsense"], 2),
        (["nonsense"], 2),
        (["snapshots", "--nonsense"], 2),
        (["key"], 2),
        (["version", "-q", "-v"], 2),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_everything_is_records(
    twofold: Program, sample: Path, words: Sequence[str], code: int | None
) -> None:
    outcome = twofold(*words, "--json", code=code)
    obeys(outcome)
    assert outcome.err == ""
    assert (outcome.code != 0) == bool(outcome.of("error")) or outcome.code == 3


def test_records_hold_characters_only(twofold: Program, sample: Path) -> None:
    """Half of a character, which stands for a byte that is no UTF-8, is none to strict readers."""
    twofold("backup", "sample", code=0)
    outcome = twofold("ls", b"latest:/odd\xffname", "--json", code=1)
    obeys(outcome)
    assert "holds no '/odd\ufffdname'" in outcome.of("error")[0]["message"]
    assert "\\ud" not in outcome.out


def test_a_summary_tells_the_result(twofold: Program, sample: Path) -> None:
    summary = twofold("backup", "sample", "--json", code=0).summary
    assert definitions_that_fit(summary) == ["summary of backup"]
    assert (summary["verb"], summary["stored"], summary["dry_run"]) == ("backup", 2, False)
    found = twofold("list", "--json", code=0)
    assert found.summary["verb"] == "snapshots"
    (snapshot,) = found.of("snapshot")
    assert snapshot["id"] == summary["snapshot"]
    assert snapshot["sources"] == [str(sample)]


def test_an_error_tells_its_kind(twofold: Program) -> None:
    outcome = twofold("--json", "snapshots", env={"TWOFOLD_REPO": "nowhere"}, code=10)
    (error,) = outcome.of("error")
    assert error["kind"] == "RepositoryNotFound"
    assert "nowhere" in error["message"]
    assert "twofold init" in error["hint"]


def test_the_variable_asks_for_records_too(bare: Program) -> None:
    obeys(bare("--nonsense", env={"TWOFOLD_JSON": "1"}, code=2))
    obeys(bare("version", env={"TWOFOLD_JSON": "1"}, code=0))


def test_words_behind_two_dashes_are_no_options(twofold: Program) -> None:
    outcome = twofold("backup", "--", "--json")
    assert not outcome.out.startswith("{")


def test_a_wrong_password_is_a_record(twofold: Program) -> None:
    del twofold.env["TWOFOLD_KEY_FILE"]
    obeys(twofold("--json", "snapshots", env={"TWOFOLD_PASSWORD": PASSWORD + "!"}, code=12))
    outcome = twofold("--json", "snapshots", code=2)
    obeys(outcome)
    assert "TWOFOLD_PASSWORD" in outcome.of("error")[0]["hint"]


def test_entries_are_told_only_when_asked_for(twofold: Program, sample: Path) -> None:
    assert twofold("backup", "sample", "--json").of("item") == []
    items = twofold("backup", "sample", "--json", "-v", "--force").of("item")
    assert {os.path.basename(each["path"]) for each in items} >= {"letter.txt", "numbers"}


@pytest.mark.skipif(os.sep != "/", reason="names are Unicode there")
def test_names_that_are_not_text(twofold: Program, sample: Path) -> None:
    name = os.fsencode(sample) + b"/evil \x1b[2J\n\xff"
    Path(os.fsdecode(name)).write_bytes(b"x")
    outcome = twofold("backup", "sample", "--json", "-v", code=0)
    obeys(outcome)
    (item,) = [each for each in outcome.of("item") if "evil" in each["path"]]
    assert item["path"].endswith("evil \x1b[2J\n\ufffd")
    import base64

    assert base64.b64decode(item["path_b64"]) == name


def test_the_judge_can_say_no(twofold: Program) -> None:
    good = twofold("snapshots", "--json").records
    for record in good:
        assert definitions_that_fit(record)
        assert not definitions_that_fit(record | {"v": 2})
        assert not definitions_that_fit(record | {"type": "other"})
        assert not definitions_that_fit(record | {"unknown": 1})
        assert not definitions_that_fit({k: v for k, v in record.items() if k != "time"})
        assert not definitions_that_fit(record | {"time": "yesterday"})
    assert not definitions_that_fit(good[-1] | {"exit_code": True})


def test_every_summary_in_the_schema_belongs_to_a_verb() -> None:
    named = {name.removeprefix("summary of ") for name in SCHEMA_V1["$defs"] if " of " in name}
    assert named == set(RESULTS)


class Sample(msgspec.Struct, frozen=True):
    """One field of each kind."""

    SHOWN_AS: ClassVar = {"things": "thing"}

    path: bytes
    sources: tuple[bytes, ...]
    id: bytes
    made_ns: int
    seen_ns: int | None
    level: Severity
    share: float
    counts: dict[str, int]
    parts: tuple[str, ...] = ()
    inner: Notice | None = None
    things: tuple[Notice, ...] = ()


GOOD = Sample(b"/a", (b"/b",), b"\x01\xff", 10**9, None, Severity.DAMAGE, 0.5, {"a": 1})


@pytest.mark.parametrize(
    "value",
    [
        GOOD,
        replace(GOOD, path=b"\xff", sources=(b"a", b"\xfe")),
        replace(GOOD, seen_ns=5, parts=("x",), inner=Notice("n"), things=(Notice("t"),)),
    ],
)
def test_encoding_and_schema_come_from_one_declaration(value: Sample) -> None:
    schema = record_schema(Sample, "sample")
    record = {"v": 1, "type": "sample", **plain_fields(value)}
    assert list(violations(json.loads(json.dumps(record)), schema, schema)) == []
    assert ("path_b64" in record) == (value.path == b"\xff")
    assert list(records_in(value)) == [("thing", each) for each in value.things]
    assert "things" not in record


class Placed(msgspec.Struct, frozen=True):
    partition: PartName | None
    part: PartName


def test_what_names_a_part_is_always_text() -> None:
    schema = record_schema(Placed, "placed")
    for value, shown in ((Placed(None, 3), (None, "3")), (Placed(3, "3.root"), ("3", "3.root"))):
        record = plain_fields(value)
        assert (record["partition"], record["part"]) == shown
        assert list(violations({"v": 1, "type": "placed", **record}, schema, schema)) == []
    for wrong in ({"partition": 3, "part": "3"}, {"partition": None, "part": None}):
        assert list(violations({"v": 1, "type": "placed", **wrong}, schema, schema))


def test_what_a_record_looks_like() -> None:
    assert plain_fields(replace(GOOD, path=b"\xff", sources=(b"a", b"\xfe"))) == {
        "path": "\ufffd",
        "path_b64": "/w==",
        "sources": ["a", "\ufffd"],
        "sources_b64": ["YQ==", "/g=="],
        "id": "01ff",
        "made": "1970-01-01T00:00:01Z",
        "seen": None,
        "level": "damage",
        "share": 0.5,
        "counts": {"a": 1},
        "parts": [],
        "inner": None,
    }


def test_a_secret_is_never_a_value() -> None:
    with pytest.raises(TypeError):
        plain(Secret(b"hidden"))


def test_events_are_records_and_progress_is_rare(tmp_path: Path) -> None:
    now = [100.0]
    with open(tmp_path / "out", "w", encoding="utf-8") as stream:
        out = Output(stream, stop_when_closed=False)
        renderer = JsonRenderer(out, items=False, monotonic=lambda: now[0])
        renderer.start("backup")
        renderer.event(Phase("reading", 10, None))
        for _ in range(25):
            now[0] += 0.1
            renderer.event(Progress(1, 1, b"/a"))
        renderer.event(ItemDone("stored", b"/a", 1))
        renderer.event(SourceWarning(b"/b", "not read", "denied"))
        renderer.event(Finding(Severity.NOTE, "pack", "fine"))
        renderer.event(Notice("hello"))
        renderer.fail("NoSpace", "full", "")
        renderer.close(14, None)
    outcome = Outcome(14, (tmp_path / "out").read_text("utf-8"), "")
    obeys(outcome)
    assert [each["type"] for each in outcome.records] == (
        "start phase progress progress progress warning finding notice error summary".split()
    )

"""The JSON schema of everything ``--json`` writes, made from the same structs as the records.

Each verb is listed with the result its summary carries; the lists in results are found in there.
"""

from importlib import import_module
from typing import get_args, get_type_hints

from twofold.cli.render.base import Failure
from twofold.cli.render.encode import VERSION, Json, Schema, lists_in, record_schema
from twofold.cli.render.ndjson import EVENT_TYPES, End, Start

RESULTS = {
    "status": "twofold.cli.status:Status",
    "init": "twofold.commands.init:InitResult",
    "snapshots": "twofold.commands.snapshots:SnapshotsResult",
    "key list": "twofold.commands.key:KeyListResult",
    "key add": "twofold.commands.key:KeyAddResult",
    "key remove": "twofold.commands.key:KeyRemoveResult",
    "key recovery-kit": "twofold.commands.key:RecoveryKitResult",
    "ls": "twofold.commands.ls:LsResult",
    "stats": "twofold.commands.stats_results:StatsResult",
    "find": "twofold.commands.find:FindResult",
    "versions": "twofold.commands.versions:VersionsResult",
    "diff": "twofold.commands.diff:DiffResult",
    "cat": "twofold.commands.cat:CatResult",
    "export": "twofold.commands.export:ExportResult",
    "restore": "twofold.commands.restore:RestoreResult",
    "backup": "twofold.commands.backup:BackupResult",
    "image": "twofold.commands.image:ImageResult",
    "import": "twofold.commands.import_image:ImportResult",
    "restore-disk": "twofold.commands.restore_disk:RestoreDiskResult",
    "check": "twofold.commands.check:CheckResult",
    "version": "twofold.commands.version:VersionResult",
}
ITEMS = {
    "node": "twofold.commands.ls:ListedEntry",
    "partition": "twofold.commands.ls:ListedPartition",
    "found": "twofold.commands.find:FoundEntry",
    "difference": "twofold.commands.diff:DiffEntry",
}
"""Elements of results that are shown as they are found."""


def result_types() -> dict[str, type]:
    """The result of every verb."""
    return {verb: _class(place) for verb, place in RESULTS.items()}


def _class(place: str) -> type:
    module, _, name = place.partition(":")
    found = getattr(import_module(module), name)
    assert isinstance(found, type)
    return found


def whole_schema() -> Schema:
    """One schema for any record; ``type`` tells which of its definitions holds."""
    records = {"start": record_schema(Start, "start"), "error": record_schema(Failure, "error")}
    records |= {tag: record_schema(kind, tag) for kind, tag in EVENT_TYPES.items()}
    records |= {tag: record_schema(_class(place), tag) for tag, place in ITEMS.items()}
    for verb, kind in result_types().items():
        records |= {tag: record_schema(item, tag) for tag, item in item_types(kind).items()}
        records[f"summary of {verb}"] = summary_schema(verb, kind)
    records["summary without result"] = record_schema(End, "summary")
    refs: list[Json] = [{"$ref": f"#/$defs/{name}"} for name in records]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Records of twofold --json, version {VERSION}",
        "anyOf": refs,
        "$defs": dict(records),
    }


def item_types(kind: type) -> dict[str, type]:
    """Record types of the lists in a result."""
    hints = get_type_hints(kind)
    return {record: get_args(hints[name])[0] for name, record in lists_in(kind).items()}


def summary_schema(verb: str, kind: type) -> Schema:
    """A summary: the end of every run and the fields of this verb's result."""
    end, result = record_schema(End, "summary"), record_schema(kind, "summary")
    return {
        "type": "object",
        "properties": {
            **_object(end["properties"]),
            **_object(result["properties"]),
            "verb": {"const": verb},
        },
        "required": list(dict.fromkeys([*_list(end["required"]), *_list(result["required"])])),
        "additionalProperties": False,
    }


def _object(value: Json) -> dict[str, Json]:
    assert isinstance(value, dict)
    return value


def _list(value: Json) -> list[str]:
    assert isinstance(value, list)
    return [str(each) for each in value]

"""One declaration, two uses: how a struct becomes a JSON record, and the schema of that record.

    path-like bytes (``PATHS``)   text, undecodable bytes replaced, and then also ``<name>_b64``
    other bytes                   hexadecimal
    ``<name>_ns: int``            ``<name>`` as RFC 3339 time in UTC
    names of parts (``PARTS``)    text, also where the name is a number
    enums, numbers, text, None    as they are; tuples and lists as arrays; structs as objects
                                  (what is no character of a text is replaced there, too)
    fields named in ``SHOWN_AS``   left out: their elements are records of their own

Every record has ``v`` (the version of these rules and of the records' meaning) and ``type``.
"""

import base64
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum

import msgspec

from twofold.cli.render.words import utc_time

VERSION = 1
PATHS = frozenset(
    {"path", "paths", "current", "source", "sources", "target", "name_bytes", "address"}
)
PARTS = frozenset({"part", "partition"})

_SURROGATE = re.compile("[\ud800-\udfff]")
"""What stands for bytes that are no UTF-8 in a text: no character, and strict readers refuse it."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Schema = dict[str, Json]


def plain_fields(record: object) -> dict[str, Json]:
    """The fields of a struct as JSON members. ``TypeError`` for anything else."""
    if not isinstance(record, msgspec.Struct):
        raise TypeError(f"{type(record).__name__} is not for showing")
    return _fields(record)


def _fields(record: msgspec.Struct) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name in _own_fields(type(record)):
        _put(found, name, getattr(record, name))
    return found


def records_in(result: object) -> Iterator[tuple[str, object]]:
    """The elements of a result that are records of their own, with their type."""
    for name, record in lists_in(type(result)).items():
        for element in getattr(result, name):
            yield record, element


def lists_in(kind: type) -> Mapping[str, str]:
    """The fields of a result whose elements are records of their own, and their types."""
    found: Mapping[str, str] = getattr(kind, "SHOWN_AS", {})
    return found


def _own_fields(kind: type[msgspec.Struct]) -> Iterator[str]:
    lists = lists_in(kind)
    return (name for name in kind.__struct_fields__ if name not in lists)


def _put(members: dict[str, Json], name: str, value: object) -> None:
    if name in PATHS and isinstance(value, bytes):
        members[name] = _lossy(value)
        if not _is_utf8(value):
            members[f"{name}_b64"] = _b64(value)
    elif name in PATHS and isinstance(value, tuple):
        members[name] = [_lossy(each) for each in value]
        if not all(map(_is_utf8, value)):
            members[f"{name}_b64"] = [_b64(each) for each in value]
    elif name.endswith("_ns"):
        members[name[:-3]] = utc_time(value) if isinstance(value, int) else None
    elif name in PARTS:
        members[name] = None if value is None else str(value)
    else:
        members[name] = plain(value)


def plain(value: object) -> Json:
    """A value as JSON has it. ``TypeError`` for what must not or cannot be shown."""
    if isinstance(value, Enum):
        return value.value  # type: ignore[no-any-return]
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, msgspec.Struct):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, Iterable):
        return [plain(each) for each in value]
    raise TypeError(f"{type(value).__name__} is not for showing")


def _lossy(path: bytes) -> str:
    return path.decode("utf-8", "replace")


def _b64(path: bytes) -> str:
    return base64.b64encode(path).decode()


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def record_schema(kind: type[msgspec.Struct], tag: str, **constants: str) -> Schema:
    """The JSON schema of a whole record made of a struct."""
    body = object_schema(kind)
    properties = typing.cast(dict[str, Json], body["properties"])
    head: dict[str, Json] = {"v": {"const": VERSION}, "type": {"const": tag}}
    head |= {name: {"const": value} for name, value in constants.items()}
    required = typing.cast(list[Json], body["required"])
    return body | {"properties": head | properties, "required": [*head, *required]}


def object_schema(kind: type[msgspec.Struct]) -> Schema:
    """The JSON schema of a struct's fields."""
    hints = typing.get_type_hints(kind)
    properties: dict[str, Json] = {}
    required: list[Json] = []
    for name in _own_fields(kind):
        hint = hints[name]
        shown = name.removesuffix("_ns")
        required.append(shown)
        properties[shown] = _time_schema(hint) if shown != name else schema(hint)
        if name in PARTS:
            properties[name] = _or_null(schema(str), hint)
        if name in PATHS:
            properties |= _path_schema(name, hint)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _path_schema(name: str, hint: object) -> dict[str, Json]:
    text: Schema = {"type": "string"}
    encoded: Schema = {"type": "string", "contentEncoding": "base64"}
    if hint is bytes:
        return {name: text, f"{name}_b64": encoded}
    return {
        name: {"type": "array", "items": text},
        f"{name}_b64": {"type": "array", "items": encoded},
    }


def _time_schema(hint: object) -> Schema:
    return _or_null({"type": "string", "format": "date-time"}, hint)


def _or_null(plain_schema: Schema, hint: object) -> Schema:
    """The schema, or null where the hint says that None may be there."""
    none = type(None) in typing.get_args(hint)
    return {"anyOf": [plain_schema, schema(type(None))]} if none else plain_schema


_SIMPLE: dict[object, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: {"type": "string", "pattern": "^([0-9a-f]{2})*$"},
    type(None): {"type": "null"},
}


def schema(hint: object) -> Schema:
    """The JSON schema of a type hint."""
    if hint in _SIMPLE:
        return dict(_SIMPLE[hint])
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema(each) for each in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema(arguments[1])}
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return {"type": "array", "items": schema(arguments[0])}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [each.value for each in hint]}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return object_schema(hint)
    raise TypeError(f"{hint} has no place in a record")

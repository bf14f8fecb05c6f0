"""A judge of JSON schemas that owes nothing to the code that writes them.

It knows the keywords of JSON Schema that our schema uses and refuses any other, so no rule is
passed over in silence.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

Schema = dict[str, Any]
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
DATE_TIME = re.compile(r"-?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def violations(value: Any, schema: Schema, root: Schema) -> Iterator[str]:
    """What is wrong with a value, in words."""
    for keyword, wanted in schema.items():
        yield from RULES[keyword](value, wanted, schema, root)


def fits(value: Any, schema: Schema, root: Schema) -> bool:
    """Whether a value obeys a schema."""
    return not any(violations(value, schema, root))


def _nothing(value: Any, wanted: Any, schema: Schema, root: Schema) -> Iterator[str]:
    return iter(())


def _ref(value: Any, wanted: str, schema: Schema, root: Schema) -> Iterator[str]:
    return violations(value, root["$defs"][wanted.removeprefix("#/$defs/")], root)


def _any_of(value: Any, wanted: list[Schema], schema: Schema, root: Schema) -> Iterator[str]:
    if not any(fits(value, each, root) for each in wanted):
        yield f"{value!r} is none of {wanted}"


def _const(value: Any, wanted: Any, schema: Schema, root: Schema) -> Iterator[str]:
    if value != wanted or type(value) is not type(wanted):
        yield f"{value!r} is not {wanted!r}"


def _enum(value: Any, wanted: list[Any], schema: Schema, root: Schema) -> Iterator[str]:
    if value not in wanted:
        yield f"{value!r} is not among {wanted}"


def _type(value: Any, wanted: str, schema: Schema, root: Schema) -> Iterator[str]:
    confused = isinstance(value, bool) and wanted != "boolean"
    if confused or not isinstance(value, TYPES[wanted]):
        yield f"{value!r} is not of type {wanted}"


def _pattern(value: Any, wanted: str, schema: Schema, root: Schema) -> Iterator[str]:
    if not re.search(wanted, value):
        yield f"{value!r} does not match {wanted}"


def _format(value: Any, wanted: str, schema: Schema, root: Schema) -> Iterator[str]:
    if wanted != "date-time" or not DATE_TIME.fullmatch(value):
        yield f"{value!r} is no {wanted}"


def _items(value: Any, wanted: Schema, schema: Schema, root: Schema) -> Iterator[str]:
    for each in value if isinstance(value, list) else ():
        yield from violations(each, wanted, root)


def _required(value: Any, wanted: list[str], schema: Schema, root: Schema) -> Iterator[str]:
    return (f"{name} is missing" for name in wanted if name not in value)


def _properties(value: Any, wanted: Schema, schema: Schema, root: Schema) -> Iterator[str]:
    for name, each in wanted.items():
        if name in value:
            yield from (f"{name}: {said}" for said in violations(value[name], each, root))


def _others(value: Any, wanted: Any, schema: Schema, root: Schema) -> Iterator[str]:
    others = set(value) - set(schema.get("properties", ()))
    if wanted is False:
        yield from (f"{name} is unknown" for name in others)
        return
    for name in others:
        yield from violations(value[name], wanted, root)


RULES: dict[str, Callable[[Any, Any, Schema, Schema], Iterator[str]]] = {
    "$schema": _nothing,
    "$defs": _nothing,
    "title": _nothing,
    "contentEncoding": _nothing,
    "$ref": _ref,
    "anyOf": _any_of,
    "const": _const,
    "enum": _enum,
    "type": _type,
    "pattern": _pattern,
    "format": _format,
    "items": _items,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _others,
}

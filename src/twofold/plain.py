"""Dataclasses that cost little to declare.

The standard library compiles half a dozen methods for every dataclass when its module is imported:
half a millisecond each, for sixty of them in a backup, and most are never made in one run. Here it
only finds the fields. Methods are closures shared by their kind, and ``__init__`` is compiled when
the first object is made. ``fields``, ``replace`` and ``is_dataclass`` work as ever; a class that
compares by order, or has variables only for its making, takes the standard decorator.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from operator import attrgetter
from typing import Any, TypeVar, cast, dataclass_transform

ClassT = TypeVar("ClassT", bound=type[Any])
_set = object.__setattr__


@dataclass_transform(field_specifiers=(dataclasses.field,))
def dataclass(
    *,
    frozen: bool = False,
    slots: bool = False,
    kw_only: bool = False,
    repr: bool = True,
    eq: bool = True,
) -> Callable[[ClassT], ClassT]:
    """See ``dataclasses.dataclass``; ``TypeError`` for a class that it would not take either."""

    def made(cls: ClassT) -> ClassT:
        cls.__doc__ = cls.__doc__ or cls.__name__  # else a signature would be spelled, at a cost
        find = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)
        found = cast(ClassT, find(cls))
        _give(found, "__init__", _first_init(found, frozen))
        if repr:
            _give(found, "__repr__", _repr)
        if frozen:
            for name, method in _FROZEN.items():
                _give(found, name, method)
        if eq:
            _compared(found, frozen)
        return found

    return made


def _give(cls: type[Any], name: str, method: object) -> None:
    """A method, unless the class has its own."""
    if name not in vars(cls):
        setattr(cls, name, method)


def _compared(cls: type[Any], frozen: bool) -> None:
    """Equal when the class and all fields are; a hash only where nothing can change."""
    names = [field.name for field in fields(cls) if field.compare]
    key = attrgetter(*names) if names else _nothing

    def equal(self: object, other: object) -> Any:  # noqa: ANN401 (or NotImplemented)
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: object) -> int:
        return hash(key(self))

    own = vars(cls).get("__hash__") is not None
    _give(cls, "__eq__", equal)
    if not own:  # a class with an ``__eq__`` of its own was given None by Python
        cls.__hash__ = hashed if frozen else None  # type: ignore[assignment]


def _nothing(_record: object) -> tuple[()]:
    return ()


def _repr(self: Any) -> str:  # noqa: ANN401 (any dataclass)
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _no_change(self: object, name: str, value: object) -> None:
    del self, value
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _no_removal(self: object, name: str) -> None:
    del self
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _restore(self: object, state: Any) -> None:  # noqa: ANN401 (what ``object.__getstate__`` makes)
    """For copies, which else would set fields."""
    for part in state if isinstance(state, tuple) else (state,):
        for name, value in (part or {}).items():
            _set(self, name, value)


_FROZEN = {"__setattr__": _no_change, "__delattr__": _no_removal, "__setstate__": _restore}


def _first_init(cls: type[Any], frozen: bool) -> Callable[..., None]:
    """An ``__init__`` that puts the real one in its place when it is called."""

    def init(self: object, /, *values: object, **named: object) -> None:
        real = _compiled(cls, frozen)
        cls.__init__ = real
        real(self, *values, **named)

    return init


def _compiled(cls: type[Any], frozen: bool) -> Callable[..., None]:
    known: dict[str, Any] = {"_set": _set, "_missing": MISSING}
    every = fields(cls)
    lines = [line for field in every for line in _assigned(field, frozen, known)]
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    taken = [field for field in every if field.init]
    words = [_parameter(field, known) for field in taken if not field.kw_only]
    named = [_parameter(field, known) for field in taken if field.kw_only]
    signature = ", ".join(["self", *words, *(["*", *named] if named else [])])
    body = "\n ".join(lines or ["pass"])
    exec(f"def __init__({signature}):\n {body}", known)  # noqa: S102 (names of fields only)
    made: Callable[..., None] = known["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _parameter(field: Field[Any], known: dict[str, Any]) -> str:
    if field.default is not MISSING:
        known[f"_default_{field.name}"] = field.default
        return f"{field.name}=_default_{field.name}"
    return field.name if field.default_factory is MISSING else f"{field.name}=_missing"


def _assigned(field: Field[Any], frozen: bool, known: dict[str, Any]) -> list[str]:
    """The line that gives a field its value; none for one that is given elsewhere."""
    name, value = field.name, field.name
    if field.default_factory is not MISSING:
        known[f"_make_{name}"] = field.default_factory
        value = f"_make_{name}()"
        if field.init:
            value += f" if {name} is _missing else {name}"
    elif not field.init:
        if field.default is MISSING:
            return []
        known[f"_default_{name}"] = field.default
        value = f"_default_{name}"
    return [f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}"]

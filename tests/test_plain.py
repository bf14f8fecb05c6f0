"""Cheap dataclasses do what the standard library's do: the same classes, declared with both."""

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field
from typing import Any, ClassVar

import pytest

from twofold.plain import dataclass

Make = Callable[..., Callable[[type[Any]], type[Any]]]
BOTH: tuple[Make, Make] = (dataclasses.dataclass, dataclass)
KINDS = [
    {},
    {"slots": True},
    {"slots": True, "eq": False},
    {"frozen": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "repr": False},
    {"frozen": True, "slots": True, "kw_only": True},
    {"frozen": True, "slots": True, "eq": False},
]


def shop(make: Make, kind: dict[str, bool]) -> type[Any]:
    """A class with every kind of field."""

    class Shop:
        CITY: ClassVar[str] = "Ulm"
        name: str
        size: int = 3
        goods: list[str] = field(default_factory=list)
        note: str = field(default="", compare=False, repr=False)
        made: str = field(init=False, default="here")
        owners: tuple[str, ...] = field(init=False, default_factory=lambda: ("both",))

    return make(**kind)(Shop)


def outcome(call: Callable[[], object]) -> object:
    """What a call gives, or that it is refused, whatever kind of error says so."""
    try:
        return call()
    except (AttributeError, TypeError):
        return "refused"


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@pytest.mark.parametrize(
    "deed",
    [
        lambda cls: [each.name for each in dataclasses.fields(cls)],
        lambda cls: dataclasses.asdict(cls(name="a", size=2)),
        lambda cls: dataclasses.asdict(cls("a", 2, ["b"], "c")),
        lambda cls: cls(),
        lambda cls: cls(name="a", colour="red"),
        lambda cls: cls(name="a", made="there"),
        lambda cls: cls(name="a").goods is cls(name="a").goods,
        lambda cls: cls(name="a") == cls(name="a"),
        lambda cls: cls(name="a") == cls(name="b"),
        lambda cls: cls(name="a", note="x") == cls(name="a"),
        lambda cls: cls(name="a") == "a",
        lambda cls: len({hash(each) for each in [cls(name="a", goods=()) for _ in "ab"]}),
        lambda cls: cls.__hash__ is None,
        lambda cls: len(repr(cls(name="a"))) if "goods=" in repr(cls(name="a")) else None,
        lambda cls: setattr(cls(name="a"), "size", 4),
        lambda cls: delattr(cls(name="a"), "size"),
        lambda cls: setattr(cls(name="a"), "colour", "red"),
        lambda cls: dataclasses.asdict(dataclasses.replace(cls(name="a"), size=9)),
        lambda cls: dataclasses.asdict(copy.copy(cls(name="a", size=8))),
        lambda cls: dataclasses.asdict(copy.deepcopy(cls(name="a", goods=["x"]))),
        lambda cls: hasattr(cls(name="a"), "__dict__"),
        lambda cls: cls.__match_args__,
        lambda cls: cls.CITY,
    ],
)
def test_it_does_as_the_standard_one(kind: dict[str, bool], deed: Callable[[Any], object]) -> None:
    standard, plain = (outcome(lambda make=make: deed(shop(make, kind))) for make in BOTH)  # type: ignore[misc]
    assert plain == standard


def test_the_words_of_a_record_are_those_of_the_standard_one() -> None:
    standard, plain = (repr(shop(make, {"slots": True})("a", goods=["x"])) for make in BOTH)
    assert plain == standard


def test_what_is_frozen_says_so() -> None:
    record = shop(dataclass, {"frozen": True, "slots": True})("a")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'size'"):
        record.size = 4
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'size'"):
        del record.size
    assert record.size == 3


@pytest.mark.parametrize("make", BOTH)
def test_methods_of_the_class_itself_stay(make: Make) -> None:
    class Own:
        """With methods of its own."""

        size: int

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

        def __repr__(self) -> str:
            return "mine"

    made = make(frozen=True, slots=True)(Own)
    assert (made(1) == made(2), hash(made(1)), repr(made(1))) == (True, 7, "mine")


@pytest.mark.parametrize("make", BOTH)
def test_an_own_comparison_keeps_the_hash_of_fields(make: Make) -> None:
    class Own:  # noqa: PLW1641 (the hash is what is asked for)
        """Compared by hand only."""

        size: int

        def __eq__(self, other: object) -> bool:
            return other == 1

    made = make(frozen=True, slots=True)(Own)
    assert hash(made(5)) == hash(made(5)) != hash(made(6))


@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize("first", ["base", "heir"])
def test_heirs_have_the_fields_of_both(make: Make, first: str) -> None:
    class Base:
        """Counts."""

        size: int
        seen: int = 0

        def __post_init__(self) -> None:
            object.__setattr__(self, "seen", self.seen + 1)

    base = make(frozen=True)(Base)
    heir = make(frozen=True)(type("Heir", (base,), {"__annotations__": {"more": int}, "more": 5}))
    order = [base(1), heir(1, 2, 3)] if first == "base" else [heir(1, 2, 3), base(1)][::-1]
    assert [dataclasses.astuple(each) for each in order] == [(1, 1), (1, 3, 3)]
    assert base(1) != heir(1)


def test_nothing_is_compiled_before_the_first_object() -> None:
    made = shop(dataclass, {"slots": True})
    before = made.__init__
    made("a")
    assert made.__init__ is not before
    assert made.__init__.__code__.co_varnames[:3] == ("self", "name", "size")

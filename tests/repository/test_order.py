"""The order of snapshots: by time, and each chain as it was made, whatever the clock said then."""

import random

import pytest

from twofold.format.records import Chain, Root, TreeRef
from twofold.repository import Snapshot
from twofold.repository.snapshots import in_order


def made(
    name: str, sequence: int, time_ns: int, *, machine: str = "m", partial: bool = False
) -> Snapshot:
    """A snapshot of the source ``name``."""
    ident = f"{name}{sequence}{'p' if partial else '-'}".encode().ljust(16)
    chain = Chain(source=name.encode() * 16, sequence=sequence)
    tree = TreeRef(bytes(32))
    root = Root(tree=tree, chain=chain, time_ns=time_ns, machine=machine, partial=partial)
    return Snapshot(ident, root)


def order(*snapshots: Snapshot) -> list[str]:
    """Their names, out of any order."""
    mixed = random.Random(1).sample(snapshots, len(snapshots))
    return [each.id.decode().strip().rstrip("-") for each in in_order(mixed)]


def test_by_time_over_all_sources() -> None:
    assert order(made("a", 1, 10), made("b", 1, 20), made("a", 2, 30)) == ["a1", "b1", "a2"]


@pytest.mark.parametrize(
    "times",
    [(90, 20, 30), (50, 10, 30), (30, 20, 10), (20, 20, 20)],
    ids=["was ahead", "went back", "goes back each time", "stands"],
)
def test_a_chain_goes_by_its_order(times: tuple[int, int, int]) -> None:
    chain = [made("a", number, time) for number, time in enumerate(times, 1)]
    assert order(*chain) == ["a1", "a2", "a3"]


def test_others_keep_their_places() -> None:
    """A chain takes the places that its times give it, and no other is moved."""
    mixed = [made("a", 1, 90), made("a", 2, 20), made("b", 1, 10), made("b", 2, 50)]
    assert order(*mixed) == ["b1", "a1", "b2", "a2"]


def test_imports_go_by_the_time_they_are_of() -> None:
    """Their roots name no machine, and older ones may follow newer ones."""
    imported = [made("a", 1, 90, machine=""), made("a", 2, 20, machine="")]
    assert order(*imported, made("a", 3, 95), made("a", 4, 40)) == ["a2", "a3", "a1", "a4"]


def test_a_partial_one_has_the_number_of_the_whole_one_that_follows() -> None:
    assert order(made("a", 1, 5), made("a", 2, 10, partial=True), made("a", 2, 30)) == [
        "a1",
        "a2p",
        "a2",
    ]

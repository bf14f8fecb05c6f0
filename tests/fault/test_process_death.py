"""Kill the process before, after and within every call it makes; then look, sweep and go on."""

import os
from pathlib import Path

import pytest

from tests.fault.faulty import Kind, count, forked, install
from tests.fault.steps import examine, perform, prepare, recover
from twofold.backend import open_backend

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def run_in_child(root: Path, kind: Kind, at: int) -> tuple[int, list[str]]:
    """Exit status, and what the child had been told was done."""
    readable, writable = os.pipe()

    def action() -> None:
        install(kind, at)
        store = open_backend(str(root))
        perform(store, lambda name: os.write(writable, name.encode() + b"\n"))

    status = forked(action)
    os.close(writable)
    with open(readable, "rb") as pipe:
        return status, pipe.read().decode().split()


@pytest.mark.parametrize("kind", [Kind.KILL_BEFORE, Kind.KILL_AFTER, Kind.TORN])
def test_death_at_every_call(memory_path: Path, kind: Kind) -> None:
    prepare(memory_path / "counted")
    calls = count(lambda: perform(open_backend(str(memory_path / "counted")), str))
    assert calls > 40
    for at in range(1, calls + 1):
        root = memory_path / str(at)
        prepare(root)
        status, done = run_in_child(root, kind, at)
        assert status == -9, at
        examine(root, done)
        recover(root)


def test_a_child_without_a_fault_does_everything(memory_path: Path) -> None:
    prepare(memory_path)
    status, done = run_in_child(memory_path, Kind.NOTHING, 0)
    assert (status, len(done)) == (0, 6)
    examine(memory_path, done)
    recover(memory_path)

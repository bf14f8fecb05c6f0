"""The whole benchmark on the smallest inputs, with the programs that are everywhere."""

import json
import math
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import __main__ as bench
from bench import scaling
from bench.inputs import TREES
from bench.measure import Broken, Pipeline
from bench.peers import PROGRAMS, Copy
from bench.places import Place
from bench.program import Program, World
from bench.results import Results
from bench.rounds import Case, Rounds
from bench.sequence import Sequence

OURS = Path(sys.executable).with_name("twofold")


@pytest.fixture
def fast() -> Iterator[Path]:
    """A folder on the tmpfs."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="twofold-test-") as folder:
        yield Path(folder)


class Second(Copy):
    """Another program that works."""

    name = "second"


class Forgetful(Copy):
    """A program that claims success and loses a certain file."""

    name = "forgetful"

    def restore(self, world: World) -> Pipeline:
        (copy,) = super().restore(world)
        return [["sh", "-c", f"{shlex.join(copy)} && rm -f {world.restored}/2.bin"]]


def test_everything_runs_is_recorded_and_told(
    fast: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    places = f"--twofold={OURS} --memory={fast} --cache={tmp_path} --output={page}".split()
    chosen = ["--programs=twofold,cp -a", "--only=large in", "--scale=0.0001", "--rounds=1"]
    assert bench.main([*places, *chosen]) == 0
    assert "large in memory: 4 files" in page.read_text("utf-8")
    assert page.read_text("utf-8") in capsys.readouterr().out
    (records,) = tmp_path.glob("records-*")
    steps = [each for line in records.open() if (each := json.loads(line))["type"] == "step"]
    done = [(each["program"], each["round"], each["step"]) for each in steps]
    assert done == [
        *(("twofold", 1, step) for step in ("first", "unchanged", "changed", "restore")),
        *(("cp -a", 1, step) for step in ("first", "restore")),
    ]
    assert all(each["wall"] > 0 and each["cpu"] > 0 and each["stored"] > 4e6 for each in steps)
    assert not list(fast.iterdir())


def rounds(fast: Path, *programs: Program, deadline: float = math.inf) -> Results:
    """Three rounds of the large files with these programs."""
    found = Results()
    schedule = Rounds({each.name: each for each in programs}, found, deadline)
    case = Case(TREES["large"], Place("memory", fast), 0.0001, [each.name for each in programs])
    schedule.run([case], 3)
    return found


def test_a_restore_that_lacks_a_file_never_counts(fast: Path) -> None:
    found = rounds(fast, Copy(Path("cp")), Forgetful(Path("cp")))
    assert {each.program for each in found.steps} == {"cp -a"}
    assert [(each["case"], each["program"]) for each in found.broken] == [
        ("large in memory", "forgetful")
    ]


def test_the_order_turns_with_each_round(fast: Path) -> None:
    found = rounds(fast, Copy(Path("cp")), Second(Path("cp")))
    order = [(each.round, each.program) for each in found.steps if each.step == "first"]
    turned = ["cp -a", "second", "second", "cp -a", "cp -a", "second"]
    assert order == list(zip([1, 1, 2, 2, 3, 3], turned, strict=True))
    assert not found.broken


def test_later_rounds_need_time(fast: Path) -> None:
    found = rounds(fast, Copy(Path("cp")), deadline=0)
    assert {each.round for each in found.steps} == {1}


def test_a_sequence_tells_of_what_is_lost(fast: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("1.bin", "2.bin"):
        (source / name).write_text(name, "utf-8")
    work = Sequence(TREES["small"], source, Place("memory", fast), Forgetful(Path("cp")))
    with pytest.raises(Broken, match=r"not what was backed up: missing: .*2\.bin"):
        list(work.run())
    assert not list(fast.iterdir())


@pytest.mark.slow
def test_scaling_tells_all_its_cases(fast: Path) -> None:
    page = scaling.page(OURS, Place("memory", fast), 0.0001)
    assert "| 100 files |" in page
    assert "| 1 core |" in page


def test_programs_have_names_of_their_own() -> None:
    assert len({each.name for each in PROGRAMS}) == len(PROGRAMS)
    for names, once in bench.CASES.values():
        assert {*names, *once} <= {each.name for each in PROGRAMS}

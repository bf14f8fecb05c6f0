"""Fuzzing of every parser, container and decoder, as long as wanted, and a report of it.

    python -m scripts.fuzz                        all targets, 10^7 runs each, on all processors
    python -m scripts.fuzz ntfs "vhdx log" --runs 1000000
    python -m scripts.fuzz --minutes 60           all in turns, the same time for each of them
    python -m scripts.fuzz --guided --runs 100000  coverage-guided by atheris, if it is installed
    python -m scripts.fuzz --list                  the targets
    python -m scripts.fuzz --report                only write docs/fuzzing.md from what was done

What was done is kept in ``.fuzz/``: begun again, it goes on behind the runs that are done; an
interrupt loses at most a few thousand runs of each process. Exit code 1 when anything crashed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path

from scripts.environment import ROOT, say
from scripts.fuzz_report import write_report

STATE = ROOT / ".fuzz"
BLOCK = 5_000  # runs between two notes of what is done
RUNS = 10_000_000
LEAST = 100_000  # runs that each target gets before time is shared out


@dataclass
class Record:
    """What is known of one target: numbers below ``runs`` are done."""

    target: str
    runs: int = 0
    refused: int = 0
    seconds: float = 0.0
    guided_runs: int = 0
    guided_seconds: float = 0.0
    coverage: int = 0
    corpus: int = 0
    date: str = ""
    crashes: list[dict[str, object]] = field(default_factory=list)

    @classmethod
    def load(cls, name: str) -> "Record":
        """From the state, or a new one."""
        path = _path(name)
        return cls(**json.loads(path.read_text("utf-8"))) if path.exists() else cls(name)

    def save(self) -> None:
        """Keep it; whole or not at all."""
        self.date = time.strftime("%Y-%m-%d", time.gmtime())
        path = _path(self.target)
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)), "utf-8")
        fresh.replace(path)


def _path(name: str) -> Path:
    return STATE / f"{name.replace(' ', '-')}.json"


def main(words: Sequence[str] | None = None) -> int:
    """As the words say; 1 when something crashed."""
    options = _options(words)
    names = options.targets or _names()
    if options.list:
        print("\n".join(names))
        return 0
    if unknown := set(names) - set(_names()):
        raise SystemExit(f"there is no target {', '.join(sorted(unknown))}")
    if options.guided:
        for name in names:
            _guided(Record.load(name), options.runs, options.seed)
    elif not options.report:
        loaded = [Record.load(name) for name in names]
        if options.minutes:
            until = time.monotonic() + 60 * options.minutes
            _in_turns(loaded, options.runs, options.processes, until)
        else:
            _mutated(loaded, options.runs, options.processes)
    records = [Record.load(name) for name in _names()]
    write_report([asdict(record) for record in records])
    return int(any(record.crashes for record in records))


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each target, in all")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=0, help="in turns, for so long")
    parser.add_argument("--guided", action="store_true", help="by coverage (atheris)")
    parser.add_argument("--seed", type=int, default=1, help="of the guided runs")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--report", action="store_true")
    return parser.parse_args(words)


def _names() -> list[str]:
    from tests.fuzz.targets import targets  # noqa: PLC0415 (only where it is needed)

    return list(targets())


# with our own mutations


@dataclass(frozen=True)
class Done:
    """What one process did: a block of runs."""

    target: str
    runs: int
    refused: int
    seconds: float
    crashes: list[dict[str, object]]


def _block(name: str, start: int, stop: int) -> Done:
    """In a process of the pool."""
    from tests.fuzz.loop import run_range  # noqa: PLC0415
    from tests.fuzz.targets import targets  # noqa: PLC0415

    began = time.process_time()
    tally = run_range(targets()[name], start, stop)
    crashes = [{"number": c.number, "cause": c.cause, "words": c.words} for c in tally.crashes]
    return Done(name, tally.runs, tally.refused, time.process_time() - began, crashes)


def _blocks(record: Record, runs: int) -> Iterator[tuple[int, int]]:
    for start in range(record.runs, runs, BLOCK):
        yield start, min(start + BLOCK, runs)


def _mutated(records: list[Record], runs: int, processes: int) -> None:
    """One target after the other, each by all processes; a block counts when those before do."""
    with ProcessPoolExecutor(processes) as pool:
        for record in records:
            _target(pool, record, runs, processes)


def _target(pool: ProcessPoolExecutor, record: Record, runs: int, processes: int) -> None:
    blocks = _blocks(record, runs)
    pending: dict[Future[Done], int] = {}
    finished: dict[int, Done] = {}
    while True:
        while len(pending) < 2 * processes and (block := next(blocks, None)):
            pending[pool.submit(_block, record.target, *block)] = block[0]
        if not pending:
            break
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            finished[pending.pop(future)] = future.result()
        while record.runs in finished:
            _count(record, finished.pop(record.runs))
        record.save()
    say(f"{record.target}: {record.runs} runs, {len(record.crashes)} crashes")


def _in_turns(records: list[Record], runs: int, processes: int, until: float) -> None:
    """A block of whichever target has had least, until the time is over or all runs are done."""
    by_name = {record.target: record for record in records}
    busy: dict[Future[Done], str] = {}
    with ProcessPoolExecutor(processes) as pool:
        while True:
            waiting = [r for r in records if r.runs < runs and r.target not in busy.values()]
            waiting.sort(key=lambda r: (r.runs >= LEAST, r.seconds))
            for record in waiting[: processes - len(busy)] if time.monotonic() < until else ():
                stop = min(record.runs + BLOCK, runs)
                busy[pool.submit(_block, record.target, record.runs, stop)] = record.target
            if not busy:
                return
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                record = by_name[busy.pop(future)]
                _count(record, future.result())
                record.save()


def _count(record: Record, done: Done) -> None:
    record.runs += done.runs
    record.refused += done.refused
    record.seconds += done.seconds
    known = {crash["cause"] for crash in record.crashes}
    for crash in done.crashes:
        if crash["cause"] not in known:
            say(f"{record.target}, run {crash['number']}:\n{crash['words']}")
            record.crashes.append(crash)
            known.add(crash["cause"])


# by coverage


def _guided(record: Record, runs: int, seed: int) -> None:
    folder = STATE / "guided" / record.target.replace(" ", "-")
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "tests.fuzz.guided", record.target, str(runs), str(seed)]
    began = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    done = subprocess.run(
        [*words, str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named 'atheris'" in done.stderr:
        raise SystemExit("coverage-guided runs need atheris: pip install atheris")
    made = re.findall(r"number_of_executed_units: *(\d+)", done.stderr)
    record.guided_runs += int(made[-1]) if made else 0
    record.guided_seconds += time.monotonic() - began
    record.coverage = max(map(int, re.findall(r" ft: (\d+)", done.stderr)), default=0)
    record.corpus = len(list((folder / "corpus").iterdir()))
    if done.returncode:
        say(f"{record.target}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        told = _last(done.stdout)
        record.crashes.append({"number": f"guided, seed {seed}", "cause": told, "words": told})
    record.save()
    say(f"{record.target}: {record.guided_runs} guided runs, {record.corpus} inputs kept")


def _last(words: str) -> str:
    start = words.rfind("Traceback")
    return words[max(start, len(words) - 3000, 0) :]


if __name__ == "__main__":
    sys.exit(main())

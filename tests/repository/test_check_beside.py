"""Check beside backups at work: what is under way is never called damaged."""

import os
import threading
from pathlib import Path

from tests.repository.sample import Lab, back_up
from twofold.events import Severity


def grow(folder: Path, rounds: int, done: threading.Event, lab: Lab, errors: list[str]) -> None:
    try:
        for number in range(rounds):
            (folder / f"grown{number}").write_bytes(os.urandom(300_000))
            back_up(lab.sample, force=number % 2 == 0, partial_seconds=0.0)
    except Exception as error:
        errors.append(repr(error))
    finally:
        done.set()


def test_a_check_beside_backups_finds_no_damage(lab: Lab) -> None:
    done = threading.Event()
    errors: list[str] = []
    arguments = (lab.sample.source, 5, done, lab, errors)
    thread = threading.Thread(target=grow, args=arguments)
    thread.start()
    checks = 0
    while not done.is_set() or checks < 3:
        result = lab.sample.check(read_data=checks % 2 == 0)
        assert not [f for f in result.findings if f.severity is Severity.DAMAGE], result.findings
        checks += 1
    thread.join()
    assert not errors
    assert not lab.sample.check(read_data=True).damage
    for path in lab.sample.source.glob("grown*"):
        path.unlink()

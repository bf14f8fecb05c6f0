"""Time left is told only when it means something, and never more than everything is done."""

from hypothesis import given
from hypothesis import strategies as st

from twofold.cli.render.estimate import Estimate
from twofold.cli.render.progress import Plain, State
from twofold.events import Phase, Progress


class Clock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def feed(estimate: Estimate, clock: Clock, *amounts: int) -> None:
    """Report totals three seconds apart."""
    for amount in amounts:
        clock.now += 3
        estimate.update(amount)


def test_steady_work_is_estimated_after_two_windows() -> None:
    clock = Clock()
    estimate = Estimate(1000, clock)
    feed(estimate, clock, 100)
    assert estimate.left() is None
    feed(estimate, clock, 200)
    assert estimate.left() == 24.0


def test_an_unsteady_speed_takes_the_estimate_away() -> None:
    clock = Clock()
    estimate = Estimate(10_000, clock)
    feed(estimate, clock, 100, 200)
    assert estimate.left() is not None
    feed(estimate, clock, 900)
    assert estimate.left() is None
    feed(estimate, clock, 900)
    assert estimate.left() is None
    feed(estimate, clock, 900)
    assert estimate.left() is None


def test_an_unknown_total_has_no_estimate() -> None:
    clock = Clock()
    estimate = Estimate(None, clock)
    feed(estimate, clock, 100, 200, 300)
    assert estimate.left() is None
    assert round(estimate.speed()) == 33


@given(st.integers(0, 10**6) | st.none(), st.lists(st.integers(0, 10**7), max_size=12))
def test_never_more_than_everything(total: int | None, amounts: list[int]) -> None:
    clock = Clock()
    state = State(Phase("work", total), clock)
    for amount in amounts:
        clock.now += 2
        state.update(Progress(amount, 1))
        share = state.share()
        assert share is None or 0 <= share <= 1
        percent = [part for part in state.words().split(" · ") if part.endswith(" %")]
        assert not percent or int(percent[0].split()[0]) <= 100


def test_done_is_not_compared_with_a_total_it_has_passed() -> None:
    state = State(Phase("work", 1000, 3), Clock())
    state.update(Progress(2048, 5))
    assert state.words() == "100 % · 2.00 KiB · 5"


def test_plain_progress_is_a_line_every_half_minute() -> None:
    clock, lines = Clock(), list[str]()
    plain = Plain(lines.append, clock)
    plain.progress(Progress(1, 1))
    plain.phase(Phase("backing up", 100 << 20, 500))
    for _ in range(70):
        clock.now += 1
        plain.progress(Progress((int(clock.now) - 100) << 20, 70))
    assert len(lines) == 2
    assert lines[0].startswith("backing up: 30 % · 30.0 MiB of 100 MiB · 70 of 500 · 1.00 MiB/s · ")
    assert lines[1].endswith("about 40 s")

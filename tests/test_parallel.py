"""The map over threads: in order, bounded, and over when the caller has had enough."""

import gc
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from twofold.parallel import Threads


def test_results_come_in_order_whoever_is_first() -> None:
    def slow(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number * number

    with Threads(4, "test") as threads:
        assert list(threads.map(slow, range(50), ahead=8)) == [n * n for n in range(50)]


@pytest.mark.parametrize("ahead", [1, 2, 7])
def test_no_more_than_asked_for_is_taken_ahead(ahead: int) -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    with Threads(2, "test") as threads:
        results = threads.map(lambda number: number, items(), ahead=ahead)
        for number in range(20):
            assert next(results) == number
            assert taken <= number + 1 + ahead
            time.sleep(0.001)


def test_items_are_taken_in_the_callers_thread() -> None:
    def items() -> Iterator[int]:
        yield threading.get_ident()

    with Threads(1, "test") as threads:
        (result,) = threads.map(lambda taker: (taker, threading.get_ident()), items(), ahead=3)
    assert result[0] == threading.get_ident() != result[1]


def test_an_error_comes_in_its_place() -> None:
    def fails_at_five(number: int) -> int:
        if number == 5:
            raise ValueError("five")
        return number

    with Threads(3, "test") as threads:
        results = threads.map(fails_at_five, range(100), ahead=6)
        assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(ValueError, match="five"):
            next(results)


def test_leaving_early_drops_the_rest() -> None:
    begun: list[int] = []
    gate = threading.Event()

    def wait(number: int) -> int:
        begun.append(number)
        if number:
            gate.wait(5)
        return number

    with Threads(2, "test") as threads:
        results = threads.map(wait, range(100), ahead=50)
        assert next(results) == 0
        threading.Timer(0.05, gate.set).start()
        results.close()  # type: ignore[attr-defined]
        assert len(begun) <= 4
        assert list(threads.map(str, range(3), ahead=2)) == ["0", "1", "2"]


def test_a_map_left_after_the_threads_have_ended_does_not_wait_for_them() -> None:
    """As when an error leaves the loop: the map is closed when nobody refers to it any more."""
    with Threads(1, "test") as threads:
        results = threads.map(str, range(100), ahead=50)
        assert next(results) == "0"
    del results


def test_what_the_threads_did_not_begin_before_they_ended_is_an_error() -> None:
    begun, gate = threading.Event(), threading.Event()

    def wait(number: int) -> int:
        begun.set()
        gate.wait(5)
        return number

    with Threads(1, "test") as threads:
        results = threads.map(wait, iter([0, 1, 2]), ahead=2)
        taker = threading.Thread(target=next, args=(results,))
        taker.start()
        begun.wait(5)
        threading.Timer(0.05, gate.set).start()
    taker.join(5)
    assert not taker.is_alive()
    with pytest.raises(RuntimeError, match="ended"):
        list(results)


def test_an_error_holds_nothing_in_memory() -> None:
    """A call that failed and its error do not hold one another, or what they are about."""

    class Large:
        pass

    def fail(item: Large) -> None:
        raise ValueError("no")

    large = Large()
    watched = weakref.ref(large)
    gc.disable()
    try:
        with Threads(1, "test") as threads:
            results = threads.map(fail, iter([large]), ahead=1)
            del large
            try:
                next(results)
            except ValueError:
                del results
        assert watched() is None
    finally:
        gc.enable()

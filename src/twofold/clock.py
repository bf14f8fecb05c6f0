"""The only place that asks for the time, so that tests can own it."""

import time


def now_ns() -> int:
    """Wall clock, nanoseconds since 1970 UTC."""
    return time.time_ns()


def monotonic() -> float:
    """Seconds that only ever grow; for rates and intervals."""
    return time.monotonic()

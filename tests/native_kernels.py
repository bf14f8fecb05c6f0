"""The kernels of the extension that run on this processor, for tests to run all of them."""

from twofold.native import EXTENSION


def kernels(constant: str) -> tuple[str, ...]:
    """Names the extension gives in one of its constants, best first; none if it was not built."""
    return () if EXTENSION is None else tuple(getattr(EXTENSION, constant))

"""Sentences about what is not as it should be, kept within bounds.

A damaged file system can have millions of faults: the first ones are kept, the others counted.
"""

_LIMIT = 20


class Notes:
    """Distinct sentences in the order of their first appearance."""

    def __init__(self) -> None:
        self._sentences: dict[str, None] = {}
        self._more = 0

    def add(self, sentence: str) -> None:
        """Keep a sentence, or count it when there are many already."""
        if sentence in self._sentences:
            return
        if len(self._sentences) < _LIMIT:
            self._sentences[sentence] = None
        else:
            self._more += 1

    def sentences(self) -> tuple[str, ...]:
        """The sentences, and how many more there were."""
        more = (f"there is more of this kind, {self._more} times",) if self._more else ()
        return (*self._sentences, *more)

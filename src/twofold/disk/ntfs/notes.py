"""What was found not to be as it should be, as sentences; bounded, however damaged a volume is."""

_KEPT = 50


class Notes:
    """Collects sentences; the first ones are kept, the rest counted."""

    def __init__(self) -> None:
        self._kept: dict[str, None] = {}
        self._more = 0

    def tell(self, sentence: str) -> None:
        """Add a sentence unless it is known already."""
        if sentence in self._kept:
            return
        if len(self._kept) < _KEPT:
            self._kept[sentence] = None
        else:
            self._more += 1

    def sentences(self) -> tuple[str, ...]:
        """All that were kept, and how many were not."""
        more = (f"and {self._more} more like these",) if self._more else ()
        return (*self._kept, *more)

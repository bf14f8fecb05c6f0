"""How far the work is, on stderr: a bar on a terminal, a line every half minute elsewhere.

    Reading ━━━━━━━━━━────── 62 % · 2.61 GiB of 4.20 GiB · 8,120 of 12,345 · 95 MiB/s · about 20 s
    Documents/2026/letter.txt

Both are made from the same ``State``, which never tells more than 100 % and no time left before the
speed is steady.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TextIO

from twofold import clock
from twofold.cli.render.estimate import Estimate
from twofold.cli.render.words import about, printable, size
from twofold.events import Phase, Progress

if TYPE_CHECKING:
    from rich.console import RenderableType

PLAIN_SECONDS = 30.0
BAR_HERTZ = 4


class Meter(Protocol):
    """Shows progress; ``above`` writes a line over what is shown, False when nothing is."""

    def phase(self, phase: Phase) -> None: ...

    def progress(self, progress: Progress) -> None: ...

    def above(self, text: str, style: str) -> bool: ...

    def close(self) -> None: ...


class State:
    """One phase, in words."""

    def __init__(self, phase: Phase, monotonic: Callable[[], float]) -> None:
        self.name = phase.name
        self._bytes, self._items = phase.total_bytes, phase.total_items
        self._by_bytes = phase.total_bytes is not None or phase.total_items is None
        total = phase.total_bytes if self._by_bytes else phase.total_items
        self._estimate = Estimate(total, monotonic)
        self._total = total
        self.done = Progress(0, 0)

    def update(self, progress: Progress) -> None:
        """So much is done by now."""
        self.done = progress
        self._estimate.update(progress.done_bytes if self._by_bytes else progress.done_items)

    def share(self) -> float | None:
        """Done share of the whole between 0 and 1, None while the whole is unknown."""
        if not self._total:
            return None
        done = self.done.done_bytes if self._by_bytes else self.done.done_items
        return min(done / self._total, 1.0)

    def words(self) -> str:
        """Amounts, speed and time left."""
        return " · ".join(filter(None, self._parts()))

    def _parts(self) -> Iterable[str]:
        share = self.share()
        yield f"{int(share * 100)} %" if share is not None else ""
        if self.done.done_bytes or self._bytes:
            yield _of(self.done.done_bytes, self._bytes, size)
        if self.done.done_items or self._items:
            yield _of(self.done.done_items, self._items, "{:,}".format)
        speed = self._estimate.speed()
        yield f"{size(int(speed))}/s" if self._by_bytes and speed >= 1 else ""
        left = self._estimate.left()
        yield about(left) if left is not None else ""


def _of(done: int, total: int | None, show: Callable[[int], str]) -> str:
    return show(done) if total is None or done > total else f"{show(done)} of {show(total)}"


class Silent:
    """Shows nothing."""

    def phase(self, phase: Phase) -> None: ...

    def progress(self, progress: Progress) -> None: ...

    def above(self, text: str, style: str) -> bool:
        del text, style
        return False

    def close(self) -> None: ...


class Plain(Silent):
    """A line every half minute, for logs."""

    def __init__(
        self, write: Callable[[str], None], monotonic: Callable[[], float] = clock.monotonic
    ) -> None:
        self._write = write
        self._monotonic = monotonic
        self._next = monotonic() + PLAIN_SECONDS
        self._state: State | None = None

    def phase(self, phase: Phase) -> None:
        self._state = State(phase, self._monotonic)

    def progress(self, progress: Progress) -> None:
        if self._state is None:
            return
        self._state.update(progress)
        if self._monotonic() >= self._next:
            self._next = self._monotonic() + PLAIN_SECONDS
            self._write(f"{self._state.name}: {self._state.words()}")


class Bar:
    """A bar: redrawn at the start of a phase and four times a second; leaves nothing behind."""

    def __init__(
        self, stream: TextIO, *, color: bool, monotonic: Callable[[], float] = clock.monotonic
    ) -> None:
        from rich.console import Console
        from rich.live import Live

        self._monotonic = monotonic
        self._state: State | None = None
        console = Console(
            file=stream, force_terminal=True, no_color=not color, highlight=False, markup=False
        )
        self._live = Live(
            console=console,
            get_renderable=self._picture,
            refresh_per_second=BAR_HERTZ,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def phase(self, phase: Phase) -> None:
        self._state = State(phase, self._monotonic)
        if self._live.is_started:
            self._live.refresh()
        else:
            self._live.start(refresh=True)

    def progress(self, progress: Progress) -> None:
        if self._state is not None:
            self._state.update(progress)

    def above(self, text: str, style: str) -> bool:
        from rich.text import Text

        if self._live.is_started:
            self._live.console.print(Text(text, style), soft_wrap=True)
        return self._live.is_started

    def close(self) -> None:
        self._live.stop()
        self._state = None

    def _picture(self) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        state = self._state
        if state is None:
            return Text()
        share = state.share()
        bar = ProgressBar(total=None if share is None else 1.0, completed=share or 0, width=24)
        if share is None:
            bar.pulse = True
        row = Table.grid(padding=(0, 1))
        row.add_row(Text(printable(state.name)), bar, Text(state.words(), no_wrap=True))
        current = Text(printable(state.done.current), "dim", no_wrap=True, overflow="ellipsis")
        return Group(row, current) if state.done.current else Group(row)

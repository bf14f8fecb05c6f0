"""What is made ready before a step touches neither its memory nor its place."""

import resource
from pathlib import Path

from bench.places import Place


def test_memory_made_ready_is_nobodys_peak(tmp_path: Path) -> None:
    """Peaks are inherited by what is started later, so they would be the benchmark's own."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Place("memory", tmp_path).before(100 << 20)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    taken = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert grown < 50 << 10
    assert taken >= 150 << 10
    assert not list(tmp_path.iterdir())

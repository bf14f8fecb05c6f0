"""Where fault sweeps keep their thousands of small stores."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

TMPFS = Path("/dev/shm")


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: these sweeps are about order, not about disks."""
    if not os.access(TMPFS, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=TMPFS) as folder:
        yield Path(folder)

"""The benchmark is for Linux: it counts as that kernel does and works on its tmpfs."""

import sys

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]

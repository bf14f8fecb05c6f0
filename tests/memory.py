"""Peak memory of a process, as its own: unlike getrusage, nothing of the one that started it."""

from pathlib import Path


def peak_mib() -> int:
    """Most memory this process had resident since it was started, MiB (Linux: VmHWM)."""
    words = Path("/proc/self/status").read_text(encoding="ascii").split()
    return int(words[words.index("VmHWM:") + 1]) >> 10

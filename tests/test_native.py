"""The extension can be left out, and then nothing of it is used."""

import os
import subprocess
import sys


def test_the_extension_can_be_left_out() -> None:
    words = "from twofold import native; print(native.EXTENSION)"
    for python in ([], ["-O"]):
        done = subprocess.run(
            [sys.executable, *python, "-c", words],
            env={**os.environ, "TWOFOLD_NATIVE": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "None\n"

"""Twofold: file backup and system image in one deduplicated, encrypted repository."""

__version__ = "0.1.0.dev0"

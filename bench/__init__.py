"""Twofold against its peers, by one command: ``python3 -m bench``. Standard library only."""

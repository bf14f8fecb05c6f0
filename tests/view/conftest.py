"""Fixtures for tests of looking into snapshots."""

from tests.restorer.conftest import place, template

__all__ = ["place", "template"]

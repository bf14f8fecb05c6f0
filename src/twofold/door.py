"""Doors that open when somebody comes: names of a package, imported at their first use (PEP 562).

A package whose ``__init__`` imports all that it offers makes everybody load all of it. Such a door
says which module holds which names, and loads the one that is asked for:

    __getattr__ = opened_by("twofold.view", {"tree": "Tree Walk", ...})
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def opened_by(package: str, places: Mapping[str, str]) -> Callable[[str], object]:
    """What finds a package's names the first time; later ones are found without it.

    ``places``: names, with spaces between, by the module of the package that has them.
    """
    modules = {name: module for module, names in places.items() for name in names.split()}

    def found(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return found

"""Lazy imports of public names, so that one command does not load what only others need."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_getattr(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Make the `__getattr__` of a package, which imports a module at the first use of its names.

    `homes` maps each module of the package to the public names that it holds, divided by blanks.

    >>> lazy_getattr("json", {"decoder": "JSONDecoder JSONDecodeError"})("JSONDecoder").__name__
    'JSONDecoder'
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    def load(name: str) -> object:
        home = home_of.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f"{package}.{home}")
        value: object = getattr(module, name)
        # Python calls `__getattr__` for missing names only: the next use finds the name at once.
        setattr(sys.modules[package], name, value)
        return value

    return load

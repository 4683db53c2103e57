"""What is costly to make and never changes, kept in a private file: the parser's tables, the library's trees."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import mkstemp
from typing import TypeVar

from rmg_dsl.config import Settings

Made = TypeVar("Made")
_LOAD_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    ImportError,
    IndexError,
    pickle.UnpicklingError,
)


def private_file(name: str, *made_from: str) -> Path | None:
    """A file in the user's cache folder that only this user can write, or none: what is kept is a pickle, and a pickle
    is code. Its name holds a hash of what it is made from, so that nothing old is ever read.
    """
    key = hashlib.sha256("\0".join([sys.version, *made_from]).encode()).hexdigest()[:16]
    folder = Settings.of().cache_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owned = _is_private(folder)
    except OSError:
        return None
    return folder / f"{name}-{key}" if owned else None


def _is_private(folder: Path) -> bool:
    if not hasattr(os, "getuid"):
        return os.access(folder, os.W_OK)
    state = folder.stat()
    shared = state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return state.st_uid == os.getuid() and not shared and os.access(folder, os.W_OK)


def load_or_make(place: Path | None, make: Callable[[], Made]) -> Made:
    """What the file holds, or what `make` makes, which is then kept; a file that cannot be read is made anew."""
    if place is None:
        return make()
    try:
        found: Made = pickle.loads(place.read_bytes())
    except _LOAD_ERRORS:
        found = make()
        _write_pickle(place, found)
    return found


def _write_pickle(place: Path, made: object) -> None:
    """Written beside and moved into place, so that no other process reads a half."""
    with contextlib.suppress(OSError, RecursionError):
        handle, beside = mkstemp(dir=place.parent)
        with open(handle, "wb") as file:
            pickle.dump(made, file, protocol=pickle.HIGHEST_PROTOCOL)
        os.replace(beside, place)

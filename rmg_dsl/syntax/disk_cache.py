"""A private file cache for what is slow to make and never changes.

It holds the tables of the parser, the trees of the standard library and the table of declarations.
"""

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
# What `pickle.loads` raises for a file that is cut off, or that another version wrote.
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
    """A file in the user's cache folder, or none where others could write to that folder.

    Its name holds a hash of `made_from`, so that a change of the input makes a new file.
    """
    # The version of Python is part of the key: pickles of another one may not load.
    key = hashlib.sha256("\0".join([sys.version, *made_from]).encode()).hexdigest()[:16]
    folder = Settings.of().cache_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_private = _is_private(folder)
    except OSError:
        return None
    # Loading a pickle runs code: a file that somebody else wrote must never be read.
    return folder / f"{name}-{key}" if is_private else None


def _is_private(folder: Path) -> bool:
    # Windows has no user ids; its profile folders are private by default.
    if not hasattr(os, "getuid"):
        return os.access(folder, os.W_OK)
    state = folder.stat()
    shared = state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return state.st_uid == os.getuid() and not shared and os.access(folder, os.W_OK)


def load_or_make(place: Path | None, make: Callable[[], Made]) -> Made:
    """The content of the file; where it cannot be read, the result of `make`, which is then
    written.

    `place` is none where nothing may be cached.
    """
    # A folder that others can write to is not used at all.
    if place is None:
        return make()
    try:
        result: Made = pickle.loads(place.read_bytes())
    except _LOAD_ERRORS:
        result = make()
        _write_pickle(place, result)
    return result


def _write_pickle(place: Path, made: object) -> None:
    # A cache is optional: a full disk or an object that is too deep must not stop the caller.
    with contextlib.suppress(OSError, RecursionError):
        handle, beside = mkstemp(dir=place.parent)
        with open(handle, "wb") as file:
            pickle.dump(made, file, protocol=pickle.HIGHEST_PROTOCOL)
        # The move is atomic, so that no other process reads half a file.
        os.replace(beside, place)

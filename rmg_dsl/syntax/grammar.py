"""The grammar, ready to parse with: loaded once, from a private cache file where there can be one."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from functools import cache
from pathlib import Path

import lark
from lark import Lark

from rmg_dsl.config import Settings
from rmg_dsl.syntax.layout import Layout


def grammar_text() -> str:
    """The text of `rmg.lark`: beside this package in a wheel, at the top of a checkout."""
    return _grammar_file("rmg.lark").read_text("utf-8")


def spec_text() -> str:
    """The text of `SPEC.md`, the language defined for people."""
    return _grammar_file("SPEC.md").read_text("utf-8")


def _grammar_file(name: str) -> Path:
    package = Path(__file__).parents[1]
    places = (package / "grammar" / name, package.parent / "grammar" / name)
    return next((place for place in places if place.is_file()), places[0])


@cache
def grammar() -> Lark:
    """The one parser; it keeps no state between parses, so threads may share it."""
    text = grammar_text()
    options = {"parser": "lalr", "lexer": "contextual", "postlex": Layout(), "propagate_positions": True}
    place = _cache_file(text)
    try:
        return Lark(text, cache=str(place) if place else False, maybe_placeholders=True, **options)
    except OSError:
        return Lark(text, maybe_placeholders=True, **options)


def _cache_file(text: str) -> Path | None:
    """A file that only this user can write: a cached parser is a pickle, and a pickle is code."""
    key = hashlib.sha256(f"{lark.__version__} {sys.version} {text}".encode()).hexdigest()[:16]
    folder = Settings.of().cache_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owned = _is_private(folder)
    except OSError:
        return None
    return folder / f"grammar-{key}.lark" if owned else None


def _is_private(folder: Path) -> bool:
    if not hasattr(os, "getuid"):
        return os.access(folder, os.W_OK)
    state = folder.stat()
    shared = state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return state.st_uid == os.getuid() and not shared and os.access(folder, os.W_OK)

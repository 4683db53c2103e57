"""The grammar files, and the parser made from them: loaded once, from the cache where possible."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import lark
from lark import Lark

from rmg_dsl.syntax.disk_cache import private_file
from rmg_dsl.syntax.layout import Layout


def grammar_text() -> str:
    """The text of `rmg.lark`, the grammar."""
    return _grammar_file("rmg.lark").read_text("utf-8")


def spec_text() -> str:
    """The text of `SPEC.md`, the language defined for people."""
    return _grammar_file("SPEC.md").read_text("utf-8")


def declarations_text() -> str:
    """The text of `declarations.toml`: every declaration, and the keys of its block."""
    return _grammar_file("declarations.toml").read_text("utf-8")


def _grammar_file(name: str) -> Path:
    # In a wheel the folder lies inside the package, in a checkout beside it.
    package = Path(__file__).parents[1]
    # The package wins, so that a wheel never reads a folder that happens to lie beside it.
    places = (package / "grammar" / name, package.parent / "grammar" / name)
    return next((place for place in places if place.is_file()), places[0])


def parser_version() -> str:
    """The text of all that decides which tree a spec gives: a key for cached trees.

    It holds the grammar and the source of the modules that build nodes.
    """
    folder = Path(__file__).parent
    modules = ("nodes.py", "builder.py", "parser.py", "strings.py")
    return grammar_text() + "".join((folder / name).read_text("utf-8") for name in modules)


@cache
def grammar() -> Lark:
    """The parser. It has no state between two parses, so threads may share it."""
    text = grammar_text()
    options = {
        "parser": "lalr",
        "lexer": "contextual",
        "postlex": Layout(),
        "propagate_positions": True,
    }
    # Making the tables of the parser takes 100 ms, loading them 5 ms.
    place = private_file("grammar", lark.__version__, text)
    cache_file = str(place) if place else False
    try:
        return Lark(text, cache=cache_file, maybe_placeholders=True, **options)
    except OSError:  # the cache file cannot be written
        return Lark(text, maybe_placeholders=True, **options)

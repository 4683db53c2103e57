"""The grammar, ready to parse with: loaded once, from a private cache file where there can be one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import lark
from lark import Lark

from rmg_dsl.syntax.disk_cache import private_file
from rmg_dsl.syntax.layout import Layout


def grammar_text() -> str:
    """The text of `rmg.lark`: beside this package in a wheel, at the top of a checkout."""
    return _grammar_file("rmg.lark").read_text("utf-8")


def spec_text() -> str:
    """The text of `SPEC.md`, the language defined for people."""
    return _grammar_file("SPEC.md").read_text("utf-8")


def declarations_text() -> str:
    """The text of `declarations.toml`: every declaration, and the keys of its block."""
    return _grammar_file("declarations.toml").read_text("utf-8")


def _grammar_file(name: str) -> Path:
    package = Path(__file__).parents[1]
    places = (package / "grammar" / name, package.parent / "grammar" / name)
    return next((place for place in places if place.is_file()), places[0])


def parser_version() -> str:
    """What decides over the trees that come out of a text: the grammar and the modules that build nodes."""
    rooms = ("nodes.py", "builder.py", "parser.py", "strings.py")
    return grammar_text() + "".join(
        (Path(__file__).parent / room).read_text("utf-8") for room in rooms
    )


@cache
def grammar() -> Lark:
    """The one parser; it keeps no state between parses, so threads may share it."""
    text = grammar_text()
    options = {
        "parser": "lalr",
        "lexer": "contextual",
        "postlex": Layout(),
        "propagate_positions": True,
    }
    place = private_file("grammar", lark.__version__, text)
    try:
        return Lark(text, cache=str(place) if place else False, maybe_placeholders=True, **options)
    except OSError:
        return Lark(text, maybe_placeholders=True, **options)

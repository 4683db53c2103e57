"""The standard library: declared in `.rmg`, its `internal` functions implemented here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rmg_dsl.checker import Function, signatures_of
from rmg_dsl.diagnostics import Source
from rmg_dsl.syntax import nodes, parse
from rmg_dsl.syntax.disk_cache import load_or_make, private_file
from rmg_dsl.syntax.grammar import parser_version

FILES = ("graders.rmg", "functions.rmg")


@cache
def library(name: str) -> nodes.Module:
    """Parse a file of the standard library; the parse is stored on disk."""
    text = (Path(__file__).parent / name).read_text("utf-8")
    place = private_file("std", parser_version(), text)
    return load_or_make(place, lambda: _parse_library(name, text))


def _parse_library(name: str, text: str) -> nodes.Module:
    parsed = parse(Source.of(text, f"std/{name}"))
    # The file ships with the package: a mistake in it is a bug of the package.
    assert not parsed.diagnostics, parsed.diagnostics
    return parsed.module


@cache
def functions() -> Mapping[str, Function]:
    """The signatures of all built-in functions, by name."""
    return signatures_of(library("functions.rmg"))


def implementations() -> dict[str, Callable[..., Any]]:
    """The implementation of each function that takes plain values of one row.

    >>> implementations()["words"]("two words")
    2
    """
    # Imported here: a check needs only the signatures.
    from rmg_dsl.std import combine, ngrams, overlap, structured, text

    signatures = functions()
    result: dict[str, Callable[..., Any]] = {}
    for module in (text, overlap, ngrams, structured, combine):
        for name, signature in signatures.items():
            if hasattr(module, name):
                result[name] = _with_text_arguments(signature, getattr(module, name))
    return result


def _with_text_arguments(function: Function, run: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that each text parameter gets a text.

    A number becomes its text. Any other value raises TypeError.
    """
    kinds = [parameter.type for parameter in function.parameters]
    places = tuple(place for place, kind in enumerate(kinds) if kind == "text")
    if not places:
        return run

    def call(*arguments: object) -> object:
        # Most arguments are text: copy the arguments only where one is not.
        if all(type(arguments[place]) is str for place in places):
            return run(*arguments)
        converted = list(arguments)
        for place in places:
            converted[place] = _text_argument(arguments[place], function.name)
        return run(*converted)

    return call


def _text_argument(value: object, name: str) -> str:
    if isinstance(value, str):
        return value
    # A bool is an int in Python, but its text would be a word that nobody has written.
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"`{name}` wants a text, and this is {type(value).__name__}")

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
    """A file of the standard library, parsed; it ships with the package, so a mistake in it is a bug of ours."""
    text = (Path(__file__).parent / name).read_text("utf-8")
    return load_or_make(
        private_file("std", parser_version(), text), lambda: _parse_library(name, text)
    )


def _parse_library(name: str, text: str) -> nodes.Module:
    parsed = parse(Source.of(text, f"std/{name}"))
    assert not parsed.diagnostics, parsed.diagnostics
    return parsed.module


@cache
def functions() -> Mapping[str, Function]:
    """The signatures of all built-in functions, by name."""
    return signatures_of(library("functions.rmg"))


def implementations() -> dict[str, Callable[..., Any]]:
    """What runs for each function that takes plain values of one row.

    >>> implementations()["words"]("two words")
    2
    """
    # Only a run needs them; a check reads the signatures.
    from rmg_dsl.std import combine, ngrams, overlap, structured, text

    rooms = (text, overlap, ngrams, structured, combine)
    found = {
        name: getattr(room, name) for room in rooms for name in functions() if hasattr(room, name)
    }
    return {
        name: _with_text_arguments(functions()[name], function) for name, function in found.items()
    }


def _with_text_arguments(function: Function, run: Callable[..., Any]) -> Callable[..., Any]:
    """The function with numbers read as the text that they print as, and lists refused, wherever it wants text."""
    places = tuple(i for i, parameter in enumerate(function.parameters) if parameter.type == "text")
    if not places:
        return run

    def call(*arguments: Any) -> Any:
        for place in places:
            if type(arguments[place]) is not str:
                return run(
                    *(
                        _text_argument(a, function.name) if i in places else a
                        for i, a in enumerate(arguments)
                    )
                )
        return run(*arguments)

    return call


def _text_argument(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"`{name}` wants a text, and this is {type(value).__name__}")

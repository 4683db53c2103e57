"""The standard library: declared in `.rmg`, its `internal` functions implemented here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rmg_dsl.cells import CellText, unpack_cell
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
    return load_or_make(
        private_file("std", parser_version(), text), lambda: _parse_library(name, text)
    )


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
                result[name] = _with_converted_arguments(signature, getattr(module, name))
    return result


def _with_converted_arguments(function: Function, run: Callable[..., Any]) -> Callable[..., Any]:
    """The function with each argument as its parameter wants it.

    A number becomes its text, and the cell of a text file a number or a list; what cannot become
    one is an error. A text is never a list of letters.
    """
    converters = [
        (place, convert)
        for place, parameter in enumerate(function.parameters)
        if (convert := _CONVERTERS.get(parameter.type)) is not None
    ]
    if not converters:
        return run

    def call(*arguments: object) -> object:
        # Most arguments are plain texts for text parameters: they need no copy.
        converted = list(arguments)
        for place, convert in converters:
            if place < len(converted):
                converted[place] = convert(converted[place], function.name)
        return run(*converted)

    return call


def _text_argument(value: object, name: str) -> str:
    if type(value) is str:
        return value
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"`{name}` wants a text, and this is {type(value).__name__}")


def _list_argument(value: object, name: str) -> object:
    value = unpack_cell(value)
    if isinstance(value, str):
        raise TypeError(f"`{name}` wants a list, and this is a text")
    return value


def _number_argument(value: object, name: str) -> object:
    if type(value) is not CellText:
        return value
    if value.number is None:
        raise TypeError(f"`{name}` wants a number, and this is a text")
    return value.number


def _any_argument(value: object, _: str) -> object:
    # Two cells that both write numbers are compared as numbers.
    if type(value) is CellText and value.exact_number is not None:
        return value.exact_number
    return value


_CONVERTERS: Mapping[str, Callable[[object, str], object]] = {
    "text": _text_argument,
    "list": _list_argument,
    "number": _number_argument,
    "any": _any_argument,
}

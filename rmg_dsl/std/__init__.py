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
    from rmg_dsl.std.arguments import with_checked_arguments

    signatures = functions()
    result: dict[str, Callable[..., Any]] = {}
    for module in (text, overlap, ngrams, structured, combine):
        for name, signature in signatures.items():
            if hasattr(module, name):
                result[name] = with_checked_arguments(signature, getattr(module, name))
    return result

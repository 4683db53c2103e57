"""The standard library: declared in `.rmg`, its `internal` functions implemented here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from rmg_dsl.diagnostics import Source
from rmg_dsl.semantics import Function, functions_of
from rmg_dsl.std import combine, ngrams, overlap, structured, text
from rmg_dsl.syntax import nodes, parse

FILES = ("graders.rmg", "functions.rmg")


@cache
def library(name: str) -> nodes.Module:
    """A file of the standard library, parsed; it ships with the package, so a mistake in it is a bug of ours."""
    parsed = parse(Source.of(files(__package__).joinpath(name).read_text("utf-8"), f"std/{name}"))
    assert not parsed.diagnostics, parsed.diagnostics
    return parsed.module


@cache
def functions() -> Mapping[str, Function]:
    """The signatures of all built-in functions, by name."""
    return functions_of(library("functions.rmg"))


def implementations() -> dict[str, Callable[..., Any]]:
    """What runs for each function that takes plain values of one row.

    >>> implementations()["words"]("two words")
    2
    """
    rooms = (text, overlap, ngrams, structured, combine)
    return {name: getattr(room, name) for room in rooms for name in functions() if hasattr(room, name)}

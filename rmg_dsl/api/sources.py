"""Read specs, from a text or a file, and run the checker on them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Protocol, TypeAlias

from rmg_dsl import std
from rmg_dsl.checker import CheckResult, Universe
from rmg_dsl.checker import check_spec as check_module
from rmg_dsl.diagnostics import Diagnostic, Source, has_errors
from rmg_dsl.diagnostics.render import render_text
from rmg_dsl.errors import SpecError, UsageError
from rmg_dsl.models.presets import PRESETS
from rmg_dsl.models.settings import SETTINGS, check_setting
from rmg_dsl.syntax import parse


class HasSource(Protocol):
    """A spec that is loaded already, such as a `Suite`."""

    @property
    def source(self) -> Source:
        """The text of the spec, with its name."""


Spec: TypeAlias = HasSource | str | os.PathLike[str]


def raise_errors(diagnostics: Iterable[Diagnostic]) -> None:
    """Raise one SpecError with all diagnostics if at least one of them is an error."""
    everything = tuple(diagnostics)
    if has_errors(everything):
        text = render_text(d for d in everything if d.severity != "note")
        raise SpecError(everything, f"\n{text}")


def run_checker(
    source: Source,
    params: Mapping[str, float | int | bool | str] | None = None,
    columns: frozenset[str] | None = None,
    functions: frozenset[str] = frozenset(),
) -> CheckResult:
    """Parse and check a spec. Mistakes are diagnostics of the result, never raised.

    `params` are values for its params, by name. `columns` are the columns of the data, or None
    where they are unknown. `functions` are the names of the caller's Python functions.
    """
    extra = replace(universe(), columns=columns, params=params or {}, python_functions=functions)
    return check_module(parse(source), extra)


@cache
def universe() -> Universe:
    """What every check starts with: the standard library, the model settings, a reader of imports.

    It is made once per process.
    """
    return Universe(
        std.functions(),
        std.library("graders.rmg"),
        _read_import,
        check_setting,
        tuple(SETTINGS),
        tuple(PRESETS),
    )


def _read_import(path: str, importer: str) -> Source:
    """Read an imported file. Its path is relative to the folder of the importing file."""
    if os.path.isabs(path) or "\0" in path:
        raise ValueError("an import is a relative path")
    place = os.path.normpath(os.path.join(os.path.dirname(importer), path))
    return Source.of(Path(place).read_text("utf-8"), place)


# ── text or path ──────────────────────────────────────────────────────────────────────────────────


def source_of(spec: Spec) -> Source:
    """The source of a suite, of a text or of a file.

    A string of one line is a path if it ends in `.rmg` or if a file has that name. Every other
    string is the text of a spec. Raises UsageError for a file that cannot be read, and for a value
    that is no spec.
    """
    if isinstance(spec, os.PathLike):
        return read_source(spec)
    if not isinstance(spec, str):
        source = getattr(spec, "source", None)
        if not isinstance(source, Source):
            raise UsageError(f"a spec is a suite, a text or a path, not {type(spec).__name__}")
        return source
    if "\n" not in spec and (spec.endswith(".rmg") or _is_file(spec)):
        return read_source(spec)
    return Source.of(spec)


def _is_file(text: str) -> bool:
    try:
        return os.path.isfile(text)
    except ValueError:
        return False


def read_source(path: str | os.PathLike[str]) -> Source:
    """Read a spec from a file. Raises UsageError with the reason where it cannot be read."""
    name = os.fspath(path)
    try:
        return Source.of(Path(name).read_text("utf-8"), name)
    except OSError as error:
        raise UsageError(
            f"{name}: cannot be read: {(error.strerror or str(error)).lower()}"
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: is not UTF-8 text: byte {error.start} cannot be read") from None

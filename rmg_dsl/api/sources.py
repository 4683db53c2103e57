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
    """What was loaded already: a suite."""

    @property
    def source(self) -> Source: ...


Spec: TypeAlias = HasSource | str | os.PathLike[str]


def raise_errors(diagnostics: Iterable[Diagnostic]) -> None:
    """Raise one SpecError that holds everything, where at least one diagnostic is an error."""
    found = tuple(diagnostics)
    if has_errors(found):
        raise SpecError(found, "\n" + render_text(d for d in found if d.severity != "note"))


def run_checker(
    source: Source,
    params: Mapping[str, float | int | bool | str] | None = None,
    columns: frozenset[str] | None = None,
    functions: frozenset[str] = frozenset(),
) -> CheckResult:
    extra = replace(universe(), columns=columns, params=params or {}, python_functions=functions)
    return check_module(parse(source), extra)


@cache
def universe() -> Universe:
    """What every check knows: the standard library, the table of model settings, the files beside a
    spec.
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
    """An imported file: its path counts from the folder of the file that imports it."""
    if os.path.isabs(path) or "\0" in path:
        raise ValueError("an import is a relative path")
    place = os.path.normpath(os.path.join(os.path.dirname(importer), path))
    return Source.of(Path(place).read_text("utf-8"), place)


# ── text or path ──────────────────────────────────────────────────────────────────────────────────


def source_of(spec: Spec) -> Source:
    """A suite's source, a text, or a file: where it ends in `.rmg`, or names a file and has no line
    break.
    """
    if isinstance(spec, os.PathLike):
        return read_source(spec)
    if not isinstance(spec, str):
        loaded = getattr(spec, "source", None)
        if not isinstance(loaded, Source):
            raise UsageError(f"a spec is a suite, a text or a path, not {type(spec).__name__}")
        return loaded
    if "\n" not in spec and (spec.endswith(".rmg") or _is_file(spec)):
        return read_source(spec)
    return Source.of(spec)


def _is_file(text: str) -> bool:
    try:
        return os.path.isfile(text)
    except ValueError:
        return False


def read_source(path: str | os.PathLike[str]) -> Source:
    """A file's text. Raises UsageError where it cannot be read, with the reason."""
    name = os.fspath(path)
    try:
        return Source.of(Path(name).read_text("utf-8"), name)
    except OSError as error:
        raise UsageError(
            f"{name}: cannot be read: {(error.strerror or str(error)).lower()}"
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: is not UTF-8 text: byte {error.start} cannot be read") from None

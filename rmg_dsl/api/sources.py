"""Read specs, from a text or a file, and run the checker on them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Protocol, TypeAlias

from rmg_dsl import std
from rmg_dsl.checker import CheckResult, Universe
from rmg_dsl.checker import check_spec as check_module
from rmg_dsl.config import Settings
from rmg_dsl.diagnostics import Diagnostic, Source, has_errors
from rmg_dsl.diagnostics.render import render_text
from rmg_dsl.errors import SpecError, UsageError
from rmg_dsl.models.presets import PRESETS
from rmg_dsl.models.settings import SETTINGS, check_setting
from rmg_dsl.syntax import parse

_MOST_BYTES = 256 << 10


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
    allow_files: Iterable[str] = (),
) -> CheckResult:
    """Parse and check a spec. Mistakes are diagnostics of the result, never raised.

    `params` are values for its params, by name. `columns` are the columns of the data, or None
    where they are unknown. `functions` are the names of the caller's Python functions. Its imports
    lie in its folder, below it, or in the folders of `allow_files`.
    """
    own_folder = os.path.dirname(source.name) if os.path.isfile(source.name) else "."
    folders = (own_folder, *allow_files, *Settings.of().names("RMG_ALLOW_FILES"))
    extra = replace(
        universe(),
        columns=columns,
        params=params or {},
        python_functions=functions,
        load=partial(_read_import, folders=folders),
    )
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


def _read_import(path: str, importer: str, folders: Iterable[str] = (".",)) -> Source:
    """Read an imported file. Its path is relative to the folder of the importing file.

    A spec may come from a stranger, and a diagnostic shows the lines of a file: only files in
    `folders` are opened, wherever a symbolic link leads.
    """
    if os.path.isabs(path) or "\0" in path:
        raise ValueError("an import is a relative path")
    place = os.path.normpath(os.path.join(os.path.dirname(importer), path))
    real = os.path.realpath(place)
    if not any(_is_inside(real, folder) for folder in folders):
        raise ValueError("it lies outside the folder of the spec; --allow-files DIR allows it")
    if os.path.exists(real) and not os.path.isfile(real):
        raise ValueError("it is no ordinary file")
    return Source.of(_read_bounded(real), place)


def _is_inside(real_path: str, folder: str) -> bool:
    root = os.path.realpath(os.path.expanduser(folder))
    try:
        return os.path.commonpath([real_path, root]) == root
    except ValueError:
        # On Windows: two drives.
        return False


def _read_bounded(path: str) -> str:
    """The text of a spec. A device or a wrong file may have no end, or gigabytes."""
    with open(path, "rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES >> 10} KB, the most for a spec")
    return content.decode("utf-8")


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
        return Source.of(_read_bounded(name), name)
    except OSError as error:
        raise UsageError(
            f"{name}: cannot be read: {(error.strerror or str(error)).lower()}"
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: is not UTF-8 text: byte {error.start} cannot be read") from None
    except ValueError as error:
        raise UsageError(f"{name}: cannot be read: {error}") from None

"""Loading and checking: from a text or a file to a suite."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from rmg_dsl import std
from rmg_dsl.diagnostics import Diagnostic, Source, errors_in
from rmg_dsl.diagnostics.render import as_text
from rmg_dsl.errors import SpecError, UsageError
from rmg_dsl.models.presets import PRESETS
from rmg_dsl.models.settings import SETTINGS, check_setting
from rmg_dsl.semantics import Checked, CheckResult, Output, Universe
from rmg_dsl.semantics import check as check_module
from rmg_dsl.syntax import parse

if TYPE_CHECKING:
    from rmg_dsl.api.planning import PlanView

Spec: TypeAlias = Union["Suite", str, os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class Suite:
    """A checked spec, ready to grade: `graders` and `aggregates` by name, with scales and docs. `load` makes it.

    >>> import rmg_dsl as rmg
    >>> suite = rmg.loads("grader brief = words(response) <= 120")
    >>> print(suite)
    brief  grader  bool
    """

    checked: Checked
    diagnostics: tuple[Diagnostic, ...] = field(default=(), repr=False)

    @property
    def source(self) -> Source:
        return self.checked.source

    @property
    def graders(self) -> Mapping[str, Output]:
        """The declared graders, by name."""
        return {o.name: o for o in self.checked.outputs if o.kind == "grader"}

    @property
    def aggregates(self) -> Mapping[str, Output]:
        """The declared aggregates, by name."""
        return {o.name: o for o in self.checked.outputs if o.kind == "aggregate"}

    def plan(self, data: Any = None, **options: Any) -> PlanView:
        """The steps for a row and, with data, the calls that its rows cost at most: see `rmg_dsl.plan`."""
        from rmg_dsl.api.planning import plan

        return plan(self, data, **options)

    def __str__(self) -> str:
        from rmg_dsl.report import aligned

        rows = [(o.name, o.kind, _scale(o), o.doc.split("\n")[0]) for o in self.checked.outputs]
        return aligned(rows) if rows else "an empty suite"

    def __repr__(self) -> str:
        return f"<Suite {self.source.name}>\n{self}"

    def _repr_html_(self) -> str:
        from rmg_dsl.report.html import suite_html

        return suite_html(self.checked)


def _scale(output: Output) -> str:
    if output.type.scale is not None:
        return str(output.type.scale)
    return "bool" if output.type.kind == "bool" else str(output.type)


def load(path: str | os.PathLike[str]) -> Suite:
    """The suite in a `.rmg` file. Raises SpecError with every mistake, UsageError where there is no such file."""
    return suite_of(read_source(path))


def loads(text: str, name: str = "<spec>") -> Suite:
    """The suite in a text. Raises SpecError with every mistake.

    >>> loads('grader kind -> bool = "Is this kind? {{ response }}"').graders["kind"].type.kind
    'bool'
    """
    return suite_of(Source.of(text, name))


def check(spec: str | os.PathLike[str], data: Any = None) -> tuple[Diagnostic, ...]:
    """Every mistake, doubt and remark about a spec (a text or a file), in the order of its lines; raises for none.

    With `data`, its real columns are known too.

    >>> [d.code for d in check("aggregate a = b")]
    ['RMG215']
    """
    source = source_of(spec)
    if data is None:
        return checked(source).diagnostics
    from rmg_dsl.api.preparing import bound_diagnostics

    return bound_diagnostics(source, data)


def suite_of(source: Source) -> Suite:
    found = checked(source)
    raise_errors(found.diagnostics)
    return Suite(found.checked, found.diagnostics)


def raise_errors(diagnostics: Iterable[Diagnostic]) -> None:
    """Raise one SpecError that holds everything, where at least one diagnostic is an error."""
    found = tuple(diagnostics)
    if errors_in(found):
        raise SpecError(found, "\n" + as_text(d for d in found if d.severity != "note"))


def checked(
    source: Source,
    params: Mapping[str, float | int | bool | str] | None = None,
    columns: frozenset[str] | None = None,
    functions: frozenset[str] = frozenset(),
) -> CheckResult:
    extra = replace(universe(), columns=columns, params=params or {}, python_functions=functions)
    return check_module(parse(source), extra)


@cache
def universe() -> Universe:
    """What every check knows: the standard library, the table of model settings, the files beside a spec."""
    return Universe(
        std.functions(), std.library("graders.rmg"), _beside, check_setting, tuple(SETTINGS), tuple(PRESETS)
    )


def _beside(path: str, importer: str) -> Source:
    """An imported file: its path counts from the folder of the file that imports it."""
    if os.path.isabs(path) or "\0" in path:
        raise ValueError("an import is a relative path")
    place = os.path.normpath(os.path.join(os.path.dirname(importer), path))
    return Source.of(Path(place).read_text("utf-8"), place)


# ── text or path ─────────────────────────────────────────────────────────────────────────────────────────────────


def source_of(spec: str | os.PathLike[str]) -> Source:
    """A text as it is; a path where it ends in `.rmg`, or names a file and has no line break."""
    if isinstance(spec, os.PathLike):
        return read_source(spec)
    if not isinstance(spec, str):
        raise UsageError(f"a spec is a suite, a text or a path, not {type(spec).__name__}")
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
        raise UsageError(f"{name}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: is not UTF-8 text: byte {error.start} cannot be read") from None

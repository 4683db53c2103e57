"""Suites: specs without errors, loaded and ready to grade."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Unpack

from rmg_dsl.api.options import GradeOptions, document_options
from rmg_dsl.api.sources import raise_errors, read_source, run_checker, source_of
from rmg_dsl.diagnostics import Diagnostic, Source
from rmg_dsl.ir.suite import CheckedSuite, Output

if TYPE_CHECKING:
    from rmg_dsl.api.planning import PlanView


@dataclass(frozen=True, slots=True)
class Suite:
    """A checked spec, ready to grade: `graders` and `aggregates` by name, with scales and docs.

    `load` makes it.

    >>> import rmg_dsl as rmg
    >>> suite = rmg.loads("grader brief = words(response) <= 120")
    >>> print(suite)
    brief  grader  bool
    """

    checked: CheckedSuite
    diagnostics: tuple[Diagnostic, ...] = field(default=(), repr=False)

    @property
    def source(self) -> Source:
        """The text of the spec, with its name."""
        return self.checked.source

    @property
    def graders(self) -> Mapping[str, Output]:
        """The declared graders, by name."""
        return {o.name: o for o in self.checked.outputs if o.kind == "grader"}

    @property
    def aggregates(self) -> Mapping[str, Output]:
        """The declared aggregates, by name."""
        return {o.name: o for o in self.checked.outputs if o.kind == "aggregate"}

    @document_options
    def plan(self, data: object = None, **options: Unpack[GradeOptions]) -> PlanView:
        """Plan a run: the steps for one row and, with `data`, the calls and the cost of its rows.

        It calls no model and needs no key.
        """
        from rmg_dsl.api.planning import plan_view

        return plan_view(self, data, **options)

    def __str__(self) -> str:
        from rmg_dsl.report import align_columns

        rows = [
            (o.name, o.kind, _output_scale_text(o), o.doc.split("\n")[0])
            for o in self.checked.outputs
        ]
        return align_columns(rows) if rows else "an empty suite"

    def __repr__(self) -> str:
        return f"<Suite {self.source.name}>\n{self}"

    def _repr_html_(self) -> str:
        from rmg_dsl.report.html import suite_html

        return suite_html(self.checked)


def _output_scale_text(output: Output) -> str:
    if output.type.scale is not None:
        return str(output.type.scale)
    return "bool" if output.type.kind == "bool" else str(output.type)


def load(path: str | os.PathLike[str], *, allow_files: Sequence[str] = ()) -> Suite:
    """The suite in a `.rmg` file.

    Raises SpecError with every mistake, UsageError for a file that cannot be read.

    `allow_files` are folders outside of that of the spec from which it may import.
    """
    return suite_of(read_source(path), allow_files)


def loads(text: str, name: str = "<spec>") -> Suite:
    """The suite in a text. Raises SpecError with every mistake.

    >>> loads('grader kind -> bool = "Is this kind? {{ response }}"').graders["kind"].type.kind
    'bool'
    """
    return suite_of(Source.of(text, name))


def check(
    spec: str | os.PathLike[str], data: object = None, *, allow_files: Sequence[str] = ()
) -> tuple[Diagnostic, ...]:
    """Every error, warning and note about a spec, in the order of its lines.

    `spec` is a text or the path of a file. With `data`, the spec is also checked against the
    columns of the data. Mistakes in the spec are returned and never raised. `allow_files` are
    folders outside of that of the spec from which it may import.

    >>> [d.code for d in check("aggregate a = b")]
    ['RMG215']
    """
    source = source_of(spec)
    if data is None:
        return run_checker(source, allow_files=allow_files).diagnostics
    from rmg_dsl.api.preparing import diagnostics_with_data

    return diagnostics_with_data(source, data, allow_files)


def suite_of(source: Source, allow_files: Sequence[str] = ()) -> Suite:
    """The suite of a source. Raises SpecError with every mistake."""
    result = run_checker(source, allow_files=allow_files)
    raise_errors(result.diagnostics)
    return Suite(result.suite, result.diagnostics)

"""A checked spec: the suite. Everything in it is resolved, frozen, and safe to share between
threads and runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rmg_dsl.diagnostics import Diagnostic, Source, Span
from rmg_dsl.ir.columns import OutputColumn, OutputKind
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import ModelUse, Scoring
from rmg_dsl.ir.types import Type

ValidationLevel = Literal["pooled", "per_group", "system"]
"""What a `validate` compares: all rows, the rows within each group, or the means of the groups."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a row gets: the score of a declaration, a refined field, a score before or after a loop.

    `columns` are the entries of the table of output columns that it fills, in their order.
    """

    name: str
    kind: OutputKind
    scoring: int
    type: Type
    passing: Term | None
    root: bool
    doc: str
    source: Source
    span: Span
    columns: tuple[OutputColumn, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of its columns in the result."""
        return tuple(column.name_for(self.name) for column in self.columns)


@dataclass(frozen=True, slots=True)
class Requirement:
    """A `require`: a condition on the whole run, as it was written in `text`."""

    condition: Term
    text: str
    source: Source
    span: Span


@dataclass(frozen=True, slots=True)
class Validation:
    """A `validate`: a grader beside the verdicts of people, each named as it was written.

    `categorical` says whether the grader's values can be categories, `group` which rows belong
    together.
    """

    name: str
    scoring: int
    type: Type
    is_categorical: bool
    against: tuple[tuple[str, Term], ...]
    group: Term | None
    level: ValidationLevel
    source: Source
    span: Span

    @property
    def text(self) -> str:
        """Who is compared with whom."""
        return f"{self.name} against {', '.join(name for name, _ in self.against)}"

    @property
    def terms(self) -> tuple[Term, ...]:
        """All that it reads of a row besides the grader."""
        return tuple(term for _, term in self.against) + (
            (self.group,) if self.group is not None else ()
        )


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """A column that the spec names, where it does so;
    `optional` where every use allows it to be missing.
    """

    name: str
    source: Source
    span: Span
    optional: bool = False


@dataclass(frozen=True, slots=True)
class CheckedSuite:
    """What the checker hands on; `api.Suite` is its public face."""

    source: Source
    doc: str
    params: tuple[tuple[str, float | int | bool | str], ...]
    models: tuple[ModelUse, ...]
    outputs: tuple[Output, ...]
    scorings: tuple[Scoring, ...]
    required_scorings: tuple[int, ...]
    requirements: tuple[Requirement, ...]
    validations: tuple[Validation, ...]
    columns: tuple[ColumnUse, ...]
    fields: tuple[tuple[str, Term], ...]
    diagnostics: tuple[Diagnostic, ...] = field(default=(), compare=False, repr=False)

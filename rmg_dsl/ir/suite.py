"""A checked spec: the suite. All of it is resolved, frozen, and safe to share between threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rmg_dsl.diagnostics import Diagnostic, Source, Span
from rmg_dsl.ir.columns import OutputColumn, OutputKind
from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import ModelUse, Scoring
from rmg_dsl.ir.types import Type

ValidationLevel = Literal["pooled", "per_group", "system"]
"""What a `validate` compares: all rows, the rows within each group, or the means of groups."""


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
    """A `require`: a condition on the whole run; `text` is its source text."""

    condition: Term
    text: str
    source: Source
    span: Span


@dataclass(frozen=True, slots=True)
class Validation:
    """A `validate`: a grader and the ratings of people, each under its source text.

    `is_categorical` says if the values of the grader can be categories. `group` says which rows
    belong together.
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
        """The comparison in words."""
        return f"{self.name} against {', '.join(name for name, _ in self.against)}"

    @property
    def terms(self) -> tuple[Term, ...]:
        """All that it reads of a row besides the grader."""
        terms = tuple(term for _, term in self.against)
        if self.group is None:
            return terms
        return (*terms, self.group)


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """A column that the spec reads, with its place; `optional` where each use allows it to miss."""

    name: str
    source: Source
    span: Span
    optional: bool = False


@dataclass(frozen=True, slots=True)
class CheckedSuite:
    """The result of the checker and the input of the planner; `api.Suite` is its public form.

    Scorings are numbered by their index in `scorings`; outputs, terms and validations use numbers.
    `required_scorings` are the numbers that only requirements and validations read.
    """

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

"""The output columns: one table with the name, the kind and the value of every column of a result.

All stages read this table: the checker for columns that clash, the planner for the names, the
API for cells and dtypes, the reports and the completion for names. To add a column, add one
entry to `OUTPUT_COLUMNS`, and a value function where the value is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rmg_dsl.ir.scoring import JudgeScoring, PairwiseScoring, RankingScoring, Scoring
from rmg_dsl.ir.types import Type
from rmg_dsl.results import Ballot, Outcome, Preference, RankPosition, RefinePath, Score
from rmg_dsl.scales import Value

OutputKind = Literal["grader", "aggregate", "pairwise", "ranking", "refine", "refined"]
"""What writes columns; `refined` is the score of a loop's first or returned draft."""

ColumnKind: TypeAlias = Literal["number", "integer", "bool", "text", "status", "any"]
"""What the cells of a column hold; it decides the dtype."""

OutputCell: TypeAlias = Value | list[float] | list[int] | None
"""A cell of an output column; None where there is no value."""

ColumnRole = Literal[
    "value",
    "label",
    "reason",
    "status",
    "p",
    "flagged",
    "spread",
    "confidence",
    "rank",
    "refined",
    "rounds",
    "before",
    "after",
]

CellFunction: TypeAlias = Callable[[Outcome, RefinePath | None], OutputCell]
"""The cell for the outcome of a row; the path is that of a loop, None for everything else."""


# ── values ──


def _score_value(outcome: Outcome, _: RefinePath | None) -> OutputCell:
    return outcome.value if isinstance(outcome, Score) else None


def _label(outcome: Outcome, _: RefinePath | None) -> OutputCell:
    return outcome.label if isinstance(outcome, Score) else None


def _reason(outcome: Outcome, _: RefinePath | None) -> OutputCell:
    return outcome.reason if isinstance(outcome, Score) else None


def _status(outcome: Outcome, _: RefinePath | None) -> OutputCell:
    return str(outcome.status)


def _ballot_of(outcome: Outcome) -> Ballot:
    ballot = outcome.ballot if isinstance(outcome, Score) else None
    return ballot or _NO_BALLOT


def _spread(outcome: Outcome, _: RefinePath | None) -> OutputCell:
    return _ballot_of(outcome).spread


def _confidence(outcome: Outcome, _: RefinePath | None) -> OutputCell:
    return _ballot_of(outcome).confidence


def _preference_of(outcome: Outcome) -> Preference:
    details = outcome.details if isinstance(outcome, Score) else None
    return details if isinstance(details, Preference) else _NO_PREFERENCE


def _probability(outcome: Outcome, _: RefinePath | None) -> OutputCell:
    return _preference_of(outcome).p


def _is_flagged(outcome: Outcome, _: RefinePath | None) -> OutputCell:
    return _preference_of(outcome).flagged


def _rank(outcome: Outcome, _: RefinePath | None) -> OutputCell:
    details = outcome.details if isinstance(outcome, Score) else None
    return details.rank if isinstance(details, RankPosition) else None


def _refined_text(_: Outcome, path: RefinePath | None) -> OutputCell:
    return path.text if path else None


def _rounds(_: Outcome, path: RefinePath | None) -> OutputCell:
    return path.rounds if path else None


# In the place of missing details, so that the functions above need no test for None.
_NO_BALLOT, _NO_PREFERENCE = Ballot(), Preference()


# ── which declarations have a column ──


def _always(_: Type, __: Scoring) -> bool:
    return True


def _has_valued_labels(declared: Type, _: Scoring) -> bool:
    return declared.scale is not None and bool(declared.scale.word_values)


def _has_ballot(_: Type, scoring: Scoring) -> bool:
    return isinstance(scoring, JudgeScoring) and scoring.has_ballot


def _is_comparison(_: Type, scoring: Scoring) -> bool:
    return isinstance(scoring, PairwiseScoring)


def _is_ranking(_: Type, scoring: Scoring) -> bool:
    return isinstance(scoring, RankingScoring)


# ── the table ──


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A column that declarations of some kinds write.

    >>> STATUS.name_for("tone"), VALUE.name_for("tone")
    ('tone_status', 'tone')

    `writers` are the kinds that can write the column, `applies` says whether one declaration
    does. `kind` is None where the type of the declaration decides it. The columns `before` and
    `after` have no writers: each is an output of its own, named after the grader of the loop.
    """

    role: ColumnRole
    writers: tuple[OutputKind, ...]
    kind: ColumnKind | None
    cell: CellFunction
    applies: Callable[[Type, Scoring], bool] = _always

    @property
    def suffix(self) -> str:
        """What stands behind the name of the declaration; nothing for the score itself."""
        return "" if self.role == "value" else f"_{self.role}"

    def name_for(self, declaration: str) -> str:
        """The name of the column of a declaration."""
        return declaration + self.suffix

    @property
    def is_certain(self) -> bool:
        """Does every declaration of its kinds write it?"""
        return self.applies is _always

    def cell_kind(self, declared: Type) -> ColumnKind | None:
        """What the cells hold; None where only the values of the data can say."""
        if self.kind is None:
            return _kind_of_type(declared)
        # A ranked list has a list of ranks in each cell, and a list has no dtype of its own.
        if declared.kind == "list" and self.kind not in ("text", "status"):
            return "any"
        return self.kind


def _kind_of_type(declared: Type) -> ColumnKind | None:
    # The scale knows more than the kind: whole numbers are integers.
    if declared.scale is not None:
        return declared.scale.column_kind
    match declared.kind:
        case "number" | "bool" | "text":
            return declared.kind
        case "label":
            return "text"
        case _:
            return None


# `refined` is the output of a `before` or `after` column: it has a value, and its name is complete.
_SCORED: tuple[OutputKind, ...] = ("grader", "aggregate", "pairwise", "ranking", "refined")
_EXPLAINED: tuple[OutputKind, ...] = ("grader", "pairwise", "ranking")
_WITH_STATUS: tuple[OutputKind, ...] = (*_EXPLAINED, "aggregate", "refine")

# A grader can be another name for a pairwise or a ranking: it has the columns of these too.
OUTPUT_COLUMNS: tuple[OutputColumn, ...] = (
    OutputColumn("value", _SCORED, None, _score_value),
    OutputColumn("refined", ("refine",), "text", _refined_text),
    OutputColumn("rounds", ("refine",), "integer", _rounds),
    OutputColumn("label", ("grader", "aggregate"), "text", _label, _has_valued_labels),
    OutputColumn("reason", _EXPLAINED, "text", _reason),
    OutputColumn("status", _WITH_STATUS, "status", _status),
    OutputColumn("spread", ("grader",), "number", _spread, _has_ballot),
    OutputColumn("confidence", ("grader",), "number", _confidence, _has_ballot),
    OutputColumn("p", ("grader", "pairwise"), "number", _probability, _is_comparison),
    OutputColumn("flagged", ("grader", "pairwise"), "bool", _is_flagged, _is_comparison),
    OutputColumn("rank", ("grader", "ranking"), "integer", _rank, _is_ranking),
    OutputColumn("before", (), None, _score_value),
    OutputColumn("after", (), None, _score_value),
)
"""Every column, in the order in which a result has them."""

_BY_ROLE: dict[ColumnRole, OutputColumn] = {column.role: column for column in OUTPUT_COLUMNS}
VALUE, LABEL, REASON, STATUS = (
    _BY_ROLE["value"],
    _BY_ROLE["label"],
    _BY_ROLE["reason"],
    _BY_ROLE["status"],
)


def column_with_role(role: ColumnRole) -> OutputColumn:
    """The column with this role."""
    return _BY_ROLE[role]


def possible_columns(kind: OutputKind) -> tuple[OutputColumn, ...]:
    """The columns that a declaration of this kind can write.

    >>> [column.role for column in possible_columns("refine")]
    ['refined', 'rounds', 'status']
    """
    return tuple(column for column in OUTPUT_COLUMNS if kind in column.writers)


def actual_columns(kind: OutputKind, declared: Type, scoring: Scoring) -> tuple[OutputColumn, ...]:
    """The columns that one declaration writes, by its kind, its type and its way of scoring."""
    return tuple(c for c in possible_columns(kind) if c.applies(declared, scoring))


def loop_score_columns() -> tuple[OutputColumn, ...]:
    """The columns that a loop adds for the grader it improves by: before it and after it."""
    return tuple(column for column in OUTPUT_COLUMNS if not column.writers)


def loop_column_names(fields: Iterable[str], graders: Iterable[str]) -> list[str]:
    """The columns of loops that refine these fields, and of all graders before and after them.

    >>> loop_column_names(["reply"], ["kind"])
    ['reply_refined', 'reply_rounds', 'reply_status', 'kind_before', 'kind_after']
    """
    field_columns = [
        column.name_for(field) for field in fields for column in possible_columns("refine")
    ]
    scores = [column.name_for(name) for name in graders for column in loop_score_columns()]
    return field_columns + scores

"""Streaming summary of a run in constant memory."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from rmg_dsl.ir.suite import Output
from rmg_dsl.report.numbers import Floats, Numbers, floats_in_memory
from rmg_dsl.report.summary import OutputSummary
from rmg_dsl.results import Outcome, RefinePath, Score, Status, Unscored

WORST_ROW_COUNT = 5
MAX_FAILURE_KINDS = 1_000
_MAX_FAILURE_ROWS, _MAX_FAILURE_KINDS_SHOWN = 8, 12

# A number, or the numbers of a ranked list: all keys of one output compare with each other.
SortKey: TypeAlias = Any
FailureKind: TypeAlias = tuple[str, Status, str]
"""The grader, the status, the message."""


class GradedRow(NamedTuple):
    """A finished row: its index, its data, its new cells, the outcome of each output, the loops.

    `requirement_failures` are the failures of the requirements' own expressions on this row, each
    under the name of its requirement.
    """

    row_index: int
    row: Mapping[str, object]
    cells: Mapping[str, object]
    outcomes: Sequence[Outcome]
    paths: Mapping[int, RefinePath]
    requirement_failures: Sequence[tuple[str, Unscored]] = ()


class RefinedRow(NamedTuple):
    """A refined row: its index, the field, the path of its drafts."""

    row_index: int
    field: str
    path: RefinePath


@dataclass(slots=True)
class FailureCount:
    """Missing scores of one kind: how many, and the indexes of the first rows."""

    count: int = 0
    row_indexes: list[int] = field(default_factory=list)

    @property
    def row_indexes_text(self) -> str:
        """The indexes in words; an ellipsis says that there are more.

        >>> FailureCount(9, [3, 5]).row_indexes_text
        '3, 5 …'
        """
        text = ", ".join(map(str, self.row_indexes))
        if self.count > len(self.row_indexes):
            text += " …"
        return text


class Failures:
    """The missing scores of a run by kind, in the order of their first rows.

    After 1,000 kinds new ones are counted only in the total.

    >>> failures = Failures()
    >>> for row_index in (3, 7):
    ...     failures.add(row_index, "g", Unscored(Status.REFUSED, "no"))
    >>> failures.count, list(failures.kinds.values())
    (2, [FailureCount(count=2, row_indexes=[3, 7])])
    """

    def __init__(self) -> None:
        self.count = 0
        self.kinds: dict[FailureKind, FailureCount] = {}

    def add(self, row_index: int, grader: str, outcome: Unscored) -> None:
        """Add one missing score."""
        self.count += 1
        kind = (grader, outcome.status, outcome.message)
        # Messages may hold texts of the rows: without a bound each row could add a kind.
        if kind not in self.kinds and len(self.kinds) >= MAX_FAILURE_KINDS:
            return
        alike = self.kinds.setdefault(kind, FailureCount())
        alike.count += 1
        if alike.count <= _MAX_FAILURE_ROWS:
            alike.row_indexes.append(row_index)

    def most_frequent(self) -> list[tuple[FailureKind, FailureCount]]:
        """The kinds to show, at most 12, the most frequent first."""
        by_count = sorted(self.kinds.items(), key=lambda item: -item[1].count)
        return by_count[:_MAX_FAILURE_KINDS_SHOWN]


class RunSummary:
    """The counts and the few rows that a summary or a report shows.

    `by` names a column: each of its values gets a summary of its own. `floats` makes the store for
    the scores of an output with more than a thousand different ones.
    """

    def __init__(
        self,
        outputs: Sequence[Output],
        by: str | None = None,
        floats: Callable[[], Floats] = floats_in_memory,
    ) -> None:
        self.outputs = tuple(outputs)
        self._floats = floats
        self.output_summaries = self._new_summaries()
        self.failures = Failures()
        self.by = by
        self.row_count = self.unreached_count = 0
        self.groups: dict[str, list[OutputSummary]] = {}
        self._group_names: dict[tuple[str, object], str] = {}
        self.refined_rows: list[RefinedRow] = []
        self._first_rows: list[GradedRow] = []
        self._lowest_rows: list[list[tuple[SortKey, int, GradedRow]]] = [[] for _ in outputs]
        # Where lower is better the negated score orders the rows: the lowest key is the worst.
        self._signs = [-1 if output.type.direction < 0 else 1 for output in outputs]

    def add(self, graded: GradedRow) -> None:
        """Add one finished row."""
        self.row_count += 1
        if len(self._first_rows) < WORST_ROW_COUNT:
            self._first_rows.append(graded)
        if graded.paths and len(self.refined_rows) < WORST_ROW_COUNT:
            self.refined_rows += _refined_rows_of(graded, self.outputs)
        for number, outcome in enumerate(graded.outcomes):
            self._add_outcome(number, outcome, graded)
        for name, failure in graded.requirement_failures:
            self.failures.add(graded.row_index, name, failure)
        self.unreached_count += any(outcome.status.was_stopped for outcome in graded.outcomes)
        if self.by is not None:
            columns = self._group_summaries(graded.row[self.by])
            for column, outcome in zip(columns, graded.outcomes, strict=True):
                column.add(outcome)

    def _add_outcome(self, number: int, outcome: Outcome, graded: GradedRow) -> None:
        self.output_summaries[number].add(outcome)
        output = self.outputs[number]
        if isinstance(outcome, Score):
            self._keep_lowest(number, outcome.value, graded)
        elif outcome.status.is_lost and output.kind != "refined":
            # The loop reports the failure itself: its scores before and after would repeat it.
            self.failures.add(graded.row_index, output.name, outcome)

    def _group_summaries(self, value: object) -> list[OutputSummary]:
        key = _group_key(value)
        if key not in self._group_names:
            name = self._group_names[key] = _unused_name(value, self.groups)
            self.groups[name] = self._new_summaries()
        return self.groups[self._group_names[key]]

    def _new_summaries(self) -> list[OutputSummary]:
        return [OutputSummary(output, values=Numbers(self._floats())) for output in self.outputs]

    def _keep_lowest(self, number: int, value: SortKey | str, graded: GradedRow) -> None:
        """Keep a row if it is among the worst of an output; of equal ones the first rows stay."""
        # Words have no order of their own.
        if isinstance(value, str):
            return
        lowest = self._lowest_rows[number]
        key = value * self._signs[number]
        if len(lowest) < WORST_ROW_COUNT or key < lowest[-1][0]:
            insort(lowest, (key, graded.row_index, graded))
            del lowest[WORST_ROW_COUNT:]

    @property
    def grading_outputs(self) -> tuple[Output, ...]:
        """The outputs that grade the data; those of loops are shown with their paths."""
        return tuple(output for output in self.outputs if output.kind not in ("refine", "refined"))

    def worst_rows(self) -> tuple[Output | None, list[GradedRow]]:
        """The output that measures the rows, and the worst rows by it.

        The measure is the last aggregate with scores, else the first grader: the aggregate is what
        the author wants to know. Without a measure the first rows of the run are returned.
        """
        numbers = range(len(self.outputs))
        aggregates = [n for n in reversed(numbers) if self.outputs[n].kind == "aggregate"]
        for number in [*aggregates, *(n for n in numbers if n not in aggregates)]:
            if self._lowest_rows[number]:
                return self.outputs[number], self._improvable_rows(number)
        return None, self._first_rows

    def _improvable_rows(self, number: int) -> list[GradedRow]:
        """The lowest rows without the perfect ones; all of them where all are perfect."""
        kind = self.outputs[number].type
        best = -kind.low if kind.direction < 0 else kind.high
        lowest = self._lowest_rows[number]
        improvable = [graded for key, _, graded in lowest if key != best]
        return improvable or [graded for _, _, graded in lowest]


def _refined_rows_of(graded: GradedRow, outputs: Sequence[Output]) -> list[RefinedRow]:
    """The refined fields of a row; a path with one draft has nothing to show."""
    loops = (output for output in outputs if output.kind == "refine")
    paths = ((loop.name, graded.paths.get(loop.scoring)) for loop in loops)
    return [
        RefinedRow(graded.row_index, name, path)
        for name, path in paths
        if path is not None and len(path.drafts) > 1
    ]


def _group_key(value: object) -> tuple[str, object]:
    """What tells a group: 1 and 1.0 are one number, "1" is a text, and True is no 1."""
    if value is None or value != value:
        return "none", None
    if isinstance(value, bool | str):
        return type(value).__name__, value
    if isinstance(value, int | float):
        return "number", value
    return "other", str(value)


def _unused_name(value: object, names: Collection[str]) -> str:
    """The name of a new group; a text that reads like the name of another group is quoted."""
    kind, shown = _group_key(value)
    name = "(none)" if kind == "none" else str(value)
    if name not in names:
        return name
    # Only values of unlike kinds have one name: the kind tells them apart.
    return f'"{name}"' if isinstance(shown, str) else f"{name} ({kind})"

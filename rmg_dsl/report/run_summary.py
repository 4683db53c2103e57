"""What is said of a run, gathered as its rows finish: in little room, however many they are."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from rmg_dsl.ir.suite import Output
from rmg_dsl.report.numbers import Floats, Numbers, floats_in_memory
from rmg_dsl.report.summary import OutputSummary
from rmg_dsl.results import Outcome, RefinePath, Score, Status, Unscored

WORST_ROW_COUNT = 5
MAX_FAILURE_KINDS = 1_000
_MAX_FAILURE_ROWS, _MAX_FAILURE_KINDS_SHOWN = 8, 12

FailureKind: TypeAlias = tuple[str, Status, str]
"""The grader, the status, the message."""


class GradedRow(NamedTuple):
    """A finished row: its index, its data, its new cells, the outcome of each output, the loops.

    `requirement_failures` are the failures of the requirements' own expressions on this row, each
    under the name of its requirement.
    """

    row_index: int
    row: Mapping[str, Any]
    cells: Mapping[str, Any]
    outcomes: Sequence[Outcome]
    paths: Mapping[int, RefinePath]
    requirement_failures: Sequence[tuple[str, Unscored]] = ()


class RefinedRow(NamedTuple):
    """A row that a loop has refined: its place, the field, the path of its drafts."""

    row_index: int
    field: str
    path: RefinePath


@dataclass(slots=True)
class FailureCount:
    """Missing scores of one kind: how many, and the places of the first ones."""

    count: int = 0
    row_indexes: list[int] = field(default_factory=list)

    @property
    def row_indexes_text(self) -> str:
        """The places in words.

        >>> FailureCount(9, [3, 5]).row_indexes_text
        '3, 5 …'
        """
        return ", ".join(map(str, self.row_indexes)) + (
            " …" if self.count > len(self.row_indexes) else ""
        )


class Failures:
    """The missing scores of a run by kind, in the order of their first rows; of the first 1,000 kinds all is known.

    >>> failures = Failures()
    >>> failures.add(3, "g", Unscored(Status.REFUSED, "no")); failures.add(7, "g", Unscored(Status.REFUSED, "no"))
    >>> failures.count, list(failures.kinds.values())
    (2, [FailureCount(count=2, row_indexes=[3, 7])])
    """

    def __init__(self) -> None:
        self.count = 0
        self.kinds: dict[FailureKind, FailureCount] = {}

    def add(self, place: int, grader: str, outcome: Unscored) -> None:
        """One more score that is missing."""
        self.count += 1
        kind = (grader, outcome.status, outcome.message)
        if kind not in self.kinds and len(self.kinds) >= MAX_FAILURE_KINDS:
            return
        alike = self.kinds.setdefault(kind, FailureCount())
        alike.count += 1
        if alike.count <= _MAX_FAILURE_ROWS:
            alike.row_indexes.append(place)

    def most_frequent(self) -> list[tuple[FailureKind, FailureCount]]:
        """The most frequent kinds, the most frequent first."""
        return sorted(self.kinds.items(), key=lambda item: -item[1].count)[
            :_MAX_FAILURE_KINDS_SHOWN
        ]


class RunSummary:
    """All that a summary or a report shows of a run; `by` names a column for whose values there are summaries too.

    `floats` makes room for the scores of an output of which there are more than a thousand different ones.
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
        self.refined_rows: list[RefinedRow] = []
        self._first_rows: list[GradedRow] = []
        self._lowest_rows: list[list[tuple[float, int, GradedRow]]] = [[] for _ in outputs]
        self._signs = [-1 if output.type.direction < 0 else 1 for output in outputs]

    def add(self, graded: GradedRow) -> None:
        """One more finished row."""
        self.row_count += 1
        if len(self._first_rows) < WORST_ROW_COUNT:
            self._first_rows.append(graded)
        if graded.paths and len(self.refined_rows) < WORST_ROW_COUNT:
            self.refined_rows += _refined_rows_of(graded, self.outputs)
        reached = True
        for number, outcome in enumerate(graded.outcomes):
            self.output_summaries[number].add(outcome)
            if isinstance(outcome, Score):
                self._keep_lowest(number, outcome.value, graded)
                continue
            reached = reached and not outcome.status.was_stopped
            if outcome.status.is_lost and self.outputs[number].kind != "refined":
                self.failures.add(graded.row_index, self.outputs[number].name, outcome)
        for name, failure in graded.requirement_failures:
            self.failures.add(graded.row_index, name, failure)
        self.unreached_count += not reached
        if self.by is not None:
            for column, outcome in zip(
                self._group_summaries(graded.row[self.by]), graded.outcomes, strict=True
            ):
                column.add(outcome)

    def _group_summaries(self, value: Any) -> list[OutputSummary]:
        name = "(none)" if value is None else str(value)
        if name not in self.groups:
            self.groups[name] = self._new_summaries()
        return self.groups[name]

    def _new_summaries(self) -> list[OutputSummary]:
        return [OutputSummary(output, values=Numbers(self._floats())) for output in self.outputs]

    def _keep_lowest(self, number: int, value: Any, graded: GradedRow) -> None:
        """Keep the few worst; of equal ones the first rows."""
        if isinstance(value, str):
            return
        lowest = self._lowest_rows[number]
        key = value * self._signs[number]
        if len(lowest) < WORST_ROW_COUNT or key < lowest[-1][0]:
            insort(lowest, (key, graded.row_index, graded))
            del lowest[WORST_ROW_COUNT:]

    @property
    def grading_outputs(self) -> tuple[Output, ...]:
        """What grades the rows as they came; what a loop leaves behind is shown with its path."""
        return tuple(output for output in self.outputs if output.kind not in ("refine", "refined"))

    def worst_rows(self) -> tuple[Output | None, list[GradedRow]]:
        """What the rows are measured by, and the worst ones by it; the first ones where there is no such measure.

        The last aggregate says what the author is after, else the first grader does.
        """
        numbers = range(len(self.outputs))
        aggregates = [n for n in reversed(numbers) if self.outputs[n].kind == "aggregate"]
        for number in [*aggregates, *(n for n in numbers if n not in aggregates)]:
            if self._lowest_rows[number]:
                return self.outputs[number], self._improvable_rows(number)
        return None, self._first_rows

    def _improvable_rows(self, number: int) -> list[GradedRow]:
        """The lowest rows without those that could not be better; where all are like that, some of these."""
        kind = self.outputs[number].type
        best = -kind.low if kind.direction < 0 else kind.high
        lowest = self._lowest_rows[number]
        return [graded for key, _, graded in lowest if key != best] or [
            graded for _, _, graded in lowest
        ]


def _refined_rows_of(graded: GradedRow, outputs: Sequence[Output]) -> list[RefinedRow]:
    """The paths of a row that more than one draft was written for."""
    found = (
        (output.name, graded.paths.get(output.scoring))
        for output in outputs
        if output.kind == "refine"
    )
    return [
        RefinedRow(graded.row_index, name, path)
        for name, path in found
        if path and len(path.drafts) > 1
    ]

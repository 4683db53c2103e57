"""What is said of a run, gathered as its rows finish: in little room, however many they are."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from rmg_dsl.ir.suite import Output
from rmg_dsl.report.numbers import Floats, Numbers, floats_in_memory
from rmg_dsl.report.summary import Column
from rmg_dsl.results import Outcome, Path, Score, Status, Unscored

WORST_ROWS = 5
MOST_KINDS = 1_000
_PLACES, _MOST_SHOWN = 8, 12
_NOT_REACHED = (Status.CANCELLED, Status.OVER_BUDGET)

Failure: TypeAlias = tuple[str, Status, str]
"""The grader, the status, the message."""


class GradedRow(NamedTuple):
    """A finished row: its place, the row as it came, its new cells, the outcome of each output, the paths of loops."""

    place: int
    row: Mapping[str, Any]
    cells: Mapping[str, Any]
    outcomes: Sequence[Outcome]
    paths: Mapping[int, Path]


class RefinedRow(NamedTuple):
    """A row that a loop has refined: its place, the field, the path of its drafts."""

    place: int
    field: str
    path: Path


@dataclass(slots=True)
class Alike:
    """Missing scores of one kind: how many, and the places of the first ones."""

    count: int = 0
    places: list[int] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """The places in words.

        >>> Alike(9, [3, 5]).shown
        '3, 5 …'
        """
        return ", ".join(map(str, self.places)) + (" …" if self.count > len(self.places) else "")


class Failures:
    """The missing scores of a run by kind, in the order of their first rows; of the first 1,000 kinds all is known.

    >>> failures = Failures()
    >>> failures.add(3, "g", Unscored(Status.REFUSED, "no")); failures.add(7, "g", Unscored(Status.REFUSED, "no"))
    >>> failures.count, list(failures.kinds.values())
    (2, [Alike(count=2, places=[3, 7])])
    """

    def __init__(self) -> None:
        self.count = 0
        self.kinds: dict[Failure, Alike] = {}

    def add(self, place: int, grader: str, outcome: Unscored) -> None:
        """One more score that is missing."""
        self.count += 1
        kind = (grader, outcome.status, outcome.message)
        if kind not in self.kinds and len(self.kinds) >= MOST_KINDS:
            return
        alike = self.kinds.setdefault(kind, Alike())
        alike.count += 1
        if alike.count <= _PLACES:
            alike.places.append(place)

    def often(self) -> list[tuple[Failure, Alike]]:
        """The most frequent kinds, the most frequent first."""
        return sorted(self.kinds.items(), key=lambda item: -item[1].count)[:_MOST_SHOWN]


class Digest:
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
        self.seen = self._columns()
        self.failures = Failures()
        self.by = by
        self.rows = self.unreached = 0
        self.groups: dict[str, list[Column]] = {}
        self.refined: list[RefinedRow] = []
        self._first: list[GradedRow] = []
        self._lowest: list[list[tuple[float, int, GradedRow]]] = [[] for _ in outputs]
        self._signs = [-1 if output.type.direction < 0 else 1 for output in outputs]

    def add(self, graded: GradedRow) -> None:
        """One more finished row."""
        self.rows += 1
        if len(self._first) < WORST_ROWS:
            self._first.append(graded)
        if graded.paths and len(self.refined) < WORST_ROWS:
            self.refined += _refined(graded, self.outputs)
        reached = True
        for number, outcome in enumerate(graded.outcomes):
            self.seen[number].add(outcome)
            if isinstance(outcome, Score):
                self._rank(number, outcome.value, graded)
                continue
            reached = reached and outcome.status not in _NOT_REACHED
            if outcome.status is not Status.SKIPPED and self.outputs[number].kind != "refined":
                self.failures.add(graded.place, self.outputs[number].name, outcome)
        self.unreached += not reached
        if self.by is not None:
            for column, outcome in zip(
                self._group(graded.row[self.by]), graded.outcomes, strict=True
            ):
                column.add(outcome)

    def _group(self, value: Any) -> list[Column]:
        name = "(none)" if value is None else str(value)
        if name not in self.groups:
            self.groups[name] = self._columns()
        return self.groups[name]

    def _columns(self) -> list[Column]:
        return [Column(output, values=Numbers(self._floats())) for output in self.outputs]

    def _rank(self, number: int, value: Any, graded: GradedRow) -> None:
        """Keep the few worst; of equal ones the first rows."""
        if isinstance(value, str):
            return
        lowest = self._lowest[number]
        key = value * self._signs[number]
        if len(lowest) < WORST_ROWS or key < lowest[-1][0]:
            insort(lowest, (key, graded.place, graded))
            del lowest[WORST_ROWS:]

    @property
    def scores(self) -> tuple[Output, ...]:
        """What grades the rows as they came; what a loop leaves behind is shown with its path."""
        return tuple(output for output in self.outputs if output.kind not in ("refine", "refined"))

    def worst(self) -> tuple[Output | None, list[GradedRow]]:
        """What the rows are measured by, and the worst ones by it; the first ones where there is no such measure.

        The last aggregate says what the author is after, else the first grader does.
        """
        numbers = range(len(self.outputs))
        aggregates = [n for n in reversed(numbers) if self.outputs[n].kind == "aggregate"]
        for number in [*aggregates, *(n for n in numbers if n not in aggregates)]:
            if self._lowest[number]:
                return self.outputs[number], self._worse(number)
        return None, self._first

    def _worse(self, number: int) -> list[GradedRow]:
        """The lowest rows without those that could not be better; where all are like that, some of these."""
        kind = self.outputs[number].type
        best = -kind.low if kind.direction < 0 else kind.high
        lowest = self._lowest[number]
        return [graded for key, _, graded in lowest if key != best] or [
            graded for _, _, graded in lowest
        ]


def _refined(graded: GradedRow, outputs: Sequence[Output]) -> list[RefinedRow]:
    """The paths of a row that more than one draft was written for."""
    found = (
        (output.name, graded.paths.get(output.scoring))
        for output in outputs
        if output.kind == "refine"
    )
    return [
        RefinedRow(graded.place, name, path)
        for name, path in found
        if path and len(path.drafts) > 1
    ]

"""The result of a run: the table with its scores, the summary, the failures, the usage."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Unpack

from rmg_dsl import report, tables
from rmg_dsl.api.history import history_columns, history_rows
from rmg_dsl.api.options import Options, ReadOptions
from rmg_dsl.cells import column_values
from rmg_dsl.errors import DataError, UsageError
from rmg_dsl.ir.columns import CellFunction, OutputCell
from rmg_dsl.ir.suite import Output
from rmg_dsl.messages import Usage
from rmg_dsl.plan import result_columns
from rmg_dsl.report import GradedRow, RefinedRow, RunSummary
from rmg_dsl.report.text import overview, result_text, truncate_value
from rmg_dsl.results import Outcome, Score, Status, Unscored
from rmg_dsl.runtime import RequirementFailure, RequirementResult, RowResult, output_of
from rmg_dsl.suggest import format_names
from rmg_dsl.tables import ColumnData, Row, Table

if TYPE_CHECKING:
    from pandas import DataFrame

FAILURE_COLUMNS = ("row", "grader", "status", "message", "attempts")
VOTE_COLUMNS = ("row", "grader", "judge", "value", "status", "reason")


@dataclass(frozen=True, slots=True)
class RunUsage:
    """What a run really used: `calls` counts every attempt;
    `cost` is in USD where the models have a `price`.

    Of `estimates` calls the endpoint did not report the tokens: four bytes count as one.
    """

    calls: int = 0
    cached: int = 0
    retried: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost: float | None = None
    seconds: float = 0.0
    estimates: int = 0


@dataclass(slots=True)
class Ledger:
    """The results of a run in full while it goes on: cells by column, each failure, each vote
    behind a score.

    `marks` holds a hash of each row where the data may be another when it is read again; else it is
    None.
    """

    outputs: tuple[Output, ...]
    cells: dict[str, list[Any]] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    paths: list[RefinedRow] = field(default_factory=list)
    votes: list[dict[str, Any]] = field(default_factory=list)
    row_hashes: list[int] | None = None

    def __post_init__(self) -> None:
        self.cells = {column: [] for output in self.outputs for column in result_columns(output)}

    def add(self, graded: GradedRow) -> None:
        """Enter a finished row."""
        # A hash of each row is enough to see later that the file has changed.
        if self.row_hashes is not None:
            self.row_hashes.append(_row_hash(graded.row))
        for output, outcome in zip(self.outputs, graded.outcomes, strict=True):
            if isinstance(outcome, Score):
                if outcome.ballot and output.kind == "grader":
                    self.votes += (
                        _vote(graded.row_index, output.name, *vote) for vote in outcome.ballot.votes
                    )
            # The loop itself reports the failure: its scores before and after would repeat it.
            elif outcome.status.is_lost and output.kind != "refined":
                self.failures.append(_failure(graded.row_index, output.name, outcome))
            if graded.paths and (path := graded.paths.get(output.scoring)):
                self.paths.append(RefinedRow(graded.row_index, output.name, path))
        for name, outcome in graded.requirement_failures:
            self.failures.append(_failure(graded.row_index, name, outcome))
        for name, value in graded.cells.items():
            self.cells[name].append(value)


NamedColumns = tuple[tuple[str, CellFunction], ...]
"""The columns of an output: the name of each, and the function that gives its cells."""


def named_columns(output: Output) -> NamedColumns:
    """The columns of an output, ready for one row after the other."""
    return tuple((column.name_for(output.name), column.cell) for column in output.columns)


def graded_row(
    result: RowResult,
    outputs: Sequence[tuple[Output, NamedColumns]],
    requirement_failures: Sequence[RequirementFailure] = (),
) -> GradedRow:
    """A finished row with the cells of its outputs, each given with its columns."""
    outcomes = [output_of(result, output.scoring) for output, _ in outputs]
    cells: dict[str, OutputCell] = {}
    for (output, columns), outcome in zip(outputs, outcomes, strict=True):
        path = result.paths.get(output.scoring)
        for name, cell in columns:
            cells[name] = cell(outcome, path)
    row = column_values(result.row)
    return GradedRow(result.index, row, cells, outcomes, result.paths, requirement_failures)


def _failure(row: int, grader: str, outcome: Unscored) -> dict[str, Any]:
    return {
        "row": row,
        "grader": grader,
        "status": str(outcome.status),
        "message": outcome.message,
        "attempts": outcome.attempts,
    }


def _vote(row: int, grader: str, judge: str, said: Outcome) -> dict[str, Any]:
    score = said if isinstance(said, Score) else None
    value = None if score is None else score.value if score.label is None else score.label
    reason = said.reason if isinstance(said, Score) else said.message
    return dict(
        zip(VOTE_COLUMNS, (row, grader, judge, value, str(said.status), reason), strict=True)
    )


def _row_hash(row: Mapping[str, Any]) -> int:
    return hash(repr(row))


def verified_table(table: Table, ledger: Ledger) -> Table:
    """The table for the results: where a file is read once more, each row must be the one that was
    graded.
    """
    marks = ledger.row_hashes
    # Rows in memory cannot change behind our back.
    if marks is None:
        return table

    return replace(table, rows=lambda: _verified_rows(table, marks), count=len(marks))


def _verified_rows(table: Table, marks: Sequence[int]) -> Iterator[Row]:
    changed = f"{table.name} changed while it was graded"
    # The comparison is made row by row, so that the second walk needs no memory either.
    walk = iter(table)
    for place, mark in enumerate(marks, 1):
        try:
            row = next(walk, None)
        except OSError as error:
            raise DataError(f"{changed}: it cannot be read any more: {error.strerror}") from error
        if row is None or _row_hash(row) != mark:
            raise DataError(f"{changed}: row {place} is not the one that was scored")
        yield row


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class FinishedRun:
    """What there is to say of a run that is over, wherever its rows went."""

    digest: RunSummary
    usage: RunUsage
    gates: tuple[RequirementResult, ...] = ()
    validations: tuple[report.ValidationResult, ...] = ()
    notes: tuple[str, ...] = ()
    stopped: str = ""
    interrupted: bool = False
    by_grader: Mapping[str, Usage] = field(default_factory=dict)
    costs: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def outputs(self) -> tuple[Output, ...]:
        return self.digest.outputs

    @property
    def summary(self) -> DataFrame:
        """A frame with a row for each grader and aggregate: how many rows are scored, the mean, and
        what is missing.
        """
        frame: DataFrame = tables.records_to_frame(
            self.summary_rows, report.SUMMARY_COLUMNS, report.SUMMARY_KINDS
        )
        return frame

    @property
    def summary_rows(self) -> list[dict[str, Any]]:
        """The summary as plain data."""
        return report.summary_rows(self.digest.output_summaries, self.by_grader, self.costs)

    @property
    def validation(self) -> DataFrame:
        """A frame with a row for each agreement of each `validate`, with its 95 % bounds.

        `role` is `judge`, `people` (their agreement with each other: the ceiling) or `baseline`;
        `rater` is compared with `against`, where `people` is the mean over the pairs.
        """
        rows = [row for found in self.validations for row in found.rows]
        frame: DataFrame = tables.records_to_frame(
            rows, report.VALIDATION_COLUMNS, report.VALIDATION_KINDS
        )
        return frame

    @property
    def holds(self) -> bool:
        """Does every requirement hold?"""
        return all(verdict.holds for verdict in self.gates)

    @property
    def nothing_scored(self) -> bool:
        """Was something asked, and did not one row get a score from any judge?"""
        judged = [seen for seen in self.digest.output_summaries if seen.judge]
        asked = any(status.is_failure for seen in judged for status in +seen.statuses)
        return asked and not any(seen.statuses[Status.OK] for seen in judged)

    @property
    def every_row_failed(self) -> bool:
        """The same, with at least one call that failed for good: the judge could not be asked."""
        return self.nothing_scored and any(
            seen.statuses[Status.ERROR] for seen in self.digest.output_summaries if seen.judge
        )

    @property
    def first_failure(self) -> str:
        """Why the first row that some judge failed on has no score, for a message."""
        judged = {seen.output.name for seen in self.digest.output_summaries if seen.judge}
        kinds = self.digest.failures.kinds
        failed = (
            f"{why}: {message}"
            for grader, why, message in kinds
            if grader in judged and why.is_failure
        )
        return next(failed, "")

    def groups(self) -> Iterator[tuple[str, str]]:
        """A summary for each value of the column that the run was told to summarize by: the value,
        and the text.
        """
        for value, seen in self.digest.groups.items():
            yield value, report.summary_text(report.summary_rows(seen, {}, {}), seen)

    def as_json(self) -> dict[str, Any]:
        """The summary, the usage and the requirements as plain data."""
        found: dict[str, Any] = {
            "summary": self.summary_rows,
            "usage": asdict(self.usage),
            "require": [_requirement_json(verdict) for verdict in self.gates],
            "validate": [
                {"title": v.title, "rows": list(v.rows), "notes": list(v.notes)}
                for v in self.validations
            ],
            "notes": list(self.notes),
            "stopped": self.stopped or None,
        }
        if self.digest.by is not None:
            found["by"] = {
                value: report.summary_rows(seen, {}, {})
                for value, seen in self.digest.groups.items()
            }
        return found

    @property
    def overview(self) -> str:
        """The summary as text, the judges' notes, the requirements, and the usage."""
        return "\n".join(overview(self)) + f", {self.usage.seconds:.1f} s"

    def __str__(self) -> str:
        return result_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from rmg_dsl.report.html import result_html

        return result_html(self)


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Result(FinishedRun):
    """A finished run. `df` is the input with the new columns, `summary` a row for each grader,
    `failures` a row for
    each score that is missing and why, `usage` what it cost, `gates` what became of each `require`,
    `validation` how far graders agree with people.

    >>> import rmg_dsl as rmg
    >>> rows = [{"response": "a b"}, {"response": None}]
    >>> result = rmg.grade("grader brief = words(response) <= 2", rows)
    >>> result.df["brief"].tolist(), result.df["brief_status"].tolist()
    ([True, <NA>], ['ok', 'missing_input'])
    >>> result.failures["message"].tolist()
    ['`response` is null']
    """

    table: Table
    ledger: Ledger

    @property
    def df(self) -> DataFrame:
        """A new frame: the input's columns, order and index, then the new columns with nullable
        dtypes.
        """
        frame: DataFrame = tables.to_frame(self.table, self.columns)
        return frame

    @property
    def columns(self) -> dict[str, ColumnData]:
        """The new columns, by name."""
        kinds, cells = new_column_kinds(self.outputs), self.ledger.cells
        return {
            name: ColumnData(kinds.get(name) or _kind_of_values(values), values)
            for name, values in cells.items()
        }

    @property
    def history(self) -> DataFrame:
        """A frame with a row for each draft that a `refine` graded: row, field, round, text, and
        what its graders said.

        `returned` marks the draft that stands in the result, `refused` one that lowered a guarded
        score; the last draft of a row says in `ending` why there was no other.
        """
        rows = history_rows(self.ledger.paths)
        kinds = history_columns(rows)
        known = {name: kind for name, kind in kinds.items() if kind != "any"}
        frame: DataFrame = tables.records_to_frame(rows, list(kinds), known)
        return frame

    @property
    def failures(self) -> DataFrame:
        """A frame with a row for each score that is missing: row, grader, status, message,
        attempts.

        Where an expression of a `require` fails on a row, `grader` is `require` and its text.
        """
        kinds: Mapping[str, tables.ColumnKind] = {
            "row": "integer",
            "grader": "text",
            "status": "status",
            "message": "text",
            "attempts": "integer",
        }
        frame: DataFrame = tables.records_to_frame(self.ledger.failures, FAILURE_COLUMNS, kinds)
        return frame

    @property
    def votes(self) -> DataFrame:
        """A frame with a row for each draw behind a score of several: row, grader, judge, value,
        status, reason.
        """
        kinds: Mapping[str, tables.ColumnKind] = {
            "row": "integer",
            "grader": "text",
            "judge": "text",
            "value": "any",
            "status": "status",
            "reason": "text",
        }
        frame: DataFrame = tables.records_to_frame(self.ledger.votes, VOTE_COLUMNS, kinds)
        return frame

    def glance(self, rows: int = 5, width: int = 40) -> str:
        """The first rows as a table of text, long cells cut: the input's columns, then the
        scores.
        """
        names = [*self.table.columns, *(output.name for output in self.outputs)]
        body = [
            [truncate_value(row[name], width) for name in names]
            for row in islice(self.rows(), rows)
        ]
        return report.align_columns([[truncate_value(name, width) for name in names], *body])

    def rows(self) -> Iterator[dict[str, Any]]:
        """The graded rows as plain data, in the order of the input."""
        cells = self.ledger.cells
        for place, row in enumerate(self.table):
            yield {**row, **{name: values[place] for name, values in cells.items()}}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graded rows, or a report, in the format that the file's ending names.

        `tables.FORMATS` lists the endings. Only a complete file replaces an existing one. An
        unknown ending raises UsageError; a file that cannot be written raises DataError.
        """
        if tables.is_report(path):
            save_page(path, self)
            return
        columns = [*self.table.columns, *self.ledger.cells]
        tables.write_table(path, columns, self.rows(), new_column_kinds(self.outputs))


def save_page(path: str | os.PathLike[str], finished: FinishedRun) -> None:
    """Write the report."""
    from rmg_dsl.report.html import report_page

    tables.write_text(path, report_page(finished))


def _requirement_json(verdict: RequirementResult) -> dict[str, Any]:
    estimates = {name: estimate._asdict() for name, estimate in verdict.estimates.items()}
    found = {"text": verdict.text, "holds": verdict.holds, "values": verdict.values}
    return {**found, "estimates": estimates, "why": verdict.why}


def check_summary_column(table: Table, by: str) -> None:
    """Refuse a column to summarize by that the data does not have."""
    if by not in table.columns:
        raise UsageError(
            f"the data has no column `{by}` to summarize by: "
            f"it has {format_names(table.columns, 12)}"
        )


def new_column_kinds(outputs: Iterable[Output]) -> dict[str, tables.ColumnKind]:
    """What the new columns hold, where the spec says it; for others their values say it."""
    kinds = {
        column.name_for(output.name): column.cell_kind(output.type)
        for output in outputs
        for column in output.columns
    }
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _kind_of_values(values: Sequence[Any]) -> tables.ColumnKind:
    """The kind of what a column of the data held: known only now."""
    types = {type(value) for value in values if value is not None}
    if types == {bool}:
        return "bool"
    if types and types <= {int, float, bool}:
        return "number"
    return "text" if types == {str} else "any"


def read(path: str | os.PathLike[str], **options: Unpack[ReadOptions]) -> DataFrame:
    """Read a saved result, or some of its rows, as a frame.

    >>> import pathlib, tempfile
    >>> import rmg_dsl as rmg
    >>> result = rmg.grade("grader brief = words(x) <= 1", [{"x": "a"}, {"x": "b c"}])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result.save(pathlib.Path(folder, "scored.csv"))
    ...     rmg.read(pathlib.Path(folder, "scored.csv"), limit=1)["brief"].tolist()
    [True]

    Statuses are categories again; numbers and bools have the nullable dtypes of `Result.df`.
    Raises DataError for a file that cannot be read, UsageError for an unknown option.

    Options:

    limit: int | None = None
        Take only the first `limit` rows.
    sample: int | None = None
        Take only `sample` rows, drawn at random and kept in their order.
    seed: int = 0
        Seed of `sample`, and of the order in which a ranking shows its candidates.
    """
    chosen = Options.of(options, allowed=ReadOptions.__annotations__)
    frame: DataFrame = tables.read_frame(path, chosen.limit, chosen.sample, chosen.seed)
    return frame

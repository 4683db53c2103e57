"""The result of a run: the table with its scores, the summary, the failures, the usage."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

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
    """What a run used.

    `calls` counts every attempt. `cost` is in USD, None where a model has no `price`. Of
    `estimates` calls the endpoint did not report the tokens: four bytes count as one.
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


class FailureRow(TypedDict):
    """A missing score: a row of `Result.failures`, with `FAILURE_COLUMNS`."""

    row: int
    grader: str
    status: str
    message: str
    attempts: int


class VoteRow(TypedDict):
    """A draw behind a score of several: a row of `Result.votes`, with `VOTE_COLUMNS`."""

    row: int
    grader: str
    judge: str
    value: object
    status: str
    reason: str | None


@dataclass(slots=True)
class Ledger:
    """All results of a run in memory: cells by column, missing scores, drafts and votes.

    `row_hashes` has a hash of each row, where the data is a file that will be read again. It is
    None for data in memory.
    """

    outputs: tuple[Output, ...]
    cells: dict[str, list[object]] = field(default_factory=dict)
    failures: list[FailureRow] = field(default_factory=list)
    paths: list[RefinedRow] = field(default_factory=list)
    votes: list[VoteRow] = field(default_factory=list)
    row_hashes: list[int] | None = None

    def __post_init__(self) -> None:
        self.cells = {column: [] for output in self.outputs for column in result_columns(output)}

    def add(self, graded: GradedRow) -> None:
        """Enter a finished row."""
        # The hash shows later whether the file has changed; the row itself would take memory.
        if self.row_hashes is not None:
            self.row_hashes.append(_row_hash(graded.row))
        for output, outcome in zip(self.outputs, graded.outcomes, strict=True):
            if isinstance(outcome, Score):
                if outcome.ballot and output.kind == "grader":
                    self.votes += (
                        _vote(graded.row_index, output.name, *vote) for vote in outcome.ballot.votes
                    )
            # The loop reports this failure. Its scores before and after refining would repeat it.
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


def _failure(row: int, grader: str, outcome: Unscored) -> FailureRow:
    return {
        "row": row,
        "grader": grader,
        "status": str(outcome.status),
        "message": outcome.message,
        "attempts": outcome.attempts,
    }


def _vote(row: int, grader: str, judge: str, vote: Outcome) -> VoteRow:
    value: object = None
    if isinstance(vote, Score):
        value = vote.value if vote.label is None else vote.label
    return {
        "row": row,
        "grader": grader,
        "judge": judge,
        "value": value,
        "status": str(vote.status),
        "reason": vote.reason if isinstance(vote, Score) else vote.message,
    }


def _row_hash(row: Mapping[str, object]) -> int:
    return hash(repr(row))


def verified_table(table: Table, ledger: Ledger) -> Table:
    """The table for the results, whose walks compare each row with the one that was graded.

    A walk raises DataError where the file has changed since then.
    """
    row_hashes = ledger.row_hashes
    # The rows are a copy in memory, which nobody changes.
    if row_hashes is None:
        return table

    return replace(table, rows=lambda: _verified_rows(table, row_hashes), count=len(row_hashes))


def _verified_rows(table: Table, row_hashes: Sequence[int]) -> Iterator[Row]:
    changed = f"{table.name} changed while it was graded"
    # Compare row by row, so that the second walk needs no memory either.
    walk = iter(table)
    for place, row_hash in enumerate(row_hashes, 1):
        try:
            row = next(walk, None)
        except OSError as error:
            raise DataError(f"{changed}: it cannot be read any more: {error.strerror}") from error
        if row is None or _row_hash(row) != row_hash:
            raise DataError(f"{changed}: row {place} is not the one that was scored")
        yield row


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class FinishedRun:
    """The summary of a finished run, without its rows, which may have gone to files.

    `digest` has the counts, `gates` the results of `require`. `by_grader` and `costs` have the
    calls and the cost of each grader that asks a judge.
    """

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
        """The graders and aggregates of the run, in the order of their columns."""
        return self.digest.outputs

    @property
    def summary(self) -> DataFrame:
        """A frame with a row for each grader and aggregate: scored rows, mean, missing scores."""
        frame: DataFrame = tables.records_to_frame(
            self.summary_rows, report.SUMMARY_COLUMNS, report.SUMMARY_KINDS
        )
        return frame

    @property
    def summary_rows(self) -> list[Row]:
        """The summary as plain data: a dict for each grader and aggregate."""
        return report.summary_rows(self.digest.output_summaries, self.by_grader, self.costs)

    @property
    def validation(self) -> DataFrame:
        """A frame with a row for each statistic of each `validate`, with its 95 % bounds.

        `rater` is compared with `against`. `role` is `judge`, `baseline`, or `people` for the
        agreement of people with each other, which no judge can be expected to exceed. Where one
        side is `people`, the value is the mean over the pairs.
        """
        rows = [row for validation in self.validations for row in validation.rows]
        frame: DataFrame = tables.records_to_frame(
            rows, report.VALIDATION_COLUMNS, report.VALIDATION_KINDS
        )
        return frame

    @property
    def holds(self) -> bool:
        """Whether every requirement holds."""
        return all(verdict.holds for verdict in self.gates)

    @property
    def nothing_scored(self) -> bool:
        """Whether judges failed on some row and gave a score to none."""
        judged = self._judged_summaries
        has_failed = any(status.is_failure for summary in judged for status in +summary.statuses)
        return has_failed and not any(summary.statuses[Status.OK] for summary in judged)

    @property
    def _judged_summaries(self) -> list[report.OutputSummary]:
        """The summaries of the outputs that a judge scores."""
        return [summary for summary in self.digest.output_summaries if summary.judge]

    @property
    def every_row_failed(self) -> bool:
        """Whether no row has a score and at least one call failed after all retries."""
        return self.nothing_scored and any(
            summary.statuses[Status.ERROR] for summary in self._judged_summaries
        )

    @property
    def first_failure(self) -> str:
        """Why the first row on which a judge failed has no score; empty if there is none."""
        judged = {summary.output.name for summary in self._judged_summaries}
        kinds = self.digest.failures.kinds
        failed = (
            f"{why}: {message}"
            for grader, why, message in kinds
            if grader in judged and why.is_failure
        )
        return next(failed, "")

    def groups(self) -> Iterator[tuple[str, str]]:
        """Each value of the column given by `--by`, with the summary of its rows as text."""
        for value, summaries in self.digest.groups.items():
            yield value, report.summary_text(report.summary_rows(summaries, {}, {}), summaries)

    def as_json(self) -> dict[str, Any]:
        """The summary, the usage and the requirements as plain data: see `rmg schema run`."""
        record: dict[str, object] = {
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
            record["by"] = {
                value: report.summary_rows(summaries, {}, {})
                for value, summaries in self.digest.groups.items()
            }
        return record

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
    """A finished run with its rows.

    `df` is the input with the new columns. `summary` has a row for each grader, `failures` a row
    for each missing score with its reason. `usage` has the calls and the cost, `gates` the result
    of each `require`, `validation` the agreement of graders with people.

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
        """A new frame: the columns and the index of the input, then the new columns.

        The new columns have nullable dtypes.
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
        """A frame with a row for each draft that a `refine` graded.

        It has the row, field, round and text of the draft, and the score, reason and status of each
        grader. `returned` marks the draft that is the result, `refused` one that lowered a guarded
        score. `ending` says, at the last draft of a row, why the loop ended.
        """
        rows = history_rows(self.ledger.paths)
        kinds = history_columns(rows)
        # The values of the other columns decide their dtypes.
        fixed = {name: kind for name, kind in kinds.items() if kind != "any"}
        frame: DataFrame = tables.records_to_frame(rows, list(kinds), fixed)
        return frame

    @property
    def failures(self) -> DataFrame:
        """A frame with a row for each missing score, with `FAILURE_COLUMNS`.

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
        """A frame with a row for each draw behind a score of several, with `VOTE_COLUMNS`."""
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
        """The first rows as a table of text: the columns of the input, then the scores.

        Cells longer than `width` characters are cut.
        """
        names = [*self.table.columns, *(output.name for output in self.outputs)]
        body = [
            [truncate_value(row[name], width) for name in names]
            for row in islice(self.rows(), rows)
        ]
        return report.align_columns([[truncate_value(name, width) for name in names], *body])

    def rows(self) -> Iterator[Row]:
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
    """Write the report of a run, in the HTML format, to a file."""
    from rmg_dsl.report.html import report_page

    tables.write_text(path, report_page(finished))


def _requirement_json(verdict: RequirementResult) -> dict[str, object]:
    return {
        "text": verdict.text,
        "holds": verdict.holds,
        "values": verdict.values,
        "estimates": {name: estimate._asdict() for name, estimate in verdict.estimates.items()},
        "why": verdict.why,
    }


def check_summary_column(table: Table, by: str) -> None:
    """Raise UsageError if the data lacks the column to summarize by."""
    if by not in table.columns:
        raise UsageError(
            f"the data has no column `{by}` to summarize by: "
            f"it has {format_names(table.columns, 12)}"
        )


def new_column_kinds(outputs: Iterable[Output]) -> dict[str, tables.ColumnKind]:
    """The kinds of the new columns, by name.

    A column whose kind the spec leaves open is absent: its values decide (`_kind_of_values`).
    """
    kinds = {
        column.name_for(output.name): column.cell_kind(output.type)
        for output in outputs
        for column in output.columns
    }
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _kind_of_values(values: Sequence[object]) -> tables.ColumnKind:
    """The kind of a column from its values, for an expression that copies a column of the data."""
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

"""Agreement with people: the columns that a run compares, and `rmg.agreement`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, cast, get_args

from rmg_dsl import tables
from rmg_dsl.api.preparing import GradingJob
from rmg_dsl.errors import DataError, UsageError
from rmg_dsl.ir.suite import ValidationLevel
from rmg_dsl.models.lexical import LEXICAL_NAME, LexicalModel
from rmg_dsl.plan import needed_by
from rmg_dsl.report import ValidationResult
from rmg_dsl.runtime import ValidationCollector
from rmg_dsl.suggest import format_names, suggest_name

if TYPE_CHECKING:
    from pandas import DataFrame


def validations_of(job: GradingJob) -> ValidationCollector:
    """The collector of the verdicts that a job compares with people.

    Where a judge gives the verdicts, the lexical baseline answers the same questions.
    """
    scorings = (validation.scoring for validation in job.plan.validations)
    judged = {scoring for scoring in scorings if _has_judge(job, scoring)}
    return ValidationCollector(job.plan, job.evaluator, LexicalModel(), judged)


def _has_judge(job: GradingJob, scoring: int) -> bool:
    """Whether a scoring asks a judge other than the baseline, about one row at a time.

    A ranking has no baseline, which would have to rank all rows of a group.
    """
    needed = needed_by(job.plan, scoring)
    if any(rank.number in needed for rank in job.plan.ranks):
        return False
    uses = {use for step in job.plan.asks if step.number in needed for use in step.models}
    return any(job.run_models[use].model.name != LEXICAL_NAME for use in uses)


def validation_results(validations: ValidationCollector) -> tuple[ValidationResult, ...]:
    """The agreement of each validated grader with people, after the last row."""
    if not validations.validation_columns:
        return ()
    from rmg_dsl.report.validation import validate_grader

    return tuple(map(validate_grader, validations.validation_columns))


def agreement(
    data: object,
    columns: Sequence[str],
    *,
    level: str = "pooled",
    group: str | None = None,
    labels: Sequence[object] | None = None,
    ordered: bool = True,
) -> DataFrame:
    """Measure how far raters agree. Their verdicts are columns of a frame, list of dicts or file.

    >>> import rmg_dsl as rmg
    >>> rows = [{"ann": 1, "bob": 1}, {"ann": 2, "bob": 2}]
    >>> rows += [{"ann": 2, "bob": 1}, {"ann": None, "bob": 1}]
    >>> rmg.agreement(rows, ["ann", "bob"])[["raters", "statistic", "n", "value"]].head(3).round(3)
         raters       statistic  n  value
    0  ann, bob        accuracy  3  0.667
    1  ann, bob           kappa  3    0.4
    2  ann, bob  weighted_kappa  3    0.4

    The result is a frame with a row for each statistic that the verdicts allow: first of every pair
    of raters, then of all raters together. Its columns are `raters`, `statistic`, `n` (the number
    of rows behind the value), `value`, the 95 % bounds `low` and `high`, and `why` (the reason
    where the value or a bound is missing).

    Null is no verdict. A pair is compared on the rows that both have judged, `alpha_…` uses the
    rows with two verdicts or more, and `fleiss` the rows that all have judged.

    Words have accuracy and kappa; whole numbers have the weighted kappas too; numbers have the
    correlations. `labels` lists the labels of the scale in order, including those that no rater
    used. `ordered=False` says that numbers are only codes. `group` names a column whose equal
    values mark rows that belong together: the bootstrap of the bounds then draws whole groups. With
    `group`, `level="per_group"` gives the mean of each statistic within the groups, and
    `level="system"` the correlations of the means of the groups.

    Raises UsageError for fewer than two columns, a column that the data lacks, and an unknown
    `level`; DataError for verdicts that cannot be compared.
    """
    from rmg_dsl.stats.comparison import AGREEMENT_COLUMNS, agreement_table

    table = tables.open_table(data)
    # A string is a sequence of strings too: it would name a column for each of its letters.
    names = [*columns] if not isinstance(columns, str) else [columns]
    _check_agreement_args(names, level, group, table)
    verdicts: dict[str, list[object]] = {name: [] for name in names}
    groups: list[Hashable] = []
    for row in table:
        for name, column in verdicts.items():
            column.append(row[name])
        groups.append(None if group is None else _group_of(row, group))
    try:
        rows = agreement_table(
            verdicts,
            labels=labels,
            ordered=ordered,
            clusters=None if group is None else groups,
            level=cast("ValidationLevel", level),
        )
    except ValueError as error:
        raise DataError(f"{table.name}: {error}") from None
    frame: DataFrame = tables.records_to_frame(rows, AGREEMENT_COLUMNS, _AGREEMENT_KINDS)
    return frame


_AGREEMENT_KINDS: dict[str, tables.ColumnKind] = {
    "raters": "text",
    "statistic": "text",
    "n": "integer",
    "value": "number",
    "low": "number",
    "high": "number",
    "why": "text",
}


def _check_agreement_args(
    columns: Sequence[str], level: str, group: str | None, table: tables.Table
) -> None:
    if len(columns) < 2 or len(set(columns)) < len(columns):
        raise UsageError(
            'agreement is between two columns or more, such as ["ann", "bob"], each named once'
        )
    for name in [*columns, *([] if group is None else [group])]:
        if name not in table.columns:
            close = suggest_name(str(name), table.columns)
            advice = (
                f"did you mean `{close}`?"
                if close
                else f"it has {format_names(table.columns, 12) or 'none'}"
            )
            raise UsageError(f"the data has no column `{name}`: {advice}")
    levels = get_args(ValidationLevel)
    if level not in levels:
        raise UsageError(f"`level` is one of {', '.join(levels)}, not {level!r}")
    if level != "pooled" and group is None:
        raise UsageError(
            f"`level={level!r}` needs `group`: the column that says which rows belong together"
        )


def _group_of(row: tables.Row, column: str) -> Hashable:
    value = row[column]
    # A cell of JSON can be a list or a dict, which cannot be a key.
    return value if isinstance(value, Hashable) else repr(value)

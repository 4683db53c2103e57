"""Agreement with people: the columns that a run compares, and `rmg.agreement`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, cast, get_args

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
    """What collects the verdicts that a job compares: judges have a baseline beside them, code and
    itself none.
    """
    asked = {each.scoring for each in job.plan.validations if _has_judge(job, each.scoring)}
    return ValidationCollector(job.plan, job.evaluator, LexicalModel(), asked)


def _has_judge(job: GradingJob, scoring: int) -> bool:
    """Is a judge asked about one row? What a row is among others, a baseline would be asked of all
    of them.
    """
    needed = needed_by(job.plan, scoring)
    if any(rank.number in needed for rank in job.plan.ranks):
        return False
    uses = {use for step in job.plan.asks if step.number in needed for use in step.models}
    return any(job.run_models[use].model.name != LEXICAL_NAME for use in uses)


def validation_results(validations: ValidationCollector) -> tuple[ValidationResult, ...]:
    """What the validations of a run have found."""
    if not validations.validation_columns:
        return ()
    from rmg_dsl.report.validation import validate_grader

    return tuple(map(validate_grader, validations.validation_columns))


def agreement(
    data: Any,
    columns: Sequence[str],
    *,
    level: str = "pooled",
    group: str | None = None,
    labels: Sequence[object] | None = None,
    ordered: bool = True,
) -> DataFrame:
    """How far raters agree whose verdicts are columns of a frame, a list of dicts or a file.

    >>> import rmg_dsl as rmg
    >>> rows = [{"ann": 1, "bob": 1}, {"ann": 2, "bob": 2}]
    >>> rows += [{"ann": 2, "bob": 1}, {"ann": None, "bob": 1}]
    >>> rmg.agreement(rows, ["ann", "bob"])[["raters", "statistic", "n", "value"]].head(3).round(3)
         raters       statistic  n  value
    0  ann, bob        accuracy  3  0.667
    1  ann, bob           kappa  3    0.4
    2  ann, bob  weighted_kappa  3    0.4

    A frame with a row for each statistic that the verdicts allow, of every pair of raters and then
    of all together: `raters`, `statistic`, `n` (the rows that it rests on), `value`, its 95 %
    bounds `low` and `high`, and `why` where one of them cannot be had. Null is no verdict: a pair
    rests on the rows that both have judged, `alpha_…` on those that two or more have, `fleiss` on
    those that all have.

    Words have accuracy and kappa, whole numbers the weighted kappas too, numbers the correlations.
    `labels` says the labels of the scale in order, also those that nobody gave, `ordered=False`
    that numbers are only codes. `group` names a column of what belongs together: bounds then draw
    whole groups. With it, `level="per_group"` gives the mean of each statistic within the groups,
    and `level="system"` the correlations of the groups' means.

    Raises UsageError for fewer than two columns, a column that is not there, and another level;
    DataError for verdicts that cannot be compared.
    """
    from rmg_dsl.stats.comparison import AGREEMENT_COLUMNS, agreement_table

    table = tables.open_table(data)
    wanted = [*columns] if not isinstance(columns, str) else [columns]
    _check_agreement_args(wanted, level, group, table)
    verdicts: dict[str, list[Any]] = {name: [] for name in wanted}
    groups: list[Hashable] = []
    for row in table:
        for name, column in verdicts.items():
            column.append(row[name])
        groups.append(None if group is None else _hashable_group(row[group]))
    try:
        found = agreement_table(
            verdicts,
            labels=labels,
            ordered=ordered,
            clusters=None if group is None else groups,
            level=cast("ValidationLevel", level),
        )
    except ValueError as error:
        raise DataError(f"{table.name}: {error}") from None
    frame: DataFrame = tables.records_to_frame(found, AGREEMENT_COLUMNS, _AGREEMENT_KINDS)
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


def _hashable_group(value: Any) -> Hashable:
    return value if isinstance(value, Hashable) else repr(value)

"""`validate`: the agreement of a grader with people, of people, and of a baseline with people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple, Protocol, TypeAlias

from rmg_dsl.ir.suite import Validation
from rmg_dsl.report.result_parts import pluralize_count
from rmg_dsl.report.validation_table import BASELINE, PEOPLE, VALIDATION_COLUMNS, ValidationResult
from rmg_dsl.stats.comparison import RatingProperties, statistics_at_level
from rmg_dsl.stats.definition import ColumnStatistic
from rmg_dsl.stats.grouping import estimates_at_level
from rmg_dsl.stats.label_scale import (
    check_same_kind,
    first_off_scale,
    format_rating,
    labels_of,
    words_to_values,
)
from rmg_dsl.stats.pair_means import MeanOfPairs
from rmg_dsl.stats.ratings import as_rows, is_missing_rating
from rmg_dsl.stats.undefined import use_column_names

Column: TypeAlias = Sequence[object]
Statistics: TypeAlias = Mapping[str, ColumnStatistic]
Labels: TypeAlias = tuple[float | str, ...] | None


class CollectedVerdicts(Protocol):
    """The verdicts to compare: one for each row that the grader and at least one person judged."""

    @property
    def validation(self) -> Validation:
        """The declaration that asks for the comparison."""

    @property
    def judge(self) -> Column:
        """The verdicts of the grader."""

    @property
    def people(self) -> Sequence[Column]:
        """The verdicts of each person, in the order of the declaration."""

    @property
    def groups(self) -> Column | None:
        """The group of each row; None without groups."""

    @property
    def baseline(self) -> Column | None:
        """The verdicts of the baseline; None without one."""

    @property
    def unscored_count(self) -> int:
        """Rows that the grader left without a score."""

    @property
    def unread(self) -> int:
        """Verdicts of people that could not be read."""


def validate_grader(verdicts: CollectedVerdicts, *, seed: int = 0) -> ValidationResult:
    """Measure how far a grader agrees with people, people with each other, a baseline with people.

    All figures use the rows that the grader has scored. With several people each kind of pair also
    gets the mean over its pairs, with an interval of its own. The scale of the grader and the
    verdicts of the people decide which statistics apply: numbers of another scale get correlations
    only.

    `seed` is for the bootstrap: the same seed gives the same intervals.
    """
    validation = verdicts.validation
    scale = validation.type.scale
    columns = [words_to_values(list(c), scale) for c in (verdicts.judge, *verdicts.people)]
    blank = _blank_result(verdicts)
    if not blank.n:
        return _empty_result(blank, "no row has a verdict of both")
    try:
        statistics, doubts = _choose_statistics(validation, columns)
        rows = tuple(_validation_rows(verdicts, statistics, columns, seed))
    except ValueError as error:
        return _empty_result(blank, str(error))
    if not rows:
        why = f"`{validation.level}` compares means, and `{validation.name}` gives words"
        return _empty_result(blank, why)
    return replace(blank, rows=rows, notes=(*blank.notes, *doubts))


def _blank_result(verdicts: CollectedVerdicts) -> ValidationResult:
    """The result without rows."""
    validation = verdicts.validation
    people = tuple(name for name, _ in validation.against)
    notes: tuple[str, ...] = ()
    if verdicts.unread:
        count = pluralize_count(verdicts.unread, "verdict")
        notes = (f"{count} of people could not be read",)
    return ValidationResult(
        validation.name,
        people,
        validation.level,
        len(verdicts.judge),
        verdicts.unscored_count,
        notes=notes,
    )


def _empty_result(blank: ValidationResult, why: str) -> ValidationResult:
    """A result with one row, which says why there is no number."""
    row: dict[str, object] = dict.fromkeys(VALIDATION_COLUMNS)
    row |= {"grader": blank.grader, "level": blank.level, "n": 0}
    row |= {"unscored": blank.unscored, "why": why}
    return replace(blank, rows=(row,), notes=(*blank.notes, f"nothing can be compared: {why}"))


# ── what can be compared ──────────────────────────────────────────────────────────────────────────


def _choose_statistics(
    validation: Validation, columns: Sequence[Column]
) -> tuple[Statistics, list[str]]:
    """The statistics that apply to these ratings, and doubts to report.

    Raises ValueError where no statistic applies.
    """
    names = [validation.name, *(name for name, _ in validation.against)]
    check_same_kind(columns, names)
    off_scale = _off_scale_verdicts(names, columns, validation)
    words = validation.type.kind in ("label", "text")
    for name, value in off_scale:
        if isinstance(value, str) is not words:
            raise ValueError(_off_scale_text(name, value, validation))
    if off_scale and not words:
        # Numbers of another scale still have an order, so correlations keep their meaning.
        doubts = [
            f"{_off_scale_text(name, value, validation)}: correlations only"
            for name, value in off_scale
        ]
        return RatingProperties.of(columns).correlations(), doubts
    kinds = _rating_properties(validation, columns, offered=not off_scale)
    doubts = [
        f"`{name}` holds {format_rating(value)}, which `{validation.name}` does not offer"
        for name, value in off_scale
    ]
    pairs = statistics_at_level(validation.level, kinds, pair=True)
    return pairs | statistics_at_level(validation.level, kinds, pair=False), doubts


def _off_scale_verdicts(
    names: Sequence[str], columns: Sequence[Column], validation: Validation
) -> list[tuple[str, object]]:
    """For each rater with verdicts off the scale: the name, and the first of them."""
    firsts = [first_off_scale(column, validation.type) for column in columns]
    return [(name, value) for name, value in zip(names, firsts, strict=True) if value is not None]


def _off_scale_text(name: str, value: object, validation: Validation) -> str:
    return f"`{name}` holds {format_rating(value)}, which is not on {validation.type}"


def _rating_properties(
    validation: Validation, columns: Sequence[Column], *, offered: bool
) -> RatingProperties:
    """What the type of the grader says of the ratings; for numbers also what the ratings show.

    `offered` says whether the scale offers all ratings: only then its labels are the categories.
    """
    labels = None
    if offered:
        labels = labels_of(validation.type.scale) or validation.type.labels or None
    match validation.type.kind:
        case "label" | "text":
            return RatingProperties(
                is_categorical=True, is_numeric=False, is_ordered=False, labels=labels
            )
        case "bool":
            return RatingProperties(
                is_categorical=True, is_numeric=True, is_ordered=False, labels=(0, 1)
            )
        case _:
            return _number_properties(validation, RatingProperties.of(columns), labels)


def _number_properties(
    validation: Validation, observed: RatingProperties, labels: Labels
) -> RatingProperties:
    # Numbers are categories where the scale lists them, or where few different ones occur.
    categorical = validation.is_categorical and (labels is not None or observed.is_categorical)
    return RatingProperties(
        categorical,
        observed.is_numeric,
        True,
        observed.is_ratio,
        labels if categorical else None,
    )


# ── the rows ──────────────────────────────────────────────────────────────────────────────────────


class _Role(NamedTuple):
    """Who is compared with whom: pairs of columns."""

    name: str
    rater: str
    pairs: tuple[tuple[int, int], ...]


class _ComparisonJob(NamedTuple):
    """The statistics to compute of some columns; no columns stand for all of them."""

    rater: str
    against: str
    columns: tuple[int, ...]
    statistics: Mapping[str, ColumnStatistic | MeanOfPairs]


def _validation_rows(
    verdicts: CollectedVerdicts, statistics: Statistics, columns: Sequence[Column], seed: int
) -> Iterator[dict[str, object]]:
    """The rows of the result, with `VALIDATION_COLUMNS`."""
    validation = verdicts.validation
    names = [validation.name, *(name for name, _ in validation.against), BASELINE]
    baseline = words_to_values(list(verdicts.baseline or ()), validation.type.scale)
    has_baseline = not all(map(is_missing_rating, baseline))
    rows = as_rows([*columns, baseline] if has_baseline else columns)
    groups = None if verdicts.groups is None else list(verdicts.groups)
    for role in _roles(validation.name, len(columns) - 1, has_baseline):
        for job in _comparison_jobs(role, statistics, names):
            estimates = estimates_at_level(
                validation.level, job.statistics, _select_columns(rows, job), groups, seed=seed
            )
            for name, estimate in estimates.items():
                yield {
                    "grader": validation.name,
                    "level": validation.level,
                    "role": role.name,
                    "rater": job.rater,
                    "against": job.against,
                    "statistic": name,
                    **estimate._asdict(),
                    "why": use_column_names(estimate.why, (job.rater, job.against)),
                    "unscored": verdicts.unscored_count,
                }


def _select_columns(
    rows: Sequence[tuple[object, ...]], job: _ComparisonJob
) -> Sequence[tuple[object, ...]]:
    if not job.columns:
        return rows
    return [tuple(row[place] for place in job.columns) for row in rows]


def _roles(grader: str, people: int, has_baseline: bool) -> list[_Role]:
    """The kinds of pairs. Column 0 is the grader, then come the people, then the baseline."""
    humans, last = range(1, people + 1), people + 1
    roles = [_Role("judge", grader, tuple((0, i) for i in humans))]
    if people > 1:
        roles.append(_Role("people", PEOPLE, tuple(combinations(humans, 2))))
    if has_baseline:
        roles.append(_Role("baseline", BASELINE, tuple((last, i) for i in humans)))
    return roles


def _comparison_jobs(
    role: _Role, statistics: Statistics, names: Sequence[str]
) -> Iterator[_ComparisonJob]:
    """Each pair by itself; then, with several people, the mean over the pairs."""
    for a, b in role.pairs:
        yield _ComparisonJob(names[a], names[b], (a, b), statistics)
    if len(role.pairs) > 1:
        means = {name: MeanOfPairs(statistic, role.pairs) for name, statistic in statistics.items()}
        yield _ComparisonJob(role.rater, PEOPLE, (), means)
    elif len(names) > _NAMES_WITH_ONE_PERSON:
        # Two people are one pair: it is its own mean, and the table of all people needs its row.
        yield _ComparisonJob(role.rater, PEOPLE, role.pairs[0], statistics)


_NAMES_WITH_ONE_PERSON = 3  # names: the grader, the person, the baseline

"""`validate`: how far a grader agrees with people, people with each other, and a baseline with people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple, Protocol

from rmg_dsl.ir.suite import Validation
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


class CollectedVerdicts(Protocol):
    """The verdicts that were collected: a row for each that the grader and at least one person have judged."""

    @property
    def validation(self) -> Validation: ...
    @property
    def judge(self) -> Sequence[Any]: ...
    @property
    def people(self) -> Sequence[Sequence[Any]]: ...
    @property
    def groups(self) -> Sequence[Any] | None: ...
    @property
    def baseline(self) -> Sequence[Any] | None: ...
    @property
    def unscored_count(self) -> int: ...
    @property
    def unread(self) -> int: ...


def validate_grader(found: CollectedVerdicts, *, seed: int = 0) -> ValidationResult:
    """The agreement of a grader with people, that of people with each other, and that of the baseline with people.

    All rest on the rows that the grader has scored. Beside every pair stands, where there are several people, the mean
    over the pairs of each kind, with bounds of its own. Which statistics make sense, the grader's scale says, and what
    people said: what is on no common scale has correlations alone.
    """
    asked = found.validation
    people = tuple(name for name, _ in asked.against)
    columns = [
        words_to_values(list(column), asked.type.scale) for column in (found.judge, *found.people)
    ]
    plural = "s" * (found.unread != 1)
    notes = (
        (f"{found.unread:,} verdict{plural} of people could not be read",) if found.unread else ()
    )
    blank = ValidationResult(
        asked.name, people, asked.level, len(found.judge), found.unscored_count, (), notes
    )
    if not blank.n:
        return _empty_result(blank, "no row has a verdict of both")
    try:
        wanted, doubts = _choose_statistics(asked, columns)
        rows = tuple(
            {**row, "unscored": found.unscored_count}
            for row in _validation_rows(asked, wanted, columns, found, seed)
        )
    except ValueError as error:
        return _empty_result(blank, str(error))
    if not rows:
        return _empty_result(
            blank, f"`{asked.level}` compares means, and `{asked.name}` gives words"
        )
    return replace(blank, rows=rows, notes=(*notes, *doubts))


def _empty_result(blank: ValidationResult, why: str) -> ValidationResult:
    """One row, which says why there is no number."""
    known = {
        "grader": blank.grader,
        "level": blank.level,
        "n": 0,
        "unscored": blank.unscored,
        "why": why,
    }
    row = {**dict.fromkeys(VALIDATION_COLUMNS), **known}
    return replace(blank, rows=(row,), notes=(*blank.notes, f"nothing can be compared: {why}"))


# ── what can be compared ─────────────────────────────────────────────────────────────────────────────────────────


def _choose_statistics(
    asked: Validation, columns: Sequence[Sequence[Any]]
) -> tuple[dict[str, ColumnStatistic], list[str]]:
    """The statistics for these ratings, and what must be said about them; ValueError where there is nothing to say."""
    names = [asked.name, *(name for name, _ in asked.against)]
    check_same_kind(columns, names)
    off = [
        (name, value)
        for name, c in zip(names, columns, strict=True)
        if (value := _first_invalid_verdict(c, asked)) is not None
    ]
    words = asked.type.kind in ("label", "text")
    for name, value in off:
        if isinstance(value, str) is not words:
            raise ValueError(f"`{name}` holds {format_rating(value)}, which is not on {asked.type}")
    if off and not words:
        kinds = RatingProperties.of(columns)
        doubts = [
            f"`{name}` holds {format_rating(value)}, which is not on {asked.type}: correlations only"
            for name, value in off
        ]
        return kinds.correlations(), doubts
    kinds = _rating_properties(asked, columns, offered=not off)
    doubts = [
        f"`{name}` holds {format_rating(value)}, which `{asked.name}` does not offer"
        for name, value in off
    ]
    return statistics_at_level(asked.level, kinds, pair=True) | statistics_at_level(
        asked.level, kinds, pair=False
    ), doubts


def _first_invalid_verdict(column: Sequence[Any], asked: Validation) -> Any:
    return first_off_scale(column, asked.type)


def _rating_properties(
    asked: Validation, columns: Sequence[Sequence[Any]], *, offered: bool
) -> RatingProperties:
    """What the grader's type says of the ratings, and where that says nothing, they themselves."""
    labels = (labels_of(asked.type.scale) or asked.type.labels or None) if offered else None
    match asked.type.kind:
        case "label" | "text":
            return RatingProperties(
                is_categorical=True, is_numeric=False, is_ordered=False, labels=labels
            )
        case "bool":
            return RatingProperties(
                is_categorical=True, is_numeric=True, is_ordered=False, labels=(0, 1)
            )
        case _:
            seen = RatingProperties.of(columns)
            categorical = asked.is_categorical and (labels is not None or seen.is_categorical)
            return RatingProperties(
                categorical, seen.is_numeric, True, seen.is_ratio, labels if categorical else None
            )


# ── the rows ─────────────────────────────────────────────────────────────────────────────────────────────────────


class _Role(NamedTuple):
    """Who is compared with whom: pairs of columns."""

    name: str
    rater: str
    pairs: tuple[tuple[int, int], ...]


class _ComparisonJob(NamedTuple):
    """Statistics of these columns, or where none are named of all."""

    rater: str
    against: str
    columns: tuple[int, ...]
    statistics: Mapping[str, ColumnStatistic | MeanOfPairs]


def _validation_rows(
    asked: Validation,
    wanted: Mapping[str, ColumnStatistic],
    columns: Sequence[Sequence[Any]],
    found: CollectedVerdicts,
    seed: int,
) -> Iterator[dict[str, Any]]:
    names = [asked.name, *(name for name, _ in asked.against), BASELINE]
    baseline = (
        [] if found.baseline is None else words_to_values(list(found.baseline), asked.type.scale)
    )
    has_baseline = any(not is_missing_rating(verdict) for verdict in baseline)
    rows = as_rows([*columns, baseline] if has_baseline else columns)
    groups = None if found.groups is None else list(found.groups)
    for role in _roles(asked.name, len(columns) - 1, has_baseline):
        for job in _comparison_jobs(role, wanted, names):
            some = [tuple(row[i] for i in job.columns) for row in rows] if job.columns else rows
            who = {"grader": asked.name, "level": asked.level, "role": role.name}
            for name, estimate in estimates_at_level(
                asked.level, job.statistics, some, groups, seed=seed
            ).items():
                about = {"rater": job.rater, "against": job.against, "statistic": name}
                why = use_column_names(estimate.why, (job.rater, job.against))
                yield {**who, **about, **estimate._asdict(), "why": why}


def _roles(grader: str, people: int, has_baseline: bool) -> list[_Role]:
    humans, last = range(1, people + 1), people + 1
    roles = [_Role("judge", grader, tuple((0, i) for i in humans))]
    if people > 1:
        roles.append(_Role("people", PEOPLE, tuple(combinations(humans, 2))))
    if has_baseline:
        roles.append(_Role("baseline", BASELINE, tuple((last, i) for i in humans)))
    return roles


def _comparison_jobs(
    role: _Role, wanted: Mapping[str, ColumnStatistic], names: Sequence[str]
) -> Iterator[_ComparisonJob]:
    """Every pair by itself; then, where there are several people, the mean over the pairs."""
    for a, b in role.pairs:
        yield _ComparisonJob(names[a], names[b], (a, b), wanted)
    if len(role.pairs) > 1:
        means = {name: MeanOfPairs(statistic, role.pairs) for name, statistic in wanted.items()}
        yield _ComparisonJob(role.rater, PEOPLE, (), means)
    elif len(names) > _NAMES_WITH_ONE_PERSON:
        yield _ComparisonJob(role.rater, PEOPLE, role.pairs[0], wanted)


_NAMES_WITH_ONE_PERSON = 3  # names: the grader, the person, the baseline

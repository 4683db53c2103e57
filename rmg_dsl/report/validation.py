"""`validate`: how far a grader agrees with people, people with each other, and a baseline with people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple, Protocol

from rmg_dsl.ir.suite import Validation
from rmg_dsl.report.validation_table import BASELINE, PEOPLE, VALIDATION_COLUMNS, Validated
from rmg_dsl.stats.comparison import Comparable, wanted_at
from rmg_dsl.stats.grouping import estimates_at
from rmg_dsl.stats.intervals import ColumnStatistic, MeanOfPairs
from rmg_dsl.stats.label_scale import as_scored, check_alike, first_off, labels_of, shown
from rmg_dsl.stats.ratings import as_rows, is_gap
from rmg_dsl.stats.undefined import by_name


class Compared(Protocol):
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
    def unscored(self) -> int: ...
    @property
    def unread(self) -> int: ...


def validated(found: Compared, *, seed: int = 0) -> Validated:
    """The agreement of a grader with people, that of people with each other, and that of the baseline with people.

    All rest on the rows that the grader has scored. Beside every pair stands, where there are several people, the mean
    over the pairs of each kind, with bounds of its own. Which statistics make sense, the grader's scale says, and what
    people said: what is on no common scale has correlations alone.
    """
    asked = found.validation
    people = tuple(name for name, _ in asked.against)
    columns = [as_scored(list(column), asked.type.scale) for column in (found.judge, *found.people)]
    plural = "s" * (found.unread != 1)
    notes = (
        (f"{found.unread:,} verdict{plural} of people could not be read",) if found.unread else ()
    )
    blank = Validated(asked.name, people, asked.level, len(found.judge), found.unscored, (), notes)
    if not blank.n:
        return _nothing(blank, "no row has a verdict of both")
    try:
        wanted, doubts = _wanted(asked, columns)
        rows = tuple(
            {**row, "unscored": found.unscored}
            for row in _rows(asked, wanted, columns, found, seed)
        )
    except ValueError as error:
        return _nothing(blank, str(error))
    if not rows:
        return _nothing(blank, f"`{asked.level}` compares means, and `{asked.name}` gives words")
    return replace(blank, rows=rows, notes=(*notes, *doubts))


def _nothing(blank: Validated, why: str) -> Validated:
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


def _wanted(
    asked: Validation, columns: Sequence[Sequence[Any]]
) -> tuple[dict[str, ColumnStatistic], list[str]]:
    """The statistics for these ratings, and what must be said about them; ValueError where there is nothing to say."""
    names = [asked.name, *(name for name, _ in asked.against)]
    check_alike(columns, names)
    off = [
        (name, value)
        for name, c in zip(names, columns, strict=True)
        if (value := _off(c, asked)) is not None
    ]
    words = asked.type.kind in ("label", "text")
    for name, value in off:
        if isinstance(value, str) is not words:
            raise ValueError(f"`{name}` holds {shown(value)}, which is not on {asked.type}")
    if off and not words:
        kinds = Comparable.of(columns)
        doubts = [
            f"`{name}` holds {shown(value)}, which is not on {asked.type}: correlations only"
            for name, value in off
        ]
        return kinds.correlations(), doubts
    kinds = _comparable(asked, columns, offered=not off)
    doubts = [
        f"`{name}` holds {shown(value)}, which `{asked.name}` does not offer" for name, value in off
    ]
    return wanted_at(asked.level, kinds, pair=True) | wanted_at(
        asked.level, kinds, pair=False
    ), doubts


def _off(column: Sequence[Any], asked: Validation) -> Any:
    return first_off(column, asked.type)


def _comparable(
    asked: Validation, columns: Sequence[Sequence[Any]], *, offered: bool
) -> Comparable:
    """What the grader's type says of the ratings, and where that says nothing, they themselves."""
    labels = (labels_of(asked.type.scale) or asked.type.labels or None) if offered else None
    match asked.type.kind:
        case "label" | "text":
            return Comparable(categorical=True, numeric=False, ordered=False, labels=labels)
        case "bool":
            return Comparable(categorical=True, numeric=True, ordered=False, labels=(0, 1))
        case _:
            seen = Comparable.of(columns)
            categorical = asked.categorical and (labels is not None or seen.categorical)
            return Comparable(
                categorical, seen.numeric, True, seen.ratio, labels if categorical else None
            )


# ── the rows ─────────────────────────────────────────────────────────────────────────────────────────────────────


class _Role(NamedTuple):
    """Who is compared with whom: pairs of columns."""

    name: str
    rater: str
    pairs: tuple[tuple[int, int], ...]


class _Job(NamedTuple):
    """Statistics of these columns, or where none are named of all."""

    rater: str
    against: str
    columns: tuple[int, ...]
    wanted: Mapping[str, ColumnStatistic | MeanOfPairs]


def _rows(
    asked: Validation,
    wanted: Mapping[str, ColumnStatistic],
    columns: Sequence[Sequence[Any]],
    found: Compared,
    seed: int,
) -> Iterator[dict[str, Any]]:
    names = [asked.name, *(name for name, _ in asked.against), BASELINE]
    baseline = [] if found.baseline is None else as_scored(list(found.baseline), asked.type.scale)
    has_baseline = any(not is_gap(verdict) for verdict in baseline)
    rows = as_rows([*columns, baseline] if has_baseline else columns)
    groups = None if found.groups is None else list(found.groups)
    for role in _roles(asked.name, len(columns) - 1, has_baseline):
        for job in _jobs(role, wanted, names):
            some = [tuple(row[i] for i in job.columns) for row in rows] if job.columns else rows
            who = {"grader": asked.name, "level": asked.level, "role": role.name}
            for name, estimate in estimates_at(
                asked.level, job.wanted, some, groups, seed=seed
            ).items():
                about = {"rater": job.rater, "against": job.against, "statistic": name}
                why = by_name(estimate.why, (job.rater, job.against))
                yield {**who, **about, **estimate._asdict(), "why": why}


def _roles(grader: str, people: int, has_baseline: bool) -> list[_Role]:
    humans, last = range(1, people + 1), people + 1
    roles = [_Role("judge", grader, tuple((0, i) for i in humans))]
    if people > 1:
        roles.append(_Role("people", PEOPLE, tuple(combinations(humans, 2))))
    if has_baseline:
        roles.append(_Role("baseline", BASELINE, tuple((last, i) for i in humans)))
    return roles


def _jobs(
    role: _Role, wanted: Mapping[str, ColumnStatistic], names: Sequence[str]
) -> Iterator[_Job]:
    """Every pair by itself; then, where there are several people, the mean over the pairs."""
    for a, b in role.pairs:
        yield _Job(names[a], names[b], (a, b), wanted)
    if len(role.pairs) > 1:
        means = {name: MeanOfPairs(statistic, role.pairs) for name, statistic in wanted.items()}
        yield _Job(role.rater, PEOPLE, (), means)
    elif len(names) > _ONE_PERSON:
        yield _Job(role.rater, PEOPLE, role.pairs[0], wanted)


_ONE_PERSON = 3  # names: the grader, the person, the baseline

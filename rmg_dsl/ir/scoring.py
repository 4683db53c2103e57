"""Ways of scoring, resolved: what a grader, a comparison, a ranking or a loop does for a row. Frozen data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rmg_dsl.ir.expr import Own, ScoreOf, Term, Value, scorings_in, walk
from rmg_dsl.ir.types import Type
from rmg_dsl.scales import Labels, Scale

Pool = Literal["mean", "majority", "median", "worst"]

Decide: TypeAlias = Literal["agree", "average", "sum_sign", "first_only"]

PAIR = Labels(("A", "B", "tie"), (1.0, 0.0, 0.5))
"""The verdicts of a comparison, and how much each of them prefers what is shown as A."""


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A declared model: `name` is `provider/model`. Without a name it is whatever the run is given."""

    label: str
    name: str | None
    settings: tuple[tuple[str, float | int | bool | str], ...] = ()
    is_default: bool = False

    def __hash__(self) -> int:
        # Every question is routed by its model: the settings need not be hashed for each of them.
        return hash(self.label)

    @property
    def shown(self) -> str:
        return self.name or self.label


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Criterion(Value):
    """A line of a rubric."""

    level: float | int | bool | str
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Escalation(Value):
    """Whom to ask as well, and when: a condition over the first judges' `score`, `spread` and `confidence`."""

    jurors: tuple[ModelUse, ...]
    condition: Term


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Judged(Value):
    """A question to one model or a panel: `bound` gives the template's names their values, `needs` those it must have.

    Each juror is asked `samples` times, and `pool` makes one score of all draws. `criteria` is the field that a rubric
    of `points` comes from, where the spec does not hold it; `generator` the family whose answers these are.
    """

    prompt: str
    system: str
    bound: tuple[tuple[str, Term], ...]
    constants: tuple[tuple[str, float | int | bool | str], ...]
    needs: tuple[str, ...]
    scale: Scale
    rubric: tuple[Criterion, ...]
    jurors: tuple[ModelUse, ...]
    samples: int = 1
    pool: Pool = "mean"
    logprobs: bool = False
    escalation: Escalation | None = None
    criteria: Term | None = None
    generator: str = ""

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that it may ask, those of an escalation last."""
        return self.jurors + (self.escalation.jurors if self.escalation else ())

    @property
    def is_single(self) -> bool:
        """Does one draw of one model make the score?"""
        return (
            len(self.jurors) == self.samples == 1 and not self.logprobs and self.escalation is None
        )

    @property
    def has_ballot(self) -> bool:
        """Are there several draws, several judges or probabilities, so that a spread and a confidence can be told?"""
        panels = len(self.jurors) > 1 or (
            self.escalation is not None and len(self.escalation.jurors) > 1
        )
        return panels or self.samples > 1 or self.logprobs

    @property
    def stops_early(self) -> bool:
        """Is a panel's majority enough once it is decided? Not where the escalation looks at all of them."""
        if self.pool != "majority" or len(self.jurors) == 1 or self.logprobs:
            return False
        words = walk(self.escalation.condition) if self.escalation else ()
        return not any(isinstance(term, Own) and term.word != "score" for term in words)

    @property
    def least_draws(self) -> int:
        """The draws that every row needs."""
        draws = len(self.jurors) * self.samples
        return draws // 2 + 1 if self.stops_early else draws

    @property
    def most_draws(self) -> int:
        """The draws that a row can come to."""
        return len(self.jurors) * self.samples + len(self.models) - len(self.jurors)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Computed(Value):
    """An expression; a `scale` that was written is checked on every row."""

    term: Term
    scale: Scale | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FromPython(Value):
    """A Python function, `module:name`, that the caller of the run must allow."""

    target: str
    arguments: tuple[tuple[str, Term], ...]
    scale: Scale


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Written(Value):
    """What a writer is asked for: a text made from these templates."""

    prompt: str
    system: str
    bound: tuple[tuple[str, Term], ...]
    constants: tuple[tuple[str, float | int | bool | str], ...]
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Watched(Value):
    """A way of scoring drafts: `first` of the row as it came, `later` of a draft in its place; the name for both."""

    name: str
    first: int
    later: int
    type: Type


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Refining(Value):
    """A loop that improves a field: `current` is the field on the row, `until` the condition on a row and on a draft.

    With `duel`, `by` compares a draft with the best one before it, and scores neither alone.
    """

    name: str
    current: Term
    writer: ModelUse
    improve: Written
    draft: Written | None
    by: Watched
    duel: bool
    until: tuple[Term, Term] | None
    guards: tuple[Watched, ...]
    holdout: Watched | None
    feedback: tuple[Watched, ...]
    watched: tuple[Watched, ...]
    rounds: int
    patience: int | None
    keep_last: bool

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that it asks to write."""
        return (self.writer,)


LoopPart: TypeAlias = Literal["before", "after", "rounds", "refined", "status"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FromLoop(Value):
    """What a loop leaves behind: a score of its first or its returned draft, the text, the rounds, how it ended."""

    loop: int
    part: LoopPart
    watched: Watched | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Compared(Value):
    """Which of two is better: `sides` are what `{{ a }}` and `{{ b }}` show, the rest is as in a question to a judge.

    `swap` asks in both orders, each juror `samples` times in each of them; `decide` makes one decision of the orders.
    """

    prompt: str
    system: str
    sides: tuple[Term, Term]
    bound: tuple[tuple[str, Term], ...]
    constants: tuple[tuple[str, float | int | bool | str], ...]
    needs: tuple[str, ...]
    jurors: tuple[ModelUse, ...]
    swap: bool = True
    decide: Decide = "agree"
    samples: int = 1
    logprobs: bool = False
    generator: str = ""

    @property
    def scale(self) -> Scale:
        return PAIR

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that it asks."""
        return self.jurors

    @property
    def has_chances(self) -> bool:
        """Are there several draws, several judges or probabilities, so that more can be told than which one?"""
        return len(self.jurors) > 1 or self.samples > 1 or self.logprobs

    @property
    def least_draws(self) -> int:
        """The draws of one comparison."""
        return len(self.jurors) * self.samples * (1 + self.swap)

    @property
    def most_draws(self) -> int:
        return self.least_draws


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ByScore(Value):
    """Ranks by a value that each row has; `lower` where the least is the best."""

    score: Term
    lower: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ByJudge(Value):
    """Ranks by one question about all candidates; what else it names must be the same for all of them."""

    among: Term
    prompt: str
    system: str
    bound: tuple[tuple[str, Term], ...]
    constants: tuple[tuple[str, float | int | bool | str], ...]
    needs: tuple[str, ...]
    judge: ModelUse


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ByPairs(Value):
    """Ranks by comparisons of two: `among` of each row takes the place of the pairwise's own sides."""

    among: Term
    compared: Compared


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ranked(Value):
    """The rows of the same `group` in order; without a group the items of the list that `among` holds on each row."""

    group: Term | None
    way: ByScore | ByJudge | ByPairs

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that it may ask."""
        match self.way:
            case ByScore():
                return ()
            case ByJudge(judge=judge):
                return (judge,)
            case ByPairs(compared=compared):
                return compared.models


Scoring: TypeAlias = Judged | Computed | FromPython | Compared | Ranked | Refining | FromLoop


def terms_of(scoring: Scoring) -> tuple[Term, ...]:
    """The expressions of a way of scoring."""
    match scoring:
        case Computed(term):
            return (term,)
        case Judged(bound=bound, criteria=criteria, escalation=escalation):
            own = (criteria,) if criteria is not None else ()
            return (
                *(term for _, term in bound),
                *own,
                *((escalation.condition,) if escalation else ()),
            )
        case FromPython(arguments=arguments):
            return tuple(term for _, term in arguments)
        case Refining():
            return _terms_of_loop(scoring)
        case FromLoop(loop):
            return (ScoreOf(loop),)
        case Compared(sides=sides, bound=bound):
            return (*sides, *(term for _, term in bound))
        case Ranked(group, way):
            return (*(() if group is None else (group,)), *_terms_of_way(way))


def _terms_of_way(way: ByScore | ByJudge | ByPairs) -> tuple[Term, ...]:
    match way:
        case ByScore(score):
            return (score,)
        case ByJudge(among, bound=bound):
            return (among, *(term for _, term in bound))
        case ByPairs(among, compared):
            return (among, *(term for _, term in compared.bound))


def models_of(scoring: Scoring) -> tuple[ModelUse, ...]:
    """The models that a way of scoring may ask."""
    return scoring.models if isinstance(scoring, Judged | Compared | Ranked | Refining) else ()


def _terms_of_loop(loop: Refining) -> tuple[Term, ...]:
    """What a loop reads of the row as it came; of its drafts it reads the same again."""
    asked = [loop.improve, *([loop.draft] if loop.draft else [])]
    return (
        loop.current,
        *(ScoreOf(seen.first) for seen in all_watched(loop) if not (loop.duel and seen == loop.by)),
        *(loop.until or ())[:1],
        *(term for written in asked for _, term in written.bound),
    )


def of_drafts(scoring: Scoring) -> frozenset[int]:
    """The ways of scoring that a loop reads of its drafts, by number."""
    if not isinstance(scoring, Refining):
        return frozenset()
    until = scorings_in(scoring.until[1]) if scoring.until else ()
    return frozenset((*(seen.later for seen in all_watched(scoring)), *until))


def all_watched(loop: Refining) -> tuple[Watched, ...]:
    """Whatever scores drafts in a loop, each once, the one that it improves first."""
    held = (loop.holdout,) if loop.holdout else ()
    return tuple(dict.fromkeys((loop.by, *loop.guards, *held, *loop.feedback, *loop.watched)))


def reached(numbers: Iterable[int], reads: Callable[[int], Iterable[int]]) -> frozenset[int]:
    """These numbers and all that they read, at whatever distance.

    >>> sorted(reached([1], {1: [2], 2: [1, 3], 3: []}.__getitem__))
    [1, 2, 3]
    """
    found: set[int] = set()
    todo = list(numbers)
    while todo:
        current = todo.pop()
        if current not in found:
            found.add(current)
            todo += reads(current)
    return frozenset(found)


def read_by(scoring: Scoring) -> frozenset[int]:
    """The ways of scoring that one reads, by number."""
    return frozenset(
        number for term in terms_of(scoring) for number in scorings_in(term)
    ) | of_drafts(scoring)

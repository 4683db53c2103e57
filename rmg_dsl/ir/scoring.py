"""Ways of scoring, resolved: what a grader, a comparison, a ranking or a loop does for a row.

Frozen data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rmg_dsl.ir.expr import IRNode, OwnScore, ScoreRef, Term, scorings_in, walk_terms
from rmg_dsl.ir.types import Type
from rmg_dsl.scales import Labels, Scale

PoolMethod = Literal["mean", "majority", "median", "worst"]

DecisionRule: TypeAlias = Literal["agree", "average", "sum_sign", "first_only"]

PAIRWISE_SCALE = Labels(("A", "B", "tie"), (1.0, 0.0, 0.5))
"""The verdicts of a comparison, and how much each of them prefers what is shown as A."""


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A declared model: `name` is `provider/model`.

    Without a name it is whatever the run is given.
    """

    label: str
    name: str | None
    settings: tuple[tuple[str, float | int | bool | str], ...] = ()
    is_default: bool = False

    def __hash__(self) -> int:
        # Every question is routed by its model: the settings need not be hashed for each of them.
        return hash(self.label)

    @property
    def display_name(self) -> str:
        return self.name or self.label


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RubricLine(IRNode):
    """A line of a rubric."""

    level: float | int | bool | str
    text: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Escalation(IRNode):
    """Whom to ask as well, and when: a condition over the first judges' `score`, `spread` and
    `confidence`.
    """

    panel: tuple[ModelUse, ...]
    condition: Term


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class JudgeScoring(IRNode):
    """A question to one model or a panel: `bound` gives the template's names their values, `needs`
    those it must have.

    Each juror is asked `samples` times, and `pool` makes one score of all draws. `criteria` is the
    field that a rubric of `points` comes from, where the spec does not hold it; `generator` the
    family whose answers these are.
    """

    prompt: str
    system: str
    bindings: tuple[tuple[str, Term], ...]
    constants: tuple[tuple[str, float | int | bool | str], ...]
    needs: tuple[str, ...]
    scale: Scale
    rubric: tuple[RubricLine, ...]
    panel: tuple[ModelUse, ...]
    samples: int = 1
    pool: PoolMethod = "mean"
    logprobs: bool = False
    escalation: Escalation | None = None
    criteria: Term | None = None
    generator: str = ""

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that it may ask, those of an escalation last."""
        return self.panel + (self.escalation.panel if self.escalation else ())

    @property
    def is_single_draw(self) -> bool:
        """Does one draw of one model make the score?"""
        return (
            len(self.panel) == self.samples == 1 and not self.logprobs and self.escalation is None
        )

    @property
    def has_ballot(self) -> bool:
        """Are there several draws, several judges or probabilities, so that a spread and a
        confidence can be told?
        """
        panels = len(self.panel) > 1 or (
            self.escalation is not None and len(self.escalation.panel) > 1
        )
        return panels or self.samples > 1 or self.logprobs

    @property
    def stops_early(self) -> bool:
        """Is a panel's majority enough once it is decided? Not where the escalation looks at all of
        them.
        """
        if self.pool != "majority" or len(self.panel) == 1 or self.logprobs:
            return False
        words = walk_terms(self.escalation.condition) if self.escalation else ()
        return not any(isinstance(term, OwnScore) and term.attribute != "score" for term in words)

    @property
    def min_draws(self) -> int:
        """The draws that every row needs."""
        draws = len(self.panel) * self.samples
        return draws // 2 + 1 if self.stops_early else draws

    @property
    def max_draws(self) -> int:
        """The draws that a row can come to."""
        return len(self.panel) * self.samples + len(self.models) - len(self.panel)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExpressionScoring(IRNode):
    """An expression; a `scale` that was written is checked on every row."""

    term: Term
    scale: Scale | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PythonScoring(IRNode):
    """A Python function, `module:name`, that the caller of the run must allow."""

    target: str
    arguments: tuple[tuple[str, Term], ...]
    scale: Scale


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WriterPrompt(IRNode):
    """What a writer is asked for: a text made from these templates."""

    prompt: str
    system: str
    bindings: tuple[tuple[str, Term], ...]
    constants: tuple[tuple[str, float | int | bool | str], ...]
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LoopGrader(IRNode):
    """A way of scoring drafts: `first` of the row as it came, `later` of a draft in its place; the
    name for both.
    """

    name: str
    row_scoring: int
    draft_scoring: int
    type: Type


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RefineScoring(IRNode):
    """A loop that improves a field: `current` is the field on the row, `until` the condition on a
    row and on a draft.

    With `duel`, `by` compares a draft with the best one before it, and scores neither alone.
    """

    name: str
    current: Term
    writer: ModelUse
    improve: WriterPrompt
    draft: WriterPrompt | None
    by: LoopGrader
    is_pairwise: bool
    until: tuple[Term, Term] | None
    guards: tuple[LoopGrader, ...]
    holdout: LoopGrader | None
    feedback: tuple[LoopGrader, ...]
    component_graders: tuple[LoopGrader, ...]
    rounds: int
    patience: int | None
    keep_last: bool

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that it asks to write."""
        return (self.writer,)


LoopPart: TypeAlias = Literal["before", "after", "rounds", "refined", "status"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LoopOutputScoring(IRNode):
    """What a loop leaves behind: a score of its first or its returned draft, the text, the rounds,
    how it ended.
    """

    loop: int
    part: LoopPart
    grader: LoopGrader | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PairwiseScoring(IRNode):
    """Which of two is better: `sides` are what `{{ a }}` and `{{ b }}` show, the rest is as in a
    question to a judge.

    `swap` asks in both orders, each juror `samples` times in each of them; `decide` makes one
    decision of the orders.
    """

    prompt: str
    system: str
    sides: tuple[Term, Term]
    bindings: tuple[tuple[str, Term], ...]
    constants: tuple[tuple[str, float | int | bool | str], ...]
    needs: tuple[str, ...]
    panel: tuple[ModelUse, ...]
    swap: bool = True
    decide: DecisionRule = "agree"
    samples: int = 1
    logprobs: bool = False
    generator: str = ""

    @property
    def scale(self) -> Scale:
        return PAIRWISE_SCALE

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that it asks."""
        return self.panel

    @property
    def has_probability(self) -> bool:
        """Are there several draws, several judges or probabilities, so that more can be told than
        which one?
        """
        return len(self.panel) > 1 or self.samples > 1 or self.logprobs

    @property
    def min_draws(self) -> int:
        """The draws of one comparison."""
        return len(self.panel) * self.samples * (1 + self.swap)

    @property
    def max_draws(self) -> int:
        return self.min_draws


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScoreRanking(IRNode):
    """Ranks by a value that each row has; `lower` where the least is the best."""

    score: Term
    lower: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ListwiseRanking(IRNode):
    """Ranks by one question about all candidates; what else it names must be the same for all of
    them.
    """

    among: Term
    prompt: str
    system: str
    bindings: tuple[tuple[str, Term], ...]
    constants: tuple[tuple[str, float | int | bool | str], ...]
    needs: tuple[str, ...]
    judge: ModelUse


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PairwiseRanking(IRNode):
    """Ranks by comparisons of two: `among` of each row takes the place of the pairwise's own
    sides.
    """

    among: Term
    comparison: PairwiseScoring


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RankingScoring(IRNode):
    """The rows of the same `group` in order; without a group the items of the list that `among`
    holds on each row.
    """

    group: Term | None
    method: ScoreRanking | ListwiseRanking | PairwiseRanking

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that it may ask."""
        match self.method:
            case ScoreRanking():
                return ()
            case ListwiseRanking(judge=judge):
                return (judge,)
            case PairwiseRanking(comparison=compared):
                return compared.models


Scoring: TypeAlias = (
    JudgeScoring
    | ExpressionScoring
    | PythonScoring
    | PairwiseScoring
    | RankingScoring
    | RefineScoring
    | LoopOutputScoring
)


def scoring_terms(scoring: Scoring) -> tuple[Term, ...]:
    """The expressions of a way of scoring."""
    match scoring:
        case ExpressionScoring(term):
            return (term,)
        case JudgeScoring(bindings=bound, criteria=criteria, escalation=escalation):
            own = (criteria,) if criteria is not None else ()
            return (
                *(term for _, term in bound),
                *own,
                *((escalation.condition,) if escalation else ()),
            )
        case PythonScoring(arguments=arguments):
            return tuple(term for _, term in arguments)
        case RefineScoring():
            return _refine_terms(scoring)
        case LoopOutputScoring(loop):
            return (ScoreRef(loop),)
        case PairwiseScoring(sides=sides, bindings=bound):
            return (*sides, *(term for _, term in bound))
        case RankingScoring(group, way):
            return (*(() if group is None else (group,)), *_ranking_terms(way))


def _ranking_terms(way: ScoreRanking | ListwiseRanking | PairwiseRanking) -> tuple[Term, ...]:
    match way:
        case ScoreRanking(score):
            return (score,)
        case ListwiseRanking(among, bindings=bound):
            return (among, *(term for _, term in bound))
        case PairwiseRanking(among, compared):
            return (among, *(term for _, term in compared.bindings))


def scoring_models(scoring: Scoring) -> tuple[ModelUse, ...]:
    """The models that a way of scoring may ask."""
    return (
        scoring.models
        if isinstance(scoring, JudgeScoring | PairwiseScoring | RankingScoring | RefineScoring)
        else ()
    )


def _refine_terms(loop: RefineScoring) -> tuple[Term, ...]:
    """What a loop reads of the row as it came; of its drafts it reads the same again."""
    prompts = [loop.improve, *([loop.draft] if loop.draft else [])]
    return (
        loop.current,
        *(
            ScoreRef(grader.row_scoring)
            for grader in all_loop_graders(loop)
            if not (loop.is_pairwise and grader == loop.by)
        ),
        *(loop.until or ())[:1],
        *(term for written in prompts for _, term in written.bindings),
    )


def draft_scorings_of(scoring: Scoring) -> frozenset[int]:
    """The ways of scoring that a loop reads of its drafts, by number."""
    if not isinstance(scoring, RefineScoring):
        return frozenset()
    until = scorings_in(scoring.until[1]) if scoring.until else ()
    return frozenset((*(grader.draft_scoring for grader in all_loop_graders(scoring)), *until))


def all_loop_graders(loop: RefineScoring) -> tuple[LoopGrader, ...]:
    """Whatever scores drafts in a loop, each once, the one that it improves first."""
    holdout = (loop.holdout,) if loop.holdout else ()
    return tuple(
        dict.fromkeys((loop.by, *loop.guards, *holdout, *loop.feedback, *loop.component_graders))
    )


def reachable_from(numbers: Iterable[int], reads: Callable[[int], Iterable[int]]) -> frozenset[int]:
    """These numbers and all that they read, at whatever distance.

    >>> sorted(reachable_from([1], {1: [2], 2: [1, 3], 3: []}.__getitem__))
    [1, 2, 3]
    """
    reachable: set[int] = set()
    todo = list(numbers)
    while todo:
        current = todo.pop()
        if current not in reachable:
            reachable.add(current)
            todo += reads(current)
    return frozenset(reachable)


def scoring_dependencies(scoring: Scoring) -> frozenset[int]:
    """The ways of scoring that one reads, by number."""
    return frozenset(
        number for term in scoring_terms(scoring) for number in scorings_in(term)
    ) | draft_scorings_of(scoring)

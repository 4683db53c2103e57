"""Ways of scoring, resolved: what a grader, a comparison, a ranking or a loop does for a row."""

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
"""The verdicts of a comparison, each with its preference for the side that is shown as A."""


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A declared model: `name` is `provider/model`; without one the caller of the run gives it."""

    label: str
    name: str | None
    settings: tuple[tuple[str, float | int | bool | str], ...] = ()
    is_default: bool = False

    def __hash__(self) -> int:
        # Each question looks up its model: to hash the settings each time would take too long.
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
    """A second panel, and when to ask it.

    The condition reads `score`, `spread` and `confidence` of the first panel.
    """

    panel: tuple[ModelUse, ...]
    condition: Term


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class JudgeScoring(IRNode):
    """A question to one model or a panel.

    `bindings` give the names in the templates their values; the names in `needs` must have one.
    Each member of the panel is asked `samples` times, and `pool` makes one score of all draws.
    `criteria` is the field with the rubric of `points`, where the spec itself has none. `generator`
    is the family of the models that wrote the answers.
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
        if self.escalation is None:
            return self.panel
        return self.panel + self.escalation.panel

    @property
    def is_single_draw(self) -> bool:
        """Is the score one draw of one model?"""
        return (
            len(self.panel) == self.samples == 1 and not self.logprobs and self.escalation is None
        )

    @property
    def has_ballot(self) -> bool:
        """Are there several draws or probabilities, so that there is a spread and a confidence?"""
        panels = [self.panel]
        if self.escalation is not None:
            panels.append(self.escalation.panel)
        has_panel = any(len(panel) > 1 for panel in panels)
        return has_panel or self.samples > 1 or self.logprobs

    @property
    def stops_early(self) -> bool:
        """May a panel stop asking once its majority is decided?"""
        if self.pool != "majority" or len(self.panel) == 1 or self.logprobs:
            return False
        if self.escalation is None:
            return True
        # `spread` and `confidence` need all draws.
        own = [t for t in walk_terms(self.escalation.condition) if isinstance(t, OwnScore)]
        return all(term.attribute == "score" for term in own)

    @property
    def min_draws(self) -> int:
        """The draws that every row needs."""
        draws = len(self.panel) * self.samples
        # A majority can be decided after half of the draws and one.
        if self.stops_early:
            return draws // 2 + 1
        return draws

    @property
    def max_draws(self) -> int:
        """The most draws of a row."""
        # Each model of the second panel is asked once.
        return len(self.panel) * self.samples + len(self.models) - len(self.panel)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExpressionScoring(IRNode):
    """An expression; where the spec gives a `scale`, the value is checked on every row."""

    term: Term
    scale: Scale | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PythonScoring(IRNode):
    """A Python function, `module:name`, that the caller of the run must allow.

    A call that takes longer than `timeout` seconds gives no score; None is the default of the run.
    """

    target: str
    arguments: tuple[tuple[str, Term], ...]
    scale: Scale
    timeout: int | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WriterPrompt(IRNode):
    """The prompt of a writer: templates with the values for their names."""

    prompt: str
    system: str
    bindings: tuple[tuple[str, Term], ...]
    constants: tuple[tuple[str, float | int | bool | str], ...]
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LoopGrader(IRNode):
    """A grader in a loop: `row_scoring` scores the row, `draft_scoring` a draft in the field."""

    name: str
    row_scoring: int
    draft_scoring: int
    type: Type


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RefineScoring(IRNode):
    """A loop that improves a field.

    `current` is the field on the row; `until` is the condition on the row and the one on a draft.
    Where the loop `is_pairwise`, `by` compares a draft with the best one before it. `feedback` are
    the graders that the writer reads; `component_graders` are the graders that `by` is made of.
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
        """The model that writes the drafts."""
        return (self.writer,)


LoopPart: TypeAlias = Literal["before", "after", "rounds", "refined", "status"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LoopOutputScoring(IRNode):
    """One output of a loop: its text, rounds or status, or a score before or after it."""

    loop: int
    part: LoopPart
    grader: LoopGrader | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PairwiseScoring(IRNode):
    """A comparison of two: `sides` are the values of `{{ a }}` and `{{ b }}`.

    `swap` asks in both orders, each member of the panel `samples` times in each order. `decide`
    makes one decision of the two orders. The rest is as in `JudgeScoring`.
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
        """The scale of every comparison."""
        return PAIRWISE_SCALE

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model of its panel."""
        return self.panel

    @property
    def has_probability(self) -> bool:
        """Are there several draws or probabilities, so that there is a probability of the first?"""
        return len(self.panel) > 1 or self.samples > 1 or self.logprobs

    @property
    def min_draws(self) -> int:
        """The draws of one comparison."""
        # `swap` counts as 1 or 0: with it each draw is made in both orders.
        return len(self.panel) * self.samples * (1 + self.swap)

    @property
    def max_draws(self) -> int:
        """The draws of one comparison: a comparison never stops early."""
        return self.min_draws


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScoreRanking(IRNode):
    """A ranking by a value of each row; `lower` where the lowest is the best."""

    score: Term
    lower: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ListwiseRanking(IRNode):
    """A ranking by one question about all candidates.

    The other values of the question must be the same for all of them.
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
    """A ranking by comparisons: `among` of two rows replaces the sides of the pairwise."""

    among: Term
    comparison: PairwiseScoring


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RankingScoring(IRNode):
    """A ranking of the rows of a `group`; without a group of the items of a list on each row."""

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
            case PairwiseRanking(comparison=comparison):
                return comparison.models


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
        case JudgeScoring():
            return _judge_terms(scoring)
        case PythonScoring(arguments=arguments):
            return tuple(term for _, term in arguments)
        case RefineScoring():
            return _refine_terms(scoring)
        case LoopOutputScoring(loop):
            return (ScoreRef(loop),)
        case PairwiseScoring(sides=sides, bindings=bindings):
            return (*sides, *(term for _, term in bindings))
        case RankingScoring(group, method):
            terms = _ranking_terms(method)
            return terms if group is None else (group, *terms)


def _judge_terms(scoring: JudgeScoring) -> tuple[Term, ...]:
    terms = [term for _, term in scoring.bindings]
    if scoring.criteria is not None:
        terms.append(scoring.criteria)
    if scoring.escalation is not None:
        terms.append(scoring.escalation.condition)
    return tuple(terms)


def _ranking_terms(method: ScoreRanking | ListwiseRanking | PairwiseRanking) -> tuple[Term, ...]:
    match method:
        case ScoreRanking(score):
            return (score,)
        case ListwiseRanking(among, bindings=bindings):
            return (among, *(term for _, term in bindings))
        case PairwiseRanking(among, comparison):
            # Its own sides are not read: the candidates take their place.
            return (among, *(term for _, term in comparison.bindings))


def scoring_models(scoring: Scoring) -> tuple[ModelUse, ...]:
    """The models that a way of scoring may ask."""
    if isinstance(scoring, JudgeScoring | PairwiseScoring | RankingScoring | RefineScoring):
        return scoring.models
    return ()


def _refine_terms(loop: RefineScoring) -> tuple[Term, ...]:
    """What a loop reads of the row itself; of its drafts it reads the same again."""
    graders = all_loop_graders(loop)
    # A pairwise `by` compares drafts: it says nothing of the row alone.
    if loop.is_pairwise:
        graders = tuple(grader for grader in graders if grader != loop.by)
    terms = [loop.current, *(ScoreRef(grader.row_scoring) for grader in graders)]
    if loop.until is not None:
        terms.append(loop.until[0])
    prompts = [loop.improve] if loop.draft is None else [loop.improve, loop.draft]
    for prompt in prompts:
        terms += [term for _, term in prompt.bindings]
    return tuple(terms)


def draft_scorings_of(scoring: Scoring) -> frozenset[int]:
    """The ways of scoring that a loop reads of its drafts, by number."""
    if not isinstance(scoring, RefineScoring):
        return frozenset()
    numbers = {grader.draft_scoring for grader in all_loop_graders(scoring)}
    # `until` may read graders that are neither `by` nor a guard.
    if scoring.until is not None:
        numbers.update(scorings_in(scoring.until[1]))
    return frozenset(numbers)


def all_loop_graders(loop: RefineScoring) -> tuple[LoopGrader, ...]:
    """The graders of a loop, each once, `by` first."""
    graders = [loop.by, *loop.guards]
    if loop.holdout is not None:
        graders.append(loop.holdout)
    return tuple(dict.fromkeys([*graders, *loop.feedback, *loop.component_graders]))


def reachable_from(numbers: Iterable[int], reads: Callable[[int], Iterable[int]]) -> frozenset[int]:
    """These numbers and all that they read, directly or through others.

    >>> sorted(reachable_from([1], {1: [2], 2: [1, 3], 3: []}.__getitem__))
    [1, 2, 3]
    """
    reached: set[int] = set()
    # No recursion: a chain of declarations may be longer than Python's stack.
    pending = list(numbers)
    while pending:
        current = pending.pop()
        if current not in reached:
            reached.add(current)
            pending += reads(current)
    return frozenset(reached)


def scoring_dependencies(scoring: Scoring) -> frozenset[int]:
    """The ways of scoring that one reads directly, by number."""
    numbers = {number for term in scoring_terms(scoring) for number in scorings_in(term)}
    return draft_scorings_of(scoring) | numbers

"""The plan: what is done for one row, as steps in an order that never looks ahead. Plain data that prints itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import (
    ExpressionScoring,
    JudgeScoring,
    ListwiseRanking,
    LoopOutputScoring,
    ModelUse,
    PairwiseRanking,
    PairwiseScoring,
    PythonScoring,
    RankingScoring,
    RefineScoring,
    ScoreRanking,
    scoring_dependencies,
)
from rmg_dsl.ir.suite import Output, Requirement, Validation
from rmg_dsl.scales import Scale


@dataclass(frozen=True, slots=True)
class CallRange:
    """How many calls one row can cost: exact where both are equal, else a condition decides."""

    least: int
    most: int

    def __str__(self) -> str:
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


@dataclass(frozen=True, slots=True)
class AskStep:
    """Questions to one model or to several; `names` are the graders whose answer they are."""

    number: int
    names: tuple[str, ...]
    scoring: JudgeScoring | PairwiseScoring

    @property
    def scale(self) -> Scale:
        return self.scoring.scale

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that it may ask."""
        return self.scoring.models

    @property
    def calls(self) -> CallRange:
        """How many calls it makes where it is taken."""
        return CallRange(self.scoring.min_draws, self.scoring.max_draws)


@dataclass(frozen=True, slots=True)
class ComputeStep:
    """An expression: no call."""

    number: int
    names: tuple[str, ...]
    scoring: ExpressionScoring

    @property
    def term(self) -> Term:
        return self.scoring.term


@dataclass(frozen=True, slots=True)
class CallPythonStep:
    """A Python function that the caller allowed."""

    number: int
    names: tuple[str, ...]
    scoring: PythonScoring


@dataclass(frozen=True, slots=True)
class RefineStep:
    """A loop that improves a field of the row: drafts are written and graded until it ends."""

    number: int
    names: tuple[str, ...]
    scoring: RefineScoring
    calls_by_step: tuple[tuple[int, int], ...] = ()

    @property
    def calls(self) -> CallRange:
        """How many calls it can add to those that its row makes anyway: `asked` has the most of each step."""
        return CallRange(0, sum(most for _, most in self.calls_by_step))

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that writes for it; its drafts are graded by steps of their own."""
        return self.scoring.models


@dataclass(frozen=True, slots=True)
class RankStep:
    """Rows in order, or the items of a list: what a row comes to depends on the others of its group."""

    number: int
    names: tuple[str, ...]
    scoring: RankingScoring

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that it may ask."""
        return self.scoring.models

    @property
    def calls(self) -> CallRange:
        """None of the row's own: what a group or a list costs, its size says."""
        return CallRange(0, 0)

    @property
    def ranking_unit(self) -> str:
        """What is ranked as one: the rows of a group, or a list."""
        return "list" if self.scoring.group is None else "group"

    @property
    def cost_text(self) -> str:
        """What it costs beside the calls of the rows, in words; nothing where it ranks by a score."""
        match self.scoring.method:
            case ScoreRanking():
                return ""
            case ListwiseRanking():
                return f"1 for each {self.ranking_unit}"
            case PairwiseRanking(comparison=compared):
                return f"{compared.max_draws} for each comparison in a {self.ranking_unit}"


@dataclass(frozen=True, slots=True)
class LoopOutputStep:
    """Something that a loop leaves behind: no call of its own."""

    number: int
    names: tuple[str, ...]
    scoring: LoopOutputScoring


Step: TypeAlias = AskStep | ComputeStep | CallPythonStep | RankStep | RefineStep | LoopOutputStep


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps by number, the outputs they give, the roots that are always wanted, and what is asked of the whole run.

    `certain` are the steps that every row takes, whatever any judge says.
    """

    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    roots: tuple[int, ...]
    requirements: tuple[Requirement, ...]
    validations: tuple[Validation, ...] = ()
    calls: CallRange = CallRange(0, 0)
    certain_steps: frozenset[int] = frozenset()

    def is_lazy(self, step: Step) -> bool:
        """Is it a question that a row may not come to?"""
        return isinstance(step, AskStep) and step.number not in self.certain_steps

    @property
    def asks(self) -> tuple[AskStep, ...]:
        return tuple(step for step in self.steps if isinstance(step, AskStep))

    @property
    def loops(self) -> tuple[RefineStep, ...]:
        return tuple(step for step in self.steps if isinstance(step, RefineStep))

    @property
    def model_steps(self) -> tuple[AskStep | RankStep | RefineStep, ...]:
        """The steps that send something to a model."""
        return tuple(
            step
            for step in self.steps
            if isinstance(step, AskStep | RankStep | RefineStep) and step.models
        )

    @property
    def ranks(self) -> tuple[RankStep, ...]:
        return tuple(step for step in self.steps if isinstance(step, RankStep))

    def name_of(self, step: Step) -> str:
        """What a step is called, for people."""
        of_draft = step.names and not any(output.scoring == step.number for output in self.outputs)
        return (" = ".join(step.names) or "a part of another step") + " of each draft" * bool(
            of_draft
        )

    def __str__(self) -> str:
        word = "step" if len(self.steps) == 1 else "steps"
        bills = "".join(f", {rank.cost_text}" for rank in self.ranks if rank.cost_text)
        head = f"{len(self.steps)} {word}, {self.calls} model call{'s' * (self.calls != CallRange(1, 1))} a row{bills}"
        return "\n".join(
            [head, *(_step_line(i, step, self) for i, step in enumerate(self.steps, 1))]
        )


def _step_line(place: int, step: Step, plan: Plan) -> str:
    places = {s.number: i for i, s in enumerate(plan.steps, 1)}
    reads = sorted(places[n] for n in scoring_dependencies(step.scoring) if n in places)
    after = f"  after {', '.join(map(str, reads))}" if reads else ""
    lazy = "  if needed" * plan.is_lazy(step)
    detail = "".join(f"  {part}" for part in detail_of(step) if part)
    return f"{place:>3}  {_step_kind(step):<7}{plan.name_of(step)}{detail}{after}{lazy}"


def models_text(scoring: JudgeScoring | PairwiseScoring | RankingScoring) -> str:
    """Whom a grader asks, in words: `3 × openai/gpt-6-luna, in doubt openai/gpt-6`."""
    if isinstance(scoring, RankingScoring):
        return (
            models_text(scoring.method.comparison)
            if isinstance(scoring.method, PairwiseRanking)
            else _join_model_names(scoring.models)
        )
    own = _join_model_names(scoring.panel)
    if scoring.samples > 1:
        own = (
            f"{scoring.samples} × ({own})"
            if len(scoring.panel) > 1
            else f"{scoring.samples} × {own}"
        )
    escalation = scoring.escalation if isinstance(scoring, JudgeScoring) else None
    return own + (f", in doubt {_join_model_names(escalation.panel)}" if escalation else "")


def _join_model_names(models: Iterable[ModelUse]) -> str:
    return " + ".join(use.display_name for use in models)


def detail_of(step: Step) -> tuple[str, str]:
    """What a step does, and whom it asks or calls, in words."""
    match step:
        case AskStep(scoring=PairwiseScoring() as compared):
            return "in both orders" if compared.swap else "in one order", models_text(compared)
        case AskStep():
            return f"on {step.scale}", models_text(step.scoring)
        case CallPythonStep():
            return f"on {step.scoring.scale}", step.scoring.target
        case ComputeStep():
            return f"on {step.scoring.scale}" if step.scoring.scale else "", ""
        case RankStep():
            return f"each {step.ranking_unit}", models_text(step.scoring)
        case RefineStep(scoring=loop):
            return f"by {loop.by.name}, at most {loop.rounds} rounds", loop.writer.display_name
        case LoopOutputStep():
            return "", ""
        case _:
            assert_never(step)


def _step_kind(step: Step) -> str:
    match step:
        case AskStep():
            return "ask"
        case ComputeStep():
            return "code"
        case CallPythonStep():
            return "python"
        case RankStep():
            return "rank"
        case RefineStep():
            return "refine"
        case LoopOutputStep():
            return "take"
        case _:
            assert_never(step)

"""The plan: the steps for one row, each after those that it reads. Data that prints itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
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

NO_NAMES: Mapping[ModelUse, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CallRange:
    """The least and the most calls of one row; they differ where a condition decides."""

    least: int
    most: int

    def __str__(self) -> str:
        if self.least == self.most:
            return str(self.least)
        return f"{self.least} to {self.most}"


@dataclass(frozen=True, slots=True)
class AskStep:
    """Calls to one model or several; `names` are the graders that share the answer."""

    number: int
    names: tuple[str, ...]
    scoring: JudgeScoring | PairwiseScoring

    @property
    def scale(self) -> Scale:
        """The scale of the answer."""
        return self.scoring.scale

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that the step may call."""
        return self.scoring.models

    @property
    def calls(self) -> CallRange:
        """The calls of one row that takes this step."""
        return CallRange(self.scoring.min_draws, self.scoring.max_draws)


@dataclass(frozen=True, slots=True)
class ComputeStep:
    """An expression, computed without a call."""

    number: int
    names: tuple[str, ...]
    scoring: ExpressionScoring

    @property
    def term(self) -> Term:
        """The expression."""
        return self.scoring.term


@dataclass(frozen=True, slots=True)
class CallPythonStep:
    """A Python function that the caller allowed."""

    number: int
    names: tuple[str, ...]
    scoring: PythonScoring


@dataclass(frozen=True, slots=True)
class RefineStep:
    """A loop that improves a field of the row: it writes and grades drafts until it ends.

    `calls_by_step` has the most calls of each step in the loop, as pairs of step number and calls.
    """

    number: int
    names: tuple[str, ...]
    scoring: RefineScoring
    # The rewrite `count_calls` fills it in.
    calls_by_step: tuple[tuple[int, int], ...] = ()

    @property
    def calls(self) -> CallRange:
        """The calls that the loop can add to those that its row makes anyway."""
        return CallRange(0, sum(most for _, most in self.calls_by_step))

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """The models that write drafts; the graders of the drafts are steps of their own."""
        return self.scoring.models


@dataclass(frozen=True, slots=True)
class RankStep:
    """The rank of a row in its group, or of the items of a list: it depends on all of them."""

    number: int
    names: tuple[str, ...]
    scoring: RankingScoring

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that the step may call."""
        return self.scoring.models

    @property
    def calls(self) -> CallRange:
        """No call belongs to one row: the calls depend on the size of the group or list."""
        return CallRange(0, 0)

    @property
    def ranking_unit(self) -> str:
        """What is ranked as one: `group` (of rows) or `list`."""
        if self.scoring.group is None:
            return "list"
        return "group"

    @property
    def cost_text(self) -> str:
        """The calls of the ranking in words; empty where it ranks by a score, which needs none."""
        match self.scoring.method:
            case ScoreRanking():
                return ""
            case ListwiseRanking():
                return f"1 for each {self.ranking_unit}"
            case PairwiseRanking(comparison=comparison):
                return f"{comparison.max_draws} for each comparison in a {self.ranking_unit}"


@dataclass(frozen=True, slots=True)
class LoopOutputStep:
    """An output of a loop, such as a score after it: no call of its own."""

    number: int
    names: tuple[str, ...]
    scoring: LoopOutputScoring


Step: TypeAlias = AskStep | ComputeStep | CallPythonStep | RankStep | RefineStep | LoopOutputStep


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in order, their outputs, and the checks on the whole run.

    `roots` are the scorings that the run must give. `certain_steps` are the numbers of the steps
    that every row takes, whatever a judge answers.
    """

    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    roots: tuple[int, ...]
    requirements: tuple[Requirement, ...]
    validations: tuple[Validation, ...] = ()
    # The rewrite `count_calls` fills in the next two.
    calls: CallRange = CallRange(0, 0)
    certain_steps: frozenset[int] = frozenset()
    # The names of the models that the caller chose instead of the declared ones.
    chosen_names: Mapping[ModelUse, str] = field(default_factory=dict)

    def is_lazy(self, step: Step) -> bool:
        """Is it a call that some rows may not need?"""
        return isinstance(step, AskStep) and step.number not in self.certain_steps

    @property
    def asks(self) -> tuple[AskStep, ...]:
        """The steps that call a judge for one row."""
        return tuple(step for step in self.steps if isinstance(step, AskStep))

    @property
    def loops(self) -> tuple[RefineStep, ...]:
        """The steps that run a refine loop."""
        return tuple(step for step in self.steps if isinstance(step, RefineStep))

    @property
    def model_steps(self) -> tuple[AskStep | RankStep | RefineStep, ...]:
        """The steps that call a model."""
        return tuple(
            step
            for step in self.steps
            if isinstance(step, AskStep | RankStep | RefineStep) and step.models
        )

    @property
    def ranks(self) -> tuple[RankStep, ...]:
        """The steps that rank rows or lists."""
        return tuple(step for step in self.steps if isinstance(step, RankStep))

    def name_of(self, step: Step) -> str:
        """The name of a step for people: the names of its graders, joined by ` = `."""
        if not step.names:
            return "a part of another step"
        name = " = ".join(step.names)
        # A step with a name and without an output grades the drafts of a loop.
        if not any(output.scoring == step.number for output in self.outputs):
            return f"{name} of each draft"
        return name

    def __str__(self) -> str:
        lines = [_step_line(place, step, self) for place, step in enumerate(self.steps, 1)]
        return "\n".join([_headline(self), *lines])


def _headline(plan: Plan) -> str:
    """The first line of a printed plan: how many steps, and how many calls a row."""
    steps = "step" if len(plan.steps) == 1 else "steps"
    calls = "call" if plan.calls == CallRange(1, 1) else "calls"
    # Calls of a ranking depend on the size of its groups, so they stand apart.
    costs = "".join(f", {rank.cost_text}" for rank in plan.ranks if rank.cost_text)
    return f"{len(plan.steps)} {steps}, {plan.calls} model {calls} a row{costs}"


def _step_line(place: int, step: Step, plan: Plan) -> str:
    # People count the lines of the printed plan; step numbers have gaps after the rewrites.
    places = {other.number: i for i, other in enumerate(plan.steps, 1)}
    reads = sorted(places[n] for n in scoring_dependencies(step.scoring) if n in places)
    line = f"{place:>3}  {_step_kind(step):<7}{plan.name_of(step)}"
    line += "".join(f"  {part}" for part in detail_of(step, plan.chosen_names) if part)
    if reads:
        line += f"  after {', '.join(map(str, reads))}"
    if plan.is_lazy(step):
        line += "  if needed"
    return line


def models_text(
    scoring: JudgeScoring | PairwiseScoring | RankingScoring,
    chosen_names: Mapping[ModelUse, str] = NO_NAMES,
) -> str:
    """The models of a grader in words: `3 × openai/gpt-6-luna, in doubt openai/gpt-6`.

    `chosen_names` has the models that the caller chose instead of the declared ones.
    """
    match scoring:
        case RankingScoring(method=PairwiseRanking(comparison=comparison)):
            return models_text(comparison, chosen_names)
        case RankingScoring():
            return _join_model_names(scoring.models, chosen_names)
        case JudgeScoring(escalation=escalation) if escalation is not None:
            doubt = _join_model_names(escalation.panel, chosen_names)
            return f"{_panel_text(scoring, chosen_names)}, in doubt {doubt}"
        case _:
            return _panel_text(scoring, chosen_names)


def _panel_text(
    scoring: JudgeScoring | PairwiseScoring, chosen_names: Mapping[ModelUse, str]
) -> str:
    names = _join_model_names(scoring.panel, chosen_names)
    if scoring.samples == 1:
        return names
    # Each sample asks the whole panel: the brackets say so.
    if len(scoring.panel) > 1:
        names = f"({names})"
    return f"{scoring.samples} × {names}"


def _join_model_names(models: Iterable[ModelUse], chosen_names: Mapping[ModelUse, str]) -> str:
    return " + ".join(chosen_names.get(use, use.display_name) for use in models)


def detail_of(step: Step, chosen_names: Mapping[ModelUse, str] = NO_NAMES) -> tuple[str, str]:
    """What a step does, and the model or function that it calls: two texts for people."""
    match step:
        case AskStep(scoring=PairwiseScoring() as comparison):
            orders = "in both orders" if comparison.swap else "in one order"
            return orders, models_text(comparison, chosen_names)
        case AskStep():
            return f"on {step.scale}", models_text(step.scoring, chosen_names)
        case CallPythonStep():
            return f"on {step.scoring.scale}", step.scoring.target
        case ComputeStep():
            return _scale_text(step.scoring.scale), ""
        case RankStep():
            return f"each {step.ranking_unit}", models_text(step.scoring, chosen_names)
        case RefineStep(scoring=loop):
            return f"by {loop.by.name}, at most {loop.rounds} rounds", _join_model_names(
                [loop.writer], chosen_names
            )
        case LoopOutputStep():
            return "", ""
        case _:
            assert_never(step)


def _scale_text(scale: Scale | None) -> str:
    return f"on {scale}" if scale else ""


def _step_kind(step: Step) -> str:
    """The word for a step in a printed plan, at most 6 characters long."""
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

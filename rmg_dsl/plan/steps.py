"""The plan: what is done for one row, as steps in an order that never looks ahead. Plain data that prints itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from rmg_dsl.ir.expr import Term
from rmg_dsl.ir.scoring import (
    ByJudge,
    ByPairs,
    ByScore,
    Compared,
    Computed,
    FromLoop,
    FromPython,
    Judged,
    ModelUse,
    Ranked,
    Refining,
    read_by,
)
from rmg_dsl.ir.suite import Gate, Output, Validation
from rmg_dsl.scales import Scale


@dataclass(frozen=True, slots=True)
class Calls:
    """How many calls one row can cost: exact where both are equal, else a condition decides."""

    least: int
    most: int

    def __str__(self) -> str:
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"


@dataclass(frozen=True, slots=True)
class Ask:
    """Questions to one model or to several; `names` are the graders whose answer they are."""

    number: int
    names: tuple[str, ...]
    scoring: Judged | Compared

    @property
    def scale(self) -> Scale:
        return self.scoring.scale

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that it may ask."""
        return self.scoring.models

    @property
    def calls(self) -> Calls:
        """How many calls it makes where it is taken."""
        return Calls(self.scoring.least_draws, self.scoring.most_draws)


@dataclass(frozen=True, slots=True)
class Compute:
    """An expression: no call."""

    number: int
    names: tuple[str, ...]
    scoring: Computed

    @property
    def term(self) -> Term:
        return self.scoring.term


@dataclass(frozen=True, slots=True)
class CallPython:
    """A Python function that the caller allowed."""

    number: int
    names: tuple[str, ...]
    scoring: FromPython


@dataclass(frozen=True, slots=True)
class Refine:
    """A loop that improves a field of the row: drafts are written and graded until it ends."""

    number: int
    names: tuple[str, ...]
    scoring: Refining
    asked: tuple[tuple[int, int], ...] = ()

    @property
    def calls(self) -> Calls:
        """How many calls it can add to those that its row makes anyway: `asked` has the most of each step."""
        return Calls(0, sum(most for _, most in self.asked))

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that writes for it; its drafts are graded by steps of their own."""
        return self.scoring.models


@dataclass(frozen=True, slots=True)
class Rank:
    """Rows in order, or the items of a list: what a row comes to depends on the others of its group."""

    number: int
    names: tuple[str, ...]
    scoring: Ranked

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """Every model that it may ask."""
        return self.scoring.models

    @property
    def calls(self) -> Calls:
        """None of the row's own: what a group or a list costs, its size says."""
        return Calls(0, 0)

    @property
    def together(self) -> str:
        """What is ranked as one: the rows of a group, or a list."""
        return "list" if self.scoring.group is None else "group"

    @property
    def bill(self) -> str:
        """What it costs beside the calls of the rows, in words; nothing where it ranks by a score."""
        match self.scoring.way:
            case ByScore():
                return ""
            case ByJudge():
                return f"1 for each {self.together}"
            case ByPairs(compared=compared):
                return f"{compared.most_draws} for each comparison in a {self.together}"


@dataclass(frozen=True, slots=True)
class Take:
    """Something that a loop leaves behind: no call of its own."""

    number: int
    names: tuple[str, ...]
    scoring: FromLoop


Step: TypeAlias = Ask | Compute | CallPython | Rank | Refine | Take


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps by number, the outputs they give, the roots that are always wanted, and what is asked of the whole run.

    `certain` are the steps that every row takes, whatever any judge says.
    """

    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    roots: tuple[int, ...]
    gates: tuple[Gate, ...]
    validations: tuple[Validation, ...] = ()
    calls: Calls = Calls(0, 0)
    certain: frozenset[int] = frozenset()

    def is_lazy(self, step: Step) -> bool:
        """Is it a question that a row may not come to?"""
        return isinstance(step, Ask) and step.number not in self.certain

    @property
    def asks(self) -> tuple[Ask, ...]:
        return tuple(step for step in self.steps if isinstance(step, Ask))

    @property
    def loops(self) -> tuple[Refine, ...]:
        return tuple(step for step in self.steps if isinstance(step, Refine))

    @property
    def calling(self) -> tuple[Ask | Rank | Refine, ...]:
        """The steps that send something to a model."""
        return tuple(
            step for step in self.steps if isinstance(step, Ask | Rank | Refine) and step.models
        )

    @property
    def ranks(self) -> tuple[Rank, ...]:
        return tuple(step for step in self.steps if isinstance(step, Rank))

    def name_of(self, step: Step) -> str:
        """What a step is called, for people."""
        of_draft = step.names and not any(output.scoring == step.number for output in self.outputs)
        return (" = ".join(step.names) or "a part of another step") + " of each draft" * bool(
            of_draft
        )

    def __str__(self) -> str:
        word = "step" if len(self.steps) == 1 else "steps"
        bills = "".join(f", {rank.bill}" for rank in self.ranks if rank.bill)
        head = f"{len(self.steps)} {word}, {self.calls} model call{'s' * (self.calls != Calls(1, 1))} a row{bills}"
        return "\n".join([head, *(_line(i, step, self) for i, step in enumerate(self.steps, 1))])


def _line(place: int, step: Step, plan: Plan) -> str:
    places = {s.number: i for i, s in enumerate(plan.steps, 1)}
    reads = sorted(places[n] for n in read_by(step.scoring) if n in places)
    after = f"  after {', '.join(map(str, reads))}" if reads else ""
    lazy = "  if needed" * plan.is_lazy(step)
    detail = "".join(f"  {part}" for part in detail_of(step) if part)
    return f"{place:>3}  {_kind(step):<7}{plan.name_of(step)}{detail}{after}{lazy}"


def asked_by(scoring: Judged | Compared | Ranked) -> str:
    """Whom a grader asks, in words: `3 × openai/gpt-6-luna, in doubt openai/gpt-6`."""
    if isinstance(scoring, Ranked):
        return (
            asked_by(scoring.way.compared)
            if isinstance(scoring.way, ByPairs)
            else _all_of(scoring.models)
        )
    own = _all_of(scoring.jurors)
    if scoring.samples > 1:
        own = (
            f"{scoring.samples} × ({own})"
            if len(scoring.jurors) > 1
            else f"{scoring.samples} × {own}"
        )
    escalation = scoring.escalation if isinstance(scoring, Judged) else None
    return own + (f", in doubt {_all_of(escalation.jurors)}" if escalation else "")


def _all_of(models: Iterable[ModelUse]) -> str:
    return " + ".join(use.shown for use in models)


def detail_of(step: Step) -> tuple[str, str]:
    """What a step does, and whom it asks or calls, in words."""
    match step:
        case Ask(scoring=Compared() as compared):
            return "in both orders" if compared.swap else "in one order", asked_by(compared)
        case Ask():
            return f"on {step.scale}", asked_by(step.scoring)
        case CallPython():
            return f"on {step.scoring.scale}", step.scoring.target
        case Compute():
            return f"on {step.scoring.scale}" if step.scoring.scale else "", ""
        case Rank():
            return f"each {step.together}", asked_by(step.scoring)
        case Refine(scoring=loop):
            return f"by {loop.by.name}, at most {loop.rounds} rounds", loop.writer.shown
        case Take():
            return "", ""
        case _:
            assert_never(step)


def _kind(step: Step) -> str:
    match step:
        case Ask():
            return "ask"
        case Compute():
            return "code"
        case CallPython():
            return "python"
        case Rank():
            return "rank"
        case Refine():
            return "refine"
        case Take():
            return "take"
        case _:
            assert_never(step)

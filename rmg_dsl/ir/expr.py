"""Expressions with every name resolved, as frozen data: equal terms compare equal.

So the planner finds equal work and does it once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rmg_dsl.ir.statistics import ScaleNeed, StatisticSpec
from rmg_dsl.ir.types import ANY, Type


class IRNode:
    """The base of all terms: two are equal where their classes and their parts are equal."""

    # Written here once: methods generated for each class would double the start-up time of `rmg`.

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()

    def _parts(self) -> tuple[object, ...]:
        return (type(self), *(getattr(self, name) for name in self.__match_args__))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IRNode) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        parts = self._parts()[1:]
        return f"{type(self).__name__}({', '.join(map(repr, parts))})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Constant(IRNode):
    """A literal; `kind` keeps 1, 1.0 and True apart, which Python calls equal."""

    value: float | int | bool | str | None
    kind: str = ""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ColumnRef(IRNode):
    """The value of a column."""

    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GetField(IRNode):
    """`.key` of an object; of a list: of each item."""

    base: Term
    key: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Index(IRNode):
    """`[i]` of a list, `["key"]` of an object."""

    base: Term
    index: Term


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ListExpr(IRNode):
    """A list of terms."""

    items: tuple[Term, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(IRNode):
    """A call of a function of a row, by its name; every parameter has its argument."""

    function: str
    arguments: tuple[Term, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Aggregate(IRNode):
    """`weighted min max sum any all` of parts; `drop` leaves out the parts without a score."""

    function: str
    parts: tuple[Term, ...]
    weights: tuple[float, ...]
    drop: bool = False


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Normalize(IRNode):
    """A number mapped from its scale to 0..1, turned round where lower is better."""

    operand: Term
    low: float
    high: float
    lower: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Negate(IRNode):
    """`-x`."""

    operand: Term


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BinaryOp(IRNode):
    """Arithmetic of one precedence, from left to right."""

    first: Term
    rest: tuple[tuple[str, Term], ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Compare(IRNode):
    """`a < b <= c`: chained as in Python."""

    first: Term
    rest: tuple[tuple[str, Term], ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BoolOp(IRNode):
    """`and` or `or`, from left to right and no further than needed."""

    operator: Literal["and", "or"]
    parts: tuple[Term, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Not(IRNode):
    """`not x`."""

    operand: Term


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class IfElse(IRNode):
    """`then if condition else otherwise`: only one branch is taken."""

    then: Term
    condition: Term
    otherwise: Term


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScoreRef(IRNode):
    """The score of a way of scoring, by its number in the suite."""

    scoring: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WordOf(IRNode):
    """The word of a score on words with values; `words` are these with their values."""

    operand: Term
    words: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HasScore(IRNode):
    """Has the row a score from this way of scoring?"""

    scoring: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OwnScore(IRNode):
    """The score itself in `pass = …`; in `escalate` also its `spread` and `confidence`."""

    attribute: str = "score"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HasPassed(IRNode):
    """Does its score pass, by this condition on it?"""

    scoring: int
    condition: Term


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class IsPresent(IRNode):
    """Is the field there, and not blank?"""

    operand: Term


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WithDefault(IRNode):
    """The field, or something instead where it is blank."""

    operand: Term
    fallback: Term


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Statistic(IRNode):
    """A statistic over the rows of a run, in a `require`: of expressions of a row, or, for the
    bounds `low` and `high`, of a statistic.

    `names` are the arguments as they were written, `type` is what their values can be.
    """

    spec: StatisticSpec
    arguments: tuple[Term, ...]
    names: tuple[str, ...] = ()
    options: tuple[tuple[str, float | str], ...] = ()
    type: Type = ANY

    @property
    def function(self) -> str:
        """The name of the statistic in the language."""
        return self.spec.name

    @property
    def needs(self) -> ScaleNeed:
        """What its values must be, with its options."""
        return self.spec.needs(str(dict(self.options).get("level", "")))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LoopVariable(IRNode):
    """In a `refine`: the current draft, the best draft before it, or the feedback on the draft."""

    name: Literal["draft", "best", "feedback"]


Term: TypeAlias = (
    Constant
    | ColumnRef
    | GetField
    | Index
    | ListExpr
    | Call
    | Aggregate
    | Normalize
    | Negate
    | BinaryOp
    | Compare
    | BoolOp
    | Not
    | IfElse
    | ScoreRef
    | WordOf
    | HasScore
    | OwnScore
    | HasPassed
    | IsPresent
    | WithDefault
    | Statistic
    | LoopVariable
)


def subterms(term: Term) -> Iterator[Term]:
    """The direct parts of a term, in the order of the text."""
    # The fields of the class are the parts: a new kind of term needs no code here.
    for name in term.__dataclass_fields__:
        yield from _terms_in(getattr(term, name))


def _terms_in(value: object) -> Iterator[Term]:
    if isinstance(value, tuple):
        for item in value:
            yield from _terms_in(item)
    elif isinstance(value, Term):
        yield value


def walk_terms(term: Term) -> Iterator[Term]:
    """A term and all its parts, at every depth."""
    yield term
    for child in subterms(term):
        yield from walk_terms(child)


def scorings_in(term: Term) -> Iterator[int]:
    """The ways of scoring that a term reads, by number."""
    for inner in walk_terms(term):
        if isinstance(inner, ScoreRef | HasScore | HasPassed):
            yield inner.scoring

"""The signatures of the built-in functions, read from the library's `internal` declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

from rmg_dsl.checker.scale_nodes import scale_of
from rmg_dsl.ir.statistics import STATISTIC_INPUTS, StatisticSpec
from rmg_dsl.ir.types import ANY, BOOL, LIST, NUMBER, TEXT, Type, number_type, type_of_scale
from rmg_dsl.syntax import nodes

_RESULT_TYPES: Mapping[str, Type] = {
    "number": NUMBER,
    "count": number_type(0, inf),
    "bool": BOOL,
    "text": TEXT,
    "list": LIST,
    "any": ANY,
    "score": NUMBER,
    "numbers": NUMBER,
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FunctionParameter:
    """A parameter of a built-in function: what it takes, and what stands in for it."""

    name: str
    type: str
    default: nodes.Expr | None
    is_variadic: bool


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Function:
    """A built-in function: a `statistic` over the rows of a run, or a function of one row."""

    name: str
    parameters: tuple[FunctionParameter, ...]
    result: Type
    doc: str
    statistic: StatisticSpec | None = None

    @property
    def is_statistic(self) -> bool:
        """Does it stand in `require` only?"""
        return self.statistic is not None

    def __str__(self) -> str:
        shown = ("*" * p.is_variadic + p.name for p in self.parameters)
        return f"{self.name}({', '.join(shown)})"


def signatures_of(module: nodes.Module) -> dict[str, Function]:
    """The signatures that a module of `internal` declarations holds, by name."""
    return {
        d.name.id: _function_signature(d)
        for d in module.declarations
        if isinstance(d, nodes.InternalDecl)
    }


def _function_signature(declared: nodes.InternalDecl) -> Function:
    name, result = declared.name.id, _result_type(declared.result)
    # The parser has read the defaults as expressions; the checker resolves them at each call.
    parameters = tuple(
        FunctionParameter(p.name.id, p.type.id, p.default, p.variadic) for p in declared.parameters
    )
    statistic = _statistic_spec(declared, parameters, result)
    return Function(name, parameters, result, declared.doc, statistic)


def _statistic_spec(
    declared: nodes.InternalDecl, parameters: tuple[FunctionParameter, ...], result: Type
) -> StatisticSpec | None:
    """What the declaration says of a statistic; none where no parameter has the type of one."""
    # Options have the types of plain values, which no statistic reads from rows.
    columns = [p for p in parameters if p.type in STATISTIC_INPUTS]
    if not columns:
        return None
    # All columns of a statistic are read alike.
    word = columns[0].type
    return StatisticSpec(
        declared.name.id,
        STATISTIC_INPUTS[word],
        arity=None if columns[0].is_variadic else len(columns),
        options=tuple(p.name for p in parameters if p not in columns),
        result=result,
        keeps_scale=isinstance(declared.result, nodes.NameNode) and declared.result.id == word,
    )


def _result_type(result: nodes.NameNode | nodes.ScaleNode) -> Type:
    if isinstance(result, nodes.NameNode):
        return _RESULT_TYPES[result.id]
    # A real range has no steps; as a type it is a plain number.
    scale = scale_of(result)
    kind = type_of_scale(scale)
    # Any number between two bounds is a plain interval: arithmetic with it needs no scale.
    return replace(kind, scale=None) if scale.is_continuous else kind

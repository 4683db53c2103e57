"""The functions of the language as the checker sees them: read from the standard library's `internal` declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

from rmg_dsl.checker.scale_nodes import scale_of
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
    "rows": NUMBER,
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
    """A built-in: `over_rows` functions stand in `require`, all others belong to one row."""

    name: str
    parameters: tuple[FunctionParameter, ...]
    result: Type
    doc: str

    @property
    def is_statistic(self) -> bool:
        return any(p.type == "rows" for p in self.parameters) or self.name in ("low", "high")

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
    parameters = tuple(
        FunctionParameter(p.name.id, p.type.id, p.default, p.variadic) for p in declared.parameters
    )
    return Function(declared.name.id, parameters, _result_type(declared.result), declared.doc)


def _result_type(result: nodes.NameNode | nodes.ScaleNode) -> Type:
    if isinstance(result, nodes.NameNode):
        return _RESULT_TYPES[result.id]
    scale = scale_of(result)
    kind = type_of_scale(scale)
    # Any number between two bounds is a plain interval: arithmetic with it needs no scale.
    return replace(kind, scale=None) if scale.is_continuous else kind

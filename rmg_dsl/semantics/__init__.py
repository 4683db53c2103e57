"""What a tree means: names, types, templates, and the suite that comes of them. The only room that knows jinja2."""

from rmg_dsl.semantics.checker import CheckResult, check
from rmg_dsl.semantics.scope import Universe
from rmg_dsl.semantics.signatures import Function, functions_of
from rmg_dsl.semantics.spec import Checked, ColumnUse, Gate, Output, Validation

__all__ = [
    "CheckResult",
    "Checked",
    "ColumnUse",
    "Function",
    "Gate",
    "Output",
    "Universe",
    "Validation",
    "check",
    "functions_of",
]

"""The checker: from the tree of a spec to the checked suite."""

from rmg_dsl.checker.scope import Universe
from rmg_dsl.checker.signatures import Function, signatures_of
from rmg_dsl.checker.spec_checker import CheckResult, check_spec

__all__ = [
    "CheckResult",
    "Function",
    "Universe",
    "check_spec",
    "signatures_of",
]

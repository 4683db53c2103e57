"""What a tree means: names, types, templates, and the suite that comes of them."""

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

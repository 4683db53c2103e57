"""Text and tree: the parser, the nodes, the formatter. The only room that knows lark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmg_dsl.lazy import lazy_getattr
from rmg_dsl.syntax.parser import ParseResult, parse

if TYPE_CHECKING:
    from rmg_dsl.syntax.formatter import format_source, format_text

__all__ = ["ParseResult", "format_source", "format_text", "parse"]

if not TYPE_CHECKING:  # so that a name which is none stays a mistake for a type checker
    __getattr__ = lazy_getattr(__name__, {"formatter": "format_source format_text"})

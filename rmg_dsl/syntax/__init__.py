"""Text to tree and back: the parser, the nodes, the formatter. Only this package imports lark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmg_dsl.lazy import lazy_getattr
from rmg_dsl.syntax.parser import ParseResult, parse

if TYPE_CHECKING:
    from rmg_dsl.syntax.formatter import format_source, format_text

__all__ = ["ParseResult", "format_source", "format_text", "parse"]

if not TYPE_CHECKING:  # a type checker must still report a name that does not exist
    __getattr__ = lazy_getattr(__name__, {"formatter": "format_source format_text"})

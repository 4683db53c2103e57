"""Text and tree: the parser, the nodes, the formatter. The only room that knows lark."""

from rmg_dsl.syntax.formatter import format_source, format_text
from rmg_dsl.syntax.parser import Parsed, parse
from rmg_dsl.syntax.reindent import reindent

__all__ = ["Parsed", "format_source", "format_text", "parse", "reindent"]

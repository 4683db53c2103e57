"""Text and tree: the parser, the nodes, the formatter. The only room that knows lark."""

from rmg_dsl.syntax.parser import Parsed, parse

__all__ = ["Parsed", "parse"]

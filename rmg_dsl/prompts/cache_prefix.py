"""Find where row data first appears in a prompt: providers cache the text before it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

# A note about fewer characters costs its reader more than the cached tokens save.
MIN_CACHEABLE_LENGTH = 400

_TAGS = re.compile(
    r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{#.*?#\}"
    r"|\{\{(?P<value>.*?)\}\}|\{%-?\s*(?P<word>\w+)(?P<rest>.*?)%\}|\Z",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class RowDataPosition:
    """The first row value in a template (`start`, `end`), and the longest constant text after it,
    in characters.
    """

    start: int
    end: int
    constant_after: int


def find_row_data(template: str, names: Collection[str]) -> RowDataPosition | None:
    """Find the first use of row data (these names) in a template;
    None if the prompt is the same for all rows.

    >>> find_row_data("Rate {{ response }} from {{ low }} to 5.", {"response"})
    RowDataPosition(start=5, end=19, constant_after=12)

    Text inside an `if` or a `for` over row data depends on the row, so it is not constant.
    """
    # Such a template may be broken, and the search below takes long on tags without an end.
    if not names:
        return None
    first: re.Match[str] | None = None
    longest = run = position = 0
    blocks: list[bool] = []
    for tag in _TAGS.finditer(template):
        if first and not any(blocks):
            run += tag.start() - position
            longest = max(longest, run)
        uses_row = not {*re.findall(r"\w+", tag["value"] or tag["rest"] or "")}.isdisjoint(names)
        if tag["word"] in ("if", "for"):
            # The text of a block depends on the row if its condition does.
            blocks.append(uses_row)
        elif tag["word"] in ("endif", "endfor") and blocks:
            uses_row = blocks.pop()
        if uses_row:
            first = first or tag
            run = 0
        position = tag.end()
    if first is None:
        return None
    return RowDataPosition(*first.span(), longest)

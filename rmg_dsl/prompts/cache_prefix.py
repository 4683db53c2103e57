"""Where the row's data stands in a prompt: a provider reads what is constant up to there once for all rows."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

# Below this a note would cost its reader more than the tokens do.
MIN_CACHEABLE_LENGTH = 400

_TAGS = re.compile(
    r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{#.*?#\}"
    r"|\{\{(?P<value>.*?)\}\}|\{%-?\s*(?P<word>\w+)(?P<rest>.*?)%\}|\Z",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class RowDataPosition:
    """The first place in a template where the row's data counts, and the length of the longest constant part behind."""

    start: int
    end: int
    constant_after: int


def find_row_data(template: str, names: Collection[str]) -> RowDataPosition | None:
    """The row's data, which are these names, in a template; none where it is the same for all rows.

    >>> find_row_data("Rate {{ response }} from {{ low }} to 5.", {"response"})
    RowDataPosition(start=5, end=19, constant_after=12)

    What stands in an `if` or a `for` over the row's data goes with the data, and is no constant part.
    """
    first: re.Match[str] | None = None
    longest = run = place = 0
    blocks: list[bool] = []
    for tag in _TAGS.finditer(template):
        if first and not any(blocks):
            run += tag.start() - place
            longest = max(longest, run)
        of_row = not {*re.findall(r"\w+", tag["value"] or tag["rest"] or "")}.isdisjoint(names)
        if tag["word"] in ("if", "for"):
            blocks.append(of_row)
        elif tag["word"] in ("endif", "endfor") and blocks:
            of_row = blocks.pop()
        if of_row:
            first, run = first or tag, 0
        place = tag.end()
    return RowDataPosition(*first.span(), longest) if first else None

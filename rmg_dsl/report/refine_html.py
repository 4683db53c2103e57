"""The paths of refined rows: the scores by round as a small picture, and what changed in the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from rmg_dsl.report.markup import dim, escape_text, fold_text, format_number, table
from rmg_dsl.report.run_summary import RefinedRow
from rmg_dsl.results import Draft, RefinePath, Score

_ROUND_WIDTH, _PLOT_HEIGHT, _DOT_RADIUS = 26, 30, 3
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MAX_DIFF_WORDS = 2_000
_MIN_SIMILARITY = 0.5


def refinements_html(rows: Iterable[RefinedRow]) -> str:
    """A line for each refined row: its scores by round, how it ended, the returned text beside the first one."""
    body = [_refined_row_cells(row) for row in rows]
    if not body:
        return ""
    head = ["row", "field", "by round", "ended by", "what changed"]
    return "<h4>Refined rows</h4>" + table(head, body, ["n", "k", "", "", "w"])


def _refined_row_cells(row: RefinedRow) -> list[str]:
    path = row.path
    return [
        str(row.row_index),
        escape_text(row.field),
        scores_by_round(path),
        _ending_cell(path),
        _text_change_cell(path),
    ]


def _ending_cell(path: RefinePath) -> str:
    rounds = len(path.drafts) - 1
    return f"{escape_text(path.ending)}<br>{dim(f'{rounds} round' + 's' * (rounds != 1))}"


def _text_change_cell(path: RefinePath) -> str:
    if path.text is None or path.returned_index is None:
        return dim("nothing is returned")
    if path.returned_index == 0:
        return dim("the first one is returned: ") + fold_text(path.text)
    return diff_html(path.drafts[0].text, path.text)


def diff_html(before: str, after: str) -> str:
    """What was taken out and put in, word by word; of long texts, and of those that share little, the new one alone.

    >>> diff_html("a red car", "a fast car")
    '<div class="t">a <del>red</del><ins>fast</ins> car</div>'
    """
    one, other = _WORD.findall(before), _WORD.findall(after)
    if max(len(one), len(other)) > _MAX_DIFF_WORDS:
        return fold_text(after)
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.ratio() < _MIN_SIMILARITY:
        return fold_text(after)
    parts = (_diff_part(tag, one[i:j], other[k:m]) for tag, i, j, k, m in matcher.get_opcodes())
    return f'<div class="t">{"".join(parts)}</div>'


def _diff_part(tag: str, before: Sequence[str], after: Sequence[str]) -> str:
    gone, new = escape_text("".join(before)), escape_text("".join(after))
    if tag == "equal":
        return new
    return (f"<del>{gone}</del>" if gone else "") + (f"<ins>{new}</ins>" if new else "")


# ── the picture ──────────────────────────────────────────────────────────────────────────────────────────────────


def scores_by_round(path: RefinePath) -> str:
    """A dot for each draft, as high as its first score: the returned one is full, a refused one is crossed out."""
    scores = [_first_score(draft) for draft in path.drafts]
    known = [score for score in scores if score is not None]
    if not known:
        return dim("–")
    low, high = min(known), max(known)
    places = [(_x(i), _y(score, low, high)) for i, score in enumerate(scores) if score is not None]
    words = escape_text(
        ", ".join(f"round {i}: {format_number(score)}" for i, score in enumerate(scores))
    )
    line = f'<polyline class="edge" points="{" ".join(f"{x:.0f},{y:.1f}" for x, y in places)}"/>'
    dots = "".join(
        _draft_dot(i, score, path, low, high) for i, score in enumerate(scores) if score is not None
    )
    size = f'width="{len(scores) * _ROUND_WIDTH}" height="{_PLOT_HEIGHT + 14}"'
    return f'<svg {size} role="img" aria-label="{words}"><title>{words}</title>{line}{dots}</svg>'


def _draft_dot(place: int, score: float, path: RefinePath, low: float, high: float) -> str:
    x, y = _x(place), _y(score, low, high)
    kind = "bar" if place == path.returned_index else "box"
    shown = f'<circle class="{kind}" cx="{x}" cy="{y:.1f}" r="{_DOT_RADIUS}"/>'
    cross = (
        f'<path class="edge" d="M{x - 5} {y - 5:.1f}l10 10m0 -10l-10 10"/>'
        if path.drafts[place].is_rejected
        else ""
    )
    return f'{shown}{cross}<text x="{x}" y="{_PLOT_HEIGHT + 12}" text-anchor="middle">{format_number(score)}</text>'


def _x(place: int) -> int:
    return place * _ROUND_WIDTH + _ROUND_WIDTH // 2


def _y(score: float, low: float, high: float) -> float:
    return (
        _PLOT_HEIGHT / 2
        if low == high
        else _PLOT_HEIGHT
        - _DOT_RADIUS
        - (score - low) / (high - low) * (_PLOT_HEIGHT - 2 * _DOT_RADIUS)
    )


def _first_score(draft: Draft) -> float | None:
    """What the draft is improved by; a label has no height."""
    outcome = next(iter(draft.outcomes.values()), None)
    if not isinstance(outcome, Score) or isinstance(outcome.value, str | list):
        return None
    return float(outcome.value)

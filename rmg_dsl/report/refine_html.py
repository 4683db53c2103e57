"""HTML of refined rows: the scores by round as a chart, and what changed in the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from rmg_dsl.report.markup import dim, escape_text, fold_text, format_number, table
from rmg_dsl.report.result_parts import pluralize_count
from rmg_dsl.report.run_summary import RefinedRow
from rmg_dsl.results import Draft, RefinePath, Score

_ROUND_WIDTH, _PLOT_HEIGHT, _DOT_RADIUS = 26, 30, 3
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MAX_DIFF_WORDS = 2_000
_MIN_SIMILARITY = 0.5


def refinements_html(rows: Iterable[RefinedRow]) -> str:
    """A line for each refined row: the scores by round, the ending, and the changes of the text."""
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
    rounds = pluralize_count(len(path.drafts) - 1, "round")
    return f"{escape_text(path.ending)}<br>{dim(rounds)}"


def _text_change_cell(path: RefinePath) -> str:
    if path.text is None or path.returned_index is None:
        return dim("nothing is returned")
    if path.returned_index == 0:
        return dim("the first one is returned: ") + fold_text(path.text)
    return diff_html(path.drafts[0].text, path.text)


def diff_html(before: str, after: str) -> str:
    """The deleted and inserted words; the new text alone where it is long or shares little.

    >>> diff_html("a red car", "a fast car")
    '<div class="t">a <del>red</del><ins>fast</ins> car</div>'
    """
    old, new = _WORD.findall(before), _WORD.findall(after)
    # The time of the comparison grows with the square of the length.
    if max(len(old), len(new)) > _MAX_DIFF_WORDS:
        return fold_text(after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    # Between unrelated texts a diff is a mosaic that nobody can read.
    if matcher.ratio() < _MIN_SIMILARITY:
        return fold_text(after)
    parts = (_diff_part(tag, old[i:j], new[k:m]) for tag, i, j, k, m in matcher.get_opcodes())
    return f'<div class="t">{"".join(parts)}</div>'


def _diff_part(tag: str, before: Sequence[str], after: Sequence[str]) -> str:
    deleted, inserted = escape_text("".join(before)), escape_text("".join(after))
    if tag == "equal":
        return inserted
    parts = []
    if deleted:
        parts.append(f"<del>{deleted}</del>")
    if inserted:
        parts.append(f"<ins>{inserted}</ins>")
    return "".join(parts)


# ── the picture ───────────────────────────────────────────────────────────────────────────────────


def scores_by_round(path: RefinePath) -> str:
    """A chart with a dot for each draft, as high as its first score.

    The returned draft is a filled dot, a rejected one is crossed out.
    """
    scores = [_first_score(draft) for draft in path.drafts]
    scored = {place: score for place, score in enumerate(scores) if score is not None}
    if not scored:
        return dim("–")
    low, high = min(scored.values()), max(scored.values())
    heights = {place: _y(score, low, high) for place, score in scored.items()}
    points = " ".join(f"{_x(place):.0f},{y:.1f}" for place, y in heights.items())
    line = f'<polyline class="edge" points="{points}"/>'
    dots = "".join(_draft_dot(i, scored[i], y, path) for i, y in heights.items())
    size = f'width="{len(scores) * _ROUND_WIDTH}" height="{_PLOT_HEIGHT + 14}"'
    rounds = (f"round {place}: {format_number(score)}" for place, score in enumerate(scores))
    words = escape_text(", ".join(rounds))
    return f'<svg {size} role="img" aria-label="{words}"><title>{words}</title>{line}{dots}</svg>'


def _draft_dot(place: int, score: float, y: float, path: RefinePath) -> str:
    """The dot of one draft with its score below, and a cross over a rejected one."""
    x = _x(place)
    kind = "bar" if place == path.returned_index else "box"
    drawn = f'<circle class="{kind}" cx="{x}" cy="{y:.1f}" r="{_DOT_RADIUS}"/>'
    if path.drafts[place].is_rejected:
        drawn += f'<path class="edge" d="M{x - 5} {y - 5:.1f}l10 10m0 -10l-10 10"/>'
    at = f'x="{x}" y="{_PLOT_HEIGHT + 12}" text-anchor="middle"'
    return f"{drawn}<text {at}>{format_number(score)}</text>"


def _x(place: int) -> int:
    return place * _ROUND_WIDTH + _ROUND_WIDTH // 2


def _y(score: float, low: float, high: float) -> float:
    """The height of a score between the lowest and the highest, downwards as in SVG."""
    if low == high:
        return _PLOT_HEIGHT / 2
    # Half a dot stays free above and below, so that none is cut off.
    share = (score - low) / (high - low)
    return _PLOT_HEIGHT - _DOT_RADIUS - share * (_PLOT_HEIGHT - 2 * _DOT_RADIUS)


def _first_score(draft: Draft) -> float | None:
    """The score that the loop improves; None where it is missing or has no height, as a label."""
    outcome = next(iter(draft.outcomes.values()), None)
    if not isinstance(outcome, Score) or isinstance(outcome.value, str | list):
        return None
    return float(outcome.value)

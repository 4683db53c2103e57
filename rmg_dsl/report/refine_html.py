"""The paths of refined rows: the scores by round as a small picture, and what changed in the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from rmg_dsl.report.markup import dim, folded, number, table, text
from rmg_dsl.report.run_summary import RefinedRow
from rmg_dsl.results import Draft, Path, Score

_WIDE, _TALL, _DOT = 26, 30, 3
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MOST_WORDS = 2_000
_LEAST_SHARED = 0.5


def paths_html(rows: Iterable[RefinedRow]) -> str:
    """A line for each refined row: its scores by round, how it ended, the returned text beside the first one."""
    body = [_line(row) for row in rows]
    if not body:
        return ""
    head = ["row", "field", "by round", "ended by", "what changed"]
    return "<h4>Refined rows</h4>" + table(head, body, ["n", "k", "", "", "w"])


def _line(row: RefinedRow) -> list[str]:
    path = row.path
    return [str(row.place), text(row.field), scores_by_round(path), _ended(path), _changed(path)]


def _ended(path: Path) -> str:
    rounds = len(path.drafts) - 1
    return f"{text(path.ending)}<br>{dim(f'{rounds} round' + 's' * (rounds != 1))}"


def _changed(path: Path) -> str:
    if path.text is None or path.kept is None:
        return dim("nothing is returned")
    if path.kept == 0:
        return dim("the first one is returned: ") + folded(path.text)
    return difference(path.drafts[0].text, path.text)


def difference(before: str, after: str) -> str:
    """What was taken out and put in, word by word; of long texts, and of those that share little, the new one alone.

    >>> difference("a red car", "a fast car")
    '<div class="t">a <del>red</del><ins>fast</ins> car</div>'
    """
    one, other = _WORD.findall(before), _WORD.findall(after)
    if max(len(one), len(other)) > _MOST_WORDS:
        return folded(after)
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.ratio() < _LEAST_SHARED:
        return folded(after)
    parts = (_part(tag, one[i:j], other[k:m]) for tag, i, j, k, m in matcher.get_opcodes())
    return f'<div class="t">{"".join(parts)}</div>'


def _part(tag: str, before: Sequence[str], after: Sequence[str]) -> str:
    gone, new = text("".join(before)), text("".join(after))
    if tag == "equal":
        return new
    return (f"<del>{gone}</del>" if gone else "") + (f"<ins>{new}</ins>" if new else "")


# ── the picture ──────────────────────────────────────────────────────────────────────────────────────────────────


def scores_by_round(path: Path) -> str:
    """A dot for each draft, as high as its first score: the returned one is full, a refused one is crossed out."""
    scores = [_first_score(draft) for draft in path.drafts]
    known = [score for score in scores if score is not None]
    if not known:
        return dim("–")
    low, high = min(known), max(known)
    places = [(_x(i), _y(score, low, high)) for i, score in enumerate(scores) if score is not None]
    words = text(", ".join(f"round {i}: {number(score)}" for i, score in enumerate(scores)))
    line = f'<polyline class="edge" points="{" ".join(f"{x:.0f},{y:.1f}" for x, y in places)}"/>'
    dots = "".join(
        _dot(i, score, path, low, high) for i, score in enumerate(scores) if score is not None
    )
    size = f'width="{len(scores) * _WIDE}" height="{_TALL + 14}"'
    return f'<svg {size} role="img" aria-label="{words}"><title>{words}</title>{line}{dots}</svg>'


def _dot(place: int, score: float, path: Path, low: float, high: float) -> str:
    x, y = _x(place), _y(score, low, high)
    kind = "bar" if place == path.kept else "box"
    shown = f'<circle class="{kind}" cx="{x}" cy="{y:.1f}" r="{_DOT}"/>'
    cross = (
        f'<path class="edge" d="M{x - 5} {y - 5:.1f}l10 10m0 -10l-10 10"/>'
        if path.drafts[place].refused
        else ""
    )
    return (
        f'{shown}{cross}<text x="{x}" y="{_TALL + 12}" text-anchor="middle">{number(score)}</text>'
    )


def _x(place: int) -> int:
    return place * _WIDE + _WIDE // 2


def _y(score: float, low: float, high: float) -> float:
    return (
        _TALL / 2
        if low == high
        else _TALL - _DOT - (score - low) / (high - low) * (_TALL - 2 * _DOT)
    )


def _first_score(draft: Draft) -> float | None:
    """What the draft is improved by; a label has no height."""
    outcome = next(iter(draft.outcomes.values()), None)
    if not isinstance(outcome, Score) or isinstance(outcome.value, str | list):
        return None
    return float(outcome.value)

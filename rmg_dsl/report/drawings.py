"""Small pictures as inline SVG: how scores are spread, and the steps of a plan. No script, no ids, no outside file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from unicodedata import east_asian_width

from rmg_dsl.report.markup import escape_text, format_number
from rmg_dsl.report.summary import OutputSummary
from rmg_dsl.scales import Scale

BINS = 10
_MAX_BARS = 24
_MIN_BAR_STEP, _MAX_BAR_STEP, _CHART_WIDTH, _BAR_GAP, _CHART_HEIGHT = 13, 30, 72, 2, 26


# ── how scores are spread ────────────────────────────────────────────────────────────────────────────────────────


def verdict_counts(column: OutputSummary) -> list[tuple[str, int]]:
    """How often each verdict was given, in the order of the scale; numbers without levels in ten equal parts."""
    scale = column.output.type.scale
    if scale is not None and scale.words:
        return [(label, column.labels[label]) for label in scale.words]
    if column.labels:
        return column.labels.most_common(_MAX_BARS)
    if column.output.type.kind == "bool":
        return [(str(level), column.values.count(level)) for level in (False, True)]
    levels = _number_levels(scale)
    if levels and column.values.distinct <= set(levels):
        return [(str(level), column.values.count(level)) for level in levels]
    return _histogram_bins(column)


def _number_levels(scale: Scale | None) -> tuple[float, ...]:
    """The numbers that a scale offers, where each of them can have a bar."""
    if scale is None or scale.level_count is None or scale.level_count > _MAX_BARS:
        return ()
    return tuple(level for level in scale.levels if not isinstance(level, str))


def _histogram_bins(column: OutputSummary) -> list[tuple[str, int]]:
    values, kind = column.values, column.output.type
    if not values:
        return []
    # A value outside the bounds would vanish from the picture: then the values say where it begins and ends.
    inside = kind.is_bounded and kind.low <= min(values) and max(values) <= kind.high
    low, high = (kind.low, kind.high) if inside else (min(values), max(values))
    if low == high:
        return [(format_number(low), len(values))]
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int((value - low) / (high - low) * BINS))] += 1
    edges = [low + (high - low) * i / BINS for i in range(BINS + 1)]
    return [
        (f"{format_number(edges[i])} to {format_number(edges[i + 1])}", count)
        for i, count in enumerate(counts)
    ]


def draw_bars(counts: Sequence[tuple[str, int]], *, ends: bool = True) -> str:
    """A bar for each count, and all of them in words for who hovers or listens; `ends` names the first and the last.

    >>> draw_bars([("1", 0), ("2", 3)]).count("<rect")
    1
    """
    most = max((count for _, count in counts), default=0)
    if not most:
        return ""
    step = max(_MIN_BAR_STEP, min(_MAX_BAR_STEP, _CHART_WIDTH / len(counts)))
    width = f"{len(counts) * step:.0f}"
    words = escape_text(", ".join(f"{label}: {count:,}" for label, count in counts))
    drawn = "".join(
        _draw_bar(place * step, step - _BAR_GAP, count / most)
        for place, (_, count) in enumerate(counts)
        if count
    )
    axis = f'<line class="axis" x1="0" x2="{width}" y1="{_CHART_HEIGHT + 0.5}" y2="{_CHART_HEIGHT + 0.5}"/>'
    size = f'width="{width}" height="{_CHART_HEIGHT + 12 * ends + 2}"'
    names = _end_labels(counts, width) if ends else ""
    return f'<svg {size} role="img" aria-label="{words}"><title>{words}</title>{axis}{drawn}{names}</svg>'


def _draw_bar(x: float, width: float, share: float) -> str:
    tall = max(1.5, share * _CHART_HEIGHT)
    return f'<rect class="bar" x="{x:.1f}" y="{_CHART_HEIGHT - tall:.1f}" width="{width:.1f}" height="{tall:.1f}"/>'


def _end_labels(counts: Sequence[tuple[str, int]], width: str) -> str:
    """The names of the first bar and the last: where a bar is a part of a line of numbers, its outer edge."""
    first, last = counts[0][0].split(" to ")[0], counts[-1][0].split(" to ")[-1]
    left = f'<text x="0" y="{_CHART_HEIGHT + 10}">{escape_text(first)}</text>'
    right = (
        f'<text x="{width}" y="{_CHART_HEIGHT + 10}" text-anchor="end">{escape_text(last)}</text>'
    )
    return left + right if len(counts) > 1 else left


# ── the steps of a plan ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Box:
    """A step as it is drawn: `after` are the places of the boxes that it reads, all before it."""

    name: str
    details: tuple[str, ...] = ()
    kind: str = ""
    inputs: tuple[int, ...] = ()

    @property
    def height(self) -> float:
        return 24.0 + _LINE_HEIGHT * len(self.details)

    @property
    def width(self) -> float:
        return 18 + _LETTER_WIDTH * max(
            _letter_count(_truncate_label(self.name)),
            *(0.92 * _letter_count(_truncate_label(line)) for line in self.details),
            0,
        )


_LINE_HEIGHT, _BOX_GAP, _COLUMN_GAP, _LETTER_WIDTH, _MAX_LABEL_LETTERS = 14, 12, 46, 7.6, 34
Corner: TypeAlias = tuple[float, float]


def draw_graph(boxes: Sequence[Box]) -> str:
    """Boxes from left to right, each behind all that it reads, with an arrow from each of these.

    >>> drawn = draw_graph([Box("a", ("1..5",)), Box("b", ("code",), inputs=(0,))])
    >>> drawn.count('class="box'), drawn.count('class="edge"')
    (2, 1)
    """
    if not boxes:
        return ""
    places = _box_corners(boxes)
    width = max(places[i][0] + box.width for i, box in enumerate(boxes))
    high = max(places[i][1] + box.height for i, box in enumerate(boxes))
    edges = "".join(
        _draw_edge(boxes, places, one, i) for i, box in enumerate(boxes) for one in box.inputs
    )
    drawn = "".join(_draw_box(box, *places[i]) for i, box in enumerate(boxes))
    names = escape_text(", ".join(box.name for box in boxes))
    w, h = f"{width + 2:.0f}", f"{high + 2:.0f}"
    frame = f'width="{w}" height="{h}" viewBox="-1 -1 {w} {h}" role="img" aria-label="{names}"'
    return f'<svg class="graph" {frame}>{edges}{drawn}</svg>'


def _box_corners(boxes: Sequence[Box]) -> dict[int, Corner]:
    """The corner of each box: as many columns as the longest chain has steps, each box beside what it reads."""
    levels: list[int] = []
    for box in boxes:
        levels.append(1 + max((levels[one] for one in box.inputs), default=-1))
    found: dict[int, Corner] = {}
    x = 0.0
    for column in (
        [i for i, level in enumerate(levels) if level == each] for each in range(max(levels) + 1)
    ):
        y = 0.0
        for i in _sort_column(column, boxes, found):
            y = max(y, _inputs_middle(boxes, found, i) - boxes[i].height / 2)
            found[i] = (x, y)
            y += boxes[i].height + _BOX_GAP
        x += max(boxes[i].width for i in column) + _COLUMN_GAP
    return found


def _sort_column(
    column: Sequence[int], boxes: Sequence[Box], found: Mapping[int, Corner]
) -> list[int]:
    """Boxes that read something by the height of what they read; of the others those that are read come first."""
    read = {one for box in boxes for one in box.inputs}
    return sorted(column, key=lambda i: (_inputs_middle(boxes, found, i), i not in read, i))


def _inputs_middle(boxes: Sequence[Box], found: Mapping[int, Corner], i: int) -> float:
    """The middle of the boxes that a box reads."""
    middles = [found[one][1] + boxes[one].height / 2 for one in boxes[i].inputs]
    return sum(middles) / len(middles) if middles else 0.0


def _letter_count(shown: str) -> int:
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in shown)


def _truncate_label(shown: str) -> str:
    return shown if len(shown) <= _MAX_LABEL_LETTERS else shown[: _MAX_LABEL_LETTERS - 1] + "…"


def _draw_box(box: Box, x: float, y: float) -> str:
    said = "".join(
        _draw_detail(line, x, y + 30 + _LINE_HEIGHT * i) for i, line in enumerate(box.details)
    )
    return (
        f'<rect class="box {box.kind}" x="{x:.0f}" y="{y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="5"/>'
        f'<text class="name" x="{x + 9:.0f}" y="{y + 16:.0f}">{escape_text(_truncate_label(box.name))}'
        f"<title>{escape_text(box.name)}</title></text>{said}"
    )


def _draw_detail(line: str, x: float, y: float) -> str:
    return f'<text class="more" x="{x + 9:.0f}" y="{y:.0f}">{escape_text(_truncate_label(line))}<title>{escape_text(line)}</title></text>'


def _draw_edge(boxes: Sequence[Box], places: Mapping[int, Corner], one: int, other: int) -> str:
    x1, y1 = places[one][0] + boxes[one].width, places[one][1] + boxes[one].height / 2
    x2, y2 = places[other][0] - 5, places[other][1] + boxes[other].height / 2
    half = (x2 - x1) / 2
    curve = (
        f"M{x1:.0f} {y1:.0f}C{x1 + half:.0f} {y1:.0f} {x2 - half:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    )
    tip = f"{x2 + 5:.0f},{y2:.0f} {x2 - 2:.0f},{y2 - 4:.0f} {x2 - 2:.0f},{y2 + 4:.0f}"
    return f'<path class="edge" d="{curve}"/><polygon class="tip" points="{tip}"/>'

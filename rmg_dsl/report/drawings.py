"""Inline SVG: bar charts of scores and the graph of a plan. No script, no ids, no other file."""

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


# ── how scores are spread ─────────────────────────────────────────────────────────────────────────


def verdict_counts(column: OutputSummary) -> list[tuple[str, int]]:
    """The count of each verdict, in the order of the scale; other numbers in ten equal bins."""
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
    low, high = min(values), max(values)
    # With the bounds of the scale charts compare; a value outside of them would have no bin.
    if kind.is_bounded and kind.low <= low and high <= kind.high:
        low, high = kind.low, kind.high
    if low == high:
        return [(format_number(low), len(values))]
    # Each is divided first: the difference of two huge numbers is infinite.
    width = high / BINS - low / BINS
    counts = [0] * BINS
    for value in values:
        place = int(value / width - low / width)
        # The highest value belongs to the last bin.
        counts[min(BINS - 1, place)] += 1
    edges = [*(low + width * i for i in range(BINS)), high]
    return [
        (f"{format_number(edges[i])} to {format_number(edges[i + 1])}", count)
        for i, count in enumerate(counts)
    ]


def draw_bars(counts: Sequence[tuple[str, int]], *, ends: bool = True) -> str:
    """A bar chart; `ends` writes the names of the first and the last bar below it.

    The chart has all counts in words as its title, for a pointer above it and for screen readers.

    >>> draw_bars([("1", 0), ("2", 3)]).count("<rect")
    1
    """
    most = max((count for _, count in counts), default=0)
    if not most:
        return ""
    step = max(_MIN_BAR_STEP, min(_MAX_BAR_STEP, _CHART_WIDTH / len(counts)))
    width = f"{len(counts) * step:.0f}"
    words = escape_text(", ".join(f"{label}: {count:,}" for label, count in counts))
    bars = [
        _draw_bar(place * step, step - _BAR_GAP, count / most)
        for place, (_, count) in enumerate(counts)
        if count
    ]
    # Half a pixel down: a line of one pixel is sharp there.
    y = _CHART_HEIGHT + 0.5
    parts = [f'<line class="axis" x1="0" x2="{width}" y1="{y}" y2="{y}"/>', *bars]
    if ends:
        parts.append(_end_labels(counts, width))
    size = f'width="{width}" height="{_CHART_HEIGHT + 12 * ends + 2}"'
    title = f"<title>{words}</title>"
    return f'<svg {size} role="img" aria-label="{words}">{title}{"".join(parts)}</svg>'


def _draw_bar(x: float, width: float, share: float) -> str:
    # A single row among thousands must be visible.
    height = max(1.5, share * _CHART_HEIGHT)
    place = f'x="{x:.1f}" y="{_CHART_HEIGHT - height:.1f}"'
    return f'<rect class="bar" {place} width="{width:.1f}" height="{height:.1f}"/>'


def _end_labels(counts: Sequence[tuple[str, int]], width: str) -> str:
    """The names below the first and the last bar; of a bin of numbers its outer edge."""
    y = _CHART_HEIGHT + 10
    first, last = counts[0][0].split(" to ")[0], counts[-1][0].split(" to ")[-1]
    left = f'<text x="0" y="{y}">{escape_text(first)}</text>'
    if len(counts) == 1:
        return left
    return f'{left}<text x="{width}" y="{y}" text-anchor="end">{escape_text(last)}</text>'


# ── the steps of a plan ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the graph; `inputs` are the places of the boxes that it reads, all before it."""

    name: str
    details: tuple[str, ...] = ()
    kind: str = ""
    inputs: tuple[int, ...] = ()

    @property
    def height(self) -> float:
        """The height in pixels: a line for the name, one for each detail."""
        return 24.0 + _LINE_HEIGHT * len(self.details)

    @property
    def width(self) -> float:
        """The width in pixels, from the longest line."""
        # The font of the details is smaller than that of the name.
        details = [0.92 * _letter_count(_truncate_label(line)) for line in self.details]
        letters = max(_letter_count(_truncate_label(self.name)), *details, 0)
        return 18 + _LETTER_WIDTH * letters


_LINE_HEIGHT, _BOX_GAP, _COLUMN_GAP, _LETTER_WIDTH, _MAX_LABEL_LETTERS = 14, 12, 46, 7.6, 34
Corner: TypeAlias = tuple[float, float]


def draw_graph(boxes: Sequence[Box]) -> str:
    """A graph from left to right: each box behind all that it reads, with an arrow from each.

    >>> drawn = draw_graph([Box("a", ("1..5",)), Box("b", ("code",), inputs=(0,))])
    >>> drawn.count('class="box'), drawn.count('class="edge"')
    (2, 1)
    """
    if not boxes:
        return ""
    corners = _box_corners(boxes)
    # A pixel more on each side, for the lines of the outer boxes.
    width = 2 + max(corners[i][0] + box.width for i, box in enumerate(boxes))
    height = 2 + max(corners[i][1] + box.height for i, box in enumerate(boxes))
    parts = [
        _draw_edge(boxes, corners, source, i)
        for i, box in enumerate(boxes)
        for source in box.inputs
    ]
    parts += [_draw_box(box, *corners[i]) for i, box in enumerate(boxes)]
    names = escape_text(", ".join(box.name for box in boxes))
    w, h = f"{width:.0f}", f"{height:.0f}"
    frame = f'width="{w}" height="{h}" viewBox="-1 -1 {w} {h}" role="img" aria-label="{names}"'
    return f'<svg class="graph" {frame}>{"".join(parts)}</svg>'


def _box_corners(boxes: Sequence[Box]) -> dict[int, Corner]:
    """The upper left corner of each box, by its place.

    There are as many columns as the longest chain has steps. In its column a box stands at the
    height of the boxes that it reads.
    """
    corners: dict[int, Corner] = {}
    x = 0.0
    for column in _graph_columns(boxes):
        y = 0.0
        for i in _sort_column(column, boxes, corners):
            y = max(y, _inputs_middle(boxes, corners, i) - boxes[i].height / 2)
            corners[i] = (x, y)
            y += boxes[i].height + _BOX_GAP
        x += max(boxes[i].width for i in column) + _COLUMN_GAP
    return corners


def _graph_columns(boxes: Sequence[Box]) -> list[list[int]]:
    """The places of the boxes in each column: a box stands one column behind its last input."""
    columns: list[list[int]] = []
    levels: list[int] = []
    for i, box in enumerate(boxes):
        level = 1 + max((levels[source] for source in box.inputs), default=-1)
        levels.append(level)
        # A level is at most one above the highest so far: no column stays empty.
        if level == len(columns):
            columns.append([])
        columns[level].append(i)
    return columns


def _sort_column(
    column: Sequence[int], boxes: Sequence[Box], corners: Mapping[int, Corner]
) -> list[int]:
    """A column by the height of its inputs; of boxes without inputs those that are read first."""
    inputs = {source for box in boxes for source in box.inputs}
    return sorted(column, key=lambda i: (_inputs_middle(boxes, corners, i), i not in inputs, i))


def _inputs_middle(boxes: Sequence[Box], corners: Mapping[int, Corner], i: int) -> float:
    """The mean height of the boxes that a box reads; 0 where it reads none."""
    inputs = boxes[i].inputs
    if not inputs:
        return 0.0
    return sum(corners[source][1] + boxes[source].height / 2 for source in inputs) / len(inputs)


def _letter_count(label: str) -> int:
    """The width of a label in letters; wide characters take two."""
    return len(label) + sum(east_asian_width(char) in "WF" for char in label)


def _truncate_label(label: str) -> str:
    if len(label) <= _MAX_LABEL_LETTERS:
        return label
    return label[: _MAX_LABEL_LETTERS - 1] + "…"


def _draw_box(box: Box, x: float, y: float) -> str:
    size = f'width="{box.width:.0f}" height="{box.height:.0f}"'
    rectangle = f'<rect class="box {box.kind}" x="{x:.0f}" y="{y:.0f}" {size} rx="5"/>'
    parts = [rectangle, _draw_text("name", box.name, x, y + 16)]
    for i, line in enumerate(box.details):
        parts.append(_draw_text("more", line, x, y + 30 + _LINE_HEIGHT * i))
    return "".join(parts)


def _draw_text(css_class: str, text: str, x: float, y: float) -> str:
    """A line of a box, cut to fit; its title has the whole text."""
    place = f'x="{x + 9:.0f}" y="{y:.0f}"'
    title = f"<title>{escape_text(text)}</title>"
    return f'<text class="{css_class}" {place}>{escape_text(_truncate_label(text))}{title}</text>'


def _draw_edge(
    boxes: Sequence[Box], corners: Mapping[int, Corner], source: int, target: int
) -> str:
    """An arrow from the right side of one box to the left side of another."""
    x1, y1 = corners[source][0] + boxes[source].width, corners[source][1] + boxes[source].height / 2
    x2, y2 = corners[target][0] - 5, corners[target][1] + boxes[target].height / 2
    # Both ends of the curve are level, so that the arrow meets the box at a right angle.
    half = (x2 - x1) / 2
    bends = f"C{x1 + half:.0f} {y1:.0f} {x2 - half:.0f} {y2:.0f}"
    curve = f"M{x1:.0f} {y1:.0f}{bends} {x2:.0f} {y2:.0f}"
    tip = f"{x2 + 5:.0f},{y2:.0f} {x2 - 2:.0f},{y2 - 4:.0f} {x2 - 2:.0f},{y2 + 4:.0f}"
    return f'<path class="edge" d="{curve}"/><polygon class="tip" points="{tip}"/>'

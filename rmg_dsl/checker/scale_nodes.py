"""From the node of a scale to the scale, and to the diagnostics about it."""

from __future__ import annotations

from typing import assert_never

from rmg_dsl.diagnostics import Diagnostic, Fix, Source, diagnose
from rmg_dsl.scales import WORD_SCALES, Labels, Real, Scale, Whole
from rmg_dsl.syntax import nodes


def scale_of(node: nodes.ScaleNode) -> Scale:
    """The scale that a node means: whole numbers where both bounds have no decimal point."""
    match node.kind:
        case nodes.Range(low, high):
            if isinstance(low.value, int) and isinstance(high.value, int):
                return Whole(low.value, high.value, node.lower)
            return Real(float(low.value), float(high.value), node.lower)
        case nodes.WordScale(word):
            return WORD_SCALES[word](node.lower)
        case nodes.LabelScale(labels):
            return Labels(tuple(label.value for label in labels), None, node.lower)
        case nodes.ValueScale(pairs):
            return Labels(
                tuple(t.value for t, _ in pairs),
                tuple(float(n.value) for _, n in pairs),
                node.lower,
            )
        case _:
            assert_never(node.kind)


def scale_problems(node: nodes.ScaleNode, source: Source) -> list[Diagnostic]:
    """The mistakes in a scale, such as swapped bounds, a repeated label or a needless `lower`."""
    span = node.kind.span
    return [
        diagnose(
            problem.code,
            problem.message,
            source,
            span,
            help=problem.help,
            fixes=tuple(Fix(span, text, title) for text, title in problem.fixes),
        )
        for problem in scale_of(node).problems(source.text[span.start : span.end])
    ]

"""A scale as it was written, as the scale that it means, and what can be wrong with it."""

from __future__ import annotations

from typing import assert_never

from rmg_dsl.diagnostics import Diagnostic, Fix, Source, diagnose
from rmg_dsl.scales import Labels, Points, Real, Scale, Whole, YesNo
from rmg_dsl.syntax import nodes


def scale_of(node: nodes.ScaleNode) -> Scale:
    """The scale that a node means; whole numbers where both ends are written without a point."""
    match node.kind:
        case nodes.Range(low, high):
            if isinstance(low.value, int) and isinstance(high.value, int):
                return Whole(low.value, high.value, node.lower)
            return Real(float(low.value), float(high.value), node.lower)
        case nodes.BoolScale():
            return YesNo(node.lower)
        case nodes.PointsScale():
            return Points(node.lower)
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


def low_to_high(scale: Scale) -> Scale:
    """A scale from low to high; one that was written the other way round is meant so, and was reported."""
    match scale:
        case Whole(low, high, lower) if low > high:
            return Whole(high, low, lower)
        case Real(low, high, lower) if low > high:
            return Real(high, low, lower)
        case _:
            return scale


def scale_problems(node: nodes.ScaleNode, source: Source) -> list[Diagnostic]:
    """What is wrong with a scale: bounds that are none, labels given twice, a direction where there is none."""
    scale = scale_of(node)
    problems: list[Diagnostic] = []

    def add_problem(code: str, message: str, help: str = "", fixes: tuple[Fix, ...] = ()) -> None:
        problems.append(diagnose(code, message, source, node.kind.span, help=help, fixes=fixes))

    if isinstance(scale, Whole | Real) and scale.low >= scale.high:
        swapped = f"{scale.high}..{scale.low}"
        help = f"write `{swapped}`" + (
            "" if scale.lower else "; ` lower` after it says that less is better"
        )
        add_problem(
            "RMG307", f"a scale goes from low to high, `{node_text(node, source)}` does not", help
        )
    elif scale in (Whole(0, 1), Whole(0, 1, True)):
        fixes = (
            Fix(node.kind.span, "bool", "yes or no"),
            Fix(node.kind.span, "0.0..1.0", "any number between"),
        )
        add_problem(
            "RMG308",
            "`0..1` offers only 0 and 1",
            "write `bool` for yes or no, `0.0..1.0` for numbers between",
            fixes,
        )
    elif isinstance(scale, Whole) and scale.high - scale.low > 1000:
        add_problem(
            "RMG307",
            "a scale of more than 1,000 whole levels",
            "write it with points, `0.0..1000.0`, for any number between",
        )
    if isinstance(scale, Labels):
        problems += _label_problems(node, scale, source)
    if node.lower and (
        isinstance(scale, Points) or (isinstance(scale, Labels) and scale.values is None)
    ):
        add_problem(
            "RMG307",
            "`lower` needs a scale with an order",
            'give the labels values: `("bad"=0 | "good"=1)`',
        )
    return problems


def node_text(node: nodes.ScaleNode, source: Source) -> str:
    return source.text[node.kind.span.start : node.kind.span.end]


def _label_problems(node: nodes.ScaleNode, scale: Labels, source: Source) -> list[Diagnostic]:
    def label_problem(message: str, help: str) -> Diagnostic:
        return diagnose("RMG307", message, source, node.kind.span, help=help)

    folded = [label.strip().casefold() for label in scale.labels]
    twice = sorted({label for label in scale.labels if folded.count(label.strip().casefold()) > 1})
    if twice:
        return [
            label_problem(
                f'the label "{twice[0]}" is offered twice',
                "labels differ by more than capitals and blanks",
            )
        ]
    if "" in folded:
        return [label_problem("an empty label", "a label is a word that a judge can choose")]
    if len(scale.labels) < 2:
        return [
            label_problem(
                "a scale of one label leaves nothing to choose",
                'offer two or more: `"good" | "bad"`',
            )
        ]
    return []

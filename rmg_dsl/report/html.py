"""What a notebook shows of a result, a suite and a plan, and the result as a page of its own: plain data to HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

from rmg_dsl.ir.columns import LABEL, REASON, STATUS, VALUE
from rmg_dsl.ir.scoring import (
    JudgeScoring,
    ListwiseRanking,
    PairwiseScoring,
    PythonScoring,
    RankingScoring,
    Scoring,
    scoring_dependencies,
)
from rmg_dsl.ir.suite import CheckedSuite, Output
from rmg_dsl.plan import (
    AskStep,
    CallPythonStep,
    ComputeStep,
    LoopOutputStep,
    Plan,
    RankStep,
    RefineStep,
    Step,
    detail_of,
    models_text,
)
from rmg_dsl.report.drawings import Box, draw_bars, draw_graph, verdict_counts
from rmg_dsl.report.markup import (
    aside,
    block,
    data_cell,
    dim,
    escape_text,
    fold_text,
    format_money,
    format_number,
    html_list,
    page,
    table,
)
from rmg_dsl.report.refine_html import refinements_html
from rmg_dsl.report.result_parts import (
    ReportedRun,
    RequirementOutcome,
    pluralize_count,
    usage_parts,
    worst_title,
)
from rmg_dsl.report.run_summary import Failures, GradedRow, RunSummary
from rmg_dsl.report.summary import OutputSummary, habit_rates_text
from rmg_dsl.report.validation_html import validation_html
from rmg_dsl.results import LOST_STATUSES, Status

_MAX_HTML_COLUMNS, _MAX_GRAPH_STEPS = 12, 24
_MAX_NARROW_LETTERS, _MAX_INLINE_REASON = 24, 60


def result_html(result: ReportedRun) -> str:
    """A result for a notebook: the summary, the gates, the worst rows, the failures with their reasons.

    >>> import rmg_dsl as rmg
    >>> shown = result_html(rmg.grade("grader brief = words(response) <= 2", [{"response": "<i>a</i>"}]))
    >>> "&lt;i&gt;a&lt;/i&gt;" in shown, "<i>" in shown
    (True, False)
    """
    return block(*_result_sections(result, bill=True))


def report_page(result: ReportedRun, title: str = "RMG: graded rows") -> str:
    """The same as a file of its own, which loads nothing from anywhere and holds no script.

    What the run took, in calls, money and seconds, is not on it: the same replies make the same page, to the byte,
    whether they were paid for today or came from the cache.

    >>> import rmg_dsl as rmg
    >>> report_page(rmg.grade("grader brief = words(response) <= 2", [{"response": "a"}]))[:15]
    '<!DOCTYPE html>'
    """
    return page(title, f"<h3>{escape_text(title)}</h3>", *_result_sections(result, bill=False))


def _result_sections(result: ReportedRun, *, bill: bool) -> list[str]:
    return [
        _early_stop_html(result),
        _summary_table(result, bill=bill),
        *map(validation_html, result.validations),
        _requirements_html(result.gates),
        *(aside(note) for note in result.notes),
        aside(" · ".join(usage_parts(result.usage))) if bill else "",
        _worst_rows_html(result.digest),
        refinements_html(result.digest.refined_rows),
        _failures_html(result.digest.failures),
    ]


def _early_stop_html(result: ReportedRun) -> str:
    if not result.stopped:
        return ""
    return (
        f'<div><span class="bad">The run ended early:</span> {fold_text(result.stopped, 200)}</div>'
    )


# ── the summary ──────────────────────────────────────────────────────────────────────────────────────────────────


def _summary_table(result: ReportedRun, *, bill: bool) -> str:
    rows, seen = (
        result.summary_rows,
        {column.output.name: column for column in result.digest.output_summaries},
    )
    if not rows:
        return "<p>The spec declares no grader: there is nothing to show.</p>"
    head = [
        "",
        "scale",
        "mean",
        "95 %",
        "scores",
        "scored",
        "unscored",
        "skipped",
        "judge",
        "calls",
        "cost",
    ]
    kinds = ["k", "", "n", "n", "", "n", "", "n", "j", "n", "n"]
    filled = [_summary_cells(row, seen.get(row["name"])) for row in rows]
    # A column that would say nothing about any grader is left out; the one with the unscored rows never is.
    told = [i for i, name in enumerate(head) if bill or name not in _USAGE_HEADS]
    shown = [
        i
        for i in told
        if head[i] in _ALWAYS_SHOWN or any(line[i] != _EMPTY_CELL for line in filled)
    ]
    return table(
        [head[i] for i in shown],
        [[line[i] for i in shown] for line in filled],
        [kinds[i] for i in shown],
    )


_ALWAYS_SHOWN = ("", "mean", "scored", "unscored")
_USAGE_HEADS = ("calls", "cost")
_EMPTY_CELL = dim("–")


def _summary_cells(row: Mapping[str, Any], column: OutputSummary | None) -> list[str]:
    interval = (
        "" if row["low"] is None else f"{format_number(row['low'])} – {format_number(row['high'])}"
    )
    return [
        escape_text(row["name"])
        + (
            f'<div class="d">{escape_text(habits)}</div>'
            if (habits := habit_rates_text(row))
            else ""
        ),
        escape_text(row["scale"]),
        format_number(row["mean"]),
        interval or _EMPTY_CELL,
        _distribution_cell(column) or _EMPTY_CELL,
        f"{row['n']:,}",
        _unscored_cell(row),
        f"{row['skipped']:,}" if row["skipped"] else _EMPTY_CELL,
        escape_text(row["judge"]) if row["judge"] else _EMPTY_CELL,
        f"{row['calls']:,}" if row["calls"] else _EMPTY_CELL,
        _EMPTY_CELL if row["cost"] is None else format_money(row["cost"]),
    ]


def _distribution_cell(column: OutputSummary | None) -> str:
    """The picture, and for labels the counts in words: there is no mean that would say it."""
    if column is None:
        return ""
    words = ", ".join(
        f"{label}\N{NO-BREAK SPACE}{n:,}" for label, n in column.labels.most_common(4)
    )
    return draw_bars(verdict_counts(column), ends=not words) + (
        dim(escape_text(words)) if words else ""
    )


def _unscored_cell(row: Mapping[str, Any]) -> str:
    """How many, and of which kind each: never without its reason."""
    if not row["unscored"]:
        return "0"
    why = [f"{row[status]:,} {status}" for status in map(str, LOST_STATUSES) if row.get(status)]
    total = f"{row['unscored']:,}: " if len(why) > 1 else ""
    return f'<span class="bad">{escape_text(total + ", ".join(why))}</span>'


def _requirements_html(gates: Sequence[RequirementOutcome]) -> str:
    return html_list(*(f"{_check_mark(gate.holds)} {escape_text(gate)}" for gate in gates))


def _check_mark(holds: bool) -> str:
    return '<span class="good">✓</span>' if holds else '<span class="bad">✗</span>'


# ── the worst rows ───────────────────────────────────────────────────────────────────────────────────────────────


def _worst_rows_html(digest: RunSummary) -> str:
    measure, rows = digest.worst_rows()
    if not rows:
        return ""
    others = [output.name for output in digest.grading_outputs if output is not measure]
    return f"<h4>{escape_text(worst_title(measure))}</h4>" + _graded_rows_table(
        rows, [measure.name] if measure else [], others
    )


def _graded_rows_table(
    rows: Sequence[GradedRow], named: Sequence[str], others: Sequence[str]
) -> str:
    """By what they are the worst, the other scores, the rows: reasons stay beside the texts that they are about."""
    columns = list(rows[0].row)
    first, more = columns[:_MAX_HTML_COLUMNS], len(columns) - _MAX_HTML_COLUMNS
    head = ["row", *named, *["scores"] * bool(others), *first]
    body = [
        [
            str(each.row_index),
            *(_score_html(name, each.cells) for name in named),
            *[_stacked_scores(others, each.cells)] * bool(others),
            *(data_cell(each.row.get(name)) for name in first),
        ]
        for each in rows
    ]
    left_out = aside(f"and {pluralize_count(more, 'column')} more") if more > 0 else ""
    reasoned = ["s" if REASON.name_for(name) in rows[0].cells else "" for name in named]
    wide = [
        "w" if any(len(str(each.row.get(name))) > _MAX_NARROW_LETTERS for each in rows) else ""
        for name in first
    ]
    return table(head, body, ["n", *reasoned, *["r"] * bool(others), *wide]) + left_out


def _stacked_scores(names: Sequence[str], cells: Mapping[str, Any]) -> str:
    """The other scores under each other: side by side they would push the texts out of sight."""
    return "".join(
        f"<div>{dim(escape_text(name))} {_score_html(name, cells)}</div>" for name in names
    )


def _score_html(name: str, cells: Mapping[str, Any]) -> str:
    """A score with its reason, or why there is none: a missing score is a word and never a number."""
    status = str(cells[STATUS.name_for(name)])
    if status != Status.OK:
        return (
            dim(escape_text(status))
            if status == Status.SKIPPED
            else f'<span class="bad">{escape_text(status)}</span>'
        )
    label, reason = cells.get(LABEL.name_for(name)), cells.get(REASON.name_for(name))
    value = cells[VALUE.name_for(name)]
    shown = f"<b>{format_number(value) if type(value) is float else data_cell(value)}</b>"
    return (
        shown
        + (f" {dim(escape_text(label))}" if label else "")
        + (_reason_html(str(reason)) if reason else "")
    )


def _reason_html(reason: str) -> str:
    """Beside its score where it is short, else under it, folded."""
    if len(reason) <= _MAX_INLINE_REASON:
        return f" {dim(escape_text(reason))}"
    return f'<div class="d">{fold_text(reason, _MAX_INLINE_REASON)}</div>'


# ── the failures ─────────────────────────────────────────────────────────────────────────────────────────────────


def _failures_html(failures: Failures) -> str:
    """One line for all rows that failed in the same way, the most frequent first."""
    if not failures.count:
        return ""
    often = failures.most_frequent()
    body = [
        [
            escape_text(grader),
            f'<span class="bad">{escape_text(status)}</span>',
            f"{alike.count:,}",
            dim(alike.row_indexes_text),
            fold_text(why),
        ]
        for (grader, status, why), alike in often
    ]
    rest = failures.count - sum(alike.count for _, alike in often)
    more = aside(f"and {rest:,} more, of other kinds: see `failures`") if rest else ""
    head, kinds = ["grader", "status", "scores", "rows", "why"], ["k", "", "n", "", "w"]
    return (
        f"<h4>{pluralize_count(failures.count, 'missing score')}</h4>"
        + table(head, body, kinds)
        + more
    )


# ── a suite ──────────────────────────────────────────────────────────────────────────────────────────────────────


def suite_html(suite: CheckedSuite) -> str:
    """A checked spec for a notebook: what it declares, on which scales, and how each prompt begins.

    >>> import rmg_dsl as rmg
    >>> shown = suite_html(rmg.loads('grader kind -> 1..5 = "How kind? {{ response }}"').checked)
    >>> "1..5" in shown, "How kind? {{ response }}" in shown
    (True, True)
    """
    head = ["", "kind", "scale", "judge", "how"]
    body = [_declaration_cells(output, suite) for output in suite.outputs]
    columns = ", ".join(f"{use.name}?" if use.optional else use.name for use in suite.columns)
    return block(
        aside(suite.source.name),
        f"<div>{fold_text(suite.doc)}</div>" if suite.doc else "",
        table(head, body, ["k", "", "", "", "w"]) if body else "<p>An empty suite.</p>",
        _labelled_paragraph("reads", columns),
        _labelled_paragraph(
            "params", ", ".join(f"{name} = {value!r}" for name, value in suite.params)
        ),
        _requirement_lines([gate.text for gate in suite.requirements]),
        html_list(
            *(
                f"{dim('validate')} {escape_text(validation.text)}"
                for validation in suite.validations
            )
        ),
    )


def _declaration_cells(output: Output, suite: CheckedSuite) -> list[str]:
    scoring = suite.scorings[output.scoring]
    judge = (
        models_text(scoring)
        if isinstance(scoring, JudgeScoring | PairwiseScoring | RankingScoring)
        else ""
    )
    doc = output.doc.split("\n")[0]
    said = f"<div>{escape_text(doc)}</div>" if doc else ""
    return [
        escape_text(output.name),
        output.kind,
        escape_text(_declared_scale_text(output)),
        escape_text(judge) if judge else dim("code"),
        said + _grading_method_html(output, scoring),
    ]


def _declared_scale_text(output: Output) -> str:
    if output.type.scale is not None:
        return str(output.type.scale)
    return "bool" if output.type.kind == "bool" else str(output.type)


def _grading_method_html(output: Output, scoring: Scoring) -> str:
    """The beginning of the prompt, the rest folded; of code its text."""
    asked = scoring.method if isinstance(scoring, RankingScoring) else scoring
    if isinstance(asked, JudgeScoring | PairwiseScoring | ListwiseRanking):
        said = "\n".join(part for part in (asked.system, asked.prompt.strip()) if part)
        return f'<div class="d">{fold_text(said)}</div>'
    if isinstance(scoring, PythonScoring):
        return f"<code>{escape_text(scoring.target)}</code>"
    return f'<div class="d">{fold_text(output.source.line_at(output.span.start).strip())}</div>'


def _labelled_paragraph(word: str, shown: str) -> str:
    return f"<p>{dim(word)} {escape_text(shown)}</p>" if shown else ""


def _requirement_lines(gates: Iterable[str]) -> str:
    return html_list(*(f"{dim('require')} {escape_text(gate)}" for gate in gates))


# ── a plan ───────────────────────────────────────────────────────────────────────────────────────────────────────


def plan_html(plan: Plan, bill: str = "") -> str:
    """A plan for a notebook: its steps as a small graph, then what they cost at most.

    >>> import rmg_dsl as rmg
    >>> "<svg" in plan_html(rmg.loads("grader brief = words(response) <= 120").plan().plan)
    True
    """
    said = str(plan)
    small = len(plan.steps) <= _MAX_GRAPH_STEPS
    drawn = draw_graph(_plan_boxes(plan)) if small else ""
    steps = (
        f"<details><summary>the steps in words</summary><pre>{escape_text(said)}</pre></details>"
        if small
        else ""
    )
    return block(
        f"<p>{escape_text(said.split(chr(10))[0])}</p>",
        drawn or f"<pre>{escape_text(said)}</pre>",
        aside(_plan_legend(plan)) if drawn else "",
        _requirement_lines([gate.text for gate in plan.requirements]),
        "".join(f"<p><b>{escape_text(line)}</b></p>" for line in bill.splitlines()),
        steps,
    )


def _plan_boxes(plan: Plan) -> list[Box]:
    places = {step.number: place for place, step in enumerate(plan.steps)}
    return [
        Box(
            plan.name_of(step),
            _step_details(step),
            _step_css_class(step, plan),
            tuple(
                sorted(
                    places[number]
                    for number in scoring_dependencies(step.scoring)
                    if number in places
                )
            ),
        )
        for step in plan.steps
    ]


def _step_details(step: Step) -> tuple[str, ...]:
    match step:
        case AskStep(scoring=PairwiseScoring()) | RankStep():
            what, whom = detail_of(step)
            return what, whom or "code"
        case AskStep():
            return str(step.scale), models_text(step.scoring)
        case CallPythonStep(scoring=scoring):
            return str(scoring.scale), scoring.target
        case RefineStep(scoring=loop):
            return f"by {loop.by.name}", loop.writer.display_name
        case LoopOutputStep():
            return ("of the drafts",)
        case ComputeStep(scoring=scoring):
            return (f"{scoring.scale} · code" if scoring.scale else "code",)
        case _:
            assert_never(step)


def _step_css_class(step: Step, plan: Plan) -> str:
    """A call that a row may not come to is dashed."""
    if not isinstance(step, AskStep | RankStep) or not step.models:
        return ""
    return "ask lazy" if plan.is_lazy(step) else "ask"


def _plan_legend(plan: Plan) -> str:
    kinds = {_step_css_class(step, plan) for step in plan.steps}
    asks = ["blue: asks a judge"] if kinds & {"ask", "ask lazy"} else []
    return ", ".join([*asks, *["dashed: only where a row needs it"] * ("ask lazy" in kinds)])


# ── progress ─────────────────────────────────────────────────────────────────────────────────────────────────────


def progress_html(line: str, share: float | None = None) -> str:
    """How far a run has come: a bar where the end is known, and the line that a terminal shows.

    >>> 'style="width:50%"' in progress_html("20/40 rows", 0.5)
    True
    """
    done = (
        "" if share is None else f'<div style="width:{max(0.0, min(1.0, share)) * 100:.3g}%"></div>'
    )
    track = f'<div class="track">{done}</div>' if done else ""
    return block(track, aside(line))

"""HTML of a result, a suite, a plan and a progress bar; also a result as a page of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

from rmg_dsl.ir.columns import LABEL, REASON, STATUS, VALUE
from rmg_dsl.ir.scoring import (
    JudgeScoring,
    ListwiseRanking,
    ModelUse,
    PairwiseScoring,
    PythonScoring,
    RankingScoring,
    Scoring,
    scoring_dependencies,
)
from rmg_dsl.ir.suite import CheckedSuite, ColumnUse, Output
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
    bad,
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
    more_failures_text,
    pluralize_count,
    usage_parts,
    worst_title,
)
from rmg_dsl.report.run_summary import FailureCount, FailureKind, Failures, GradedRow, RunSummary
from rmg_dsl.report.summary import OutputSummary, SummaryRow, habit_rates_text
from rmg_dsl.report.validation_html import validation_html
from rmg_dsl.results import LOST_STATUSES, Status

_MAX_HTML_COLUMNS, _MAX_GRAPH_STEPS = 12, 24
_MAX_NARROW_LETTERS, _MAX_INLINE_REASON, _MAX_STOP_LETTERS = 24, 60, 200
_MAX_LABEL_COUNTS = 4


def result_html(result: ReportedRun) -> str:
    """A result for a notebook: the summary, the requirements, the worst rows and the failures.

    >>> import rmg_dsl as rmg
    >>> result = rmg.grade("grader brief = words(response) <= 2", [{"response": "<i>a</i>"}])
    >>> "&lt;i&gt;a&lt;/i&gt;" in result_html(result), "<i>" in result_html(result)
    (True, False)
    """
    return block(*_result_sections(result, bill=True))


def report_page(result: ReportedRun, title: str = "RMG: graded rows") -> str:
    """A result as an HTML file that loads nothing and holds no script.

    The page leaves out the calls, the cost and the time: the same replies make the same page, to
    the byte, whether they were paid for today or came from the cache.

    >>> import rmg_dsl as rmg
    >>> report_page(rmg.grade("grader brief = words(response) <= 2", [{"response": "a"}]))[:15]
    '<!DOCTYPE html>'
    """
    return page(title, f"<h3>{escape_text(title)}</h3>", *_result_sections(result, bill=False))


def _result_sections(result: ReportedRun, *, bill: bool) -> list[str]:
    usage = aside(" · ".join(usage_parts(result.usage)))
    return [
        _early_stop_html(result),
        _summary_table(result, bill=bill),
        *map(validation_html, result.validations),
        _requirements_html(result.gates),
        *(aside(note) for note in result.notes),
        usage if bill else "",
        _worst_rows_html(result.digest),
        refinements_html(result.digest.refined_rows),
        _failures_html(result.digest.failures),
    ]


def _early_stop_html(result: ReportedRun) -> str:
    if not result.stopped:
        return ""
    reason = fold_text(result.stopped, _MAX_STOP_LETTERS)
    return f'<div><span class="bad">The run ended early:</span> {reason}</div>'


# ── the summary ───────────────────────────────────────────────────────────────────────────────────


# Title of each column of the summary, and the CSS class of its cells.
_SUMMARY_HEADS: Mapping[str, str] = {
    "": "k",
    "scale": "",
    "mean": "n",
    "95 %": "n",
    "scores": "",
    "scored": "n",
    "unscored": "",
    "skipped": "n",
    "judge": "j",
    "calls": "n",
    "cost": "n",
}
_ALWAYS_SHOWN = ("", "mean", "scored", "unscored")
_USAGE_HEADS = ("calls", "cost")
_EMPTY_CELL = dim("–")


def _summary_table(result: ReportedRun, *, bill: bool) -> str:
    rows = result.summary_rows
    if not rows:
        return "<p>The spec declares no grader: there is nothing to show.</p>"
    summaries = {column.output.name: column for column in result.digest.output_summaries}
    lines = [_summary_cells(row, summaries.get(row["name"])) for row in rows]
    shown = [
        place
        for place, head in enumerate(_SUMMARY_HEADS)
        if (bill or head not in _USAGE_HEADS) and _is_column_shown(place, head, lines)
    ]
    heads = list(_SUMMARY_HEADS)
    return table(
        [heads[place] for place in shown],
        [[line[place] for place in shown] for line in lines],
        [_SUMMARY_HEADS[heads[place]] for place in shown],
    )


def _is_column_shown(place: int, head: str, lines: Iterable[Sequence[str]]) -> bool:
    """Has a column something to show?"""
    # The count of unscored rows is always shown, also where it is 0: it qualifies the mean.
    return head in _ALWAYS_SHOWN or any(line[place] != _EMPTY_CELL for line in lines)


def _summary_cells(row: SummaryRow, column: OutputSummary | None) -> list[str]:
    """The cells of one output, in the order of `_SUMMARY_HEADS`."""
    return [
        _name_cell(row),
        escape_text(row["scale"]),
        format_number(row["mean"]),
        _interval_cell(row),
        _distribution_cell(column) or _EMPTY_CELL,
        f"{row['n']:,}",
        _unscored_cell(row),
        _count_cell(row["skipped"]),
        escape_text(row["judge"] or "") or _EMPTY_CELL,
        _count_cell(row["calls"]),
        _cost_cell(row["cost"]),
    ]


def _name_cell(row: SummaryRow) -> str:
    name = escape_text(row["name"])
    habits = habit_rates_text(row)
    if habits:
        name += f'<div class="d">{escape_text(habits)}</div>'
    return name


def _interval_cell(row: SummaryRow) -> str:
    if row["low"] is None:
        return _EMPTY_CELL
    return f"{format_number(row['low'])} – {format_number(row['high'])}"


def _count_cell(count: int) -> str:
    return f"{count:,}" if count else _EMPTY_CELL


def _cost_cell(cost: float | None) -> str:
    # No price known is a dash; a price of nothing is a number.
    return _EMPTY_CELL if cost is None else format_money(cost)


def _distribution_cell(column: OutputSummary | None) -> str:
    """A bar chart of the verdicts; for labels also the counts in words, as they have no mean."""
    if column is None:
        return ""
    most_common = column.labels.most_common(_MAX_LABEL_COUNTS)
    words = ", ".join(f"{label}\N{NO-BREAK SPACE}{count:,}" for label, count in most_common)
    # The words name the labels already, so the bars need no names.
    bars = draw_bars(verdict_counts(column), ends=not words)
    if words:
        bars += dim(escape_text(words))
    return bars


def _unscored_cell(row: SummaryRow) -> str:
    """The count of unscored rows by status; with several statuses the total comes first."""
    if not row["unscored"]:
        return "0"
    counts = [f"{row[status]:,} {status}" for status in map(str, LOST_STATUSES) if row.get(status)]
    words = ", ".join(counts)
    if len(counts) > 1:
        words = f"{row['unscored']:,}: {words}"
    return bad(words)


def _requirements_html(requirements: Sequence[RequirementOutcome]) -> str:
    lines = (
        f"{_check_mark(requirement.holds)} {escape_text(requirement)}"
        for requirement in requirements
    )
    return html_list(*lines)


def _check_mark(holds: bool) -> str:
    if holds:
        return '<span class="good">✓</span>'
    return bad("✗")


# ── the worst rows ────────────────────────────────────────────────────────────────────────────────


def _worst_rows_html(digest: RunSummary) -> str:
    measure, rows = digest.worst_rows()
    if not rows:
        return ""
    others = [output.name for output in digest.grading_outputs if output is not measure]
    measures = [measure.name] if measure else []
    heading = f"<h4>{escape_text(worst_title(measure))}</h4>"
    return heading + _graded_rows_table(rows, measures, others)


def _graded_rows_table(
    rows: Sequence[GradedRow], measures: Sequence[str], others: Sequence[str]
) -> str:
    """A line for each row: the measure, the other scores, then the first columns of the data.

    Scores come first so that their reasons stay beside the texts that they are about.
    """
    columns = list(rows[0].row)
    shown = columns[:_MAX_HTML_COLUMNS]
    head = ["row", *measures, *shown]
    classes = ["n", *(_score_class(name, rows[0]) for name in measures)]
    classes += [_text_class(name, rows) for name in shown]
    body = [_graded_row_cells(graded, measures, shown) for graded in rows]
    if others:
        place = 1 + len(measures)
        head.insert(place, "scores")
        classes.insert(place, "r")
        for cells, graded in zip(body, rows, strict=True):
            cells.insert(place, _stacked_scores(others, graded.cells))
    return table(head, body, classes) + _hidden_columns_note(len(columns) - len(shown))


def _graded_row_cells(
    graded: GradedRow, measures: Iterable[str], columns: Iterable[str]
) -> list[str]:
    scores = [_score_html(name, graded.cells) for name in measures]
    values = [data_cell(graded.row.get(name)) for name in columns]
    return [str(graded.row_index), *scores, *values]


def _score_class(name: str, graded: GradedRow) -> str:
    """The CSS class of a column of scores: with reasons it gets a least width."""
    return "s" if REASON.name_for(name) in graded.cells else ""


def _text_class(name: str, rows: Iterable[GradedRow]) -> str:
    """The CSS class of a column of the data: with a long text it gets a least width."""
    is_wide = any(len(str(graded.row.get(name))) > _MAX_NARROW_LETTERS for graded in rows)
    return "w" if is_wide else ""


def _hidden_columns_note(count: int) -> str:
    if count <= 0:
        return ""
    return aside(f"and {pluralize_count(count, 'column')} more")


def _stacked_scores(names: Iterable[str], cells: Mapping[str, object]) -> str:
    """The scores below each other: side by side they would push the texts out of sight."""
    return "".join(
        f"<div>{dim(escape_text(name))} {_score_html(name, cells)}</div>" for name in names
    )


def _score_html(name: str, cells: Mapping[str, object]) -> str:
    """A score with its label and reason; a missing score is its status, never a number."""
    status = str(cells[STATUS.name_for(name)])
    if status == Status.SKIPPED:
        return dim(escape_text(status))
    if status != Status.OK:
        return bad(status)
    value = cells[VALUE.name_for(name)]
    label, reason = cells.get(LABEL.name_for(name)), cells.get(REASON.name_for(name))
    shown = format_number(value) if type(value) is float else data_cell(value)
    parts = [f"<b>{shown}</b>"]
    if label:
        parts.append(f" {dim(escape_text(label))}")
    if reason:
        parts.append(_reason_html(str(reason)))
    return "".join(parts)


def _reason_html(reason: str) -> str:
    """A short reason beside its score; a longer one below it, folded."""
    if len(reason) <= _MAX_INLINE_REASON:
        return f" {dim(escape_text(reason))}"
    return f'<div class="d">{fold_text(reason, _MAX_INLINE_REASON)}</div>'


# ── the failures ──────────────────────────────────────────────────────────────────────────────────


def _failures_html(failures: Failures) -> str:
    """A line for all rows that failed in the same way, the most frequent first."""
    if not failures.count:
        return ""
    frequent = failures.most_frequent()
    body = [_failure_cells(kind, alike) for kind, alike in frequent]
    head, classes = ["grader", "status", "scores", "rows", "why"], ["k", "", "n", "", "w"]
    heading = f"<h4>{pluralize_count(failures.count, 'missing score')}</h4>"
    return heading + table(head, body, classes) + aside(more_failures_text(failures, frequent))


def _failure_cells(kind: FailureKind, alike: FailureCount) -> list[str]:
    grader, status, message = kind
    return [
        escape_text(grader),
        bad(status),
        f"{alike.count:,}",
        dim(alike.row_indexes_text),
        fold_text(message),
    ]


# ── a suite ───────────────────────────────────────────────────────────────────────────────────────


def suite_html(suite: CheckedSuite) -> str:
    """A checked spec for a notebook: its declarations, their scales, and the start of each prompt.

    >>> import rmg_dsl as rmg
    >>> shown = suite_html(rmg.loads('grader kind -> 1..5 = "How kind? {{ response }}"').checked)
    >>> "1..5" in shown, "How kind? {{ response }}" in shown
    (True, True)
    """
    columns = ", ".join(_column_use_text(use) for use in suite.columns)
    params = ", ".join(f"{name} = {value!r}" for name, value in suite.params)
    return block(
        aside(suite.source.name),
        f"<div>{fold_text(suite.doc)}</div>" if suite.doc else "",
        _declarations_table(suite),
        _labelled_paragraph("reads", columns),
        _labelled_paragraph("params", params),
        _labelled_list("require", [requirement.text for requirement in suite.requirements]),
        _labelled_list("validate", [validation.text for validation in suite.validations]),
    )


def _column_use_text(use: ColumnUse) -> str:
    """The name of a column; a question mark says that it may be missing."""
    return f"{use.name}?" if use.optional else use.name


def _declarations_table(suite: CheckedSuite) -> str:
    body = [_declaration_cells(output, suite) for output in suite.outputs]
    if not body:
        return "<p>An empty suite.</p>"
    return table(["", "kind", "scale", "judge", "how"], body, ["k", "", "", "", "w"])


def _declaration_cells(output: Output, suite: CheckedSuite) -> list[str]:
    scoring = suite.scorings[output.scoring]
    # The rest of the documentation is for `help`: the table needs one line.
    doc = output.doc.split("\n")[0]
    summary = f"<div>{escape_text(doc)}</div>" if doc else ""
    return [
        escape_text(output.name),
        output.kind,
        escape_text(_declared_scale_text(output)),
        _judge_cell(scoring),
        summary + _grading_method_html(output, scoring),
    ]


def _judge_cell(scoring: Scoring) -> str:
    models = ""
    if isinstance(scoring, JudgeScoring | PairwiseScoring | RankingScoring):
        models = models_text(scoring)
    # A ranking by a score asks no model.
    return escape_text(models) if models else dim("code")


def _declared_scale_text(output: Output) -> str:
    if output.type.scale is not None:
        return str(output.type.scale)
    if output.type.kind == "bool":
        return "bool"
    return str(output.type)


def _grading_method_html(output: Output, scoring: Scoring) -> str:
    """The prompt, folded; the name of a Python function; else the line of the declaration."""
    method = scoring.method if isinstance(scoring, RankingScoring) else scoring
    if isinstance(method, JudgeScoring | PairwiseScoring | ListwiseRanking):
        prompt = "\n".join(part for part in (method.system, method.prompt.strip()) if part)
        return f'<div class="d">{fold_text(prompt)}</div>'
    if isinstance(scoring, PythonScoring):
        return f"<code>{escape_text(scoring.target)}</code>"
    return f'<div class="d">{fold_text(output.source.line_at(output.span.start).strip())}</div>'


def _labelled_paragraph(label: str, text: str) -> str:
    if not text:
        return ""
    return f"<p>{dim(label)} {escape_text(text)}</p>"


def _labelled_list(label: str, texts: Iterable[str]) -> str:
    return html_list(*(f"{dim(label)} {escape_text(text)}" for text in texts))


# ── a plan ────────────────────────────────────────────────────────────────────────────────────────


def plan_html(plan: Plan, bill: str = "") -> str:
    """A plan for a notebook: its steps as a graph, then the most that they can cost.

    >>> import rmg_dsl as rmg
    >>> "<svg" in plan_html(rmg.loads("grader brief = words(response) <= 120").plan().plan)
    True
    """
    text = f"<pre>{escape_text(plan)}</pre>"
    headline = str(plan).split("\n", 1)[0]
    graph, legend, steps = "", "", ""
    # A larger graph is harder to read than the list of its steps.
    if len(plan.steps) <= _MAX_GRAPH_STEPS:
        graph = draw_graph(_plan_boxes(plan))
        steps = f"<details><summary>the steps in words</summary>{text}</details>"
    if graph:
        legend = aside(_plan_legend(plan))
    return block(
        f"<p>{escape_text(headline)}</p>",
        graph or text,
        legend,
        _labelled_list("require", [requirement.text for requirement in plan.requirements]),
        "".join(f"<p><b>{escape_text(line)}</b></p>" for line in bill.splitlines()),
        steps,
    )


def _plan_boxes(plan: Plan) -> list[Box]:
    places = {step.number: place for place, step in enumerate(plan.steps)}
    return [
        Box(
            plan.name_of(step),
            _step_details(step, plan.chosen_names),
            _step_css_class(step, plan),
            _input_places(step, places),
        )
        for step in plan.steps
    ]


def _input_places(step: Step, places: Mapping[int, int]) -> tuple[int, ...]:
    """The places of the steps that a step reads, in order."""
    numbers = scoring_dependencies(step.scoring)
    return tuple(sorted(places[number] for number in numbers if number in places))


def _step_details(step: Step, chosen_names: Mapping[ModelUse, str]) -> tuple[str, ...]:
    match step:
        case AskStep(scoring=PairwiseScoring()) | RankStep():
            method, models = detail_of(step, chosen_names)
            return method, models or "code"
        case AskStep():
            return str(step.scale), models_text(step.scoring, chosen_names)
        case CallPythonStep(scoring=scoring):
            return str(scoring.scale), scoring.target
        case RefineStep(scoring=loop):
            return f"by {loop.by.name}", chosen_names.get(loop.writer, loop.writer.display_name)
        case LoopOutputStep():
            return ("of the drafts",)
        case ComputeStep(scoring=scoring):
            if scoring.scale is None:
                return ("code",)
            return (f"{scoring.scale} · code",)
        case _:
            assert_never(step)


def _step_css_class(step: Step, plan: Plan) -> str:
    """The CSS class of a box: `ask` for a call, `ask lazy` for one that some rows may not need."""
    if not isinstance(step, AskStep | RankStep) or not step.models:
        return ""
    if plan.is_lazy(step):
        return "ask lazy"
    return "ask"


def _plan_legend(plan: Plan) -> str:
    classes = {_step_css_class(step, plan) for step in plan.steps}
    legend = []
    if classes & {"ask", "ask lazy"}:
        legend.append("blue: asks a judge")
    if "ask lazy" in classes:
        legend.append("dashed: only where a row needs it")
    return ", ".join(legend)


# ── progress ──────────────────────────────────────────────────────────────────────────────────────


def progress_html(line: str, share: float | None = None) -> str:
    """The progress of a run: the line of the terminal, below a bar if `share` (0 to 1) is known.

    >>> 'style="width:50%"' in progress_html("20/40 rows", 0.5)
    True
    """
    if share is None:
        return block("", aside(line))
    # A bar that is wider than its track would cover the line below.
    percent = max(0.0, min(1.0, share)) * 100
    bar = f'<div class="track"><div style="width:{percent:.3g}%"></div></div>'
    return block(bar, aside(line))

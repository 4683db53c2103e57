"""What a notebook shows of a result, a suite and a plan, and the result as a page of its own: plain data to HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, assert_never

from rmg_dsl.ir.scoring import ByJudge, Compared, FromPython, Judged, Ranked, Scoring, read_by
from rmg_dsl.ir.suite import Checked, Output
from rmg_dsl.plan import (
    Ask,
    CallPython,
    Compute,
    Plan,
    Rank,
    Refine,
    Step,
    Take,
    asked_by,
    detail_of,
)
from rmg_dsl.report.drawings import Box, bars, graph, spread
from rmg_dsl.report.markup import (
    aside,
    block,
    cell,
    dim,
    folded,
    lines,
    money,
    number,
    page,
    table,
    text,
)
from rmg_dsl.report.refine_html import paths_html
from rmg_dsl.report.result_parts import Graded, Judgement, bill_words, counted, worst_title
from rmg_dsl.report.run_summary import Digest, Failures, GradedRow
from rmg_dsl.report.summary import Column, habits_in_words
from rmg_dsl.report.validation_html import validation_html
from rmg_dsl.results import Status

_MOST_COLUMNS, _MOST_STEPS = 12, 24
_NARROW, _SHORT_REASON = 24, 60
_NO_SCORE = tuple(status for status in Status if status not in (Status.OK, Status.SKIPPED))


def result_html(result: Graded) -> str:
    """A result for a notebook: the summary, the gates, the worst rows, the failures with their reasons.

    >>> import rmg_dsl as rmg
    >>> shown = result_html(rmg.grade("grader brief = words(response) <= 2", [{"response": "<i>a</i>"}]))
    >>> "&lt;i&gt;a&lt;/i&gt;" in shown, "<i>" in shown
    (True, False)
    """
    return block(*_parts(result, bill=True))


def report_page(result: Graded, title: str = "RMG: graded rows") -> str:
    """The same as a file of its own, which loads nothing from anywhere and holds no script.

    What the run took, in calls, money and seconds, is not on it: the same replies make the same page, to the byte,
    whether they were paid for today or came from the cache.

    >>> import rmg_dsl as rmg
    >>> report_page(rmg.grade("grader brief = words(response) <= 2", [{"response": "a"}]))[:15]
    '<!DOCTYPE html>'
    """
    return page(title, f"<h3>{text(title)}</h3>", *_parts(result, bill=False))


def _parts(result: Graded, *, bill: bool) -> list[str]:
    return [
        _ending(result),
        _summary(result, bill=bill),
        *map(validation_html, result.validations),
        _gates(result.gates),
        *(aside(note) for note in result.notes),
        aside(" · ".join(bill_words(result.usage))) if bill else "",
        _worst(result.digest),
        paths_html(result.digest.refined),
        _failures(result.digest.failures),
    ]


def _ending(result: Graded) -> str:
    if not result.stopped:
        return ""
    return f'<div><span class="bad">The run ended early:</span> {folded(result.stopped, 200)}</div>'


# ── the summary ──────────────────────────────────────────────────────────────────────────────────────────────────


def _summary(result: Graded, *, bill: bool) -> str:
    rows, seen = result.summary_rows, {column.output.name: column for column in result.digest.seen}
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
    told = [i for i, name in enumerate(head) if bill or name not in _BILLED]
    shown = [i for i in told if head[i] in _ALWAYS or any(line[i] != _NOTHING for line in filled)]
    return table(
        [head[i] for i in shown],
        [[line[i] for i in shown] for line in filled],
        [kinds[i] for i in shown],
    )


_ALWAYS = ("", "mean", "scored", "unscored")
_BILLED = ("calls", "cost")
_NOTHING = dim("–")


def _summary_cells(row: Mapping[str, Any], column: Column | None) -> list[str]:
    interval = "" if row["low"] is None else f"{number(row['low'])} – {number(row['high'])}"
    return [
        text(row["name"])
        + (f'<div class="d">{text(habits)}</div>' if (habits := habits_in_words(row)) else ""),
        text(row["scale"]),
        number(row["mean"]),
        interval or _NOTHING,
        _scores(column) or _NOTHING,
        f"{row['n']:,}",
        _unscored(row),
        f"{row['skipped']:,}" if row["skipped"] else _NOTHING,
        text(row["judge"]) if row["judge"] else _NOTHING,
        f"{row['calls']:,}" if row["calls"] else _NOTHING,
        _NOTHING if row["cost"] is None else money(row["cost"]),
    ]


def _scores(column: Column | None) -> str:
    """The picture, and for labels the counts in words: there is no mean that would say it."""
    if column is None:
        return ""
    words = ", ".join(
        f"{label}\N{NO-BREAK SPACE}{n:,}" for label, n in column.labels.most_common(4)
    )
    return bars(spread(column), ends=not words) + (dim(text(words)) if words else "")


def _unscored(row: Mapping[str, Any]) -> str:
    """How many, and of which kind each: never without its reason."""
    if not row["unscored"]:
        return "0"
    why = [f"{row[status]:,} {status}" for status in map(str, _NO_SCORE) if row.get(status)]
    total = f"{row['unscored']:,}: " if len(why) > 1 else ""
    return f'<span class="bad">{text(total + ", ".join(why))}</span>'


def _gates(gates: Sequence[Judgement]) -> str:
    return lines(*(f"{_mark(gate.holds)} {text(gate)}" for gate in gates))


def _mark(holds: bool) -> str:
    return '<span class="good">✓</span>' if holds else '<span class="bad">✗</span>'


# ── the worst rows ───────────────────────────────────────────────────────────────────────────────────────────────


def _worst(digest: Digest) -> str:
    measure, rows = digest.worst()
    if not rows:
        return ""
    others = [output.name for output in digest.scores if output is not measure]
    return f"<h4>{text(worst_title(measure))}</h4>" + _rows(
        rows, [measure.name] if measure else [], others
    )


def _rows(rows: Sequence[GradedRow], named: Sequence[str], others: Sequence[str]) -> str:
    """By what they are the worst, the other scores, the rows: reasons stay beside the texts that they are about."""
    columns = list(rows[0].row)
    first, more = columns[:_MOST_COLUMNS], len(columns) - _MOST_COLUMNS
    head = ["row", *named, *["scores"] * bool(others), *first]
    body = [
        [
            str(each.place),
            *(_score(name, each.cells) for name in named),
            *[_stack(others, each.cells)] * bool(others),
            *(cell(each.row.get(name)) for name in first),
        ]
        for each in rows
    ]
    left_out = aside(f"and {counted(more, 'column')} more") if more > 0 else ""
    reasoned = ["s" if f"{name}_reason" in rows[0].cells else "" for name in named]
    wide = [
        "w" if any(len(str(each.row.get(name))) > _NARROW for each in rows) else ""
        for name in first
    ]
    return table(head, body, ["n", *reasoned, *["r"] * bool(others), *wide]) + left_out


def _stack(names: Sequence[str], cells: Mapping[str, Any]) -> str:
    """The other scores under each other: side by side they would push the texts out of sight."""
    return "".join(f"<div>{dim(text(name))} {_score(name, cells)}</div>" for name in names)


def _score(name: str, cells: Mapping[str, Any]) -> str:
    """A score with its reason, or why there is none: a missing score is a word and never a number."""
    status = str(cells[f"{name}_status"])
    if status != Status.OK:
        return (
            dim(text(status))
            if status == Status.SKIPPED
            else f'<span class="bad">{text(status)}</span>'
        )
    label, reason, value = cells.get(f"{name}_label"), cells.get(f"{name}_reason"), cells[name]
    shown = f"<b>{number(value) if type(value) is float else cell(value)}</b>"
    return (
        shown + (f" {dim(text(label))}" if label else "") + (_reason(str(reason)) if reason else "")
    )


def _reason(reason: str) -> str:
    """Beside its score where it is short, else under it, folded."""
    if len(reason) <= _SHORT_REASON:
        return f" {dim(text(reason))}"
    return f'<div class="d">{folded(reason, _SHORT_REASON)}</div>'


# ── the failures ─────────────────────────────────────────────────────────────────────────────────────────────────


def _failures(failures: Failures) -> str:
    """One line for all rows that failed in the same way, the most frequent first."""
    if not failures.count:
        return ""
    often = failures.often()
    body = [
        [
            text(grader),
            f'<span class="bad">{text(status)}</span>',
            f"{alike.count:,}",
            dim(alike.shown),
            folded(why),
        ]
        for (grader, status, why), alike in often
    ]
    rest = failures.count - sum(alike.count for _, alike in often)
    more = aside(f"and {rest:,} more, of other kinds: see `failures`") if rest else ""
    head, kinds = ["grader", "status", "scores", "rows", "why"], ["k", "", "n", "", "w"]
    return f"<h4>{counted(failures.count, 'missing score')}</h4>" + table(head, body, kinds) + more


# ── a suite ──────────────────────────────────────────────────────────────────────────────────────────────────────


def suite_html(suite: Checked) -> str:
    """A checked spec for a notebook: what it declares, on which scales, and how each prompt begins.

    >>> import rmg_dsl as rmg
    >>> shown = suite_html(rmg.loads('grader kind -> 1..5 = "How kind? {{ response }}"').checked)
    >>> "1..5" in shown, "How kind? {{ response }}" in shown
    (True, True)
    """
    head = ["", "kind", "scale", "judge", "how"]
    body = [_declared(output, suite) for output in suite.outputs]
    columns = ", ".join(f"{use.name}?" if use.optional else use.name for use in suite.columns)
    return block(
        aside(suite.source.name),
        f"<div>{folded(suite.doc)}</div>" if suite.doc else "",
        table(head, body, ["k", "", "", "", "w"]) if body else "<p>An empty suite.</p>",
        _listed("reads", columns),
        _listed("params", ", ".join(f"{name} = {value!r}" for name, value in suite.params)),
        _required([gate.text for gate in suite.gates]),
        lines(*(f"{dim('validate')} {text(validation.text)}" for validation in suite.validations)),
    )


def _declared(output: Output, suite: Checked) -> list[str]:
    scoring = suite.scorings[output.scoring]
    judge = asked_by(scoring) if isinstance(scoring, Judged | Compared | Ranked) else ""
    doc = output.doc.split("\n")[0]
    said = f"<div>{text(doc)}</div>" if doc else ""
    return [
        text(output.name),
        output.kind,
        text(_scale(output)),
        text(judge) if judge else dim("code"),
        said + _how(output, scoring),
    ]


def _scale(output: Output) -> str:
    if output.type.scale is not None:
        return str(output.type.scale)
    return "bool" if output.type.kind == "bool" else str(output.type)


def _how(output: Output, scoring: Scoring) -> str:
    """The beginning of the prompt, the rest folded; of code its text."""
    asked = scoring.way if isinstance(scoring, Ranked) else scoring
    if isinstance(asked, Judged | Compared | ByJudge):
        said = "\n".join(part for part in (asked.system, asked.prompt.strip()) if part)
        return f'<div class="d">{folded(said)}</div>'
    if isinstance(scoring, FromPython):
        return f"<code>{text(scoring.target)}</code>"
    return f'<div class="d">{folded(output.source.line_at(output.span.start).strip())}</div>'


def _listed(word: str, shown: str) -> str:
    return f"<p>{dim(word)} {text(shown)}</p>" if shown else ""


def _required(gates: Iterable[str]) -> str:
    return lines(*(f"{dim('require')} {text(gate)}" for gate in gates))


# ── a plan ───────────────────────────────────────────────────────────────────────────────────────────────────────


def plan_html(plan: Plan, bill: str = "") -> str:
    """A plan for a notebook: its steps as a small graph, then what they cost at most.

    >>> import rmg_dsl as rmg
    >>> "<svg" in plan_html(rmg.loads("grader brief = words(response) <= 120").plan().plan)
    True
    """
    said = str(plan)
    small = len(plan.steps) <= _MOST_STEPS
    drawn = graph(_boxes(plan)) if small else ""
    steps = (
        f"<details><summary>the steps in words</summary><pre>{text(said)}</pre></details>"
        if small
        else ""
    )
    return block(
        f"<p>{text(said.split(chr(10))[0])}</p>",
        drawn or f"<pre>{text(said)}</pre>",
        aside(_legend(plan)) if drawn else "",
        _required([gate.text for gate in plan.gates]),
        "".join(f"<p><b>{text(line)}</b></p>" for line in bill.splitlines()),
        steps,
    )


def _boxes(plan: Plan) -> list[Box]:
    places = {step.number: place for place, step in enumerate(plan.steps)}
    return [
        Box(
            plan.name_of(step),
            _detail(step),
            _kind(step, plan),
            tuple(sorted(places[number] for number in read_by(step.scoring) if number in places)),
        )
        for step in plan.steps
    ]


def _detail(step: Step) -> tuple[str, ...]:
    match step:
        case Ask(scoring=Compared()) | Rank():
            what, whom = detail_of(step)
            return what, whom or "code"
        case Ask():
            return str(step.scale), asked_by(step.scoring)
        case CallPython(scoring=scoring):
            return str(scoring.scale), scoring.target
        case Refine(scoring=loop):
            return f"by {loop.by.name}", loop.writer.shown
        case Take():
            return ("of the drafts",)
        case Compute(scoring=scoring):
            return (f"{scoring.scale} · code" if scoring.scale else "code",)
        case _:
            assert_never(step)


def _kind(step: Step, plan: Plan) -> str:
    """A call that a row may not come to is dashed."""
    if not isinstance(step, Ask | Rank) or not step.models:
        return ""
    return "ask lazy" if plan.is_lazy(step) else "ask"


def _legend(plan: Plan) -> str:
    kinds = {_kind(step, plan) for step in plan.steps}
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

"""What a notebook shows of a result, a suite and a plan, and the result as a page of its own: plain data to HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from rmg_dsl.plan import Ask, CallPython, Plan, Step, asked_by
from rmg_dsl.report.digest import Alike, Digest, Failures, GradedRow
from rmg_dsl.report.drawings import Box, bars, graph, spread
from rmg_dsl.report.markup import aside, block, cell, dim, folded, lines, money, number, page, table, text
from rmg_dsl.report.summary import Column
from rmg_dsl.report.validation import Validated
from rmg_dsl.report.validation_html import validation_html
from rmg_dsl.results import Status
from rmg_dsl.semantics import Checked, Output
from rmg_dsl.semantics.terms import FromPython, Judged, Scoring, read_by

_MOST_COLUMNS, _MOST_FAILURES, _MOST_STEPS = 12, 12, 24
_NARROW = 24
_NO_SCORE = tuple(status for status in Status if status not in (Status.OK, Status.SKIPPED))


class Judgement(Protocol):
    """What became of a `require`; `str()` says it in words."""

    @property
    def holds(self) -> bool: ...


class Used(Protocol):
    """What the run used."""

    @property
    def calls(self) -> int: ...
    @property
    def cached(self) -> int: ...
    @property
    def retried(self) -> int: ...
    @property
    def tokens_in(self) -> int: ...
    @property
    def tokens_out(self) -> int: ...
    @property
    def cost(self) -> float | None: ...
    @property
    def seconds(self) -> float: ...


class Graded(Protocol):
    """A finished run, as far as it is shown; `api.Result` is one."""

    @property
    def summary_rows(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def digest(self) -> Digest: ...
    @property
    def gates(self) -> Sequence[Judgement]: ...
    @property
    def validations(self) -> Sequence[Validated]: ...
    @property
    def notes(self) -> Sequence[str]: ...
    @property
    def usage(self) -> Used: ...
    @property
    def stopped(self) -> str: ...


def result_html(result: Graded) -> str:
    """A result for a notebook: the summary, the gates, the worst rows, the failures with their reasons.

    >>> import rmg_dsl as rmg
    >>> shown = result_html(rmg.grade("grader brief = words(response) <= 2", [{"response": "<b>a</b>"}]))
    >>> "&lt;b&gt;a&lt;/b&gt;" in shown, "<b>" in shown
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
    return page(title, *_parts(result, bill=False))


def _parts(result: Graded, *, bill: bool) -> list[str]:
    return [
        _ending(result),
        _summary(result, bill=bill),
        *map(validation_html, result.validations),
        _gates(result.gates),
        *(aside(note) for note in result.notes),
        aside(_bill(result.usage)) if bill else "",
        _worst(result.digest),
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
    head = ["", "scale", "mean", "95 %", "scores", "scored", "unscored", "skipped", "judge", "calls", "cost"]
    kinds = ["k", "", "n", "n", "", "n", "", "n", "", "n", "n"]
    filled = [_summary_cells(row, seen.get(row["name"])) for row in rows]
    # A column that would say nothing about any grader is left out; the one with the unscored rows never is.
    told = [i for i, name in enumerate(head) if bill or name not in _BILLED]
    shown = [i for i in told if head[i] in _ALWAYS or any(line[i] != _NOTHING for line in filled)]
    return table([head[i] for i in shown], [[line[i] for i in shown] for line in filled], [kinds[i] for i in shown])


_ALWAYS = ("", "mean", "scored", "unscored")
_BILLED = ("calls", "cost")
_NOTHING = dim("–")


def _summary_cells(row: Mapping[str, Any], column: Column | None) -> list[str]:
    interval = "" if row["low"] is None else f"{number(row['low'])} – {number(row['high'])}"
    return [
        text(row["name"]),
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
    words = ", ".join(f"{label} {n:,}" for label, n in column.labels.most_common(4))
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


def _bill(used: Used) -> str:
    calls = [f"{used.cached:,} cached"] * bool(used.cached) + [f"{used.retried:,} retried"] * bool(used.retried)
    parts = [
        _counted(used.calls, "call") + (f" ({', '.join(calls)})" if calls else ""),
        f"{used.tokens_in:,} tokens in, {used.tokens_out:,} out" if used.tokens_in or used.tokens_out else "",
        "" if used.cost is None else f"{money(used.cost)} USD",
        f"{used.seconds:.1f} s",
    ]
    return " · ".join(part for part in parts if part)


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"


# ── the worst rows ───────────────────────────────────────────────────────────────────────────────────────────────


def _worst(digest: Digest) -> str:
    measure, rows = digest.worst()
    if not rows:
        return ""
    outputs = sorted(digest.outputs, key=lambda output: output is not measure)
    return f"<h4>{_title(measure)}</h4>" + _rows(rows, outputs)


def _title(output: Output | None) -> str:
    if output is None:
        return "The first rows"
    word = "worst" if output.type.direction else "lowest"
    return f"The {word} rows by {text(output.name)}"


def _rows(rows: Sequence[GradedRow], outputs: Sequence[Output]) -> str:
    columns = list(rows[0].row)
    first, more = columns[:_MOST_COLUMNS], len(columns) - _MOST_COLUMNS
    head = ["row", *(output.name for output in outputs), *first]
    body = [
        [str(each.place), *(_score(o.name, each.cells) for o in outputs), *(cell(each.row.get(name)) for name in first)]
        for each in rows
    ]
    left_out = aside(f"and {_counted(more, 'column')} more") if more > 0 else ""
    wide = ["w" if any(len(str(each.row.get(name))) > _NARROW for each in rows) else "" for name in first]
    return table(head, body, ["n", *["s"] * len(outputs), *wide]) + left_out


def _score(name: str, cells: Mapping[str, Any]) -> str:
    """A score with its reason, or why there is none: a missing score is a word and never a number."""
    status = str(cells[f"{name}_status"])
    if status != Status.OK:
        return dim(text(status)) if status == Status.SKIPPED else f'<span class="bad">{text(status)}</span>'
    label, reason, value = cells.get(f"{name}_label"), cells.get(f"{name}_reason"), cells[name]
    shown = (number(value) if type(value) is float else cell(value)) + (f" {dim(text(label))}" if label else "")
    return shown + (f'<div class="d">{folded(str(reason), 60)}</div>' if reason else "")


# ── the failures ─────────────────────────────────────────────────────────────────────────────────────────────────


def _failures(failures: Failures) -> str:
    """One line for all rows that failed in the same way, the most frequent first."""
    if not failures.count:
        return ""
    often = sorted(failures.kinds.items(), key=lambda item: -item[1].count)[:_MOST_FAILURES]
    body = [
        [text(grader), f'<span class="bad">{text(status)}</span>', f"{alike.count:,}", _places(alike), folded(why)]
        for (grader, status, why), alike in often
    ]
    rest = failures.count - sum(alike.count for _, alike in often)
    more = aside(f"and {rest:,} more, of other kinds: see `failures`") if rest else ""
    head, kinds = ["grader", "status", "scores", "rows", "why"], ["k", "", "n", "", "w"]
    return f"<h4>{_counted(failures.count, 'missing score')}</h4>" + table(head, body, kinds) + more


def _places(alike: Alike) -> str:
    shown = ", ".join(map(str, alike.places))
    return dim(shown + (" …" if alike.count > len(alike.places) else ""))


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
    judge = asked_by(scoring) if isinstance(scoring, Judged) else ""
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
    if isinstance(scoring, Judged):
        said = "\n".join(part for part in (scoring.system, scoring.prompt.strip()) if part)
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
    steps = f"<details><summary>the steps in words</summary><pre>{text(said)}</pre></details>" if small else ""
    return block(
        f"<p>{text(said.split(chr(10))[0])}</p>",
        drawn or f"<pre>{text(said)}</pre>",
        _required([gate.text for gate in plan.gates]),
        f"<p><b>{text(bill)}</b></p>" if bill else "",
        steps,
    )


def _boxes(plan: Plan) -> list[Box]:
    places = {step.number: place for place, step in enumerate(plan.steps)}
    return [
        Box(
            " = ".join(step.names) or "a part of another step",
            _detail(step),
            _kind(step, plan),
            tuple(sorted(places[number] for number in read_by(step.scoring) if number in places)),
        )
        for step in plan.steps
    ]


def _detail(step: Step) -> str:
    if isinstance(step, Ask):
        return f"{step.scale} · {asked_by(step.scoring)}"
    if isinstance(step, CallPython):
        return f"{step.scoring.scale} · {step.scoring.target}"
    return "code" if step.scoring.scale is None else f"{step.scoring.scale} · code"


def _kind(step: Step, plan: Plan) -> str:
    """A call that a row may not come to is dashed."""
    if not isinstance(step, Ask):
        return ""
    lazy = step.number not in plan.roots and plan.calls.least < plan.calls.most
    return "ask lazy" if lazy else "ask"


# ── progress ─────────────────────────────────────────────────────────────────────────────────────────────────────


def progress_html(line: str, share: float | None = None) -> str:
    """How far a run has come: a bar where the end is known, and the line that a terminal shows.

    >>> 'style="width:50%"' in progress_html("20/40 rows", 0.5)
    True
    """
    done = "" if share is None else f'<div style="width:{max(0.0, min(1.0, share)) * 100:.3g}%"></div>'
    track = f'<div class="track">{done}</div>' if done else ""
    return block(track, aside(line))

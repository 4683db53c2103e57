"""What a notebook shows of a result, as text: for terminals, for a saved notebook, for the logs of a build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rmg_dsl.diagnostics.render import printable_text
from rmg_dsl.ir.columns import STATUS
from rmg_dsl.report.result_parts import ReportedRun, pluralize_count, usage_parts, worst_title
from rmg_dsl.report.run_summary import Failures, RunSummary
from rmg_dsl.report.summary import align_columns, summary_text
from rmg_dsl.results import Status

_CELL_WIDTH, _REASON_WIDTH, _MAX_TEXT_COLUMNS = 24, 80, 6


def overview(result: ReportedRun) -> list[str]:
    """The summary, the notes, agreement with people, the gates, and the bill."""
    return [
        summary_text(result.summary_rows, result.digest.output_summaries),
        *result.notes,
        *map(str, result.validations),
        *map(str, result.gates),
        ", ".join(usage_parts(result.usage)),
    ]


def result_text(result: ReportedRun) -> str:
    """The overview, the worst rows and the failures; the same each time for the same rows and replies.

    What rows and replies say in it paints no terminal.

    >>> import rmg_dsl as rmg
    >>> print(result_text(rmg.grade("grader brief = words(response) <= 2", [{"response": "a b c"}])))
           scale  mean  95 %       scored  unscored
    brief  bool      0  0 – 0.793       1         0
    0 calls
    <BLANKLINE>
    The worst rows by brief
    row  brief  response
      0  False  a b c
    """
    ending = [f"the run ended early: {result.stopped}"] if result.stopped else []
    parts = [
        "\n".join([*overview(result), *ending]),
        _worst_rows_text(result.digest),
        _failures_text(result.digest.failures),
    ]
    return printable_text("\n\n".join(part for part in parts if part), keep="\n")


def truncate_value(value: Any, width: int) -> str:
    """A value on one line, in at most so many characters; what could paint a terminal is shown by its picture.

    >>> truncate_value("one\\n two", 6), truncate_value(None, 6), truncate_value(0.12345, 6), truncate_value("\\x1b[31m", 6)
    ('one t…', '–', '0.123', '␛[31m')
    """
    if isinstance(value, float):
        return f"{value:.3g}"
    text = "–" if value is None else printable_text(" ".join(str(value).split()))
    return text if len(text) <= width else text[: width - 1] + "…"


def _worst_rows_text(digest: RunSummary) -> str:
    measure, rows = digest.worst_rows()
    if not rows:
        return ""
    names = [
        output.name
        for output in sorted(digest.grading_outputs, key=lambda output: output is not measure)
    ]
    columns = list(rows[0].row)[:_MAX_TEXT_COLUMNS]
    body = [
        [
            str(each.row_index),
            *(_score_text(name, each.cells) for name in names),
            *(truncate_value(each.row[n], _CELL_WIDTH) for n in columns),
        ]
        for each in rows
    ]
    head = ["row", *names, *(truncate_value(name, _CELL_WIDTH) for name in columns)]
    return f"{worst_title(measure)}\n{align_columns([head, *body], right={0})}"


def _score_text(name: str, cells: Mapping[str, Any]) -> str:
    status = str(cells[STATUS.name_for(name)])
    return status if status != Status.OK else truncate_value(cells[name], _CELL_WIDTH)


def _failures_text(failures: Failures) -> str:
    """One line for all rows that failed in the same way, the most frequent first."""
    if not failures.count:
        return ""
    often = failures.most_frequent()
    body = [
        (
            grader,
            str(status),
            f"row{'s' * (alike.count > 1)} {alike.row_indexes_text}",
            truncate_value(why, _REASON_WIDTH),
        )
        for (grader, status, why), alike in often
    ]
    rest = failures.count - sum(alike.count for _, alike in often)
    more = f"\nand {rest:,} more, of other kinds: see `failures`" if rest else ""
    return f"{pluralize_count(failures.count, 'missing score')}\n{align_columns(body)}{more}"

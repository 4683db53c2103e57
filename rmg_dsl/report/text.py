"""A result as text: for terminals, saved notebooks and logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from rmg_dsl.diagnostics.render import printable_text
from rmg_dsl.ir.columns import STATUS
from rmg_dsl.report.result_parts import (
    ReportedRun,
    more_failures_text,
    pluralize_count,
    usage_parts,
    worst_title,
)
from rmg_dsl.report.run_summary import FailureCount, FailureKind, Failures, GradedRow, RunSummary
from rmg_dsl.report.summary import align_columns, summary_text
from rmg_dsl.results import Status

_CELL_WIDTH, _REASON_WIDTH, _MAX_TEXT_COLUMNS = 24, 80, 6


def overview(result: ReportedRun) -> list[str]:
    """The summary, the notes, the validations, the requirements and the usage, each as text."""
    return [
        summary_text(result.summary_rows, result.digest.output_summaries),
        *result.notes,
        *map(str, result.validations),
        *map(str, result.gates),
        ", ".join(usage_parts(result.usage)),
    ]


def result_text(result: ReportedRun) -> str:
    """The overview, the worst rows and the failures, the same for the same rows and replies.

    Control characters of rows and replies are made visible: they cannot change a terminal.

    >>> import rmg_dsl as rmg
    >>> result = rmg.grade("grader brief = words(response) <= 2", [{"response": "a b c"}])
    >>> print(result_text(result))
           scale  mean  95 %       scored  unscored
    brief  bool      0  0 – 0.793       1         0
    0 calls
    <BLANKLINE>
    The worst rows by brief
    row  brief  response
      0  False  a b c
    """
    lines = overview(result)
    if result.stopped:
        lines.append(f"the run ended early: {result.stopped}")
    parts = [
        "\n".join(lines),
        _worst_rows_text(result.digest),
        _failures_text(result.digest.failures),
    ]
    return printable_text("\n\n".join(part for part in parts if part), keep="\n")


def truncate_value(value: object, width: int) -> str:
    """A value on one line, in at most `width` characters; control characters are made visible.

    >>> [truncate_value(value, 6) for value in ("one\\n two", None, 0.12345, "\\x1b[31m")]
    ['one t…', '–', '0.123', '␛[31m']
    """
    if isinstance(value, float):
        return f"{value:.3g}"
    if value is None:
        return "–"
    text = printable_text(" ".join(str(value).split()))
    if len(text) <= width:
        return text
    return text[: width - 1] + "…"


def _worst_rows_text(digest: RunSummary) -> str:
    measure, rows = digest.worst_rows()
    if not rows:
        return ""
    # The measure comes first: it says why these rows are shown.
    outputs = sorted(digest.grading_outputs, key=lambda output: output is not measure)
    names = [output.name for output in outputs]
    columns = list(rows[0].row)[:_MAX_TEXT_COLUMNS]
    head = ["row", *names, *(truncate_value(name, _CELL_WIDTH) for name in columns)]
    body = [_graded_row_texts(graded, names, columns) for graded in rows]
    return f"{worst_title(measure)}\n{align_columns([head, *body], right={0})}"


def _graded_row_texts(graded: GradedRow, names: Iterable[str], columns: Iterable[str]) -> list[str]:
    scores = [_score_text(name, graded.cells) for name in names]
    values = [truncate_value(graded.row[name], _CELL_WIDTH) for name in columns]
    return [str(graded.row_index), *scores, *values]


def _score_text(name: str, cells: Mapping[str, object]) -> str:
    """A score, or the status where there is none."""
    # A missing score is shown as its status, never as a number.
    status = str(cells[STATUS.name_for(name)])
    if status != Status.OK:
        return status
    return truncate_value(cells[name], _CELL_WIDTH)


def failure_lines(failures: Failures) -> list[str]:
    """For each status how many scores are missing, and the most frequent reason with a row.

    >>> from rmg_dsl.results import Unscored
    >>> failures = Failures()
    >>> failures.add(3, "brief", Unscored(Status.MISSING_INPUT, "`response` is null"))
    >>> failure_lines(failures)
    ['1 missing_input: `brief` on row 3: `response` is null']
    """
    counts: Counter[Status] = Counter()
    for (_, status, _), alike in failures.kinds.items():
        counts[status] += alike.count
    return [_status_line(status, count, failures) for status, count in counts.most_common()]


def _status_line(status: Status, count: int, failures: Failures) -> str:
    kinds = [entry for entry in failures.kinds.items() if entry[0][1] is status]
    (grader, _, message), alike = max(kinds, key=lambda entry: entry[1].count)
    such_as = ", such as" if count > 1 else ":"
    reason = f": {truncate_value(message, _REASON_WIDTH)}" if message else ""
    return f"{count} {status}{such_as} `{grader}` on row {alike.row_indexes[0]}{reason}"


def _failures_text(failures: Failures) -> str:
    """A line for all rows that failed in the same way, the most frequent first."""
    if not failures.count:
        return ""
    frequent = failures.most_frequent()
    body = [_failure_texts(kind, alike) for kind, alike in frequent]
    lines = [pluralize_count(failures.count, "missing score"), align_columns(body)]
    more = more_failures_text(failures, frequent)
    if more:
        lines.append(more)
    return "\n".join(lines)


def _failure_texts(kind: FailureKind, alike: FailureCount) -> tuple[str, str, str, str]:
    grader, status, message = kind
    rows = "row" if alike.count == 1 else "rows"
    places = f"{rows} {alike.row_indexes_text}"
    return grader, str(status), places, truncate_value(message, _REASON_WIDTH)

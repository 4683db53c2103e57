"""What a notebook shows of a result, as text: for terminals, for a saved notebook, for the logs of a build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rmg_dsl.diagnostics.render import visible
from rmg_dsl.report.result_parts import Graded, bill_words, counted, worst_title
from rmg_dsl.report.run_summary import Digest, Failures
from rmg_dsl.report.summary import aligned, summary_text
from rmg_dsl.results import Status

_WIDTH, _WHY, _MOST_COLUMNS = 24, 80, 6


def overview(result: Graded) -> list[str]:
    """The summary, the notes, agreement with people, the gates, and the bill."""
    return [
        summary_text(result.summary_rows, result.digest.seen),
        *result.notes,
        *map(str, result.validations),
        *map(str, result.gates),
        ", ".join(bill_words(result.usage)),
    ]


def result_text(result: Graded) -> str:
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
        _worst(result.digest),
        _failures(result.digest.failures),
    ]
    return visible("\n\n".join(part for part in parts if part), keep="\n")


def cut(value: Any, width: int) -> str:
    """A value on one line, in at most so many characters; what could paint a terminal is shown by its picture.

    >>> cut("one\\n two", 6), cut(None, 6), cut(0.12345, 6), cut("\\x1b[31m", 6)
    ('one t…', '–', '0.123', '␛[31m')
    """
    if isinstance(value, float):
        return f"{value:.3g}"
    text = "–" if value is None else visible(" ".join(str(value).split()))
    return text if len(text) <= width else text[: width - 1] + "…"


def _worst(digest: Digest) -> str:
    measure, rows = digest.worst()
    if not rows:
        return ""
    names = [
        output.name for output in sorted(digest.scores, key=lambda output: output is not measure)
    ]
    columns = list(rows[0].row)[:_MOST_COLUMNS]
    body = [
        [
            str(each.place),
            *(_score(name, each.cells) for name in names),
            *(cut(each.row[n], _WIDTH) for n in columns),
        ]
        for each in rows
    ]
    head = ["row", *names, *(cut(name, _WIDTH) for name in columns)]
    return f"{worst_title(measure)}\n{aligned([head, *body], right={0})}"


def _score(name: str, cells: Mapping[str, Any]) -> str:
    status = str(cells[f"{name}_status"])
    return status if status != Status.OK else cut(cells[name], _WIDTH)


def _failures(failures: Failures) -> str:
    """One line for all rows that failed in the same way, the most frequent first."""
    if not failures.count:
        return ""
    often = failures.often()
    body = [
        (grader, str(status), f"row{'s' * (alike.count > 1)} {alike.shown}", cut(why, _WHY))
        for (grader, status, why), alike in often
    ]
    rest = failures.count - sum(alike.count for _, alike in often)
    more = f"\nand {rest:,} more, of other kinds: see `failures`" if rest else ""
    return f"{counted(failures.count, 'missing score')}\n{aligned(body)}{more}"

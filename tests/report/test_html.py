"""What a notebook shows of results, suites and plans: whole HTML, no script, rows as text, and
nothing unsaid.
"""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from conftest import ROOT

import rmg_dsl as rmg
from rmg_dsl.messages import Request
from rmg_dsl.report import OutputSummary
from rmg_dsl.report.drawings import Box, draw_bars, draw_graph, verdict_counts
from rmg_dsl.report.html import plan_html, progress_html, report_page, result_html, suite_html
from rmg_dsl.report.markup import data_cell, escape_text, fold_text, format_number

SPEC = """\
## Rewards for a <shop>.
rmg 1

param floor = 3
## Is it kind?
## Rude answers drive people away.
grader kind -> 1..5 = "How kind? {{ response }}"
grader tone -> "formal" | "plain" = "Which tone? {{ response }}"
grader brief = words(response) <= 6
aggregate reward = unit(kind) if brief else 0
require mean(reward) >= 0.9
require unscored(kind) <= 0.9
"""
HOSTILE = {
    row["name"]: row["text"]
    for row in map(
        json.loads,
        (ROOT / "tests" / "cases" / "hostile" / "texts.jsonl").read_text("utf-8").splitlines(),
    )
}


class Tree(HTMLParser):
    """Reads HTML as a list of what it holds, and complains about what is not closed, or not where
    it was opened.
    """

    VOID = frozenset({"meta", "br"})

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.rows: list[int] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append(0)
        if tag in ("td", "th"):
            self.rows[-1] += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def harmless(source: str) -> Tree:
    """Whole HTML in which nothing runs, nothing is loaded, and no name could clash with another
    output's.
    """
    tree = Tree(source)
    allowed = set(
        "html head meta title style body div span p ul li table thead tbody tr th td h3 h4 b code pre details summary "
        "svg line rect text path polygon".split()
    )
    assert {tag for tag, _ in tree.tags} <= allowed
    for tag, attributes in tree.tags:
        assert not [
            name
            for name in attributes
            if name.startswith("on") or name in ("id", "href", "src", "name")
        ] or (tag == "meta")
    source.encode("utf-8")  # a notebook is a file of UTF-8
    return tree


def say(request: Request) -> Any:
    if request.row == 1:
        return "I would rather not"
    row = request.row or 0
    return {"kind": 2 + row % 3, "tone": "plain"}[request.question.grader]


def graded(rows: list[dict[str, Any]], **options: Any) -> rmg.Result:
    return rmg.grade(SPEC, rows, model=rmg.ScriptedModel(say), **options)


ROWS = [{"response": f"answer {i}", "note": None, "number": 0.1 + 0.2} for i in range(6)]


def test_a_result_shows_the_summary_the_gates_the_bill_the_worst_rows_and_the_failures() -> None:
    shown = harmless(result_html(graded(ROWS))).text
    parts = [
        "kind 1..5 3",
        "require mean(reward)",
        "14 calls",
        "The worst rows by reward",
        "missing scores",
    ]
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)
    assert "✗ require mean(reward) >= 0.9: FAILS" in shown
    assert "✓ require unscored(kind) <= 0.9: holds" in shown
    assert "scripted" in shown
    assert "0.30000000000000004" in shown  # data is shown as it is


def test_beside_every_mean_stands_how_many_rows_have_no_score_and_why() -> None:
    tree = harmless(result_html(graded(ROWS)))
    assert tree.text.count("1 unparsed") == 3
    assert "kind unparsed 1 1" in tree.text
    assert len(set(tree.rows[:5])) == 1  # the head and a line for each output are equally long


def test_a_missing_score_is_a_word_and_never_a_number() -> None:
    shown = harmless(result_html(graded(ROWS[:2], only=["kind", "brief"]))).text
    assert "The worst rows by kind" in shown
    alone = graded(ROWS[1:2] * 2, only=["tone"])
    assert "The first rows" in harmless(result_html(alone)).text


def test_a_row_stands_beside_all_of_its_scores_and_their_reasons() -> None:
    reasons = {"kind": "short", "tone": "long " * 20}
    model = rmg.ScriptedModel(
        lambda asked: {
            "reason": reasons[asked.question.grader],
            "verdict": {"kind": 2, "tone": "plain"}[asked.question.grader],
        }
    )
    shown = harmless(result_html(rmg.grade(SPEC, ROWS[:1], model=model))).text
    assert "0 0.25 kind 2 short tone plain long long" in shown
    assert "brief True answer 0 –" in shown


def test_the_text_twin_says_the_same_and_says_it_each_time() -> None:
    shown = str(graded(ROWS))
    parts = [
        "kind ",
        "require mean(reward)",
        "14 calls",
        "The worst rows by reward\nrow  reward",
        "3 missing scores\nkind",
    ]
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)
    assert "kind    unparsed  row 1  no JSON object with a verdict" in shown
    assert str(graded(ROWS)) == shown
    assert result_html(graded(ROWS)) == result_html(graded(ROWS))


def test_where_lower_is_better_the_worst_rows_are_the_highest() -> None:
    spec = "grader long -> 0..9 lower = chars(response)"
    result = rmg.grade(spec, [{"response": "a" * n} for n in (1, 9, 4)])
    tree = harmless(result_html(result))
    after = tree.text.split("The worst rows by long")[1]
    assert after.index("aaaaaaaaa") < after.index("aaaa ") < after.rindex("a")


def test_rows_that_could_not_be_better_are_not_among_the_worst() -> None:
    rows = [{"response": "a b c"}, {"response": "a"}, {"response": "a b"}]
    brief = rmg.grade("grader brief = words(response) <= 2", rows)
    assert [graded.row_index for graded in brief.digest.worst_rows()[1]] == [0]
    assert [
        graded.row_index
        for graded in rmg.grade("grader brief = words(response) <= 3", rows).digest.worst_rows()[1]
    ] == [
        0,
        1,
        2,
    ]
    long = rmg.grade("grader long -> 1..3 lower = words(response)", rows)
    assert [graded.row_index for graded in long.digest.worst_rows()[1]] == [0, 2]


def test_of_an_aggregate_without_a_direction_the_rows_are_the_lowest() -> None:
    result = rmg.grade("grader length = chars(response)", [{"response": "abc"}, {"response": "a"}])
    assert (
        "The lowest rows by length row length response 1 1 a 0 3 abc"
        in harmless(result_html(result)).text
    )


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_stands_in_rows_replies_and_names_comes_through_as_text(kind: str) -> None:
    hostile = HOSTILE[kind]
    said = rmg.ScriptedModel(
        lambda request: {"reason": hostile, "verdict": 2} if request.row else hostile, name=hostile
    )
    rows = [{"response": hostile, hostile: hostile}] * 2
    result = rmg.grade('grader kind -> 1..5 = "How kind? {{ response }}"', rows, model=said)
    for source in (result_html(result), report_page(result, hostile)):
        tree = harmless(source)
        assert tree.text.count(" ".join(Tree(f"<p>{escape_text(hostile)}</p>").text.split())) >= 4
        assert "\x1b" not in source


def test_a_stopped_run_says_so_first() -> None:
    result = rmg.grade(SPEC, ROWS, model=rmg.ScriptedModel(_stops))
    shown = harmless(result_html(result)).text
    assert shown.startswith("The run ended early: no such <model>")
    assert "cancelled" in shown


def _stops(_: Request) -> Any:
    from rmg_dsl.errors import CallError

    raise CallError("no such <model>", fatal=True)


def test_a_page_is_a_whole_file_that_loads_and_runs_nothing() -> None:
    page = report_page(graded(ROWS))
    tree = harmless(page)
    assert page.startswith("<!DOCTYPE html>")
    assert tree.tags[0][0] == "html"
    assert any(
        (attributes.get("content") or "").startswith("default-src 'none'")
        for _, attributes in tree.tags
    )
    assert "prefers-color-scheme:dark" in page
    assert "--jp-layout-color0" in page
    assert "url(" not in page
    assert "@import" not in page


def test_a_result_without_rows_and_one_without_graders() -> None:
    assert "kind 1..5 – 0 0" in harmless(result_html(graded(ROWS, limit=0))).text
    nothing = rmg.grade("param a = 1", [{"response": "a"}])
    assert "no grader" in harmless(result_html(nothing)).text


def test_long_rows_are_folded_and_wide_ones_cut() -> None:
    row = {f"column {i}": "x" for i in range(40)} | {"response": "long " * 3_000}
    shown = harmless(result_html(rmg.grade("grader brief = words(response) <= 6", [row])))
    assert "and 29 columns more" in shown.text
    (opened,) = [tag for tag, _ in harmless(fold_text("y" * 9_000)).tags if tag == "details"]
    assert opened == "details"
    assert "and 5,000 characters more" in fold_text("y" * 9_000)


# ── suites and plans ──────────────────────────────────────────────────────────────────────────────


def test_a_suite_shows_what_it_declares_and_how_its_prompts_begin() -> None:
    suite = rmg.loads(SPEC.replace("How kind?", "How <b>kind</b>? " + "Think. " * 40))
    shown = harmless(suite_html(suite.checked)).text
    for part in (
        "Rewards for a <shop>.",
        "kind grader 1..5",
        "Is it kind?",
        "How <b>kind</b>? Think.",
        "floor = 3",
    ):
        assert part in shown
    assert "Rude answers" not in shown  # the first line of a doc
    assert "grader brief = words(response) <= 6" in shown
    assert "require mean(reward) >= 0.9" in shown
    assert harmless(suite_html(rmg.loads("").checked)).text.endswith("An empty suite.")


def test_a_plan_is_a_graph_with_its_bill() -> None:
    view = rmg.loads(SPEC).plan(ROWS)
    tree = harmless(plan_html(view.plan, str(view.bill)))
    assert sum(tag == "rect" for tag, _ in tree.tags) == len(view.plan.steps) == 4
    assert sum(tag == "path" for tag, _ in tree.tags) == 2
    assert " ".join(str(view.bill).split()) in tree.text
    assert "a row" in tree.text
    assert "svg" not in {tag for tag, _ in harmless(plan_html(rmg.loads("").plan().plan)).tags}


def test_a_plan_of_very_many_steps_is_told_in_words() -> None:
    spec = "\n".join(f"grader g{i} = words(response) <= {i}" for i in range(40))
    tree = harmless(plan_html(rmg.loads(spec).plan().plan))
    assert "svg" not in {tag for tag, _ in tree.tags}
    assert "g39" in tree.text


def test_a_box_stands_in_the_middle_of_what_it_reads() -> None:
    boxes = [
        Box("alone"),
        *(Box(f"part {i}", ("1..5",)) for i in range(3)),
        Box("sum", inputs=(1, 2, 3)),
    ]
    drawn = [attributes for tag, attributes in harmless(draw_graph(boxes)).tags if tag == "rect"]
    alone, first, second, third, total = (float(each["y"] or 0) for each in drawn)
    assert first < second < third < alone
    assert first < total < third


def test_no_two_boxes_of_a_graph_lie_on_each_other() -> None:
    boxes = [
        Box("a" * 50, ("x",)),
        Box("b", ("漢字" * 9, "code")),
        Box("c", inputs=(0,)),
        Box("d", inputs=(0, 2)),
        Box("e"),
    ]
    tree = harmless(draw_graph(boxes))
    areas = [
        {k: float(v or 0) for k, v in a.items() if k in ("x", "y", "width", "height")}
        for t, a in tree.tags
        if t == "rect"
    ]
    for i, one in enumerate(areas):
        for other in areas[:i]:
            apart_x = (
                one["x"] >= other["x"] + other["width"] or other["x"] >= one["x"] + one["width"]
            )
            apart_y = (
                one["y"] >= other["y"] + other["height"] or other["y"] >= one["y"] + one["height"]
            )
            assert apart_x or apart_y


# ── pictures and numbers ──────────────────────────────────────────────────────────────────────────


def seen(spec: str, rows: list[dict[str, Any]], name: str, **options: Any) -> OutputSummary:
    result = rmg.grade(spec, rows, **options)
    return next(column for column in result.digest.output_summaries if column.output.name == name)


def test_the_bars_hold_every_score_once() -> None:
    lengths = [{"response": "a" * n} for n in (0, 1, 1, 5, 9, 9, 9)]
    levels = verdict_counts(seen("grader g -> 0..9 = chars(response)", lengths, "g"))
    assert [count for _, count in levels] == [1, 2, 0, 0, 0, 1, 0, 0, 0, 3]
    assert verdict_counts(seen("grader g = chars(response) > 1", lengths, "g")) == [
        ("False", 3),
        ("True", 4),
    ]
    free = verdict_counts(seen("grader g = chars(response)", lengths, "g"))
    assert (sum(count for _, count in free), free[0][1], free[-1][1]) == (7, 1, 3)
    assert verdict_counts(seen("grader g = chars(response)", lengths[1:3], "g")) == [("1", 2)]
    assert verdict_counts(seen("grader g = chars(response)", [{"response": None}], "g")) == []
    labels = seen(
        'grader g -> "a" | "b" = "? {{ response }}"',
        lengths,
        "g",
        model=rmg.ScriptedModel({"g": "b"}),
    )
    assert verdict_counts(labels) == [("a", 0), ("b", 6)]


def test_a_picture_says_its_counts_in_words() -> None:
    tree = harmless(draw_bars([("<a>", 3), ("b", 0), ("c", 1)]))
    assert "<a>: 3, b: 0, c: 1" in tree.text
    assert sum(tag == "rect" for tag, _ in tree.tags) == 2
    assert draw_bars([("a", 0)]) == draw_bars([]) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.0, "1"),
        (0.99961, "0.9996"),
        (0.9999999, "0.9999999"),
        (2.0004, "2.0004"),
        (3.14159, "3.14"),
        (-0.5, "-0.5"),
        (0.0, "0"),
        (12345.6, "12,345.6"),
        (1e-9, "1e-09"),
    ],
)
def test_no_number_is_rounded_to_a_whole_one_that_it_is_not(value: float, shown: str) -> None:
    assert format_number(value) == shown


@pytest.mark.parametrize(
    "value", [float("inf"), float("nan"), 10**400, ["<b>"], {"a": "</td>"}, b"\xff", True]
)
def test_any_value_of_a_row_can_be_shown(value: object) -> None:
    assert "<b>" not in data_cell(value)
    harmless(data_cell(value))


def test_progress_is_a_bar_where_the_end_is_known() -> None:
    assert "width:25%" in progress_html("1/4 rows", 0.25)
    assert "width:100%" in progress_html("9/4 rows", 2.25)
    assert harmless(progress_html("<b>")).text == "<b>"

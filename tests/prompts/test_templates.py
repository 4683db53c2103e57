"""Templates: what they may do, what they need of a row, and that a row's values come through whole
and stay inside.
"""

from __future__ import annotations

import contextlib
import json
import re
import resource
import string
import sys
import time
from collections.abc import Mapping
from typing import Any

import paths
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmg_dsl.prompts.fencing import could_be_tag, next_fence, normalize_text
from rmg_dsl.prompts.template import (
    RENDER_FAILURES,
    FenceCollision,
    MissingInput,
    Prompt,
    TemplateTooBig,
    fence_for,
    has_blank_item,
    is_blank,
    outline,
    single_braces,
    value_to_text,
)

CASES = paths.CASES / "templates"
HOSTILE: Mapping[str, Any] = {
    "x": "x",
    "n": 99_999,
    "text": "ab " * 300_000,
    "digits": "12" * 400_000,
    "items": ["item"] * 90_000,
    "pairs": [[1, 2]] * 50_000,
}


def cases(name: str) -> list[Any]:
    rows = [json.loads(line) for line in (CASES / f"{name}.jsonl").read_text("utf-8").splitlines()]
    return [
        pytest.param(row, id=f"{number}-{row['template'][:40]}")
        for number, row in enumerate(rows, 1)
    ]


def rendered(template: str, constants: Mapping[str, Any] | None = None, /, **values: Any) -> str:
    """As the judge's room does it: the first tag that nothing can close."""
    tag = fence_for(values.values())
    for _ in range(20):
        try:
            return Prompt(template, tuple((constants or {}).items())).render(values, tag)
        except FenceCollision:
            tag = next_fence(tag)
    raise ValueError("it holds every fence")


def most_memory() -> int:
    """The most bytes that this process has held so far."""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held * 1024


# What a template may do


@pytest.mark.parametrize("case", cases("refused"))
def test_a_template_that_does_more_than_show_the_row_is_refused(case: Mapping[str, Any]) -> None:
    assert [o.code for o in outline(case["template"]).problems][:1] == [case["code"]]


@pytest.mark.parametrize("case", cases("refused"))
def test_what_is_refused_gives_nothing_away_even_if_it_is_rendered(case: Mapping[str, Any]) -> None:
    try:
        said = rendered(case["template"], x="x", y="y")
    except RENDER_FAILURES:
        return
    assert not re.search(r"object at|<class|<function|method|None|Undefined", said)


@pytest.mark.parametrize("case", cases("attacks"))
def test_nothing_hangs_and_nothing_grows_without_bound(case: Mapping[str, Any]) -> None:
    outline(case["template"])  # compiled before the clock starts
    memory, started = most_memory(), time.process_time()
    try:
        said = rendered(case["template"], **HOSTILE)
    except RENDER_FAILURES:
        said = ""
    assert time.process_time() - started < 10  # it would be hours
    assert most_memory() - memory < 400_000_000
    assert len(said) <= 1_000_000


@pytest.mark.parametrize(
    "template",
    [
        "{{ x" + " | upper" * 3000 + " }}",
        "{{ " + "(" * 3000 + "x" + ")" * 3000 + " }}",
        "{{ " + "x + " * 3000 + "x }}",
        "{{ " + "-" * 3000 + "x }}",
        "{{ x" + ".a" * 5000 + " }}",
        "{% if x %}" * 3000 + "{% endif %}" * 3000,
    ],
    ids=lambda template: template[:12],
)
def test_a_template_that_nests_too_deeply_is_refused(template: str) -> None:
    assert [o.code for o in outline(template).problems] == ["RMG402"]


def test_a_prompt_ends_at_ten_million_characters() -> None:
    assert len(rendered("{{ x }}", x="a" * 9_999_987)) == 10_000_000
    with pytest.raises(TemplateTooBig, match="more than 10,000,000 characters"):
        rendered("{{ x }}", x="a" * 9_999_988)
    assert rendered("{{ x | truncate(5) }}", x="a" * 5_000_000) == "<data>aa...</data>"


def test_loops_end_at_a_hundred_thousand_rounds() -> None:
    assert rendered("{% for i in x %}{% endfor %}a", x=[1] * 100_000) == "a"
    with pytest.raises(TemplateTooBig):
        rendered("{% for i in x %}{% endfor %}a", x=[1] * 100_001)


# What it needs of a row


@pytest.mark.parametrize("case", cases("names"))
def test_a_name_is_optional_where_every_use_allows_it_to_be_missing(
    case: Mapping[str, Any],
) -> None:
    found = outline(case["template"])
    assert found.problems == ()
    assert {v.name: v.optional for v in found.variables} == case["names"]


@pytest.mark.parametrize("case", cases("names"))
def test_what_is_optional_may_really_be_missing(case: Mapping[str, Any]) -> None:
    """With all that is needed there, a prompt is made, whichever of the optional names are
    blank.
    """
    values: dict[str, Any] = {
        name: None if optional else {"b": "v", "v": "v", "x": ["v"]}
        for name, optional in case["names"].items()
    }
    values["b"] = "v" if case["names"].get("b") is False else None
    missing = ""
    try:
        rendered(case["template"], **values)
    except MissingInput as error:
        missing = error.name
    except (
        TypeError,
        LookupError,
    ):  # a value of another kind than the template wants: it is not missing
        pass
    assert not case["names"].get(missing)


@pytest.mark.parametrize("case", cases("rendered"))
def test_a_prompt_is_what_it_should_be_or_misses_its_input(case: Mapping[str, Any]) -> None:
    assert not outline(case["template"]).problems
    if case["out"] is not None:
        assert rendered(case["template"], **case["values"]) == case["out"]
        return
    with pytest.raises(MissingInput):
        rendered(case["template"], **case["values"])


def test_the_missing_name_is_told() -> None:
    for template, name in (
        ("{{ x }}", "x"),
        ("{{ y.t }}", "t"),
        ("{{ x | upper }}", "x"),
        ("{{ z }}", "z"),
    ):
        with pytest.raises(MissingInput) as caught:
            rendered(template, x=None, y={"t": ""})
        assert caught.value.name == name


def test_nan_is_no_value() -> None:
    nan = float("nan")
    assert rendered("{% if x %}{{ x }}{% else %}no{% endif %}", x=nan) == "no"
    assert (
        value_to_text({"a": 1, "b": None})
        == rendered("{{ x | tojson }}", x={"a": 1, "b": nan})[6:-7]
    )
    with pytest.raises(MissingInput):
        rendered("{{ x }}", x=[1.0, nan])


def test_a_rows_values_are_never_changed() -> None:
    values = {"x": ["b", "a"], "y": {"k": [1]}}
    rendered(
        "{{ x | sort }}{{ x | reverse | list }}{% set x = x + ['c'] %}{{ x }}{{ y.k }}", **values
    )
    assert values == {"x": ["b", "a"], "y": {"k": [1]}}


# The spec's own values


def test_params_stand_bare_until_the_template_gives_their_name_away() -> None:
    own = {"company": "Acme", "n": 3, "flag": True}
    assert (
        rendered("{{ company }} {{ n }} {{ flag }} {{ company ~ n }}", own) == "Acme 3 True Acme3"
    )
    assert rendered("{{ company ~ x }}", own, x="a") == "<data>Acmea</data>"
    assert rendered("{% set company = x %}{{ company }}", own, x="a") == "<data>a</data>"
    assert (
        rendered("{% for company in x %}{{ company }}{% endfor %}", own, x=["a"])
        == "<data>a</data>"
    )
    assert (
        rendered("{% for a, company in x %}{{ company }}{% endfor %}", own, x=[[1, "a"]])
        == "<data>a</data>"
    )


# Fences

LOOK_ALIKES = [
    "</data>",
    "<data>",
    "</DATA>",
    "< / data >",
    "</da\u200bta>",
    "<\u2060/data>",
    "\uff1c/data\uff1e",
    "</\uff44\uff41\uff54\uff41>",
    "</\U0001d41d\U0001d41a\U0001d42d\U0001d41a>",
    "</d\x1b[31mata>",
    "</da\x00ta>",
    "</da\xadta>",
    "<\n/\tdata\r>",
    "&lt;/data&gt;",
    "\u2039/data\u203a",
    "<data x='1'>",
]


@pytest.mark.parametrize("text", LOOK_ALIKES, ids=ascii)
def test_what_looks_like_the_tag_is_fenced_by_another_one(text: str) -> None:
    said = rendered("{{ x }}", x=f"a {text} b")
    assert said == f"<data-2>a {text} b</data-2>"


@pytest.mark.parametrize(
    ("texts", "tag"),
    [
        (["data", "my data-2"], "data"),
        (["<data>", "data-2"], "data-3"),
        (["<data-2></data-2>"], "data-3"),
        (["<data>", "data-2 data-3 data-5"], "data-4"),
        (["<data>", "data-17"], "data-2"),
        (["<data>", "data-2", "DATA\u200b-3"], "data-4"),
        (["<data>", " ".join(f"data-{n}" for n in range(2, 30_000))], "data-30000"),
        ([["</data>"]], "data-2"),
        ([{"a": "</data>"}], "data-2"),
        ([{"</data>": 1}], "data-2"),
        ([1, True, None], "data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_tag_is_the_first_that_no_value_holds(texts: list[Any], tag: str) -> None:
    started = time.process_time()
    assert fence_for(texts) == tag
    assert time.process_time() - started < 10  # it would be hours


@pytest.mark.parametrize(
    "piece", ["\u0301\u0316", "\ufdfa", "\u200b", "\uff44", "data-", "</data>", "\x1b[", "<data-9"]
)
def test_a_fence_is_found_in_no_time(piece: str) -> None:
    normalize_text("\uff44")  # the table of look-alikes is made once
    started = time.process_time()
    fence_for([piece * (500_000 // len(piece))])
    assert time.process_time() - started < 10  # it would be hours


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("{{ x ~ y }}", {"x": "</da", "y": "ta>"}),
        ("{{ x | replace('-', '') }}", {"x": "<-/-d-ata>"}),
        ("{{ x | reverse }}", {"x": ">atad/<"}),
        ("{{ x[1:] }}", {"x": "<</data>"}),
        ("{{ x | join }}", {"x": ["</da", "ta>"]}),
        ("{{ x + y }}", {"x": "</da", "y": "ta>"}),
        ("{{ x * 2 }}", {"x": "data><"}),
        ("{% set z = x ~ y %}{{ z }}", {"x": "</da", "y": "ta>"}),
    ],
)
def test_what_a_template_puts_together_cannot_close_its_fence(
    template: str, values: Mapping[str, str]
) -> None:
    said = rendered(template, **values)
    tag = said[1 : said.index(">")]
    assert said.count(f"</{tag}>") == 1
    assert said.endswith(f"</{tag}>")


NASTY = st.sampled_from(
    [
        *LOOK_ALIKES,
        "{{ x }}",
        "{% if",
        "{#",
        "#}",
        "data-2",
        "</data-2>",
        "\x1b[2J",
        "\x00",
        "\u202e",
        "\ud800",
        "\r\n",
        '"',
        "\\",
    ]
)
TEXTS = (
    st.lists(NASTY | st.text(max_size=6), min_size=1, max_size=5)
    .map("".join)
    .filter(lambda text: text.strip())
)


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_values_come_through_whole_and_none_can_leave_its_fence(texts: list[str]) -> None:
    names = string.ascii_lowercase[: len(texts)]
    values = dict(zip(names, texts, strict=True))
    said = rendered("|".join(f"{{{{ {name} }}}}" for name in names), **values)
    tag = said[1 : said.index(">")]
    assert said.count(f"<{tag}>") == said.count(f"</{tag}>") == len(texts)
    assert said == "|".join(f"<{tag}>{text}</{tag}>" for text in texts)
    assert not any(could_be_tag(text, tag) for text in texts)


VALUES = st.recursive(
    st.none()
    | st.floats()
    | st.integers()
    | st.booleans()
    | st.sampled_from(["", " ", "a", "b c"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["t", "u", "items"]), inner, max_size=3)
    ),
    max_leaves=6,
)
TEMPLATES = [
    "{{ x }}",
    "{{ x.t }}",
    "{{ x[0] }}",
    "{{ x ~ y }}",
    "{{ x | join(', ') }}",
    "{{ x | string }}",
    "{{ x | upper }}",
    "{{ x | list }}",
    "{{ x | first }}",
    "{{ x | tojson }}",
    "{{ [x, y] }}",
    "{{ [x, y] | join }}",
    "{{ x.get('t') }}",
    "{{ x.values() | list }}",
    "{{ x | map(attribute='t') | join }}",
    "{{ x | map('string') | join }}",
    "{% for i in x %}{{ i }}{% endfor %}",
    "{% for i in x %}{{ i ~ '' }}{{ i.t }}{% endfor %}",
    "{% for k, v in x.items() %}{{ v ~ '' }}{% endfor %}",
    "{% if x %}{{ x }}{% else %}{{ y }}{% endif %}",
    "{% set z = [x] %}{{ z | join }}{{ z }}",
    "{{ x if y else '' }}",
    "{{ x or y }}",
    "{{ x and y }}",
    "{{ x == y }}{{ x in y }}",
    "{{ x | sort | unique | join }}",
    "{{ x | default(y) }}",
    "{{ x + y }}",
    "{{ {'a': x} }}",
    "{{ x | sum }}",
    "{{ x | min }}",
]


@settings(max_examples=800, deadline=None)
@given(st.sampled_from(TEMPLATES), VALUES, VALUES)
def test_the_word_none_never_reaches_a_prompt(template: str, x: Any, y: Any) -> None:
    try:
        said = rendered(template, x=x, y=y)
    except RENDER_FAILURES:
        return
    assert not re.search(r"none|nan|undefined|missing|object at", said, re.I)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["{{ x }}", "a {{ x }}|{{ y }}\n{{ x }}", "{{ p }}{{ x }}{{ z }}"]),
    VALUES | TEXTS,
    VALUES | TEXTS,
)
def test_a_plain_template_gives_what_the_engine_gives(template: str, x: Any, y: Any) -> None:
    def said(text: str) -> Any:
        try:
            return rendered(text, {"p": 3}, x=x, y=y)
        except RENDER_FAILURES as error:
            return type(error), str(error)

    assert said(template) == said("{% if true %}" + template + "{% endif %}")


@settings(max_examples=300, deadline=None)
@given(
    st.text(
        alphabet=st.sampled_from([*"<//dataDAT \u200b\x1b[3m;?@~-2\uff0f\uff44\u17b4\xad\u1e97"])
    )
)
def test_a_fence_is_closed_by_what_reads_like_it_without_the_unseen(text: str) -> None:
    assert could_be_tag(text, "data") == (
        "<data" in normalize_text(text) or "/data" in normalize_text(text)
    )


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_a_value_is_printed_or_missing_and_nothing_else(value: Any) -> None:
    try:
        said = rendered("{{ x }}", x=value)
    except MissingInput:
        assert is_blank(value) or has_blank_item(value)
        return
    assert not is_blank(value)
    assert said in (str(value), f"<data>{value_to_text(value)}</data>".replace("NaN", "null"))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="{}%#x |.-'\"()[]if else for in set ~*+", max_size=40))
def test_no_template_is_too_strange_to_be_read(text: str) -> None:
    found = outline(text)
    if not found.problems:
        with contextlib.suppress(*RENDER_FAILURES):
            rendered(text, x="a")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{a} {b.c} {d[0]} {e!r:>3}", "abde"),
        ("{{ a }} {{b}}", ""),
        ('{"a": 1} {1} {} {a b}', ""),
        ("{{{a}}}", ""),
    ],
)
def test_single_braces_are_those_of_str_format(text: str, names: str) -> None:
    assert [name for name, _, _ in single_braces(text)] == list(names)

"""The one layout: one text from all damaged ones, comments kept, meaning equal, stable, and Python
can lex it.
"""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import paths
import pytest
from damage import damaged, flush_left
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rmg_dsl.diagnostics import has_errors
from rmg_dsl.syntax.formatter import format_source, format_text, logical_lines
from rmg_dsl.syntax.nodes import node_meaning
from rmg_dsl.syntax.parser import parse
from rmg_dsl.syntax.printer import string_piece
from rmg_dsl.syntax.reindent import reindent

CASES = paths.CASES / "format"
INPUTS = sorted(path for path in CASES.glob("*.rmg") if not path.name.endswith(".out.rmg"))
OUTPUTS = sorted(CASES.glob("*.out.rmg"))
EXAMPLES = (
    "five_lines",
    "whole_language",
    "retrieval",
    "rewards",
    "panel",
    "sharing",
    "blocks_and_blanks",
    "long_lines",
)
DAMAGES = 500


def read(path: Path) -> str:
    return path.read_text("utf-8")


def comments_of(text: str) -> list[str]:
    """Which comments there are; one beside an expression may come to stand above its line."""
    return sorted(
        re.sub(r"^(##?)(?!#)\s*", r"\1 ", comment.text) for comment in parse(text).module.comments
    )


def check_promise(text: str) -> str:
    """Format a text and check all that the formatter promises of the outcome."""
    formatted = format_text(text)
    assert node_meaning(parse(formatted).module) == node_meaning(parse(text).module)
    assert comments_of(formatted) == comments_of(text)
    assert format_text(formatted) == formatted
    list(tokenize.generate_tokens(io.StringIO(formatted).readline))
    assert not formatted or (formatted.endswith("\n") and not formatted.startswith("\n"))
    return formatted


# ── Cases ──


def test_every_case_has_its_outcome() -> None:
    assert [path.with_suffix(".out.rmg") for path in INPUTS] == OUTPUTS
    assert len(INPUTS) >= 15


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    assert check_promise(read(path)) == read(path.with_suffix(".out.rmg"))


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.stem)
def test_formatted_case_has_no_idle_blanks(path: Path) -> None:
    assert not re.search(r"[ \t]\n|\n\n\n|\A\n|\n\n\Z", read(path))


# ── Damaged layouts ──


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.stem)
def test_every_damaged_layout_gives_the_one_text(path: Path) -> None:
    text = read(path)
    whole, comments = node_meaning(parse(text).module), comments_of(text)
    for seed in range(-(-DAMAGES // len(OUTPUTS))):
        worse = damaged(text, seed)
        parsed = parse(worse)
        assert not has_errors(parsed.diagnostics), (seed, worse)
        assert node_meaning(parsed.module) == whole, (seed, worse)
        assert comments_of(worse) == comments, (seed, worse)
        assert format_source(parsed) == text, (seed, worse)


def test_damage_is_damage() -> None:
    text = read(CASES / "whole_language.out.rmg")
    layouts = {damaged(text, seed) for seed in range(50)}
    assert len(layouts) == 50
    assert text not in layouts
    assert any("\r\n" in layout for layout in layouts)
    assert any("'''" in layout for layout in layouts)


# ── Lost indentation ──


@pytest.mark.parametrize("name", EXAMPLES)
def test_flush_left_example_is_rebuilt(name: str) -> None:
    text = read(CASES / f"{name}.out.rmg")
    assert format_text(reindent(flush_left(text))) == text


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("seed", range(10))
def test_random_indentation_is_rebuilt(name: str, seed: int) -> None:
    text = read(CASES / f"{name}.out.rmg")
    lines = [text[place.start : place.end] for place in logical_lines(text)]
    worse = "\n".join(" " * ((7 * at * (seed + 1)) % 11) + line for at, line in enumerate(lines))
    assert re.sub(r" *#.*", "", format_text(reindent(worse))) == re.sub(
        r" *#.*", "", without_docs(text)
    )


def without_docs(text: str) -> str:
    """The text that is left of a formatted one without the comments on lines of their own."""
    return format_text(re.sub(r"(?m)^ *#.*\n", "", text))


@pytest.mark.parametrize("path", OUTPUTS, ids=lambda path: path.stem)
def test_reindent_leaves_a_formatted_text_alone(path: Path) -> None:
    text = re.sub(r"(?m)^ +# (tail|end of the block).*\n", "", read(path))
    assert format_text(reindent(text)) == format_text(text)


def test_reindent_moves_texts_and_comments_with_their_lines() -> None:
    worse = (
        "   ## Doc.\n grader a -> bool: # c\n# of the prompt\nprompt = '''\n  x\n    y\n'''\n"
        'rubric:\n # of True\nTrue: "yes"\nsamples = 3\n  # of b\n    param b = 1\n   # end'
    )
    assert reindent(worse) == (
        "## Doc.\ngrader a -> bool: # c\n    # of the prompt\n    prompt = '''\n          x\n            y\n"
        "        '''\n    rubric:\n        # of True\n        True: \"yes\"\n    samples = 3\n"
        "# of b\nparam b = 1\n# end"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "# only",
        "prompt = 1",
        ": x\n  y",
        'grader a:\nprompt = """\nopen',
        "grader a(\n  [",
        "param a = 'x\n\t  b",
    ],
)
def test_reindent_never_fails(text: str) -> None:
    assert [line.split() for line in reindent(text).split("\n")] == [
        line.split() for line in text.split("\n")
    ]


UNREADABLE = [
    '"{3}\\\n"{3}',
    '"{3}\n  a \\\n  "{3}',
    '"a\\\n\\d"',
    '"{3}\n\\d"{3}',
    "r'{3}\n\\d'{3}",
]


@pytest.mark.parametrize("token", [re.sub(r"(.)\{3\}", r"\1\1\1", token) for token in UNREADABLE])
def test_reindent_reads_no_escapes(token: str) -> None:
    assert reindent(f"  param a = {token}").startswith("param a = ")


def test_reindent_tells_fields_named_like_declarations() -> None:
    fields = ["model = a", "grader = b", "rubric = c", "require = d"]
    rest = "\nmodel judge = llm('x')\nrequire -a == b\n"
    assert (
        reindent("fields:\n" + "\n".join(fields) + rest)
        == "fields:\n    " + "\n    ".join(fields) + rest
    )


# ── Small rules ──


def test_text_with_mistakes_has_no_layout() -> None:
    with pytest.raises(ValueError, match="mistakes"):
        format_text("param a = ")
    with pytest.raises(AssertionError):
        format_source(parse("param a = "))


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("'a'", '"a"'),
        ("'a\"b'", "'a\"b'"),
        ("r'\\d'", 'r"\\d"'),
        ("''", '""'),
        ("''''''", '""'),
        ('"""a"""', '"a"'),
        ('"""a\\n  """', '"a\\n"'),
        ("'''say \"a\" b'''", '"""say "a" b"""'),
        ('r"""a\\ """', 'r"""a\\ """'),
        ('"""\n   \n"""', '""'),
        ('"a\\\n  b"', '"a\\\n  b"'),
    ],
)
def test_string_of_one_line(token: str, text: str) -> None:
    assert string_piece(token) == text


def test_line_ends_and_byte_order_mark_are_no_layout() -> None:
    assert format_text("\ufeffparam a = 1\r\nparam b = 2\r") == "param a = 1\nparam b = 2\n"


@pytest.mark.parametrize("depth", [1, 5, 12])
def test_deep_nesting_is_broken_recursively(depth: int) -> None:
    check_promise(f"aggregate x = {'some_function(one, ' * depth}two{')' * depth} + 1")


def test_long_chain_of_calls_is_no_problem() -> None:
    check_promise("aggregate x = " + " + ".join(f"unit(grader_{n})" for n in range(500)))


def test_width_is_kept_where_a_bracket_allows_it() -> None:
    text = format_text("aggregate x = " + " + ".join(f"unit(grader_{n}, other)" for n in range(50)))
    assert max(map(len, text.splitlines())) <= 100


# ── Generated specs ──

NAMES = st.sampled_from(
    ["a", "b", "score", "std", "model", "when", "rubric", "lower", "naïve", "a_rather_long_name"]
)
NUMBERS = st.sampled_from(
    [
        "0",
        "1",
        "1_000",
        "1.0",
        ".5",
        "2.",
        "1e5",
        "1E-7",
        "1_0.2_5e+3",
        "1e999",
        "123456789012345678",
    ]
)
WHOLE = st.sampled_from(["0", "-1", "5", "0.0", "-.5", "1e-7", "1_0.0"])
BODIES = st.lists(
    st.sampled_from(
        [
            "a",
            " ",
            "  ",
            "\\n",
            "\\\\",
            '\\"',
            "\\'",
            "'",
            '"',
            "\n",
            "\n",
            "\n    ",
            "\n  b",
            "\t",
            "\\\n",
        ]
    )
    | st.sampled_from(
        [
            "{{ q }}",
            "#",
            "é",
            "\u00a0",
            "\x0c",
            "\\x41",
            "\\1",
            "\\N{BULLET}",
            "\\\n   ",
            "\\d",
            "ends  \n",
        ]
    ),
    max_size=9,
).map("".join)
COMMENT_TEXTS = st.sampled_from(
    ["# c", "#c", "## d", "##d", "#", "##", "#   wide", "#! x", "#: y", "### z", "#\tt", '# """']
)


def is_token(token: str) -> bool:
    """One string that the language reads; `\\d` in a plain string is none."""
    parsed = parse(f"aggregate x = {token}")
    return (
        not parsed.diagnostics
        and getattr(getattr(parsed.module.declarations[0], "body", None), "token", None) == token
    )


STRINGS = st.builds(
    lambda prefix, quotes, body: prefix + quotes + body + quotes,
    st.sampled_from(["", "", "r"]),
    st.sampled_from(['"', "'", '"""', "'''"]),
    BODIES,
).filter(is_token)
ATOMS = st.one_of(
    NAMES, NAMES, NUMBERS, STRINGS, st.sampled_from(["True", "False", "None", "[]", "f()"])
)
BLANKS = st.sampled_from(["", "", " ", "  "])
BREAKS = st.one_of(
    BLANKS,
    BLANKS,
    st.just("\n   "),
    COMMENT_TEXTS.map("  {}\n".format),
    COMMENT_TEXTS.map("\n {}\n".format),
)


def bracketed(opening: str, inner: st.SearchStrategy[str], closing: str) -> st.SearchStrategy[str]:
    return st.builds(lambda a, e, b: f"{opening}{a}{e}{b}{closing}", BREAKS, inner, BREAKS)


def listed(opening: str, inner: st.SearchStrategy[str], closing: str) -> st.SearchStrategy[str]:
    part = st.builds(lambda a, e, b: f"{a}{e}{b}", BREAKS, inner, BREAKS)
    parts = st.builds(
        lambda ps, end: ",".join(ps) + end,
        st.lists(part, min_size=1, max_size=4),
        st.sampled_from(["", ","]),
    )
    return st.builds(lambda ps, b: f"{opening}{ps}{b}{closing}", parts, BREAKS)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions out of smaller ones, in more brackets than they need, or in fewer than one would
    think.
    """
    closed = st.one_of(bracketed("(", inner, ")"), ATOMS)
    operator = st.sampled_from(
        ["+", "-", "*", "/", "<", ">=", "==", " in ", " not in ", " and ", " or "]
    )
    label = st.one_of(NAMES, closed, inner)
    argument = st.one_of(inner, st.builds(lambda name, value: f"{name} = {value}", label, inner))
    return st.one_of(
        st.builds(
            lambda a, o, b, p, c: f"{a} {o} {b} {p} {c}", closed, operator, closed, operator, closed
        ),
        st.builds(lambda a, o, b: f"{a} {o} {b}", inner, operator, inner),
        st.builds(lambda a, c, b: f"{a} if {c} else {b}", closed, inner, inner),
        st.builds(lambda a: f"not {a}", inner),
        st.builds(lambda sign, a: f"{sign}{a}", st.sampled_from(["-", "+", "--"]), closed),
        st.builds(lambda a, key: f"{a} . {key}", closed, NAMES),
        st.builds(lambda a, i: f"{a}{i}", closed, bracketed("[", inner, "]")),
        st.builds(lambda f, a: f"{f}{a}", closed, listed("(", argument, ")")),
        listed("[", inner, "]"),
        bracketed("(", inner, ")"),
    )


EXPRESSIONS = st.recursive(ATOMS, larger, max_leaves=12)
LABELS = STRINGS.filter(lambda token: "\n" not in token)
VALUES = st.lists(
    st.builds(lambda a, t, n: f"{a}{t}={n}", BREAKS, LABELS, WHOLE), min_size=1, max_size=3
)
SCALES = st.one_of(
    st.builds(lambda a, b: f"{a} .. {b}", WHOLE, WHOLE),
    st.sampled_from(["bool", "points"]),
    st.lists(LABELS, min_size=1, max_size=3).map("|".join),
    st.builds(lambda pairs, b: f"({'|'.join(pairs)}{b})", VALUES, BREAKS),
)
ONE_LINERS = st.one_of(
    st.builds(lambda n, v: f"param {n} = {v}", NAMES, st.one_of(WHOLE, STRINGS, st.just("True"))),
    st.builds(lambda n, e: f"model {n} = {e}", NAMES, EXPRESSIONS),
    st.builds(lambda n, s, e: f"grader {n} -> {s} = {e}", NAMES, SCALES, EXPRESSIONS),
    st.builds(lambda n, e: f"aggregate {n}={e}", NAMES, EXPRESSIONS),
    st.builds(lambda e: f"require ({e})", EXPRESSIONS),
    st.builds(
        lambda n, es: f"validate {n} against {','.join(es)}",
        NAMES,
        st.lists(EXPRESSIONS, min_size=1, max_size=2),
    ),
    st.sampled_from(["from 'x.rmg' import a , b as c", "internal f(*a: text, b:number=1) -> bool"]),
)
GAPS = st.lists(
    st.one_of(st.just(""), st.just("   "), st.tuples(st.sampled_from([0, 0, 3, 7]), COMMENT_TEXTS)),
    max_size=3,
)
ENDS = st.one_of(st.just(""), st.just("  "), COMMENT_TEXTS)
CRITERIA = st.lists(
    st.builds(
        lambda level, text, end: f"{level}: {text}{end}",
        st.sampled_from(["5", "+ 5", "-0", "+1.50", "- 8", "True", "veto", "'x'"]),
        STRINGS,
        ENDS,
    ),
    min_size=1,
    max_size=3,
)
SETTINGS = st.builds(
    lambda key, value, when, end: f"{key} = {value}{when}{end}",
    NAMES.filter(lambda name: name != "rubric"),
    EXPRESSIONS,
    st.sampled_from(["", "", " when spread>1"]),
    ENDS,
)


@st.composite
def blocks(draw: st.DrawFn) -> str:
    head = draw(
        st.sampled_from(
            ["grader a", "pairwise b", "ranking c", "aggregate d", "refine e", "fields"]
        )
    )
    scale = f" -> {draw(SCALES)}" if head == "grader a" else ""
    one, two = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    lines = [(one, draw(SETTINGS)) for _ in range(draw(st.integers(1, 3)))]
    if head == "fields":
        lines = [(one, re.sub(" when spread>1", "", line)) for _, line in lines]
    elif draw(st.booleans()):
        rubric = [(one, f"rubric:{draw(ENDS)}"), *((one + two, line) for line in draw(CRITERIA))]
        at = draw(st.integers(0, len(lines)))
        lines[at:at] = rubric
    body = "\n".join(f"{gap(draw(GAPS))}{' ' * indent}{line}" for indent, line in lines)
    return f"{head}{scale}:{draw(ENDS)}\n{body}"


def gap(lines: list[str | tuple[int, str]]) -> str:
    return "".join(
        f"{line}\n" if isinstance(line, str) else f"{' ' * line[0]}{line[1]}\n" for line in lines
    )


@st.composite
def specs(draw: st.DrawFn) -> str:
    declarations = draw(st.lists(st.one_of(ONE_LINERS, blocks()), max_size=5))
    edition = f"{gap(draw(GAPS))}rmg 1{draw(ENDS)}\n" if draw(st.booleans()) else ""
    text = edition + "".join(
        f"{gap(draw(GAPS))}{declaration}{draw(ENDS)}\n" for declaration in declarations
    )
    return text + gap(draw(GAPS))


CALM = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


@given(EXPRESSIONS)
@CALM
def test_generated_expression(expression: str) -> None:
    text = f"aggregate x = ({expression})"
    assume(not parse(text).diagnostics)
    check_promise(text)


@given(
    STRINGS,
    st.sampled_from(
        ["param a = {}", "grader a:\n prompt = {}  # c", "aggregate a = f(b, c = {}) + 1"]
    ),
)
@CALM
def test_generated_string(token: str, place: str) -> None:
    check_promise(place.format(token))


@given(specs())
@CALM
def test_generated_spec(text: str) -> None:
    assume(not parse(text).diagnostics)
    check_promise(text)


@given(specs(), st.integers(0, 1_000_000))
@settings(CALM, max_examples=100)
def test_generated_spec_damaged(text: str, seed: int) -> None:
    assume(not parse(text).diagnostics)
    formatted = format_text(text)
    worse = damaged(formatted, seed)
    assume("\\\n" not in formatted and "\t" not in formatted and not re.search("'''", formatted))
    assert node_meaning(parse(worse).module) == node_meaning(parse(formatted).module)
    assert comments_of(worse) == comments_of(formatted)
    assert format_text(worse) == formatted


@given(specs())
@CALM
def test_generated_spec_reindented(text: str) -> None:
    """A text that is sound keeps its meaning; only comments that end a block may come to document
    what follows.
    """
    assume(not parse(text).diagnostics and "#" not in text)
    assert node_meaning(parse(reindent(text)).module) == node_meaning(parse(text).module)
    assert format_text(reindent(text)) == format_text(text)

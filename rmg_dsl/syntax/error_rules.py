"""Error rules: one clear diagnostic for each common mistake in a line.

Each rule is a function from a `BadLine` to a diagnostic or none; the first that knows the mistake
speaks.
"""

from __future__ import annotations

import re

from lark.exceptions import UnexpectedCharacters

from rmg_dsl.diagnostics import Diagnostic, Fix, Source, Span, diagnose
from rmg_dsl.scales import WORD_SCALES
from rmg_dsl.syntax.bad_line import BadLine, ErrorRule
from rmg_dsl.syntax.declarations import declarations, word_pattern
from rmg_dsl.syntax.foreign_keys import BOOLEAN_WORDS
from rmg_dsl.syntax.key_error_rules import (
    foreign_key,
    key_inside_line,
    key_without_sign,
    takes_text,
    text_before_key,
)
from rmg_dsl.syntax.lines import HEAD
from rmg_dsl.syntax.scale_error_rules import malformed_scale, missing_arrow
from rmg_dsl.syntax.text_error_rules import adjacent_texts
from rmg_dsl.syntax.word_error_rules import (
    bracketed_list,
    chained_choice,
    foreign_choice,
    identity_test,
    missing_value_test,
    order_word,
    range_test,
    text_test,
)

_RESERVED_TERMINALS = frozenset({"IF", "ELSE", "AND", "OR", "NOT", "IN", "TRUE", "FALSE", "NONE"})
_TERMINAL_TITLES = {
    "NAME": "a name",
    "STRING": 'a text in "…"',
    "INT": "a number",
    "FLOAT": "a number",
    "_NL": "the end of the line",
    "EQUAL": "`=`",
    "COLON": "`:`",
    "COMMA": "`,`",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "ELSE": "`else`",
    "IMPORT": "`import`",
    "AGAINST": "`against`",
}
_FOREIGN_OPERATORS = {
    "&&": "and",
    "||": "or",
    "&": "and",
    "|": "or",
    "!": "not",
    "<>": "!=",
    "===": "==",
    ":=": "=",
    "**": "",
    "//": "/",
    "=>": ">=",
    "=<": "<=",
    "> =": ">=",
    "< =": "<=",
    "= =": "==",
    "! =": "!=",
    "^": "",
    "~": "not",
    "@": "",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "×": "*",
    "−": "-",
    "–": "-",
    "%": "",
}
_FOREIGN_OPERATOR_WORDS = {
    "AND": "and",
    "OR": "or",
    "NOT": "not",
    "equals": "==",
    "xor": "!=",
}
_POINT_WORDS = r"(?:\(?(?i:points?|pts?\.?|marks?|stars?)\)?)"
_CURLY_QUOTE = re.compile("[“”„«»‘’]")
_TABLE = declarations().values()
_NAMED = word_pattern(spec.keyword for spec in _TABLE if spec.has_name)
_WITH_VALUE = word_pattern(spec.keyword for spec in _TABLE if spec.has_value)
_BLOCK_ONLY = word_pattern(spec.keyword for spec in _TABLE if not spec.has_line)
_LINE_OR_BLOCK = word_pattern(spec.keyword for spec in _TABLE if spec.has_value and spec.has_block)
_DECLARATION_WITH_VALUE = re.compile(rf"(?:{_WITH_VALUE})\s+\w+(?:\s*->.*)?\s*$", re.S)
_DOUBLED_EQUALS = re.compile(rf"(?:(?:{_WITH_VALUE})\s+)?\w+\s*(?:->[^=]*)?=$")


def explain_bad_line(misread: BadLine) -> Diagnostic:
    """The diagnostic for a line that cannot be read: never none."""
    return next(d for rule in RULES if (d := rule(misread)) is not None)


def nesting_diagnostic(source: Source, offset: int) -> Diagnostic:
    at = min(max(0, offset), max(0, len(source.text) - 1))
    help = "name a part of it in an `aggregate` of its own"
    return diagnose(
        "RMG125", "this is nested too deeply to be read", source, Span(at, at + 1), help=help
    )


def declaration_help(text: str) -> str:
    """What to do about a line in column 1 that starts no declaration."""
    named = re.match(r"(\w+)[ \t]*=(?!=)", text)
    typed = re.match(r"(\w+)[ \t]+(\w+)[ \t]*(?:->|=(?!=)|:)", text)
    if text.startswith(("%", "!")):
        return "magics belong into notebooks, above the spec"
    if text.startswith(("#", "//", "/*", "--", ";")):
        return "comments start with #"
    if re.match(r"-\s+\w", text):
        return (
            "a spec is no YAML: a declaration is `grader NAME -> SCALE = …`, "
            "or its head and an indented block"
        )
    if re.match(r"import\b", text):
        return 'names of another file come by `from "file.rmg" import name`'
    if re.match(r"(?:def|class|return|for|while|print|async|lambda|with)\b", text):
        return (
            "a spec is no Python program; functions of your own are given by `functions={…}` "
            "or called by `python(…)`"
        )
    if named:
        name = named.group(1)
        return (
            f"`grader {name} = …`, `aggregate {name} = …` or `param {name} = …`? "
            "a line of a block is indented"
        )
    if typed:
        word, name = typed.groups()
        return f"`{word}` is no declaration: write `grader {name} …` or `aggregate {name} …`"
    return "a line in column 1 starts with one of: " + ", ".join(
        spec.keyword for spec in _TABLE if not spec.is_library_only
    )


# ── texts ─────────────────────────────────────────────────────────────────────────────────────────


def _curly_quotes(m: BadLine) -> Diagnostic | None:
    found = _CURLY_QUOTE.search(m.text)
    if not found or found.start() > m.offset + 1:
        return None
    message = "curly quotes do not start or end a text"
    return m.diagnose_with_fix(
        "RMG117", message, found.start(), found.end(), '"', 'use straight ones: "…"'
    )


def _string_prefix(m: BadLine) -> Diagnostic | None:
    found = re.compile(r"(?<![\w\"'])([A-Za-z]{1,2})(?=[\"'])").search(m.text, max(0, m.offset - 2))
    if (
        not found
        or found.group(1) in ("r", "in", "or", "if")
        or not found.start() <= m.offset <= found.end()
    ):
        return None
    prefix = found.group(1)
    help = (
        "leave it out: `{{ name }}` puts a value into a prompt"
        if "f" in prefix.lower()
        else 'only r"…" is known'
    )
    message = f"a text takes no `{prefix}` before its quotes"
    return m.diagnose_with_fix(
        "RMG114", message, found.start(1), found.end(1), "r" if prefix == "R" else "", help
    )


def _quote_inside(m: BadLine) -> Diagnostic | None:
    """`"Say "yes" or "no""`: a quote inside a text has ended it."""
    glued = re.search(r"([\"'])$", m.before)
    if (
        not glued
        or not re.match(r"\w|\{\{|[\"'][\w.?!]", m.rest)
        or (m.bracket_depth and m.token_type == "STRING")
    ):
        return None
    quote = glued.group(1)
    other = "'" if quote == '"' else '"'
    help = f"write \\{quote} for a quote inside a text, or put the text between {other} and {other}"
    return m.diagnose_at("RMG106", "this quote ends the text", m.span(m.offset - 1, m.offset), help)


def _template_outside_text(m: BadLine) -> Diagnostic | None:
    if not m.rest.startswith(("{", "%}")):
        return None
    if m.rest.startswith("{{"):
        help = (
            'put the prompt into quotes: "…{{ query }}…"; an expression names a field bare: `query`'
        )
        return m.diagnose_at(
            "RMG111", "`{{ … }}` belongs into a text", m.span(m.offset, m.offset + 2), help
        )
    span = m.span(m.offset, m.offset + 1)
    if m.kind == "head" and m.bracket_depth == 0 and not m.is_in_value:
        help = "end this line with `:` and indent the lines of the block below it"
        return m.diagnose_at("RMG116", "blocks have no braces", span, help)
    if re.match(r"rubric\s*=\s*$", m.before):
        help = 'write `rubric:` and below it, indented, a line such as `5: "…"` for each level'
        return m.diagnose_at(
            "RMG116", "a rubric is a block, and the language has no dictionaries", span, help
        )
    help = "give the parts one by one: `weighted(relevance=0.6, brevity=0.4)`"
    return m.diagnose_at("RMG116", "the language has no dictionaries", span, help)


def _bare_text(m: BadLine) -> Diagnostic | None:
    """Words in a row: a text without its quotes."""
    value = re.match(r"(?:grader\s+\w+\s*(?:->[^=]*)?|\w+\s*)=\s*(?=[^\W\d])", m.text)
    if not value or m.offset < value.end():
        return None
    if m.kind == "setting" and not takes_text(value.group().split("=")[0].strip()):
        return None
    written = m.text[value.end() :]
    if not re.match(r"\w+[,.!?:;]?\s+[\w{(\"']", written) or re.match(
        r"\w+\s+(?:if|for|is)\b|(?:if|lambda)\b", written
    ):
        return None
    if m.token_type not in ("NAME", "INT", "STRING", "COMMA", "COLON", "") or re.search(
        r"[()\[\]=<>+*/]", written[: m.offset - value.end()]
    ):
        return None
    return _unquoted_text(m, value.end())


def _unquoted_text(m: BadLine, start: int, word: str = "") -> Diagnostic:
    text = word or m.text[start:].split("\n")[0].rstrip()
    span = m.span(start, start + len(text))
    prose = text_before_key(text)
    help = f'write "{prose[:40]}{"…" * (len(prose) > 40)}"'
    fix = None
    if prose != text:
        # Quoting all of it would turn a key into a part of the text, without a further mistake.
        help += ", and each key on its own line"
    elif '"' not in text and "\\" not in text:
        fix = Fix(span, f'"{text}"', "quote it")
    return m.diagnose_at("RMG111", "text is always quoted", span, help, fix)


def _text_without_key(m: BadLine) -> Diagnostic | None:
    if m.kind not in ("setting", "field") or m.offset or not m.rest.startswith(('"', "'")):
        return None
    quoted = re.match(r"([\"'])(\w+)\1\s*[=:]", m.rest)
    if quoted:
        return m.diagnose_with_fix(
            "RMG101", "a name stands without quotes", 0, len(quoted.group(2)) + 2, quoted.group(2)
        )
    help = 'write `prompt = "…"`' if m.kind == "setting" else "write `name = column`"
    return m.diagnose_at("RMG103", "a text with nothing before it", m.span(0, 1), help)


# ── names and signs ───────────────────────────────────────────────────────────────────────────────


def _name_of_declaration(m: BadLine) -> Diagnostic | None:
    """The place right after the keyword, where the name stands: no name, two of them, or something
    else.
    """
    head = re.match(rf"({_NAMED})\b[ \t]*", m.text)
    if m.kind != "head" or not head:
        return None
    keyword, at = head.group(1), head.end()
    rest = m.text[at:]
    if rest[:1] in ("=", ":") or rest.startswith("->"):
        return m.diagnose_at(
            "RMG101",
            f"the name of this {keyword} is missing",
            m.span(at, at + 1),
            f"write `{keyword} NAME …`",
        )
    if re.match(r"([\"'])\w+\1", rest):
        name = rest[1 : rest.index(rest[0], 1)]
        return m.diagnose_with_fix(
            "RMG101", "a name stands without quotes", at, at + len(name) + 2, name
        )
    if re.match(r"\d\w*[^\W\d]", rest):
        word = re.match(r"\w+", rest)
        assert word is not None
        return m.diagnose_at(
            "RMG101",
            "a name starts with a letter",
            m.span(at, at + word.end()),
            "put the number at its end",
        )
    return _malformed_name(m, keyword, at)


def _malformed_name(m: BadLine, keyword: str, at: int) -> Diagnostic | None:
    odd = re.compile(r"([^\W\d]\w*)([- .])(\w+)[ \t]*(?==(?!=)|:|->|$)").match(m.text, at)
    if (
        odd
        and odd.group(3) not in ("against", "lower", *WORD_SCALES)
        and not odd.group(3).isdigit()
    ):
        better = f"{odd.group(1)}_{odd.group(3)}"
        return m.diagnose_with_fix("RMG101", "a name is one word", at, at + len(better), better)
    parameters = re.compile(r"[^\W\d]\w*\s*\([\w\s,:=]*\)\s*(?=->|=|:)").match(m.text, at)
    if parameters and re.fullmatch(_LINE_OR_BLOCK, keyword):
        start = m.text.index("(", at)
        help = "leave the brackets out: a prompt or an expression names its fields itself"
        end = start + len(m.text[start : parameters.end()].rstrip())
        return m.diagnose_at("RMG101", f"a {keyword} takes no parameters", m.span(start, end), help)
    return None


def _reserved_name(m: BadLine) -> Diagnostic | None:
    word = re.match(r"\w+", m.rest)
    if (
        m.token_type not in _RESERVED_TERMINALS
        or not word
        or "NAME" not in m.expected_terminals
        or len(m.expected_terminals) > 2
    ):
        return None
    if m.kind in ("setting", "field") and m.offset == 0 and not re.match(r"\w+\s*=(?!=)", m.rest):
        return None
    message = f"`{word.group()}` is a word of the language and can be no name"
    return m.diagnose_at(
        "RMG119", message, m.span(m.offset, m.offset + word.end()), "choose another name"
    )


def _block_required(m: BadLine) -> Diagnostic | None:
    """`pairwise x = …`, `fields = …`, `refine x until …`: what has only the form of a block."""
    head = re.match(rf"({_BLOCK_ONLY})\b[ \t]*(\w*)", m.text)
    if m.kind != "head" or not head or m.text.endswith(":") or m.bracket_depth:
        return None
    if m.offset < head.end(2) or (head.group(1) == "fields" and head.group(2)):
        return None
    shown = m.text[: head.end()].rstrip() if head.group(1) != "fields" else "fields"
    end = max(m.offset + 1, m.offset + len(re.split(r"\s", m.rest, maxsplit=1)[0]))
    help = f"write `{shown}:` and indent the lines of the block below it"
    return m.diagnose_at(
        "RMG102", f"`{head.group(1)}` is always a block", m.span(m.offset, end), help
    )


def _rubric_line(m: BadLine) -> Diagnostic | None:
    """A line of a rubric is `level: "text"`."""
    if m.kind != "criterion":
        return None
    if re.match(r"[-*•]\s", m.text):
        help = 'write the level first: `5: "…"`, `"good": "…"`, or `+5: "…"` for points'
        return m.diagnose_at(
            "RMG102", "a line of a rubric starts with its level", m.span(0, 1), help
        )
    if points := re.match(rf"([+-]?\d[\d.]*)[ \t]*{_POINT_WORDS}(?=[ \t]*:)", m.text):
        better = points.group(1)
        message = "a line of a rubric starts with the level alone"
        help = f'write `{better}: "…"`'
        return m.diagnose_with_fix("RMG102", message, 0, points.end(), better, help)
    if "COLON" in m.expected_terminals and m.rest.strip():
        span = m.span(m.offset, m.offset + 1)
        fix = Fix(span, ":", "write `:`") if m.rest.startswith("=") else None
        return m.diagnose_at(
            "RMG102", "a colon stands between the level and its text", span, 'write `5: "…"`', fix
        )
    if "STRING" in m.expected_terminals and m.before.rstrip().endswith(":") and m.rest.strip():
        return _unquoted_text(m, m.offset)
    word = re.match(r"[^\W\d]\w*(?=\s*:)", m.text)
    truth = BOOLEAN_WORDS.get(word.group().lower()) if word else None
    if m.offset == 0 and word and truth:
        return m.diagnose_with_fix(
            "RMG111", "the levels of a bool are True and False", 0, word.end(), truth
        )
    return _unquoted_text(m, 0, word.group()) if m.offset == 0 and word else None


def _colon_before_value(m: BadLine) -> Diagnostic | None:
    """`grader x -> 1..5: "…"`: the colon opens a block, a value on the same line wants `=`."""
    if (
        m.kind != "head"
        or not re.match(rf"({_LINE_OR_BLOCK}|fields)\b", m.text)
        or not m.before.rstrip().endswith(":")
    ):
        return None
    end = m.end_before
    if m.text.startswith("fields"):
        return m.diagnose_at(
            "RMG102",
            "the fields stand below this line",
            m.span(m.offset, len(m.text)),
            "indent each on a line",
        )
    message = "a colon opens a block; a value on the same line stands after `=`"
    return m.diagnose_with_fix("RMG103", message, end - 1, end, " =")


def _equals_missing(m: BadLine) -> Diagnostic | None:
    """`key: value`, `key value`, `key == value`, or nothing between a name and its value."""
    if (
        "EQUAL" not in m.expected_terminals
        or m.kind == "criterion"
        or not m.rest.strip()
        or m.is_in_value
    ):
        return None
    if m.kind == "head" and not _DECLARATION_WITH_VALUE.match(m.before):
        return None
    if m.kind != "head" and not re.match(r"\w+\s*$", m.before):
        return None
    typed = re.match(r":\s*(?:int|float|str|bool|number|list)\s*(?==)", m.rest)
    if typed:
        message = "types are inferred and never written"
        return m.diagnose_with_fix(
            "RMG103", message, m.offset, m.offset + typed.end(), " ", "leave the type out"
        )
    sign = re.match(r"==|:=|:|<-|->|=>|\bis\b|\bto\b", m.rest)
    help = f"write `{' '.join(m.before.split())} = …`"
    if sign:
        written = "=" if m.before.endswith(" ") else " ="
        return m.diagnose_with_fix(
            "RMG103", "a value is given by `=`", m.offset, m.offset + sign.end(), written, help
        )
    if not re.match(r"[\w\"'(\[{.+-]", m.rest):
        return None
    fix = Fix(m.empty_span(m.offset), "= ", "add `=`")
    return m.diagnose_at(
        "RMG103", "`=` is missing before this value", m.span(m.offset, m.offset + 1), help, fix
    )


def _equals_doubled(m: BadLine) -> Diagnostic | None:
    """`param x == 3`, `prompt == "…"`: where the parser has read the first `=` alone."""
    if not m.rest.startswith("=") or not m.before.endswith("=") or m.bracket_depth:
        return None
    if not _DOUBLED_EQUALS.match(m.before):
        return None
    help = f"write `{' '.join(m.before[:-1].split())} = …`"
    return m.diagnose_with_fix(
        "RMG103", "a value is given by `=`", m.offset - 1, m.offset + 1, "=", help
    )


def _malformed_import(m: BadLine) -> Diagnostic | None:
    if m.kind != "head" or not m.text.startswith("from"):
        return None
    path = re.match(r"from\s+([\w./-]+)", m.text)
    if path and m.offset <= path.end() and path.group(1)[0] not in "\"'":
        name = path.group(1) if path.group(1).endswith(".rmg") else f"{path.group(1)}.rmg"
        return m.diagnose_with_fix(
            "RMG111", "the file's name is a text", path.start(1), path.end(1), f'"{name}"'
        )
    if m.rest.startswith("*"):
        return m.diagnose_at(
            "RMG101",
            "names are imported one by one",
            m.span(m.offset, m.offset + 1),
            "write `import a, b`",
        )
    return None


def _malformed_edition(m: BadLine) -> Diagnostic | None:
    if m.kind != "head" or not m.text.startswith("rmg"):
        return None
    return m.diagnose_at(
        "RMG101",
        "the edition is a whole number",
        m.span(min(m.offset, len(m.text) - 1), len(m.text)),
        "write `rmg 1`",
    )


def _param_value(m: BadLine) -> Diagnostic | None:
    """A param holds a literal, because `--set` must be able to replace it."""
    head = re.match(r"param\s+\w+\s*=\s*", m.text)
    if m.kind != "head" or not head or not m.text[head.end() :].strip():
        return None
    value = m.text[head.end() :].rstrip()
    span = m.span(head.end(), head.end() + len(value))
    truth = BOOLEAN_WORDS.get(value.lower())
    if truth:
        fix = Fix(span, truth, f"write `{truth}`")
        return m.diagnose_at(
            "RMG101", f"`{value}` is no value of a param", span, f"write `{truth}`", fix
        )
    if re.fullmatch(r"[^\W\d][\w ]*", value):
        return _unquoted_text(m, head.end())
    if re.match(r"[\d.\s+*/()-]+$|[\[({]", value) and not re.match(r"[\d.,_]+$", value):
        return m.diagnose_at(
            "RMG101",
            "a param is one number, one text, True or False",
            span,
            "compute with it where it is used",
        )
    return None


# ── values ────────────────────────────────────────────────────────────────────────────────────────


def _percentage(m: BadLine) -> Diagnostic | None:
    found = re.compile(r"(\d+(?:\.\d+)?)\s*%").search(
        m.text, max(0, m.text.rfind(" ", 0, max(0, m.offset - 1)))
    )
    found = found or re.search(r"(\d+(?:\.\d+)?)\s*%", m.text)
    if not found or not found.start() <= m.offset <= found.end():
        return None
    share = f"{float(found.group(1)) / 100:g}"
    help = f"write `{share}` for {found.group(1)} %"
    return m.diagnose_with_fix(
        "RMG122", "there are no percentages", found.start(), found.end(), share, help
    )


def _single_equals(m: BadLine) -> Diagnostic | None:
    """`=` where two values are compared."""
    if (
        m.token_type != "EQUAL"
        or "EQUAL" in m.expected_terminals
        or not (m.is_in_value or m.bracket_depth)
    ):
        return None
    if re.match(r"=[=<>]", m.rest) or not re.search(r"[\w\])\"']\s*$", m.before):
        return None
    message = "`=` gives a value to a name; two values are compared by `==`"
    return m.diagnose_with_fix("RMG112", message, m.offset, m.offset + 1, "==")


def _foreign_operator(m: BadLine) -> Diagnostic | None:
    for written, instead in sorted(_FOREIGN_OPERATORS.items(), key=lambda pair: -len(pair[0])):
        for start in (m.offset - 1, m.offset - 2, m.offset):
            if (
                start < 0
                or not m.text.startswith(written, start)
                or start + len(written) < m.offset
            ):
                continue
            if written == "!" and m.text.startswith("!=", start):
                continue
            help = (
                f"write `{instead}`"
                if instead
                else "the operators are + - * / < <= > >= == != in and or not"
            )
            span = m.span(start, start + len(written))
            fix = (
                Fix(span, f" {instead} " if instead.isalpha() else instead, help)
                if instead
                else None
            )
            return m.diagnose_at(
                "RMG116", f"`{written}` is no operator of the language", span, help, fix
            )
    return None


def _foreign_operator_word(m: BadLine) -> Diagnostic | None:
    """Words of other languages between two values: `AND`, `equals`, `for`, `lambda`."""
    word = re.match(r"\w+", m.rest)
    if not word or not (m.is_in_value or m.bracket_depth):
        return None
    text = word.group()
    if text in _FOREIGN_OPERATOR_WORDS:
        return m.diagnose_with_fix(
            "RMG116",
            f"`{text}` is no operator of the language",
            m.offset,
            m.offset + len(text),
            _FOREIGN_OPERATOR_WORDS[text],
        )
    if text == "for" or re.search(r"\blambda\s*$", m.before):
        help = "functions over all items do it: `any`, `all`, `contains_any`, `join`"
        return m.diagnose_at(
            "RMG116",
            "the language has no loops and no lambda",
            m.span(m.offset, m.offset + len(text)),
            help,
        )
    return None


def _else_missing(m: BadLine) -> Diagnostic | None:
    if (
        m.token_type == "COLON"
        or "ELSE" not in m.expected_terminals
        or not re.search(r"\bif\b", m.before)
    ):
        return None
    if m.rest.strip() and not m.rest.lstrip().startswith((")", ",", "]")):
        return None
    found = list(re.finditer(r"\bif\b", m.before))[-1]
    if m.kind == "setting" and m.text.startswith("escalate"):
        return m.diagnose_with_fix(
            "RMG123", "`escalate` says when, not if", found.start(), found.end(), "when"
        )
    span = m.span(found.start(), found.end())
    help = "write `a if condition else b`: b is the value where the condition does not hold"
    return m.diagnose_at("RMG123", "`if` needs its `else`", span, help)


def _unmatched_closing_bracket(m: BadLine) -> Diagnostic | None:
    if m.rest[:1] not in (")", "]", "}") or m.bracket_depth > 0:
        return None
    span = m.span(m.offset, m.offset + 1)
    return m.diagnose_at(
        "RMG109",
        f"`{m.rest[0]}` closes nothing",
        span,
        "remove it, or add the bracket that it closes",
    )


def _malformed_number(m: BadLine) -> Diagnostic | None:
    digits = re.search(r"[\d.]*$", m.before)
    start = digits.start() if digits else m.offset
    shapes = r"0\d+|0[xXbBoO]\w+|\d+[^\W\d_]\w*|\d+\.\d+\.[\d.]*|\d+,\d+"
    found = re.compile(rf"(?<![\w.])(?:{shapes})").match(m.text, start)
    if (
        not found
        or found.end() < m.offset
        or not re.search(r"[=(,\[<>+*/-]\s*$|\b(?:if|else|and|or|not|in)\s+$", m.text[:start])
    ):
        return None
    help = "numbers are written as in Python: 4, 0.5, 1e-3"
    if "," in found.group():
        help = f"a point stands before the decimals: `{found.group().replace(',', '.')}`"
    return m.diagnose_at(
        "RMG120", f"`{found.group()}` is no number", m.span(found.start(), found.end()), help
    )


def _comma_missing(m: BadLine) -> Diagnostic | None:
    """Two values side by side in brackets; where a line break lies between them, the first is
    shown.
    """
    if (
        m.bracket_depth <= 0
        or "COMMA" not in m.expected_terminals
        or not re.match(r"[\w\"'(\[]", m.rest)
    ):
        return None
    fix = Fix(m.empty_span(m.end_before), ",", "add a comma")
    if "\n" in m.text[m.end_before : m.offset]:
        span = m.span(m.end_before - 1, m.end_before)
        return m.diagnose_at(
            "RMG101", "a comma is missing after this", span, "parts stand apart by `,`", fix
        )
    word = re.match(r"\w*", m.rest)
    span = m.span(m.offset, m.offset + (len(word.group()) if word else 0))
    return m.diagnose_at(
        "RMG101", "a comma is missing before this", span, "parts stand apart by `,`", fix
    )


def _comma_in_value(m: BadLine) -> Diagnostic | None:
    if not m.rest.startswith(",") or m.bracket_depth or not m.is_in_value or m.kind == "criterion":
        return None
    start = re.match(r"[^=]*=\s*", m.text)
    listed = m.text[start.end() :].rstrip() if start else ""
    help = (
        f"write `[{listed}]`"
        if listed and len(listed) < 60 and listed[0] not in "[("
        else "a list stands in [ and ]"
    )
    return m.diagnose_at(
        "RMG101", "several values stand in square brackets", m.span(m.offset, m.offset + 1), help
    )


def _colon_in_value(m: BadLine) -> Diagnostic | None:
    if m.token_type != "COLON" or m.kind == "criterion":
        return None
    if m.bracket_depth and re.search(r"[\w)]\s*$", m.before):
        return m.diagnose_with_fix(
            "RMG103", "an argument gets its value by `=`", m.offset, m.offset + 1, "="
        )
    if re.match(r"require\s*$", m.before):
        return m.diagnose_with_fix(
            "RMG101", "no colon stands after `require`", m.offset, m.offset + 1, "", "leave it out"
        )
    help = "it ends the first line of a block and stands after a level of a rubric"
    return m.diagnose_at(
        "RMG101", "a colon cannot stand here", m.span(m.offset, m.offset + 1), help
    )


def _strange_character(m: BadLine) -> Diagnostic | None:
    if not isinstance(m.failure, UnexpectedCharacters) or not m.rest:
        return None
    char = m.rest[0]
    if char.isalnum() or char == "_" or char in "\"'":
        return None
    help = {
        "\\": "a line goes on inside brackets, without a backslash",
        ";": "a statement ends with its line",
    }.get(char, "")
    return m.diagnose_at(
        "RMG117", f"`{char}` has no meaning here", m.span(m.offset, m.offset + 1), help
    )


def _ends_early(m: BadLine) -> Diagnostic | None:
    if m.rest.strip():
        return None
    end = len(m.text.rstrip())
    if re.search(r"(?<![=<>!])=$", m.text.rstrip()):
        return m.diagnose_at(
            "RMG101", "a value is missing after `=`", m.span(end - 1, end), "it stands on this line"
        )
    return m.diagnose_at(
        "RMG101", "the line ends too early", m.span(end - 1, end), _expected_help(m)
    )


def _two_statements(m: BadLine) -> Diagnostic | None:
    """A declaration that starts behind another statement."""
    if m.bracket_depth or not HEAD.match(m.rest) or not m.before.strip():
        return None
    word = re.match(r"\w+", m.rest)
    span = m.span(m.offset, m.offset + (word.end() if word else 1))
    return m.diagnose_at("RMG101", "one statement stands on a line", span, "begin a new line here")


def _unexpected_token(m: BadLine) -> Diagnostic | None:
    word = re.match(r"\w+|[\"']|[^\w\s\"']+|\s+", m.rest)
    text = word.group() if word else ""
    span = m.span(m.offset, m.offset + len(text))
    if text[:1] in ("'", '"'):
        return m.diagnose_at("RMG101", "a text is not expected here", span, _expected_help(m))
    return m.diagnose_at("RMG101", f"`{text}` is not expected here", span, _expected_help(m))


def _expected_help(m: BadLine) -> str:
    """At most three things that may stand there; more would be noise."""
    if m.expected_terminals & {"IF", "NAME"} and len(m.expected_terminals) > 4:
        return "a value belongs here" if "NAME" in m.expected_terminals else ""
    shown = sorted({_TERMINAL_TITLES.get(name, "") for name in m.expected_terminals} - {""})
    return f"{' or '.join(shown)} belongs here" if 0 < len(shown) <= 3 else ""


RULES: tuple[ErrorRule, ...] = (
    key_inside_line,
    foreign_key,
    key_without_sign,
    _curly_quotes,
    _string_prefix,
    adjacent_texts,
    _quote_inside,
    _percentage,
    _name_of_declaration,
    missing_arrow,
    malformed_scale,
    _template_outside_text,
    _reserved_name,
    _rubric_line,
    _text_without_key,
    _colon_before_value,
    _equals_doubled,
    _malformed_import,
    _malformed_edition,
    _two_statements,
    _equals_missing,
    _block_required,
    missing_value_test,
    identity_test,
    text_test,
    range_test,
    order_word,
    chained_choice,
    foreign_choice,
    bracketed_list,
    _foreign_operator_word,
    _malformed_number,
    _single_equals,
    _bare_text,
    _param_value,
    _foreign_operator,
    _else_missing,
    _unmatched_closing_bracket,
    _comma_missing,
    _comma_in_value,
    _colon_in_value,
    _strange_character,
    _ends_early,
    _unexpected_token,
)
"""The first that knows the mistake speaks: the most telling stand first."""

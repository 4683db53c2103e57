"""Colours for whatever reads Pygments: terminals, Sphinx, MkDocs. Pygments loads this by its entry point."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from pygments.lexer import RegexLexer, bygroups, default, include, using
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

if TYPE_CHECKING:
    from rmg_dsl.editing import Vocabulary

Rules = list[Any]  # what Pygments takes as rules, which it has no types for
_NAME = r"[^\W\d]\w*"
_NUMBER = r"(?:\d[\d_]*(?:\.(?!\.)[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?(?!\w)"
_QUOTES = ('"""', "'''", '"', "'")
_ESCAPE = r"\\(?:[\\'\"abfnrtv\n]|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}\n]+\})"
_RAW = r"(\{%-?)(\s*)(raw)(\s*)(-?%\})((?:.|\n)*?)(\{%-?)(\s*)(endraw)(\s*)(-?%\})"
_TAG = (Comment.Preproc, Whitespace, Keyword, Whitespace, Comment.Preproc)


class RmgLexer(RegexLexer):  # type: ignore[misc] # Pygments has no types
    """Specs of the RMG language, as files or below `%%grade`; the tags of their prompts as Jinja.

    >>> tokens = RmgLexer().get_tokens('grader kind -> bool = "Is {{ response }} kind?"')
    >>> [text for kind, text in tokens if kind in Keyword or kind in Name]
    ['grader', 'kind', 'bool', 'response']
    """

    name = "RMG"
    aliases: ClassVar = ["rmg"]
    filenames: ClassVar = ["*.rmg"]
    mimetypes: ClassVar = ["text/x-rmg"]
    flags = re.M

    @classmethod
    def get_tokendefs(cls) -> dict[str, Rules]:
        """The rules by state, made when the first text is read: Pygments loads lexers also to list them."""
        return _states()


@cache
def _states() -> dict[str, Rules]:
    # The words come from the grammar, which takes a moment to load.
    from rmg_dsl.api.sources import universe
    from rmg_dsl.editing import vocabulary

    known = vocabulary(universe())
    # A declaration in column 1 is no part of brackets: they were never closed.
    over = rf"^(?={_one_of(known.declarations)}[ \t]+[\w\"])"
    brackets = {
        "brackets": [
            (over, Whitespace, "#pop"),
            (r"[)\]]", Punctuation, "#pop"),
            include("expression"),
        ]
    }
    return {
        **_lines(known),
        "expression": _expression(known),
        **brackets,
        **_heads(known),
        **_texts(known),
    }


def _one_of(words: Iterable[str]) -> str:
    return rf"(?:{'|'.join(sorted(words, key=len, reverse=True))})\b"


# ── code ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lines(known: Vocabulary) -> dict[str, Rules]:
    """What lines begin with: the magic, declarations, keys, the levels of a rubric."""
    naming = _one_of(
        word
        for word in known.declarations
        if word not in ("rmg", "from", "fields", "require", "grader")
    )
    declares = bygroups(Keyword.Declaration, Whitespace, Name.Class)
    begins = rf"^{_one_of(known.declarations)}(?=[ \t]*:|[ \t]+[^\s=:])"
    key = bygroups(Whitespace, Name.Attribute, Whitespace, Operator)
    levels = {
        rf"[+-]?{_NUMBER}": Number,
        r"veto|True|False": Keyword.Constant,
        r"\"[^\"\n]*\"|'[^'\n]*'": String,
    }
    criteria = [
        (rf"^([ \t]+)({level})([ \t]*)(:)", _level(kind), "prompt")
        for level, kind in levels.items()
    ]
    return {
        "root": [
            (
                r"\A(\s*)(%%(?:grade|rmg)\b)([^\n]*)",
                bygroups(Whitespace, Keyword.Pseudo, using(PythonLexer)),
            ),
            (r"^##[^\n]*", String.Doc),
            (rf"^(grader)([ \t]+)({_NAME})", declares, "head"),
            (rf"^({naming})([ \t]+)({_NAME})", declares),
            (begins, Keyword.Declaration),
            (rf"^([ \t]+)({_one_of(known.templates)})([ \t]*)(=)(?!=)", key, "prompt"),
            (rf"^([ \t]+)({_one_of(known.keys)})([ \t]*)(=)(?!=)", key),
            (
                r"^([ \t]+)(rubric)([ \t]*)(:)",
                bygroups(Whitespace, Name.Attribute, Whitespace, Punctuation),
            ),
            (
                rf"^([ \t]+)({_NAME})([ \t]*)(=)(?!=)",
                bygroups(Whitespace, Name.Variable, Whitespace, Operator),
            ),
            *criteria,
            include("expression"),
        ]
    }


def _level(kind: Any) -> Any:
    return bygroups(Whitespace, kind, Whitespace, Punctuation)


def _expression(known: Vocabulary) -> Rules:
    library = rf"(std)(\.)({_one_of(known.graders)})"
    between = rf"(?<=[\w)\]\"'])([ \t]+)({_one_of(known.inside)})(?=[ \t]+[\w\"'(])"
    return [
        (r"[ \t]+(?=\n)|\n", Whitespace),
        (between, bygroups(Whitespace, Keyword)),
        (r"[ \t]+", Whitespace),
        (r"#[^\n]*", Comment.Single),
        include("text"),
        (r"->", Operator, "scale"),
        (_one_of(known.constants), Keyword.Constant),
        (_one_of(known.operators), Operator.Word),
        (library, bygroups(Name.Namespace, Operator, Name.Builtin)),
        (rf"{_one_of(known.functions)}(?=[ \t]*\()", Name.Builtin),
        (rf"{_one_of(known.settings)}(?=[ \t]*=(?!=))", Name.Attribute),
        (rf"{_NAME}(?=[ \t]*\()", Name.Function),
        (rf"(\.)({_NAME})", bygroups(Operator, Name.Property)),
        (_NAME, Name),
        (_NUMBER, Number),
        (r"\.\.|[-+*/<>=!|.]+", Operator),
        (r"[(\[]", Punctuation, "brackets"),
        (r"[,:)\]]", Punctuation),
    ]


def _heads(known: Vocabulary) -> dict[str, Rules]:
    """After `grader NAME`: a scale, then a colon, or `=` and perhaps a prompt."""
    words = (_one_of(known.scale), Keyword.Type)
    parts = [
        words,
        (_NUMBER, Number),
        (r"\.\.|[-|+]", Operator),
        (r"[ \t]+", Whitespace),
        include("text"),
    ]
    return {
        "head": [
            (r"->", Operator),
            (r"\(", Punctuation, "values"),
            (r"=(?!=)", Operator, ("#pop", "prompt")),
            *parts,
            default("#pop"),
        ],
        "values": [
            (r"\)", Punctuation, "#pop"),
            (r"=", Operator),
            (r"\n", Whitespace),
            *parts,
            default("#pop"),
        ],
        "scale": [(r"\(", Punctuation, "values"), *parts, default("#pop")],
    }


# ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _texts(known: Vocabulary) -> dict[str, Rules]:
    """Texts in each kind of quotes, raw or not, plain or as templates."""
    states: dict[str, Rules] = {"text": [], "prompt": [(r"[ \t]+", Whitespace)]}
    for quotes in _QUOTES:
        for raw in (True, False):
            opening = bygroups(String.Affix, String) if raw else String
            for use in ("text", "prompt"):
                state = f"{use} {'r' if raw else ''}{quotes}"
                pattern = rf"(r)({quotes})" if raw else quotes
                states[use].append((pattern, opening, state if use == "text" else ("#pop", state)))
                states[state] = [
                    *(_template(quotes) if use == "prompt" else []),
                    *_plain(quotes, raw),
                ]
        states[f"tag {quotes}"] = _tag(quotes, known)
    states["prompt"].append(default("#pop"))
    return states


def _plain(quotes: str, raw: bool) -> Rules:
    ends = [(quotes, String, "#pop"), *([] if len(quotes) == 3 else [(r"\n", Whitespace, "#pop")])]
    return [*ends, *([] if raw else [(_ESCAPE, String.Escape)]), (r"\\.|[^\\\n{\"']+|\n|.", String)]


def _template(quotes: str) -> Rules:
    return [
        (r"\{#(?:.|\n)*?#\}", Comment.Multiline),
        (_RAW, bygroups(*_TAG, String, *_TAG)),
        (r"\{[{%]-?", Comment.Preproc, f"tag {quotes}"),
    ]


def _tag(quotes: str, known: Vocabulary) -> Rules:
    """Inside of `{{ }}` and `{% %}`; where the text itself ends, so does the tag."""
    other = "'" if quotes.startswith('"') else '"'
    return [
        (r"-?[%}]\}", Comment.Preproc, "#pop"),
        (rf"(?={quotes}){'' if len(quotes) == 3 else '|(?=$)'}", String, "#pop"),
        (r"\s+", Whitespace),
        (
            rf"{other}[^{other}\n]*{other}" if len(quotes) == 1 else r"\"[^\"\n]*\"|'[^'\n]*'",
            String,
        ),
        (rf"(\|)(\s*)({_one_of(known.filters)})", bygroups(Operator, Whitespace, Name.Function)),
        (rf"(\.)({_NAME})", bygroups(Operator, Name.Property)),
        (_one_of(known.statements), Keyword),
        (_one_of(("true", "false", "none", *known.constants)), Keyword.Constant),
        (_NAME, Name.Variable),
        (_NUMBER, Number),
        (r"\\.", String.Escape),
        (r"[-+*/%~<>=!|]+", Operator),
        (r"[][(){}.,:]", Punctuation),
        (r".", String),
    ]

"""Text to HTML: escaped, long texts folded, one style for light and dark. No script, no ids."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from html import escape

MAX_UNFOLDED_LETTERS = 90
MAX_TEXT_LETTERS = 4_000
_MIN_DIGITS, _MAX_DIGITS = 3, 12

# Control characters, halves of surrogate pairs, which no file could hold, and marks that change the
# direction of the text after them.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")

# The colours of JupyterLab or VS Code where they exist, else those that the system prefers.
# A selector names the class twice because JupyterLab styles every table of an output with one.
STYLE = """
.rmg{--l-ink:#1f2328;--l-dim:#59636e;--l-line:#d1d9e0;--l-paper:#fff;--l-wash:#f3f5f8;
--l-bar:#0969da;--l-bad:#c5221f;--l-good:#1a7f37}
@media (prefers-color-scheme:dark){.rmg{--l-ink:#e6edf3;--l-dim:#9aa4af;--l-line:#3a424c;
--l-paper:#111418;--l-wash:#1c2229;--l-bar:#58a6ff;--l-bad:#ff7b72;--l-good:#56d364}}
.rmg{--ink:var(--jp-content-font-color1,var(--vscode-editor-foreground,var(--l-ink)));
--dim:var(--jp-content-font-color2,var(--vscode-descriptionForeground,var(--l-dim)));
--line:var(--jp-border-color2,var(--vscode-panel-border,var(--l-line)));
--paper:var(--jp-layout-color0,var(--vscode-editor-background,var(--l-paper)));
--wash:var(--jp-layout-color2,var(--vscode-textCodeBlock-background,var(--l-wash)));
--bar:var(--jp-brand-color1,var(--vscode-charts-blue,var(--l-bar)));
--bad:var(--jp-error-color1,var(--vscode-errorForeground,var(--l-bad)));
--good:var(--jp-success-color1,var(--vscode-charts-green,var(--l-good)));
color:var(--ink);background:var(--paper);padding:2px 6px;overflow-x:auto;
font:13px/1.45 var(--jp-ui-font-family,system-ui,-apple-system,"Segoe UI",sans-serif)}
.rmg.rmg table{border-collapse:collapse;margin:2px 0 10px;width:auto;font-size:inherit;
color:inherit;border:0}
.rmg.rmg th,.rmg.rmg td{padding:4px 14px 4px 0;text-align:left;vertical-align:top;border:0;
border-bottom:1px solid var(--line);max-width:32em;overflow-wrap:break-word;white-space:normal}
.rmg.rmg td.w{min-width:16em;white-space:pre-wrap;overflow-wrap:anywhere}
.rmg.rmg td.s{min-width:7em}
.rmg.rmg td.r{min-width:20em}.rmg.rmg td.j{overflow-wrap:normal;white-space:nowrap}
.rmg.rmg th{font-weight:600;color:var(--dim);white-space:nowrap}
.rmg.rmg tbody tr,.rmg.rmg tbody tr:nth-child(odd),.rmg.rmg tbody tr:hover{background:transparent}
.rmg.rmg .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.rmg.rmg .k{white-space:nowrap;font-weight:600}
.rmg.rmg .d{color:var(--dim)}.rmg.rmg .bad{color:var(--bad);font-weight:600}
.rmg.rmg .good{color:var(--good)}
.rmg.rmg h4{margin:12px 0 2px;font-size:13px;font-weight:700;color:inherit}
.rmg.rmg h3{margin:0 0 8px;font-size:16px}
.rmg.rmg p{margin:2px 0 6px}.rmg.rmg ul{margin:0 0 6px;padding-left:0;list-style:none}
.rmg.rmg summary{cursor:pointer;display:list-item}.rmg.rmg details[open]>summary>span{display:none}
.rmg.rmg .t{white-space:pre-wrap;max-height:24em;overflow:auto}
.rmg.rmg pre,.rmg.rmg code{font:12px/1.45 var(--jp-code-font-family,ui-monospace,monospace);
color:inherit;
background:var(--wash);padding:1px 4px;margin:0;white-space:pre-wrap;border:0}
.rmg.rmg pre{padding:6px 8px;margin:2px 0 8px}
.rmg.rmg del{color:var(--bad)}.rmg.rmg ins{color:var(--good);text-decoration:none;font-weight:600}
.rmg.rmg svg{display:block;overflow:visible}.rmg.rmg svg text{fill:var(--dim);font-size:9px}
.rmg.rmg svg .bar{fill:var(--bar)}.rmg.rmg svg .axis{stroke:var(--line);stroke-width:1}
.rmg.rmg svg .box{fill:var(--wash);stroke:var(--line)}.rmg.rmg svg .ask{stroke:var(--bar)}
.rmg.rmg svg .lazy{stroke-dasharray:4 3}.rmg.rmg svg .edge{fill:none;stroke:var(--dim)}
.rmg.rmg svg .tip{fill:var(--dim)}
.rmg.rmg svg text.name{fill:var(--ink);font-size:12px;font-weight:600}
.rmg.rmg svg text.more{font-size:11px}.rmg.rmg svg.graph{margin:6px 0 10px}
.rmg.rmg .track{width:220px;height:6px;background:var(--wash);border:1px solid var(--line);
border-radius:4px}
.rmg.rmg .track>div{height:100%;background:var(--bar);border-radius:4px}
.rmg-page{margin:0;padding:20px 28px}
"""


def block(*parts: str) -> str:
    """Parts of HTML as one output of a notebook, with the style.

    >>> block("<p>a</p>").startswith('<div class="rmg tex2jax_ignore mathjax_ignore"><style>')
    True
    """
    # The two other classes stop math typesetting: a dollar sign in a row is no formula.
    classes = "rmg tex2jax_ignore mathjax_ignore"
    return f'<div class="{classes}"><style>{STYLE}</style>{"".join(parts)}</div>'


def page(title: str, *parts: str) -> str:
    """Parts of HTML as a whole file."""
    # The policy is a second barrier behind the escaping: nothing loads and nothing runs.
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape_text(title)}</title><style>{STYLE}</style></head>"
        f'<body class="rmg rmg-page">{"".join(parts)}</body></html>\n'
    )


def escape_text(value: object) -> str:
    """Escape a text for HTML; a control character becomes its visible picture.

    >>> escape_text("<script>\\x1b[31m</data> {{ 7*7 }}")
    '&lt;script&gt;␛[31m&lt;/data&gt; {{ 7*7 }}'
    """
    return escape(_UNPRINTABLE.sub(_control_picture, str(value).replace("\r\n", "\n")))


def _control_picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    # Unicode has a picture for each of the first 32 characters only.
    if code < 32:
        return chr(0x2400 + code)
    return "\ufffd"


def format_number(value: float | None) -> str:
    """A number with three digits; more where three would show a fraction as a whole number.

    >>> format_number(4.25), format_number(0.99961), format_number(3), format_number(None)
    ('4.25', '0.9996', '3', '–')
    >>> format_number(1234567), format_number(1234.5)
    ('1,234,567', '1,234.5')
    """
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    is_whole = value == int(value)
    if abs(value) >= 1_000:
        return f"{value:,.0f}" if is_whole else f"{value:,.1f}"
    for digits in range(_MIN_DIGITS, _MAX_DIGITS):
        text = f"{value:.{digits}g}"
        # 0.9996 must not look like a perfect 1.
        if is_whole or float(text) != int(float(text)):
            return text
    return f"{value:g}"


def format_money(value: float) -> str:
    """US dollars with four decimals; more where four would show a price as zero.

    >>> format_money(1.5), format_money(0.0), format_money(0.0000123)
    ('1.5000', '0.0000', '0.000012')
    """
    digits = 4 if value <= 0 else max(4, 1 - math.floor(math.log10(value)))
    return f"{value:,.{digits}f}"


def data_cell(value: object) -> str:
    """A value of the data: a dash for no value, a long text folded."""
    if value is None:
        return dim("–")
    return fold_text(str(value))


def fold_text(full: str, short: int = MAX_UNFOLDED_LETTERS) -> str:
    """A short text as it is; a longer one folded behind its first letters.

    >>> fold_text("yes"), fold_text("a b c d", short=3)
    ('yes', '<details><summary><span>a b…</span></summary><div class="t">a b c d</div></details>')
    """
    if len(full) <= short:
        return escape_text(full)
    # Twice as many letters are enough: white space folds to single blanks.
    first = " ".join(full[: 2 * short].split())
    summary = f"<summary><span>{escape_text(first[:short])}…</span></summary>"
    shown = f'<div class="t">{escape_text(full[:MAX_TEXT_LETTERS])}</div>'
    # A page with many huge texts would be too large to open.
    more = len(full) - MAX_TEXT_LETTERS
    if more > 0:
        shown += aside(f"and {more:,} characters more")
    return f"<details>{summary}{shown}</details>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], classes: Sequence[str] = ()) -> str:
    """A table of cells that are HTML already; `classes` has a CSS class for each column."""
    kinds = [*classes, *[""] * (len(head) - len(classes))]
    # Names of columns come from the data: they are escaped, the cells are escaped already.
    top = "".join(
        f"<th{_class_attribute(kind)}>{escape_text(name)}</th>"
        for name, kind in zip(head, kinds, strict=True)
    )
    body = "".join(f"<tr>{_table_cells(row, kinds)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _table_cells(row: Sequence[str], kinds: Sequence[str]) -> str:
    return "".join(
        f"<td{_class_attribute(kind)}>{cell}</td>" for cell, kind in zip(row, kinds, strict=True)
    )


def _class_attribute(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def dim(html: str) -> str:
    """HTML in a weaker colour."""
    return f'<span class="d">{html}</span>'


def bad(text: object) -> str:
    """A text in the colour of failures, escaped."""
    return f'<span class="bad">{escape_text(text)}</span>'


def aside(text: str) -> str:
    """A paragraph of text in a weaker colour, escaped; empty for an empty text."""
    if not text:
        return ""
    return f'<p class="d">{escape_text(text)}</p>'


def html_list(*items: str) -> str:
    """A list of items that are HTML already; empty without items."""
    if not items:
        return ""
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"

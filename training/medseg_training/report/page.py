"""The HTML page: plain first, complete after, one file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 78rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem } p { max-width: 48rem }
.notice { background: #fff4d6; border-left: 4px solid #d99a00; padding: .5rem .8rem; margin: .6rem 0 }
.wide { overflow-x: auto } table { border-collapse: collapse; margin: .4rem 0; font-size: .92rem }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #d8dee4; text-align: right; white-space: nowrap }
td { font-variant-numeric: tabular-nums } th { font-weight: 600; white-space: normal; vertical-align: bottom }
th:first-child, td:first-child, .facts td, .facts th { text-align: left }
.facts td { white-space: normal }
summary { font-size: 1.1rem; font-weight: 600; cursor: pointer; margin: 1.2rem 0 .3rem }
.name { white-space: nowrap; margin-right: 1rem }
.low { color: #a40000; font-weight: 600 } svg { max-width: 100%; height: auto } figcaption, .small { color: #57606a }
figure { margin: .5rem 0 } .pair { display: flex; flex-wrap: wrap; gap: 1rem } img { max-width: 100%; background: #000 }
@media print { body { margin: 0; font-size: 11px } h2 { break-after: avoid } figure, table { break-inside: avoid } }
"""


def page(title: str, notices: Iterable[str], sections: Iterable[str]) -> str:
    """The whole document."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>",
            *(f'<p class="notice">{escape(text)}</p>' for text in notices),
            *sections,
            "</body></html>\n",
        ]
    )


def heading(text: str, level: int = 2) -> str:
    return f"<h{level}>{escape(text)}</h{level}>"


def paragraph(text: str, *, small: bool = False) -> str:
    return f'<p class="small">{escape(text)}</p>' if small else f"<p>{escape(text)}</p>"


def facts(rows: Iterable[tuple[str, str]]) -> str:
    body = "".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in rows)
    return f'<table class="facts">{body}</table>'


def folded(title: str, sections: Iterable[str]) -> str:
    """What opens on a click."""
    return f"<details><summary>{escape(title)}</summary>{''.join(sections)}</details>"


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], low: Iterable[tuple[int, int]] = (), *, text: bool = False
) -> str:
    """``low`` marks cells by (row, column). ``text`` : words in every column, which may run over several lines."""
    marked = set(low)
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="low">{escape(cell)}</td>' if (r, c) in marked else f"<td>{escape(cell)}</td>"
            for c, cell in enumerate(row)
        )
        + "</tr>"
        for r, row in enumerate(rows)
    )
    kind = ' class="facts"' if text else ""
    return f'<div class="wide"><table{kind}><tr>{head}</tr>{body}</table></div>'


def drawing(svg: str, caption: str = "") -> str:
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def picture(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def legend(colours: Mapping[str, str]) -> str:
    """Names, each beside its colour."""
    each = (
        f'<span class="name"><span style="color:{colour}">■</span> {escape(name)}</span>'
        for name, colour in colours.items()
    )
    return f"<p>{''.join(each)}</p>"

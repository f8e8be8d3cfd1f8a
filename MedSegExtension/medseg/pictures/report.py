"""A self-contained HTML report: text, tables and pictures in one file that can be mailed."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from ..io import atomic_path

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.1rem; margin: 1.8rem 0 .4rem }
.notice { background: #fff4d6; border-left: 4px solid #d99a00; padding: .5rem .8rem; margin: 1rem 0 }
table { border-collapse: collapse; margin: .4rem 0 } th, td { padding: .25rem .8rem; border-bottom: 1px solid #d8dee4 }
th { font-weight: 600; text-align: right } th:first-child { text-align: left }
td { text-align: right; font-variant-numeric: tabular-nums }
td:first-child, .facts td { text-align: left } img { max-width: 100%; background: black } figcaption { color: #57606a }
figure { margin: .6rem 0 } @media print { body { margin: 0; font-size: 11px } }
"""


@dataclass(frozen=True)
class Table:
    """A heading, column names and rows of text."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Report:
    """What the report says. ``facts`` are short lines under the title; pictures are PNG files with a caption."""

    title: str
    notices: Sequence[str]
    facts: Mapping[str, str]
    tables: Sequence[Table] = field(default_factory=tuple)
    pictures: Mapping[str, Path] = field(default_factory=dict)


def write_report(report: Report, path: Path) -> None:
    """Write ``report`` to ``path``; the pictures are put into the file itself."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f"<title>{escape(report.title)}</title>",
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{escape(report.title)}</h1>",
        *(f'<p class="notice">{escape(text)}</p>' for text in report.notices),
        _rows(("", ""), [(name, text) for name, text in report.facts.items()]),
        *(_picture(caption, picture) for caption, picture in report.pictures.items()),
        *(f"<h2>{escape(t.heading)}</h2>{_rows(t.columns, t.rows)}<p>{escape(t.note)}</p>" for t in report.tables),
        "</body></html>",
    ]
    with atomic_path(path) as temporary:
        Path(temporary).write_text("\n".join(parts), encoding="utf-8")


def _rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(c)}</th>" for c in columns) if any(columns) else ""
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>" if head else f'<table class="facts">{body}</table>'


def _picture(caption: str, path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )

"""The one-page report of a measurement: a PDF for paper and a self-contained HTML file for the screen."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..io import atomic_path
from .duct_content import DuctPage, duct_page
from .duct_figures import draw_tree, draw_ways
from .duct_tree import TreePicture, fitting_pixel_mm, tree_picture
from .report import Table

if TYPE_CHECKING:
    from ..ducts import DuctMeasurement, Origin

_A4 = (8.27, 11.69)
#: Views of the tree: degrees towards the patient's left, and what to call them.
_VIEWS = ((0.0, "from the front"), (60.0, "turned by 60°"))
#: Width and height of each view in pixels.
_TREE_PX = (700, 720)

_STYLE = """
body { font: 14px/1.4 system-ui, "Segoe UI", sans-serif; max-width: 58rem; margin: 1.2rem auto; padding: 0 1rem;
  color: #1b1f24 }
h1 { font-size: 1.35rem; margin: 0 0 .3rem } h2 { font-size: 1rem; margin: .9rem 0 .25rem }
.notice { background: #fff4d6; border-left: 4px solid #d99a00; padding: .35rem .7rem; margin: .35rem 0 }
.facts { display: grid; grid-template-columns: max-content 1fr max-content 1fr; gap: .1rem .9rem; margin: .5rem 0 }
.facts dt { font-weight: 600 } .facts dd { margin: 0 } .facts .wide { grid-column: 2 / -1 }
table { border-collapse: collapse; width: 100%; font-size: 13px }
th, td { padding: .15rem .5rem; border-bottom: 1px solid #d8dee4; text-align: right }
th { font-weight: 600; vertical-align: bottom } td { font-variant-numeric: tabular-nums }
.left { text-align: left } img { width: 100% } p.note, footer { color: #57606a; font-size: 12px; margin: .2rem 0 }
@page { size: A4; margin: 10mm }
@media print {
  body { margin: 0; padding: 0; font-size: 10px; max-width: none } table { font-size: 9px }
  h1 { font-size: 14px } h2 { font-size: 11px } p.note, footer { font-size: 8px }
  img { max-height: 95mm; object-fit: contain }
}
"""

#: Under the report, on paper and screen.
_FOOT = (
    "Lengths in mm, volumes in ml. Positions: LPS patient coordinates of the image. "
    "Method and its limits: docs/measuring.md of medseg."
)


def write_duct_report(
    m: DuctMeasurement, folder: str | Path, stem: str, origin: Origin | None = None
) -> tuple[Path, Path]:
    """Write ``<stem>-report.html`` and ``<stem>-report.pdf`` into an existing folder; returns both paths.

    ``origin`` says what is known of the segmentation: the model, whether it was trained on synthetic cases.
    """
    page = duct_page(m, origin)
    trees = _trees(m)
    html, pdf = Path(folder) / f"{stem}-report.html", Path(folder) / f"{stem}-report.pdf"
    with atomic_path(html) as temporary:
        Path(temporary).write_text(_html(m, page, trees), encoding="utf-8")
    with atomic_path(pdf) as temporary:
        # no date: the same measurement gives the same file
        metadata = {"Title": page.title, "Subject": page.notices[0], "Creator": "medseg", "CreationDate": None}
        _page(m, page, trees).savefig(temporary, format="pdf", metadata=metadata)
    return html, pdf


def write_tree_picture(m: DuctMeasurement, path: str | Path) -> None:
    """Write the coloured tree, from the front and turned, with its findings, as PNG."""
    with atomic_path(path) as temporary:
        Path(temporary).write_bytes(_png(_tree_figure(m, duct_page(m), _trees(m))))


def _figure(size: tuple[float, float], dpi: int) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _trees(m: DuctMeasurement) -> list[TreePicture]:
    """The views of the tree, all at one scale."""
    if not m.branches:
        return []
    pixel = max(fitting_pixel_mm(m, turn, *_TREE_PX) for turn, _ in _VIEWS)
    return [tree_picture(m, turn, *_TREE_PX, pixel_mm=pixel) for turn, _ in _VIEWS]


def _tree_figure(m: DuctMeasurement, page: DuctPage, trees: list[TreePicture]) -> Any:
    figure = _figure((11, 5.4), 130)
    if trees:
        _draw_trees(figure, m, page, trees, (0.0, 0.0, 0.92, 0.95))
    return figure


def _draw_trees(
    figure: Any,
    m: DuctMeasurement,
    page: DuctPage,
    trees: list[TreePicture],
    box: tuple[float, float, float, float],
) -> None:
    left, bottom, width, height = box
    for n, ((turn, name), picture) in enumerate(zip(_VIEWS, trees, strict=True)):
        axes = figure.add_axes((left + n * width / 2, bottom, width / 2, height))
        scale = draw_tree(axes, m, page.marks, picture, turn)
        axes.set_title(name, fontsize=8, color="0.3", pad=2)
    bar = figure.add_axes((left + width + 0.012, bottom + 0.2 * height, 0.012, 0.6 * height))
    figure.colorbar(scale, cax=bar)
    bar.set_title("calibre\n(mm)", fontsize=7, pad=4)
    bar.tick_params(labelsize=7)


def _ways_figure(m: DuctMeasurement, page: DuctPage) -> Any:
    figure = _figure((11, 2.6), 130)
    draw_ways(figure.add_axes((0.05, 0.2, 0.93, 0.75)), m, page.marks)
    return figure


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": "medseg"})
    return buffer.getvalue()


def _page(m: DuctMeasurement, page: DuctPage, trees: list[TreePicture]) -> Any:
    """One A4 page. From the top: title, notices, facts, the tree, findings, calibre along the ways, branches."""
    figure = _figure(_A4, 150)
    y = 0.972
    figure.text(0.06, y, page.title, fontsize=13, fontweight="bold", va="top")
    y -= 0.024
    for text in page.notices:
        for words in textwrap.wrap(text, 118):
            figure.text(0.06, y, words, fontsize=7.5, va="top", color="#7a5200", fontweight="bold")
            y -= 0.0115
    y -= 0.004
    for name, text in page.facts.items():
        lines = textwrap.wrap(text, 120)[:3]
        figure.text(0.06, y, name, fontsize=7.5, va="top", fontweight="bold")
        for words in lines:
            figure.text(0.17, y, words, fontsize=7.5, va="top")
            y -= 0.0115
    rows = [len(t.rows) + 2.4 + len(textwrap.wrap(t.note, 130)) for t in page.tables]
    line = 0.0125
    rest = y - 0.035 - line * sum(rows)
    tree, ways = 0.72 * rest, 0.28 * rest
    if m.branches:
        _draw_trees(figure, m, page, trees, (0.03, y - tree + 0.012, 0.87, tree - 0.025))
        y = _table(figure, page.tables[0], y - tree, line)
        draw_ways(figure.add_axes((0.08, y - ways + 0.042, 0.86, ways - 0.052)), m, page.marks)
        y -= ways
    else:
        y = _table(figure, page.tables[0], y - 0.02, line)
    _table(figure, page.tables[1], y, line)
    figure.text(
        0.06,
        0.018,
        _FOOT,
        fontsize=6.5,
        color="0.4",
    )
    return figure


def _table(figure: Any, table: Table, y: float, line: float) -> float:
    """Draw a table from height ``y`` down; returns the height below it."""
    figure.text(0.06, y, table.heading, fontsize=8.5, fontweight="bold", va="top")
    y -= 1.25 * line
    if table.rows:
        edges = _columns(table)
        for n, name in enumerate(table.columns):
            _cell(figure, name, edges, n, y, table, bold=True)
        y -= line
        for row in table.rows:
            figure.add_artist(_rule(y + 0.1 * line))
            for n, text in enumerate(row):
                _cell(figure, text, edges, n, y, table)
            y -= line
    for text in textwrap.wrap(table.note, 130):
        figure.text(0.06, y, text, fontsize=6.5, color="0.4", va="top")
        y -= 0.9 * line
    return y - 0.3 * line


def _cell(figure: Any, text: str, edges: list[float], n: int, y: float, table: Table, bold: bool = False) -> None:
    left = _is_words(table, n)
    x = edges[n] if left else edges[n + 1] - 0.012
    weight = "bold" if bold else "normal"
    figure.text(x, y, text, fontsize=7, va="top", ha="left" if left else "right", fontweight=weight)


def _is_words(table: Table, n: int) -> bool:
    return table.columns[n] in ("", "branch", "candidate", "grade")


def _columns(table: Table) -> list[float]:
    """Left edges of the columns and the right edge of the last, shared out by the longest text of each."""
    widths = [
        max(len(text) for text in (name, *(row[n] for row in table.rows))) + 3 for n, name in enumerate(table.columns)
    ]
    total = max(sum(widths), 100)
    edges = [0.06]
    for width in widths:
        edges.append(edges[-1] + 0.88 * width / total)
    return edges


def _rule(y: float) -> Any:
    from matplotlib.lines import Line2D

    return Line2D((0.06, 0.94), (y, y), color="0.85", lw=0.5)


def _html(m: DuctMeasurement, page: DuctPage, trees: list[TreePicture]) -> str:
    facts = "".join(
        f"<dt>{escape(name)}</dt><dd{' class=wide' if name in ('Notes',) else ''}>{escape(text)}</dd>"
        for name, text in page.facts.items()
    )
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(page.title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(page.title)}</h1>",
        *(f'<p class="notice">{escape(text)}</p>' for text in page.notices),
        f'<dl class="facts">{facts}</dl>',
    ]
    if m.branches:
        parts.append(_image(_tree_figure(m, page, trees), "The ducts from the front and turned, coloured by calibre"))
    parts.append(_html_table(page.tables[0]))
    if m.branches:
        parts.append("<h2>Calibre from the lower end to the periphery</h2>")
        parts.append(_image(_ways_figure(m, page), "Calibre along the main ducts"))
    parts += [_html_table(table) for table in page.tables[1:]]
    parts.append(f"<footer>{escape(_FOOT)}</footer></body></html>\n")
    return "\n".join(parts)


def _image(figure: Any, words: str) -> str:
    return f'<img alt="{escape(words)}" src="data:image/png;base64,{base64.b64encode(_png(figure)).decode()}">'


def _html_table(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        inner = "".join(
            f"<{tag}{' class=left' if _is_words(table, n) else ''}>{escape(text)}</{tag}>"
            for n, text in enumerate(cells)
        )
        return f"<tr>{inner}</tr>"

    body = "".join(row(cells, "td") for cells in table.rows)
    head = f"<table><thead>{row(table.columns, 'th')}</thead><tbody>{body}</tbody></table>" if table.rows else ""
    return f'<h2>{escape(table.heading)}</h2>{head}<p class="note">{escape(table.note)}</p>'

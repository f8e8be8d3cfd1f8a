"""The report of real runs: complete, self-contained, its figures those of the run."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from medseg.errors import InputError
from medseg_training.config import parse_config
from medseg_training.report.report import write_report
from medseg_training.training import train
from training_cases import ellipsoid_case, settings, write_case


class _Reader(HTMLParser):
    """Tables as rows of text, and every address the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self.addresses += [str(value) for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag == "tr":
            self.rows.append([])
        self.cell = tag in ("td", "th")
        if self.cell:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass
        self.cell = False

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("report")
    for n in range(6):
        write_case(folder / "data", f"p{n}", *ellipsoid_case(n))
    made = []
    for name, augmentation in (("plain", "identity"), ("turned <b>", "rotation")):
        config = parse_config(
            settings(
                folder / "data",
                augmentation=augmentation,
                split={"hold_out": ["p4", "p5"], "validate_on": ["p3"]},
                budget={"epochs": 2, "steps_per_epoch": 10},
                validation={"every_epochs": 1},
            )
        )
        train(config, folder / name, quiet=True)
        made.append(folder / name)
    return made


def test_report_of_two_runs(runs: list[Path], tmp_path: Path) -> None:
    result = write_report(runs, tmp_path / "report.html", pictures=1)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = _Reader(text)
    assert page.open == []
    assert all(a.startswith(("data:image/png;base64,", "#")) for a in page.addresses)
    assert not re.search(r"(?:src|href)=\"https?:", text) and str(runs[0].parent) not in text
    assert "turned &lt;b&gt;" in text and "<b>" not in text
    for words in ("Research use only", "synthetic cases", "At a glance", "Side by side", "Curves", "ROC", "Calibration",
                  "Bland", "worst: ", "best: "):  # fmt: skip
        assert words in text
    # The figures are those of the run.
    evaluation = json.loads((runs[0] / "evaluation.json").read_text())
    dice = {c["patient"]: c["labels"]["1"]["dice"] for c in evaluation["hold_out"]["cases"]}
    rows = {row[0]: row for row in page.rows if row and row[0] in dice}
    assert {p: row[1] for p, row in rows.items()} == {p: f"{d:.3f}" for p, d in dice.items()}
    mean = result["trainings"]["plain"]["ellipsoid"]["dice"]["mean"]
    assert mean == pytest.approx(sum(dice.values()) / 2) and result["part"] == "hold_out"


def test_report_without_predictions_needs_no_data(runs: list[Path], tmp_path: Path) -> None:
    data = runs[0].parent / "data"
    data.rename(data.with_name("gone"))
    try:
        write_report(runs[:1], tmp_path / "short.html", predictions=False)
    finally:
        data.with_name("gone").rename(data)
    text = (tmp_path / "short.html").read_text(encoding="utf-8")
    assert "Curves" in text and "ROC" not in text and "Side by side" not in text


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run here"):
        write_report([tmp_path], tmp_path / "report.html")

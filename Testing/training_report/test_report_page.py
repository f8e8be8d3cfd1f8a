"""The report of real runs: complete, self-contained, its figures those of the run."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
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
    # The figures are those of the runs, one table after the other.
    dices = [_dice_of(run) for run in runs]
    rows = [row[:2] for row in page.rows if row and row[0] in dices[0]]
    assert rows == [[patient, f"{dice:.3f}"] for each in dices for patient, dice in sorted(each.items())]
    mean = result["trainings"]["plain"]["ellipsoid"]["dice"]["mean"]
    assert mean == pytest.approx(sum(dices[0].values()) / 2) and result["part"] == "hold_out"
    # What was compared is said before the figures, and nothing else than the augmentation differed.
    assert "plain and turned" in text.split("</h1>")[0]
    assert text.index("What was compared") < text.index("At a glance")
    heading = next(n for n, row in enumerate(page.rows) if row[:1] == ["training"])
    assert page.rows[heading] == ["training", "augmentation"]
    assert [row[1] for row in page.rows[heading + 1 : heading + 3]] == ["none", "rotation (probability 1, degrees 15)"]
    compared = result["comparisons"]["ellipsoid"]["dice"][0]
    assert compared["difference"] == pytest.approx(sum(dices[1][p] - dices[0][p] for p in dices[0]) / 2)
    assert compared["low"] <= compared["difference"] <= compared["high"]


def _dice_of(run: Path) -> dict[str, float]:
    evaluation = json.loads((run / "evaluation.json").read_text())
    return {c["patient"]: c["labels"]["1"]["dice"] for c in evaluation["hold_out"]["cases"]}


def test_trainings_that_differ_in_more_say_so(runs: list[Path], tmp_path: Path) -> None:
    from medseg_training.report.collect import read_training
    from medseg_training.report.differences import differing

    other = tmp_path / "other"
    shutil.copytree(runs[1], other)
    text = (other / "config.yaml").read_text(encoding="utf-8")
    (other / "config.yaml").write_text(text.replace("learning_rate:", "learning_rate: 0.5 #"), encoding="utf-8")
    told = differing([read_training(runs[0]), read_training(other)])
    assert set(told) == {"augmentation", "optimiser.learning_rate"} and told["optimiser.learning_rate"][1] == "0.5"
    assert differing([read_training(runs[0])] * 2) == {}


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


def test_patients_held_out_of_all_folds_are_no_out_of_fold_figures(runs: list[Path], tmp_path: Path) -> None:
    from medseg_training.report.collect import expand, read_training

    # Two folds, each of which was also kept from p5; p4 is of fold 0.
    folder = tmp_path / "crossval"
    for number in (0, 1):
        shutil.copytree(runs[0], folder / f"fold_{number}")
    plan = {"folds": [["p4"], ["p3"]], "hold_out": ["p5"], "sha256": "abc"}
    (folder / "folds.json").write_text(json.dumps(plan), encoding="utf-8")
    training = read_training(folder)
    assert [(row.patient, row.run.name) for row in training.part("hold_out")] == [("p4", "fold_0")]
    assert "kept out of all folds" in training.notes[0] and training.folds_sha256 == "abc"
    # A folder of such folders is one training each, in the order of the comparison.
    (tmp_path / "comparison.json").write_text(json.dumps({"variants": ["other", "crossval"]}), encoding="utf-8")
    shutil.copytree(folder, tmp_path / "other")
    assert [path.name for path in expand([tmp_path, runs[0]])] == ["other", "crossval", "plain"]


def test_the_loss_on_validation_patients_is_drawn_beside_that_of_training(runs: list[Path]) -> None:
    from medseg_training.report import plots
    from medseg_training.report.collect import read_training

    training = read_training(runs[0])
    drawn = plots.curves(training)
    assert "validation patients (dashed)" in drawn and "plain, validation" in drawn
    without = [
        {k: v for k, v in line.items() if k != "validation_loss"} for line in next(iter(training.curves.values()))
    ]
    assert "dashed" not in plots.curves(replace(training, curves={"plain": without}))

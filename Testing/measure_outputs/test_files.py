"""The files of a measurement as their readers see them: report, PDF, GLB, tables."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from medseg.cli import main
from medseg.ducts import Origin, measure_ducts, profile_to, profiles, write_measurement
from medseg.ducts.glb import glb
from medseg.ducts.tables import branches_csv
from medseg.errors import InputError
from medseg.io import write_labels
from medseg.pictures import write_duct_report, write_tree_picture
from medseg.pictures.duct_tree import tree_picture
from medseg.volume import Volume


@pytest.fixture(scope="module")
def report(measured, tmp_path_factory):
    return write_duct_report(measured, tmp_path_factory.mktemp("report"), "case", Origin("M", "2", synthetic=True))


class Seen(HTMLParser):
    """Words, links and pictures of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.sources = "", []

    def handle_starttag(self, tag, attrs):
        self.sources += [value for key, value in attrs if key in ("src", "href")]

    def handle_data(self, data):
        self.words += data + " "


def test_report_says_what_was_measured_and_for_what(report, measured):
    page = Seen()
    page.feed(report[0].read_text())
    words = page.words
    assert "Research use only" in words and "synthetic cases" in words and "M 2" in words
    assert f"{measured.volume_ml:.2f} ml" in words and "LPS patient coordinates" in words
    (f,) = measured.strictures
    assert ", ".join(f"{x:.0f}" for x in f.position_lps_mm) in words and "S1" in words
    assert "common bile duct (1)?" in words  # a proposal carries its question mark


def test_report_needs_nothing_but_itself(report):
    page = Seen()
    page.feed(report[0].read_text())
    assert len(page.sources) == 2 and all(s.startswith("data:image/png;base64,") for s in page.sources)
    assert not re.search(r"https?://", report[0].read_text())


def test_pdf_is_one_page_with_its_words(report):
    raw = report[1].read_bytes()
    assert raw.startswith(b"%PDF-") and len(re.findall(rb"/Type\s*/Page\b", raw)) == 1
    assert b"Research use only" in raw  # the document's subject


def test_the_same_measurement_gives_the_same_files(measured, report, tmp_path):
    again = write_duct_report(measured, tmp_path, "case", Origin("M", "2", synthetic=True))
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in report]


def test_report_of_nothing_explains_itself(labels, tmp_path):
    html, pdf = write_duct_report(measure_ducts(labels, 3), tmp_path, "case")
    assert "label 3 is empty" in html.read_text() and pdf.stat().st_size > 1000


def test_many_findings_stay_on_one_page_and_a_name_cannot_write_html(measured, tmp_path):
    crowded = dataclasses.replace(
        measured,
        strictures=measured.strictures * 30,
        dilatations=[],
        warnings=["a long note " * 20] * 3,
        source="<script>alert(1)</script>",
        label_name=None,
    )
    html, pdf = write_duct_report(crowded, tmp_path, "case")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())) == 1
    assert "20 more in the CSV file" in html.read_text()
    assert "<script>" not in html.read_text()


def test_picture_shows_the_tree_upright_with_the_left_on_the_right(measured):
    picture = tree_picture(measured, 0.0, 300, 300)
    ends = {n.name: n.position_lps_mm for n in measured.nodes if n.name}
    (low, confluence) = picture.place(np.array([ends["lower end of the common bile duct"], ends["confluence"]]))
    assert low[1] > confluence[1]
    left = max((n.position_lps_mm for n in measured.nodes), key=lambda p: p[0])
    assert picture.place(left)[0, 0] > confluence[0] + 30
    drawn = picture.pixels.min(axis=2) < 0.9
    row, column = np.rint(picture.place(left)[0][::-1]).astype(int)
    assert drawn[row - 4 : row + 5, column - 6 : column + 3].any()
    # wide ducts are nearer to the yellow end of the scale than narrow ones
    trunk, branch = (picture.place((confluence_lps + other) / 2)[0] for confluence_lps, other in (
        (ends["confluence"], ends["lower end of the common bile duct"]), (ends["confluence"], left)))  # fmt: skip
    green = [picture.pixels[round(p[1]), round(p[0])] for p in (trunk, branch)]
    assert green[0][1] - green[0][2] > green[1][1] - green[1][2]


def test_tree_picture_is_a_png(measured, tmp_path):
    from PIL import Image

    write_tree_picture(measured, tmp_path / "tree.png")
    with Image.open(tmp_path / "tree.png") as image:
        assert image.width > 1000 and len(np.unique(np.asarray(image.convert("L")))) > 50


def test_glb_holds_surface_and_coloured_centreline(measured):
    trimesh = pytest.importorskip("trimesh")
    scene = trimesh.load(io.BytesIO(glb(measured)), file_type="glb")
    assert set(scene.geometry) == {"ducts", "centreline", "candidate strictures"}
    surface = scene.geometry["ducts"]
    assert surface.vertices.min(axis=0) == pytest.approx(measured.surface_lps_mm[0].min(axis=0), abs=1e-3)
    assert abs(surface.volume) / 1000 == pytest.approx(measured.volume_ml, rel=0.05)
    assert len(np.unique(scene.geometry["centreline"].visual.vertex_colors, axis=0)) > 5
    # in the scene: metres, the head up (y), the front to the viewer (z), the left to the right (x)
    matrix, _ = scene.graph["ducts"]
    assert matrix[:3, :3] @ np.array([1, 0, 0]) == pytest.approx([1e-3, 0, 0])
    assert matrix[:3, :3] @ np.array([0, 1, 0]) == pytest.approx([0, 0, -1e-3])
    assert matrix[:3, :3] @ np.array([0, 0, 1]) == pytest.approx([0, 1e-3, 0])
    assert "LPS" in scene.metadata["coordinate_system"] and "Research use only" in scene.metadata["notice"]


def test_glb_of_nothing_is_valid(labels):
    raw = glb(measure_ducts(labels, 3))
    assert raw[:4] == b"glTF" and int.from_bytes(raw[8:12], "little") == len(raw) and len(raw) % 4 == 0
    assert json.loads(raw[20:])["asset"]["version"] == "2.0"


def test_findings_table(measured, tmp_path):
    files = {f.name: f for f in write_measurement(measured, tmp_path, "case")}
    row, *others = csv.DictReader(files["case-findings.csv"].open())
    assert [r["mark"] for r in others] == [f"D{n + 1}" for n in range(len(measured.dilatations))]
    (f,) = measured.strictures
    assert row["mark"] == "S1" and row["kind"] == "stricture" and int(row["branch"]) == f.branch
    assert (row["diameter_mm"].startswith("<")) == (not f.resolved) == bool(int(row["diameter_is_bound"]))


def test_profile_runs_from_the_lower_end_to_the_periphery(measured):
    first, second = profiles(measured)
    for p in (first, second):
        low = next(n for n in measured.nodes if n.name and n.name.startswith("lower end"))
        assert p.points_lps_mm[0] == pytest.approx(low.position_lps_mm)
        assert np.all(np.diff(p.distance_mm) >= 0) and len(p.branches) == 2
        assert set(np.unique(p.branch)) == set(p.branches)
        json.dumps(p.as_dict(), allow_nan=False)
    assert first.name == "right side" and first.points_lps_mm[-1, 0] < -15 < 15 < second.points_lps_mm[-1, 0]
    (f,) = measured.strictures
    assert f.branch in profile_to(measured, f.branch).branches
    with pytest.raises(InputError, match="no branch 99"):
        profile_to(measured, 99)


def test_a_branch_within_a_bifurcation_has_a_bound_and_no_calibre_of_its_own():
    """A trunk of 6 mm with two side ducts 3.5 mm apart: every section between them is one of several ducts."""
    from duct_cases import draw

    trunk, left, right = ((0, 0, -34), (0, 0, 30), 3.0), ((0, 0, 0), (-24, 0, 14), 1.5), ((0, 0, 3.5), (24, 0, 17), 1.5)
    m = measure_ducts(draw((trunk, left, right), None))
    (between,) = [b for b in m.branches if not b.own.any()]
    assert between.length_mm < 4 and not between.resolved.any() and not between.min_resolved
    assert (between.diameter_mm >= 6.0).all()  # a bound
    assert not between.mean_resolved and all(b.mean_resolved for b in m.branches if b is not between)
    (row,) = [r for r in csv.DictReader(io.StringIO(branches_csv(m).decode())) if int(r["branch"]) == between.id]
    assert row["mean_diameter_mm"].startswith("<") and row["mean_is_bound"] == "1"
    way = next(p for p in profiles(m) if between.id in p.branches)
    inside = way.branch == between.id
    assert np.isnan(way.diameter_mm[inside]).all() and not np.isnan(way.diameter_mm[~inside]).any()


def test_profile_across_a_gap_has_no_calibre_there(draw_gap):
    m = measure_ducts(draw_gap)
    upper = max(m.branches, key=lambda b: b.points_lps_mm[:, 2].max())
    p = profile_to(m, upper.id)
    assert len(p.branches) == 2 and np.isnan(p.diameter_mm).sum() == 2 and 0 in p.branch
    assert p.as_dict()["diameter_mm"].count(None) == 2


@pytest.fixture
def draw_gap() -> Volume:
    from duct_cases import draw

    return draw((((0, 0, -34), (0, 0, -10), 3.0), ((0, 0, 2), (0, 0, 20), 3.0)), None)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    return int(end.value.code or 0)


def test_command_with_names_probabilities_and_report(labels, measured, tmp_path, capsys):
    from medseg.io import write_volume

    mask, names, soft = tmp_path / "ducts.nii.gz", tmp_path / "names.json", tmp_path / "p.nii.gz"
    write_labels(labels, mask)
    write_volume(labels.with_array(labels.array.astype(np.float32)), soft)
    right = next(b.id for b in measured.branches if b.name == "right hepatic duct")
    names.write_text(json.dumps({str(right): "right posterior duct"}))
    out = tmp_path / "out"
    assert run("measure", mask, "-o", out, "--names", names, "--probabilities", soft, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    given = next(b for b in data["branches"] if b["id"] == right)
    assert given["name"] == "right posterior duct" and given["name_source"] == "given"
    assert {"ducts-report.html", "ducts-report.pdf", "ducts.glb"} <= {p.name for p in out.iterdir()}
    assert "right posterior duct" in (out / "ducts-report.html").read_text()


@pytest.mark.parametrize("text", ["{", "[1]", '{"one": "x"}', '{"1": 2}'])
def test_bad_names_end_with_2_and_one_line(labels, tmp_path, capsys, text):
    mask, names = tmp_path / "ducts.nii.gz", tmp_path / "names.json"
    write_labels(labels, mask)
    names.write_text(text)
    assert run("measure", mask, "-o", tmp_path / "out", "--names", names) == 2
    assert "names.json" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

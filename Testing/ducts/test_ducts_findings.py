"""Strictures, dilatations and names on drawn trees, and the files."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from medseg.ducts import measure_ducts, write_measurement


def narrowed(points: np.ndarray, radius: float, at: float, length: float, left: float) -> np.ndarray:
    """Radii (N,) of a duct with a tapered stricture ``at`` mm along z."""
    weight = np.clip((1 - np.abs(points[:, 2] - at) / (length / 2)) * 1.5, 0, 1)
    return radius * (1 - (1 - left) * weight)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_stricture_is_found_once_and_measured(draw, line, seed):
    points = line((0, 0, 0), (0, 0, 70))
    drawn = draw([(points, narrowed(points, 3.0, 40, 12, 0.4))], seed=seed)
    m = measure_ducts(drawn.labels)
    (f,) = m.strictures
    assert f.kind == "stricture" and f.resolved
    assert (f.position_lps_mm @ drawn.turn)[2] == pytest.approx(40, abs=1.5)
    assert f.diameter_mm == pytest.approx(2.4, abs=0.4)
    assert f.reference_diameter_mm == pytest.approx(6.0, abs=0.3)
    assert 5 < f.length_mm < 12


def test_stricture_below_the_voxels_is_a_bound(draw, line):
    points = line((0, 0, 0), (0, 0, 60))
    m = measure_ducts(draw([(points, narrowed(points, 3.0, 30, 12, 0.2))], seed=None).labels)
    (f,) = m.strictures
    assert not f.resolved
    assert 1.2 <= f.diameter_mm <= 2.2 or f.diameter_mm == 0


def test_taper_and_side_branches_are_no_strictures(draw, line):
    points = line((0, 0, 0), (0, 0, 70))
    side = line((0, 0, 35), (0, 25, 50))
    m = measure_ducts(
        draw([(points, np.linspace(4, 1.5, len(points))), (side, np.full(len(side), 1.2))], seed=3).labels
    )
    assert m.strictures == [] and m.dilatations == []


def test_focal_dilatation(draw, line):
    points = line((0, 0, 0), (0, 0, 70))
    radii = 2.0 + 2.5 * np.clip(1 - ((points[:, 2] - 35) / 8) ** 2, 0, 1)
    (f,) = measure_ducts(draw([(points, radii)], seed=1).labels).dilatations
    assert f.diameter_mm == pytest.approx(9, abs=0.5)
    assert f.reference_diameter_mm == pytest.approx(4, abs=0.4)


@pytest.fixture(scope="module")
def tree(draw, line):
    """A small biliary tree in LPS: x to the left, z up."""
    tubes = [
        (line((-25, 5, -60), (-10, 0, 0)), 3.0),
        (line((-10, 0, 0), (-35, 0, 15)), 2.2),
        (line((-35, 0, 15), (-60, -10, 40)), 1.8),
        (line((-35, 0, 15), (-65, 15, 10)), 1.8),
        (line((-10, 0, 0), (15, -8, 15)), 2.2),
        (line((15, -8, 15), (45, -15, 35)), 1.6),
        (line((15, -8, 15), (35, -25, 5)), 1.5),
    ]
    return draw([(p, np.full(len(p), r)) for p, r in tubes], seed=None).labels


def test_names_are_proposed_and_can_be_corrected(tree):
    m = measure_ducts(tree)
    by_name = {b.name: b for b in m.branches if b.name}
    assert set(by_name) == {"common bile duct", "right hepatic duct", "left hepatic duct"}
    assert (
        by_name["left hepatic duct"].points_lps_mm[:, 0].max() > by_name["right hepatic duct"].points_lps_mm[:, 0].max()
    )
    assert next(n for n in m.nodes if n.name == "confluence").position_lps_mm == pytest.approx((-10, 0, 0), abs=1.5)
    assert all(b.name_source == "proposed" for b in by_name.values())
    left = by_name["left hepatic duct"].id
    again = measure_ducts(tree, names={left: "left sectoral duct"})
    assert again.branches[left - 1].name == "left sectoral duct"
    assert again.branches[left - 1].name_source == "given"


def test_files(tree, tmp_path):
    m = measure_ducts(tree)
    files = write_measurement(m, tmp_path / "new", "case")
    assert [f.name for f in files] == [
        "case.json",
        "case-branches.csv",
        "case-profile.csv",
        "case-findings.csv",
        "case-centreline.vtp",
        "case.stl",
        "case.glb",
    ]
    data = json.loads(files[0].read_text())
    assert data["coordinate_system"] == "LPS" and data["units"]["volume"] == "ml"
    assert len(data["branches"]) == len(m.branches)
    rows = list(csv.DictReader(files[1].open()))
    assert [float(r["length_mm"]) for r in rows] == pytest.approx([b.length_mm for b in m.branches], abs=0.01)
    profile = list(csv.DictReader(files[2].open()))
    assert len(profile) == sum(len(b.points_lps_mm) for b in m.branches)

    piece = ET.parse(files[4]).getroot().find("PolyData/Piece")
    assert piece is not None and int(piece.get("NumberOfLines", "0")) == len(m.branches)
    points = np.array(piece.find("Points/DataArray").text.split(), dtype=float).reshape(-1, 3)
    assert points == pytest.approx(np.concatenate([b.points_lps_mm for b in m.branches]), abs=1e-3)

    raw = files[5].read_bytes()
    count = int.from_bytes(raw[80:84], "little")
    assert b"SPACE=LPS" in raw[:80] and len(raw) == 84 + 50 * count
    triangles = np.frombuffer(raw[84:], dtype=[("n", "<f4", 3), ("v", "<f4", (3, 3)), ("a", "<u2")])["v"].astype(float)
    enclosed = np.einsum("ni,ni->", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2])) / 6000
    assert enclosed == pytest.approx(m.volume_ml, rel=0.05)  # outward normals give a positive volume
    edges = np.sort(
        np.unique(np.round(triangles.reshape(-1, 3), 3), axis=0, return_inverse=True)[1]
        .reshape(-1, 3)[:, [[0, 1], [1, 2], [2, 0]]]
        .reshape(-1, 2),
        axis=1,
    )
    assert np.all(np.unique(edges, axis=0, return_counts=True)[1] % 2 == 0)  # closed


def test_a_name_is_no_formula(tree, tmp_path):
    m = measure_ducts(tree, names={1: "=1+1"})
    rows = list(csv.DictReader(write_measurement(m, tmp_path, "case")[1].open()))
    assert rows[0]["name"] == "'=1+1"

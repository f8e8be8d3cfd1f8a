"""A measurement as files: JSON, CSV, the centreline as VTP and the surface as STL, all in LPS mm."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..io import atomic_path
from .model import DuctMeasurement, bounded

BRANCH_COLUMNS = (
    "branch",
    "name",
    "name_source",
    "component",
    "start_node",
    "end_node",
    "length_mm",
    "tortuosity",
    "mean_diameter_mm",
    "narrowest_diameter_mm",
    "narrowest_is_bound",
    "narrowest_l_mm",
    "narrowest_p_mm",
    "narrowest_s_mm",
    "strictures",
    "dilatations",
)
PROFILE_COLUMNS = (
    "branch",
    "name",
    "distance_mm",
    "l_mm",
    "p_mm",
    "s_mm",
    "diameter_mm",
    "diameter_is_bound",
    "own_section",
)


def write_measurement(m: DuctMeasurement, folder: str | Path, stem: str) -> list[Path]:
    """Write a measurement and return the files written.

    ``<stem>.json`` everything; ``<stem>-branches.csv`` one row a branch; ``<stem>-profile.csv`` calibre along each
    branch; ``<stem>-centreline.vtp`` polylines with diameter, for 3D Slicer and ParaView; ``<stem>.stl`` surface.

    Raises
    ------
    InputError : the folder cannot be made or written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            "the folder for the measurement cannot be made", file=folder, mend="choose a folder that can be written"
        ) from error
    writers: dict[str, Callable[[DuctMeasurement], bytes]] = {
        f"{stem}.json": _json,
        f"{stem}-branches.csv": _branches_csv,
        f"{stem}-profile.csv": _profile_csv,
        f"{stem}-centreline.vtp": _vtp,
        f"{stem}.stl": _stl,
    }
    files = []
    for name, content in writers.items():
        target = folder / name
        with atomic_path(target) as temporary:
            Path(temporary).write_bytes(content(m))
        files.append(target)
    return files


def _json(m: DuctMeasurement) -> bytes:
    return (json.dumps(m.as_dict(), ensure_ascii=False, allow_nan=False) + "\n").encode()


def _csv(columns: tuple[str, ...], rows: list[list[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _branches_csv(m: DuctMeasurement) -> bytes:
    rows: list[list[object]] = []
    for b in m.branches:
        narrow = [f for f in m.strictures if b.id in (f.branch, f.other_branch)]
        wide = [f for f in m.dilatations if f.branch == b.id]
        rows.append(
            [
                b.id,
                _cell(b.name),
                b.name_source or "",
                b.component,
                b.start_node,
                b.end_node,
                f"{b.length_mm:.2f}",
                "" if np.isnan(b.tortuosity) else f"{b.tortuosity:.3f}",
                f"{b.mean_diameter_mm:.2f}",
                bounded(b.min_diameter_mm, b.min_resolved, 2),
                int(not b.min_resolved),
                *(f"{x:.2f}" for x in b.narrowest_lps_mm),
                len(narrow),
                len(wide),
            ]
        )
    return _csv(BRANCH_COLUMNS, rows)


def _profile_csv(m: DuctMeasurement) -> bytes:
    rows: list[list[object]] = []
    for b in m.branches:
        for s, p, d, r, own in zip(b.distance_mm, b.points_lps_mm, b.diameter_mm, b.resolved, b.own, strict=True):
            rows.append(
                [b.id, _cell(b.name), f"{s:.2f}", *(f"{x:.2f}" for x in p), bounded(d, r, 2), int(not r), int(own)]
            )
    return _csv(PROFILE_COLUMNS, rows)


def _cell(text: str | None) -> str:
    """A name as a cell that no spreadsheet takes for a formula."""
    text = text or ""
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text


def _vtp(m: DuctMeasurement) -> bytes:
    """VTK XML PolyData, ascii; one line a branch. LPS is stated in a comment and as field data ``SPACE`` (3D
    Slicer).
    """
    points = np.concatenate([b.points_lps_mm for b in m.branches]) if m.branches else np.zeros((0, 3))
    offsets = np.cumsum([len(b.points_lps_mm) for b in m.branches], dtype=int)
    point_data = {
        "Diameter_mm": ("Float32", np.concatenate([b.diameter_mm for b in m.branches]) if m.branches else np.zeros(0)),
        "Radius": ("Float32", np.concatenate([b.diameter_mm / 2 for b in m.branches]) if m.branches else np.zeros(0)),
        "Resolved": ("UInt8", np.concatenate([b.resolved for b in m.branches]) if m.branches else np.zeros(0, bool)),
    }
    cell_data = {
        "BranchId": ("Int32", np.array([b.id for b in m.branches], dtype=int)),
        "Component": ("Int32", np.array([b.component for b in m.branches], dtype=int)),
    }
    lines = [
        '<?xml version="1.0"?>',
        "<!-- Centrelines of ducts measured by medseg. Coordinates: LPS (DICOM patient coordinates), mm. SPACE=LPS -->",
        '<VTKFile type="PolyData" version="0.1" byte_order="LittleEndian">',
        "<PolyData>",
        '<FieldData><DataArray type="String" Name="SPACE" NumberOfTuples="1" format="ascii">'
        "76 80 83 0</DataArray></FieldData>",
        f'<Piece NumberOfPoints="{len(points)}" NumberOfVerts="0" NumberOfLines="{len(m.branches)}" '
        'NumberOfStrips="0" NumberOfPolys="0">',
        '<PointData Scalars="Diameter_mm">',
        *(_data_array(name, kind, values) for name, (kind, values) in point_data.items()),
        "</PointData>",
        "<CellData>",
        *(_data_array(name, kind, values) for name, (kind, values) in cell_data.items()),
        "</CellData>",
        "<Points>",
        _data_array("Points", "Float32", points),
        "</Points>",
        "<Lines>",
        _data_array("connectivity", "Int64", np.arange(len(points))),
        _data_array("offsets", "Int64", offsets),
        "</Lines>",
        "</Piece>",
        "</PolyData>",
        "</VTKFile>",
        "",
    ]
    return "\n".join(lines).encode()


def _data_array(name: str, kind: str, values: np.ndarray) -> str:
    components = f' NumberOfComponents="{values.shape[1]}"' if values.ndim == 2 else ""
    form = "{:.4f}" if kind.startswith("Float") else "{:d}"
    text = " ".join(form.format(v if kind.startswith("Float") else int(v)) for v in values.ravel().tolist())
    return f'<DataArray type="{kind}" Name="{name}"{components} format="ascii">{text}</DataArray>'


def _stl(m: DuctMeasurement) -> bytes:
    """Binary STL; the 80-byte header says the coordinate system the way 3D Slicer reads it."""
    vertices, faces = m.surface_lps_mm
    corners = vertices[faces].astype("<f4") if len(faces) else np.zeros((0, 3, 3), "<f4")
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.maximum(length, 1e-20)
    record = np.zeros(len(corners), dtype=[("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    record["normal"], record["corners"] = normals, corners
    header = b"medseg duct surface; millimetre; SPACE=LPS".ljust(80)
    return header + len(corners).to_bytes(4, "little") + record.tobytes()

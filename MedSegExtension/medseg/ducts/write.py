"""A measurement as files: JSON, CSV, the centreline as VTP, the surface as STL and GLB, all in LPS mm."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..io import atomic_path
from .glb import glb
from .model import DuctMeasurement
from .tables import branches_csv, findings_csv, profile_csv


def write_measurement(m: DuctMeasurement, folder: str | Path, stem: str) -> list[Path]:
    """Write a measurement and return the files written.

    ``<stem>.json`` everything; ``<stem>-branches.csv`` one row a branch; ``<stem>-profile.csv`` calibre along each
    branch; ``<stem>-findings.csv`` candidate strictures and dilatations; ``<stem>-centreline.vtp`` polylines with
    diameter, for 3D Slicer and ParaView; ``<stem>.stl`` surface; ``<stem>.glb`` surface and coloured centreline.

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
        f"{stem}-branches.csv": branches_csv,
        f"{stem}-profile.csv": profile_csv,
        f"{stem}-findings.csv": findings_csv,
        f"{stem}-centreline.vtp": _vtp,
        f"{stem}.stl": _stl,
        f"{stem}.glb": glb,
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

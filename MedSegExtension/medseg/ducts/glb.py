"""A measurement as binary glTF 2.0 (GLB): the surface, and the centreline as a tube coloured by calibre.

The points are LPS mm, as in every other file of ours; the root node turns them to what glTF prescribes, metres with y
up and z to the front, so that any viewer shows the patient upright and from the front.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import MissingPackageError
from .model import DuctMeasurement
from .sections import frames

#: Bile green, as Slicer's terminology colours ducts, seen through.
SURFACE_COLOUR = (0.0, 0.57, 0.12)
_SURFACE_ALPHA = 0.35
_FINDING_COLOUR = (0.75, 0.05, 0.15)
#: Radius of the centreline's tube in mm, and sides of it.
_TUBE_MM, _SIDES = 0.45, 8
#: From LPS mm to glTF: x to the left, y up, z to the front, metres.
_TO_GLTF = np.array([[1e-3, 0, 0, 0], [0, 0, 1e-3, 0], [0, -1e-3, 0, 0], [0, 0, 0, 1]])


def glb(m: DuctMeasurement, colour: Sequence[float] = SURFACE_COLOUR) -> bytes:
    """The measurement as the bytes of a ``.glb``; nodes ``ducts``, ``centreline`` and ``candidate strictures``.

    ``colour`` : red, green and blue in [0, 1] of the surface, for example the segment's.

    Raises
    ------
    MissingPackageError : trimesh is not installed.
    """
    try:
        import trimesh
    except ImportError as error:
        raise MissingPackageError(
            "a GLB file needs trimesh", mend="pip install 'medseg[measure]'", packages=["trimesh", "matplotlib"]
        ) from error
    from trimesh.visual.material import PBRMaterial

    scene = trimesh.Scene(
        metadata={
            "coordinate_system": "LPS mm in the meshes; the root node turns them to glTF's metres with y up",
            "notice": "Research use only. Strictures are candidates for a radiologist to judge.",
            "generator": "medseg",
        }
    )
    scene.graph.update(frame_from=scene.graph.base_frame, frame_to="LPS mm", matrix=_TO_GLTF)

    def add(name: str, mesh: trimesh.Trimesh) -> None:
        scene.add_geometry(mesh, node_name=name, geom_name=name, parent_node_name="LPS mm")

    vertices, faces = m.surface_lps_mm
    if len(faces):
        surface = trimesh.Trimesh(vertices, faces, process=False)
        surface.visual = trimesh.visual.TextureVisuals(
            material=PBRMaterial(
                name="ducts",
                baseColorFactor=[*colour, _SURFACE_ALPHA],
                alphaMode="BLEND",
                metallicFactor=0.0,
                roughnessFactor=0.6,
                doubleSided=True,
            )
        )
        add("ducts", surface)
    if m.branches:
        tubes = [_tube(b.points_lps_mm, b.closed) for b in m.branches]
        values = np.concatenate([np.repeat(b.measured_mm, _SIDES) for b in m.branches])
        offsets = np.cumsum([0, *(len(t[0]) for t in tubes[:-1])])
        mesh = trimesh.Trimesh(
            np.concatenate([t[0] for t in tubes]),
            np.concatenate([t[1] + n for t, n in zip(tubes, offsets, strict=True)]),
            vertex_colors=calibre_colours(values),
            process=False,
        )
        mesh.metadata["colours"] = f"calibre, viridis, 0 to {max(np.ceil(values.max()), 1):.0f} mm"
        add("centreline", mesh)
    balls: list[trimesh.Trimesh] = []
    for f in m.strictures:
        ball: trimesh.Trimesh = trimesh.creation.icosphere(2, max(f.reference_diameter_mm * 0.65, 1.2))
        ball.apply_translation(f.position_lps_mm)
        balls.append(ball)
    if balls:
        marks: trimesh.Trimesh = trimesh.util.concatenate(balls)  # type: ignore[assignment]
        marks.visual = trimesh.visual.TextureVisuals(
            material=PBRMaterial(
                name="candidates", baseColorFactor=[*_FINDING_COLOUR, 0.45], alphaMode="BLEND", metallicFactor=0.0
            )
        )
        add("candidate strictures", marks)
    if not scene.geometry:  # an empty label: glTF asks for no mesh, trimesh for one
        return _empty(scene.metadata)
    return bytes(scene.export(file_type="glb"))


def calibre_colours(values: np.ndarray) -> np.ndarray:
    """(N, 4) uint8 colours of calibres in mm, from 0 to the largest rounded up."""
    from matplotlib import colormaps

    return (np.asarray(colormaps["viridis"](values / max(np.ceil(values.max()), 1.0))) * 255).astype(np.uint8)


def _tube(points: np.ndarray, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    """A tube about a polyline (N, 3): vertices (N * sides, 3) and triangles."""
    from .curves import tangents_of

    tangents = tangents_of(points, closed)
    first, _ = frames(tangents[:1])
    side = first[0]
    rings = np.empty((len(points), _SIDES, 3))
    angles = np.arange(_SIDES) * (2 * np.pi / _SIDES)
    for n, (point, tangent) in enumerate(zip(points, tangents, strict=True)):
        side = side - tangent * (side @ tangent)  # carried along, so that the tube does not twist
        length = float(np.linalg.norm(side))
        side = side / length if length > 1e-6 else frames(tangent[None])[0][0]
        up = np.cross(tangent, side)
        rings[n] = point + _TUBE_MM * (np.cos(angles)[:, None] * side + np.sin(angles)[:, None] * up)
    ring = np.arange(_SIDES)
    near, next_ = ring, np.roll(ring, -1)
    quads = np.concatenate(
        [
            np.stack([near, next_, near + _SIDES], axis=1),
            np.stack([next_, next_ + _SIDES, near + _SIDES], axis=1),
        ]
    )
    faces = (np.arange(len(points) - 1)[:, None, None] * _SIDES + quads[None]).reshape(-1, 3)
    return rings.reshape(-1, 3), faces


def _empty(metadata: dict[str, str]) -> bytes:
    import json

    text = json.dumps(
        {"asset": {"version": "2.0", "generator": "medseg"}, "scenes": [{"extras": metadata}], "scene": 0}
    )
    chunk = text.encode().ljust((len(text.encode()) + 3) // 4 * 4)
    head = b"glTF" + (2).to_bytes(4, "little") + (20 + len(chunk)).to_bytes(4, "little")
    return head + len(chunk).to_bytes(4, "little") + b"JSON" + chunk

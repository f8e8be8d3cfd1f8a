"""The exact truth of a phantom as a JSON-serialisable dictionary."""

from __future__ import annotations

from .grid import Grid
from .tree import BILE_DUCTS, GALLBLADDER, PANCREATIC_DUCT, Anatomy

#: Goes up whenever the same seed no longer gives the same anatomy or labels.
ANATOMY_VERSION = 1


def describe(seed: int, anatomy: Anatomy, grid: Grid) -> dict:
    """What is where: see the ``about`` entry of the dictionary itself for conventions."""
    branches = []
    for b in anatomy.branches:
        inside = grid.contains(b.points)
        branches.append(
            {
                "id": b.id,
                "name": b.name,
                "parent": b.parent,
                "label": b.label,
                "order": b.order,
                "length_mm": round(b.length_mm, 3),
                "part_in_field": round(float(int(inside.sum())) / len(inside), 3),
                "centreline_lps_mm": b.points.tolist(),
                "diameter_mm": b.diameters.tolist(),
                "strictures": b.strictures,
                "dilatations": b.dilatations,
            }
        )
    stones = [
        {"branch": s.branch, "centre_lps_mm": s.centre.tolist(), "semi_axes_mm": s.semi_axes.tolist()}
        for s in anatomy.stones
    ]
    return {
        "about": {
            "what": "exact truth of a synthetic MR cholangiography made by medseg.phantom",
            "anatomy_version": ANATOMY_VERSION,
            "length_unit": "mm",
            "coordinate_system": "LPS patient coordinates (x to the left, y to the back, z to the head)",
            "centreline": "from the duodenal end upwards; a child begins at a point of its parent",
            "diameter": "of the round lumen at each centreline point, linear in between; 0 where it is closed",
            "grade": "1 - diameter_mm / reference_diameter_mm; the reference is the calibre there before",
            "order": "0 extrahepatic, 1 hepatic and sectoral, 2 segmental, 3 subsegmental, 4 beyond",
        },
        "seed": seed,
        "labels": {
            "bile ducts": BILE_DUCTS,
            "gallbladder and cystic duct": GALLBLADDER,
            "pancreatic duct": PANCREATIC_DUCT,
        },
        "anatomy": {**anatomy.variants, "gallbladder": "present" if anatomy.named("gallbladder") else "removed"},
        "disease": anatomy.disease,
        "hilum_lps_mm": anatomy.hilum.tolist(),
        "branches": branches,
        "stones": stones,
        "sludge_fraction_of_gallbladder_depth": anatomy.sludge_fraction,
    }

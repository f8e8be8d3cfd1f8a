"""Review: the places to doubt, one after another, and the views that follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from .ductsScene import ras

#: How often each kind is shown before the next one's turn: breaks first, they change the tree.
ORDER = ("gap", "stricture", "part", "slice", "dilatation", "thin branch")


@dataclass(frozen=True)
class Stop:
    """A place to look at: RAS mm, why, and how much it is doubted (0 to 1)."""

    position: tuple[float, float, float]
    kind: str
    weight: float
    text: str


class Review:
    """A list of `Stop` with a place in it. ``seen`` are the numbers of those that were looked at."""

    def __init__(self, stops: list[Stop]) -> None:
        self.stops = stops
        self.index = -1
        self.seen: set[int] = set()

    @property
    def current(self) -> Stop | None:
        return self.stops[self.index] if 0 <= self.index < len(self.stops) else None

    def go(self, index: int) -> Stop | None:
        """Go to a stop and move the views there; None beyond the ends."""
        if not 0 <= index < len(self.stops):
            return None
        self.index = index
        self.seen.add(index)
        jumpTo(self.stops[index].position)
        return self.stops[index]

    def next(self) -> Stop | None:
        return self.go(self.index + 1)

    def previous(self) -> Stop | None:
        return self.go(self.index - 1)


def makeReview(measured: dict[str, Any] | None = None, slices: list[dict[str, Any]] | None = None) -> Review:
    """From a measurement and from the undecided slices of a run, both as the worker tells them."""
    doubts = [*((measured or {}).get("doubts") or []), *(slices or [])]
    doubts.sort(key=lambda d: (ORDER.index(d["kind"]) if d["kind"] in ORDER else len(ORDER), -d["weight"]))
    return Review([_stop(doubt) for doubt in doubts])


def jumpTo(position) -> None:
    """Centre the slice views on a RAS point, and turn 3D views towards it."""
    mode = slicer.vtkMRMLSliceNode.CenteredJumpSlice
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *(float(x) for x in position), mode)
    cameras = slicer.mrmlScene.GetNodesByClass("vtkMRMLCameraNode")
    cameras.UnRegister(None)
    for n in range(cameras.GetNumberOfItems()):
        node = cameras.GetItemAsObject(n)
        old, eye = np.array(node.GetFocalPoint()), np.array(node.GetPosition())
        node.SetFocalPoint(*(float(x) for x in position))
        node.SetPosition(*(eye + np.asarray(position, float) - old))
        node.ResetClippingRange()


def _stop(doubt: dict[str, Any]) -> Stop:
    detail = doubt["detail"]
    number = doubt["number"]
    texts = {
        "gap": lambda: _("The duct breaks off: {gap:.1f} mm to the next end.").format(gap=detail["gap_mm"]),
        "part": lambda: _("A part of {volume:.2f} ml hangs on nothing, {gap:.0f} mm from the next.").format(
            volume=detail["volume_ml"], gap=detail["gap_mm"]
        ),
        "stricture": lambda: _("Candidate stricture: {found:.1f} mm where {expected:.1f} mm are expected.").format(
            found=detail["diameter_mm"], expected=detail["expected_mm"] or 0
        ),
        "dilatation": lambda: _("Candidate dilatation: {found:.1f} mm where {expected:.1f} mm are expected.").format(
            found=detail["diameter_mm"], expected=detail["expected_mm"] or 0
        ),
        "thin branch": lambda: _("Branch {number} is thinner than the voxels resolve (below {bound:.1f} mm).").format(
            number=number, bound=detail["bound_mm"]
        ),
        "slice": lambda: _("Slice {number}: {area:.0f} mm² undecided.").format(
            number=number + 1, area=detail["undecided_mm2"]
        ),
    }
    text = texts[doubt["kind"]]() if doubt["kind"] in texts else doubt["kind"]
    x, y, z = (float(v) for v in ras(doubt["position_lps_mm"]))
    return Stop((x, y, z), doubt["kind"], float(doubt["weight"]), text)

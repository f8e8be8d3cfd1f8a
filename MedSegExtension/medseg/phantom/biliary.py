"""The bile ducts: extrahepatic duct, hepatic, sectoral, segmental and subsegmental ducts.

Positions are LPS mm from the hepatic confluence of an average liver and are scaled by the case; segments are numbered
as Couinaud did (Le foie, Masson, Paris 1957). Lengths and calibres with their sources: ``docs/phantom.md``.
"""

from __future__ import annotations

import numpy as np

from .curves import arc_length, quantise, through, towards
from .frequencies import ACCESSORY_DUCT, CYSTIC_PATTERNS, LEFT_PATTERNS, RIGHT_PATTERNS
from .randomness import Draws
from .subsegments import END_DIAMETER_MM, subdivide, taper
from .tree import BILE_DUCTS, Anatomy, Branch

#: Ends of the segmental ducts in an average liver.
_TARGETS = {
    "B8": (-55.0, -10.0, 62.0),
    "B5": (-64.0, -26.0, -24.0),
    "B7": (-70.0, 30.0, 47.0),
    "B6": (-80.0, 26.0, -42.0),
    "B2": (74.0, 2.0, 36.0),
    "B3": (72.0, -28.0, -4.0),
    "B4": (14.0, -32.0, 34.0),
    "B1": (8.0, 16.0, 22.0),
}


class BiliaryTree:
    """Adds the bile ducts to an anatomy, from the papilla upwards.

    Parameters
    ----------
    width : factor on the calibre of the intrahepatic ducts (1: normal).
    extrahepatic_width : factor on the calibre of the extrahepatic duct, which stays under 14 mm.
    cholecystectomy : without a gallbladder the extrahepatic duct is a little wider.
    """

    def __init__(
        self, anatomy: Anatomy, draws: Draws, *, width: float, cholecystectomy: bool, extrahepatic_width: float = 1.0
    ) -> None:
        self.anatomy, self.draws, self.width = anatomy, draws, width
        self.duct_mm = draws.normal(5.4, 1.1, 4.0, 8.0) + (0.8 if cholecystectomy else 0.0)
        self.duct_mm = min(self.duct_mm * extrahepatic_width, 14.0)

    def grow_extrahepatic(self) -> None:
        """Chooses the variants (into ``anatomy.variants``) and adds common bile duct and common hepatic duct."""
        variants = self.anatomy.variants
        variants["cystic duct"] = self.draws.choose(CYSTIC_PATTERNS)
        variants["right"] = self.draws.choose(RIGHT_PATTERNS)
        variants["left"] = self.draws.choose(LEFT_PATTERNS)
        self._extrahepatic()

    def grow_intrahepatic(self) -> None:
        """Everything above the hepatic confluence; the cystic duct must be there already."""
        variants = self.anatomy.variants
        self._left()
        self._right()
        if self.draws.flag(ACCESSORY_DUCT):
            variants["accessory"] = "accessory duct of B5 into the common hepatic duct"
            self._segment("accessory right duct", self.anatomy.branches[1], 0.75, "B5", 1.7, shift=(6.0, 8.0, -6.0))

    def place(self, position: tuple[float, float, float], jitter: float = 0.0) -> np.ndarray:
        """An average position as this case's LPS mm."""
        return self.anatomy.hilum + (np.array(position) + self.draws.vector((jitter,) * 3)) * self.anatomy.scale

    def _extrahepatic(self) -> None:
        """Common bile duct and common hepatic duct, split where the cystic duct joins."""
        papilla = self.place((-12.0, 17.0, -84.0), 4.0)
        middle = [self.place(p, 2.0) for p in ((5.0, 17.0, -66.0), (9.0, 9.0, -44.0), (5.0, 4.0, -21.0))]
        path = through([papilla, *middle, self.anatomy.hilum], self.draws, wobble_mm=1.2, wavelength_mm=55.0)
        along = arc_length(path)
        length = float(along[-1])
        below = {"high": (8.0, 14.0), "low": (50.0, 62.0)}.get(self.anatomy.variants["cystic duct"], (22.0, 36.0))
        junction = int(np.searchsorted(along, length - self.draws.uniform(*below)))
        d = self.duct_mm
        # The intrapancreatic part narrows to the papilla; the hepatic duct is a little narrower than the bile duct.
        steps = ((0.0, 2.0), (6.0, 0.62 * d), (16.0, 0.92 * d), (0.45 * length, d), (length, 0.84 * d))
        calibre = np.interp(along, [s[0] for s in steps], [s[1] for s in steps])
        cbd = self.anatomy.add("common bile duct", None, BILE_DUCTS, path[: junction + 1], calibre[: junction + 1], 0)
        self.anatomy.add("common hepatic duct", cbd.id, BILE_DUCTS, path[junction:], calibre[junction:], 0)

    def _duct(
        self,
        name: str,
        parent: Branch,
        fraction: float,
        end: np.ndarray,
        start_mm: float,
        end_mm: float,
        way: np.ndarray,
        order: int = 1,
        wobble: float = 0.8,
    ) -> Branch:
        """A duct that does not end in the liver but goes on in others."""
        start = parent.points[parent.index_at(fraction)]
        points = towards(start, way, end, self.draws, wobble_mm=wobble, wavelength_mm=26.0)
        calibre = np.linspace(start_mm, end_mm, len(points)) * self._unevenness(len(points))
        return self.anatomy.add(name, parent.id, BILE_DUCTS, points, calibre, order)

    def _unevenness(self, count: int) -> np.ndarray:
        """Slow changes of calibre along a duct, ± 6 %."""
        s = np.arange(count) * 1.2
        return 1.0 + 0.06 * np.sin(2.0 * np.pi * s / self.draws.uniform(14.0, 26.0) + self.draws.uniform(0.0, 6.28))

    def _segment(
        self,
        name: str,
        parent: Branch,
        fraction: float,
        target: str,
        start_mm: float,
        shift: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> Branch:
        """A segmental duct with its subsegmental branches."""
        index = parent.index_at(fraction)
        start = parent.points[index]
        x, y, z = (a + b for a, b in zip(_TARGETS[target], shift, strict=True))
        reach = self.draws.uniform(0.78, 1.02)
        end = start + (self.place((x, y, z), 8.0) - start) * reach
        way = parent.tangent(index) * 0.6 / 2.4 + (end - start) / 30.0
        points = towards(start, way, end, self.draws, wobble_mm=1.6, wavelength_mm=34.0)
        start_mm = min(start_mm * self.draws.uniform(0.9, 1.1), float(parent.diameters[index]))
        calibre = taper(len(points), start_mm, END_DIAMETER_MM) * self._unevenness(len(points))
        branch = self.anatomy.add(name, parent.id, BILE_DUCTS, points, np.maximum(calibre, END_DIAMETER_MM), 2)
        subdivide(self.anatomy, branch, self.draws)
        return branch

    def _left(self) -> None:
        """Left hepatic duct and segments II, III, IV and I."""
        trunk = self.anatomy.branches[1]
        pattern = self.anatomy.variants["left"]
        d = max(self.draws.uniform(3.1, 4.1) * self.width, 2.4)
        d = min(d, 0.95 * self.duct_mm)
        fork = self.place((self.draws.uniform(19.0, 27.0), -9.0, 12.0), 2.0)
        lhd = self._duct("left hepatic duct", trunk, 1.0, fork, d, 0.9 * d, np.array([0.9, -0.25, 0.5]))
        segment = 0.72 * d
        if pattern.startswith("B2 and B3"):
            end = self.place((38.0, -13.0, 16.0), 2.0)
            left = self._duct("B2+3 trunk", lhd, 1.0, end, 0.85 * d, 0.8 * d, np.array([0.9, -0.2, 0.3]))
            self._segment("B4", lhd, self.draws.uniform(0.75, 1.0), "B4", 0.9 * segment)
            self._segment("B2", left, 1.0, "B2", segment)
            self._segment("B3", left, 1.0, "B3", segment)
        elif pattern.startswith("B3 and B4"):
            end = self.place((36.0, -16.0, 10.0), 2.0)
            left = self._duct("B3+4 trunk", lhd, 1.0, end, 0.85 * d, 0.8 * d, np.array([0.8, -0.5, 0.1]))
            self._segment("B2", lhd, 1.0, "B2", segment)
            self._segment("B3", left, 1.0, "B3", segment)
            self._segment("B4", left, 0.9, "B4", 0.9 * segment)
        else:
            for target in ("B2", "B3", "B4"):
                self._segment(target, lhd, 1.0, target, segment)
        self._segment("B1", lhd, self.draws.uniform(0.2, 0.5), "B1", 1.8 * self.width)

    def _right(self) -> None:
        """Right hepatic duct where there is one, anterior and posterior sectoral ducts, segments V to VIII."""
        trunk = self.anatomy.branches[1]
        pattern = self.anatomy.variants["right"]
        d = min(max(self.draws.uniform(3.1, 4.1) * self.width, 2.4), 0.95 * self.duct_mm)
        sectoral = 0.84 * d
        outwards = np.array([-0.8, 0.0, 0.6])
        anterior_end = self.place((-31.0, -8.0, 19.0), 3.0)
        posterior_end = self.place((-42.0, 18.0, 14.0), 3.0)
        if pattern.startswith("A1"):
            length = self.draws.uniform(7.0, 14.0)
            fork = self.place((-0.82 * length, 0.5, 0.55 * length), 1.0)
            rhd = self._duct("right hepatic duct", trunk, 1.0, fork, d, 0.93 * d, outwards)
            anterior, at, posterior, pt, way = rhd, 1.0, rhd, 1.0, np.array([-0.5, 0.55, 0.75])
        elif pattern.startswith("A2"):
            anterior, at, posterior, pt, way = trunk, 1.0, trunk, 1.0, np.array([-0.75, 0.6, 0.3])
        elif pattern.startswith("A3"):
            lhd = self.anatomy.named("left hepatic duct")
            assert lhd is not None
            anterior, at, posterior, pt, way = trunk, 1.0, lhd, 0.42, np.array([-0.35, 0.65, 0.8])
        elif pattern.startswith("A4"):
            anterior, at, posterior, pt = trunk, 1.0, trunk, self.draws.uniform(0.35, 0.65)
            way = np.array([-0.9, 0.4, 0.2])
        else:
            cystic = self.anatomy.branches[2]
            anterior, at, posterior, pt, way = trunk, 1.0, cystic, 0.35, np.array([-0.5, 0.6, 0.6])
        rasd = self._duct(
            "right anterior sectoral duct",
            anterior,
            at,
            anterior_end,
            sectoral,
            0.88 * sectoral,
            outwards + np.array([0.0, -0.2, 0.2]),
            wobble=1.0,
        )
        rpsd = self._duct(
            "right posterior sectoral duct", posterior, pt, posterior_end, sectoral, 0.88 * sectoral, way, wobble=1.0
        )
        segment = 0.82 * sectoral
        self._segment("B8", rasd, 1.0, "B8", segment)
        self._segment("B5", rasd, self.draws.uniform(0.75, 0.95), "B5", 0.9 * segment)
        self._segment("B7", rpsd, 1.0, "B7", segment)
        self._segment("B6", rpsd, self.draws.uniform(0.8, 1.0), "B6", 0.95 * segment)


def hilum_position(draws: Draws) -> np.ndarray:
    """LPS mm of the hepatic confluence: patients do not all lie alike in the magnet."""
    return quantise(np.array([-22.0, -12.0, 10.0]) + draws.vector((14.0, 12.0, 30.0)))

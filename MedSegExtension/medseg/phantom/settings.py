"""What can be chosen about a phantom."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..errors import InputError


@dataclass(frozen=True)
class PhantomSettings:
    """Grid, scanner and how often each disease occurs.

    The anatomy of a seed depends on the probabilities only; the scanner settings change voxels, and the grid changes
    how the same anatomy is sampled.
    """

    shape: tuple[int, int, int] = (72, 320, 320)
    """Voxels along (k, j, i): slices, rows, columns."""
    spacing: tuple[float, float, float] = (1.1, 1.1, 1.2)
    """mm between voxel centres along (i, j, k)."""
    noise: float = 1.0
    """Factor on the drawn noise level (0: none; 1: standard deviation 0.8–3.2 % of the signal of bile)."""
    blur_voxels: float = 1.0
    """Factor on the drawn point spread (1: standard deviation 0.25–0.45 voxel in plane, 0.3–0.5 through plane)."""
    breathing: float = 1.0
    """Factor on the drawn breathing blur and ghosts (0: none)."""
    bias: float = 1.0
    """Factor on the drawn unevenness of the receive coil (0: none)."""
    probability_cholecystectomy: float = 0.16
    """No gallbladder; a stump of the cystic duct is left."""
    probability_duct_stones: float = 0.15
    """Stones in the extrahepatic duct, with some dilatation above."""
    probability_distal_stricture: float = 0.08
    """Stricture of the intrapancreatic bile duct, often with a dilated pancreatic duct as well (double duct)."""
    probability_hilar_stricture: float = 0.08
    """Stricture at or near the hepatic confluence (Bismuth-Corlette I–IV)."""
    probability_multifocal_strictures: float = 0.07
    """Several short strictures with beading between, as in primary sclerosing cholangitis."""
    probability_ectasia: float = 0.12
    """Wide ducts without an obstruction (age, after cholecystectomy)."""
    probability_gallbladder_stones: float = 0.15
    """Stones in the gallbladder (where there is one)."""
    probability_sludge: float = 0.12
    """Layering sludge in the gallbladder (where there is one)."""

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or any(int(n) != n or n < 4 for n in self.shape):
            raise InputError(
                f"the phantom's shape {self.shape} is not three whole numbers of at least 4",
                mend="give (slices, rows, columns), for example (72, 320, 320)",
            )
        if len(self.spacing) != 3 or any(not 0.2 <= s <= 20.0 for s in self.spacing):
            raise InputError(
                f"the phantom's spacing {self.spacing} is not three lengths from 0.2 to 20 mm",
                mend="give mm along (columns, rows, slices), for example (1.1, 1.1, 1.2)",
            )
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in ("shape", "spacing"):
                continue
            low, high = (0.0, 1.0) if item.name.startswith("probability_") else (0.0, 10.0)
            if not low <= value <= high:
                raise InputError(
                    f"the phantom's {item.name} is {value}, outside {low} to {high}",
                    mend="choose a value inside this range",
                )
        total = (
            self.probability_duct_stones
            + self.probability_distal_stricture
            + self.probability_hilar_stricture
            + self.probability_multifocal_strictures
            + self.probability_ectasia
        )
        if total > 1.0 + 1e-9:
            raise InputError(
                f"the probabilities of the duct diseases add up to {total:.2f}, more than 1",
                mend="lower some of them; one case has at most one of them",
            )

"""One seed in, one case out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..volume import Volume
from .background import paint_background
from .biliary import BiliaryTree, hilum_position
from .curves import quantise
from .disease import choose_disease, fall_ill, fill_gallbladder
from .fluids import paint_cysts, paint_gut, paint_spinal_canal, paint_urine, paint_vessels
from .gallbladder import add_gallbladder
from .grid import plan
from .lumen import label_lumen
from .pancreas import add_pancreatic_duct
from .randomness import Draws
from .scanner import acquire, paint_bile
from .settings import PhantomSettings
from .tree import Anatomy
from .truth import describe


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic MR cholangiography with what is known about it.

    Attributes
    ----------
    name : ``phantom-<seed>`` with at least five digits.
    volume : int16 voxels (K, J, I) in oblique-coronal slices.
    labels : uint8 on the same grid: 1 bile ducts, 2 gallbladder and cystic duct, 3 pancreatic duct.
    truth : JSON-serialisable; conventions stand in its ``about`` entry.
    """

    name: str
    volume: Volume
    labels: Volume
    truth: dict


def make_anatomy(
    seed: int,
    settings: PhantomSettings,
    *,
    hilum: np.ndarray | None = None,
    scale: np.ndarray | None = None,
    widen: float = 1.0,
) -> Anatomy:
    """The ducts of a seed: the same on every platform, whatever the grid.

    Parameters
    ----------
    hilum : (3,) LPS mm where the hepatic confluence shall be. scale : (3,) size along x, y, z (1: average).
        Drawn where not given.
    widen : factor on the drawn calibre of the intrahepatic ducts; the extrahepatic one follows a little less.
    """
    body = Draws(seed, "body")
    size = quantise(np.array([body.uniform(0.9, 1.1), body.uniform(0.85, 1.0), body.uniform(0.9, 1.1)]))
    place = hilum_position(body)
    anatomy = Anatomy(place if hilum is None else quantise(hilum), size if scale is None else quantise(scale))
    health = Draws(seed, "health")
    removed = health.flag(settings.probability_cholecystectomy)
    anatomy.disease = choose_disease(settings, health)
    ducts = Draws(seed, "bile ducts")
    tree = BiliaryTree(
        anatomy,
        ducts,
        width=ducts.normal(1.02, 0.12, 0.82, 1.3) * widen,
        cholecystectomy=removed,
        extrahepatic_width=1.0 + 0.7 * (widen - 1.0),
    )
    tree.grow_extrahepatic()
    add_gallbladder(anatomy, Draws(seed, "gallbladder"), removed=removed)
    tree.grow_intrahepatic()
    add_pancreatic_duct(anatomy, Draws(seed, "pancreatic duct"), width=1.0)
    fall_ill(anatomy, Draws(seed, "disease"))
    fill_gallbladder(anatomy, Draws(seed, "gallbladder content"), settings)
    return anatomy


def make_phantom(
    seed: int, settings: PhantomSettings | None = None, progress: Callable[[float], object] | None = None
) -> Phantom:
    """Makes the synthetic MR cholangiography of a seed.

    Anatomy, truth and labels of a seed are the same on every platform and Python; voxels are the same on one machine.

    Parameters
    ----------
    seed : 0 or larger; seeds 9000–9999 are for tests only and must never be trained on.
    settings : grid, scanner and disease; the defaults give 72 × 320 × 320 voxels of about 1.1 × 1.1 × 1.2 mm.
    progress : called between the steps with the share that is done; what it raises ends the making.

    Raises
    ------
    InputError : for a seed that is negative or not whole.
    """
    if isinstance(seed, bool) or int(seed) != seed or seed < 0:
        raise InputError(f"the seed {seed!r} is not a whole number of 0 or more", mend="give for example --seed 1")
    seed = int(seed)
    settings = settings or PhantomSettings()
    tell = progress or (lambda fraction: None)
    anatomy = make_anatomy(seed, settings)
    grid = plan(settings, Draws(seed, "slab"), anatomy.hilum)
    tell(0.0)
    labels, filled = label_lumen(anatomy, grid)
    tell(0.1)  # the shares are those of the time

    look = Draws(seed, "look")
    texture = Draws(seed, "texture").generator()
    image = paint_background(grid, anatomy, look, texture)
    tell(0.7)
    paint_vessels(image, grid, anatomy, Draws(seed, "vessels"))
    # Echo times differ: with shorter ones solid tissue stays brighter.
    image *= np.float32(1.0 + 1.2 * look.random() ** 2)
    paint_spinal_canal(image, grid, anatomy, Draws(seed, "spinal canal"))
    paint_urine(image, grid, anatomy, Draws(seed, "urine"))
    paint_gut(image, grid, anatomy, Draws(seed, "gut"), texture)
    paint_cysts(image, grid, anatomy, Draws(seed, "cysts"))
    paint_bile(image, grid, anatomy, filled, look, texture)
    tell(0.8)
    voxels, scan = acquire(image, settings, Draws(seed, "scanner"), Draws(seed, "noise").generator())

    name = f"phantom-{seed:05d}"
    truth = describe(seed, anatomy, grid)
    truth["scanner"] = scan
    return Phantom(name, grid.volume(voxels, name), grid.volume(labels, name), truth)

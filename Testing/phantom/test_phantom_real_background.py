"""Ducts drawn into given volumes: inside the liver, as bright as the volume's fluid, and nothing else touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from medseg.errors import InputError
from medseg.phantom.real_background import draw_ducts, fluid_level
from medseg.volume import Volume
from scipy import ndimage

CHAOS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "chaos_t2spir"


def synthetic_abdomen(spacing=(1.6, 1.6, 2.0), noise=6.0) -> tuple[Volume, Volume]:
    """An axial volume with a liver of two ellipsoids and a column of bright fluid behind it."""
    shape = (110, 150, 190)
    origin = (-150.0, -120.0, -110.0)
    k, j, i = np.indices(shape, dtype=np.float32)
    x, y, z = (origin[n] + c * spacing[n] for n, c in enumerate((i, j, k)))
    liver = ((x + 46) / 76) ** 2 + ((y - 6) / 66) ** 2 + ((z - 8) / 90) ** 2 < 1
    liver |= ((x - 28) / 74) ** 2 + ((y + 10) / 44) ** 2 + ((z - 20) / 44) ** 2 < 1
    image = np.where(liver, 200.0, 60.0) + np.random.default_rng(1).normal(0.0, noise, shape)
    canal = (x - 30) ** 2 + (y - 95) ** 2 < 100
    image[canal] = 1000.0
    return (Volume(np.rint(image).astype(np.int16), spacing, origin), Volume(liver.astype(np.uint8), spacing, origin))


@pytest.fixture(scope="module")
def drawn():
    image, liver = synthetic_abdomen()
    return image, liver, *draw_ducts(image, liver, seed=11)


def test_ducts_lie_in_the_liver_apart_from_the_extrahepatic_one(drawn):
    image, liver, _, labels = drawn
    ducts = labels.array == 1
    assert set(np.unique(labels.array)) == {0, 1} and labels.same_grid(image)
    assert ducts.sum() > 300
    outside = ducts & (liver.array == 0)
    assert outside.sum() < 0.6 * ducts.sum()
    # Above the hilum nothing leaves the liver.
    upper = np.zeros_like(ducts)
    upper[75:] = True
    assert not (outside & upper).any()


def test_ducts_are_as_bright_as_the_fluid_and_the_rest_is_untouched(drawn):
    image, liver, result, labels = drawn
    assert result.array.dtype == image.array.dtype
    wide = ndimage.binary_erosion(labels.array == 1)
    level = fluid_level(image.array, liver.array == 1)
    assert level == pytest.approx(1000.0, abs=5.0)
    assert np.median(result.array[wide]) == pytest.approx(level, rel=0.25)
    far = ~ndimage.binary_dilation(labels.array > 0, iterations=8)
    assert np.mean(result.array[far] != image.array[far]) < 0.01


def test_seeds_give_different_trees_and_each_the_same_again(drawn):
    image, liver, result, labels = drawn
    again, same = draw_ducts(image, liver, seed=11)
    _, other = draw_ducts(image, liver, seed=12)
    assert np.array_equal(again.array, result.array) and np.array_equal(same.array, labels.array)
    assert not np.array_equal(other.array, labels.array)


def test_bad_masks_are_refused(drawn):
    image, liver = drawn[:2]
    with pytest.raises(InputError, match="grid"):
        draw_ducts(image, Volume(liver.array, (1.5, 1.6, 2.0), liver.origin), seed=1)
    with pytest.raises(InputError, match="too little"):
        draw_ducts(image, liver, seed=1, liver_label=4)


@pytest.mark.skipif(not CHAOS.is_dir(), reason="the CHAOS volumes are not beside the checkout (shared/data)")
@pytest.mark.parametrize("case", ["13", "20"])
def test_real_volumes(case):
    from medseg.io import read_volume

    image = read_volume(CHAOS / "images" / f"chaos_t2spir_{case}.nii.gz")
    liver = read_volume(CHAOS / "labels" / f"chaos_t2spir_{case}.nii.gz")
    result, labels = draw_ducts(image, liver, seed=int(case))
    ducts = labels.array == 1
    assert ducts.sum() > 100 and (ducts & (liver.array == 1)).sum() > 0.3 * ducts.sum()
    assert result.array[ducts].mean() > 1.15 * image.array[ducts].mean()
    far = ~ndimage.binary_dilation(ducts, iterations=10)
    assert np.mean(result.array[far] != image.array[far]) < 0.02

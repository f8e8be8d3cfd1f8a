"""Against MONAI and against a whole Euclidean distance transform."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from medseg.metrics import FIGURES, evaluate_case, surface_distances, surface_voxels
from scipy import ndimage

SPACINGS = [(1.0, 1.0, 1.0), (3.0, 1.1, 0.7), (0.4, 2.5, 1.3)]


def random_pair(seed: int, shape: tuple[int, int, int] = (14, 22, 26)) -> tuple[np.ndarray, np.ndarray]:
    """Two blobby masks that agree in part, some of them touching the edge of the image."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(0.6, 2.0))
    other = ndimage.gaussian_filter(rng.normal(size=shape), 1.0)
    reference = smooth > np.quantile(smooth, rng.uniform(0.7, 0.97))
    changed = smooth / smooth.std() + rng.uniform(0.1, 1.0) * other / other.std()
    return changed > np.quantile(changed, rng.uniform(0.7, 0.97)), reference


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(6))
def test_same_figures_as_monai(seed: int, spacing: tuple[float, float, float]) -> None:
    monai = pytest.importorskip("monai.metrics")
    torch = pytest.importorskip("torch")
    prediction, reference = random_pair(seed)
    ours = evaluate_case(prediction, reference, spacing)
    pair = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, reference)]
    options = {"include_background": True, "spacing": spacing}
    confusion = monai.get_confusion_matrix(*pair, include_background=True)

    def rate(name: str) -> float:
        return float(monai.compute_confusion_matrix_metric(name, confusion))

    expected = {
        "dice": monai.DiceMetric(include_background=True)(*pair),
        "iou": monai.compute_iou(*pair, include_background=True),
        "precision": rate("precision"),
        "recall": rate("recall"),
        "hd95_mm": monai.compute_hausdorff_distance(*pair, percentile=95, **options),
        "assd_mm": monai.compute_average_surface_distance(*pair, symmetric=True, **options),
        "nsd_1mm": monai.compute_surface_dice(*pair, class_thresholds=[1.0], **options),
        "nsd_1voxel": monai.compute_surface_dice(*pair, class_thresholds=[1.0], include_background=True),
    }
    for name, value in expected.items():
        assert getattr(ours, name) == pytest.approx(float(value), rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("seed", range(3))
def test_a_single_slice_has_the_figures_that_monai_gives_in_two_dimensions(seed: int, axis: int) -> None:
    monai = pytest.importorskip("monai.metrics")
    torch = pytest.importorskip("torch")
    prediction, reference = (mask.max(axis=0) for mask in random_pair(seed))
    spacing = [1.3, 0.8]
    pair = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, reference)]
    options = {"include_background": True, "spacing": spacing}
    ours = evaluate_case(
        np.expand_dims(prediction, axis),
        np.expand_dims(reference, axis),
        tuple(np.insert(spacing, axis, 5.0)),  # type: ignore[arg-type]
    )
    expected = {
        "hd95_mm": monai.compute_hausdorff_distance(*pair, percentile=95, **options),
        "assd_mm": monai.compute_average_surface_distance(*pair, symmetric=True, **options),
        "nsd_1mm": monai.compute_surface_dice(*pair, class_thresholds=[1.0], **options),
        "nsd_1voxel": monai.compute_surface_dice(*pair, class_thresholds=[1.0], include_background=True),
    }
    for name, value in expected.items():
        assert getattr(ours, name) == pytest.approx(float(value), rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize("spacing", SPACINGS)
def test_nearest_neighbours_are_those_of_a_distance_transform(spacing: tuple[float, float, float]) -> None:
    prediction, reference = random_pair(11)
    distances = surface_distances(prediction, reference, spacing)
    of_prediction, of_reference = surface_voxels(prediction), surface_voxels(reference)
    to_reference = ndimage.distance_transform_edt(~of_reference, sampling=spacing)
    to_prediction = ndimage.distance_transform_edt(~of_prediction, sampling=spacing)
    np.testing.assert_allclose(distances.from_prediction, to_reference[of_prediction], atol=1e-12)
    np.testing.assert_allclose(distances.from_reference, to_prediction[of_reference], atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_flips_axis_orders_and_empty_space_change_nothing(seed: int) -> None:
    prediction, reference = random_pair(seed)
    spacing = (3.0, 1.1, 0.7)
    upright = evaluate_case(prediction, reference, spacing)
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((1, -1), repeat=3):
            steps = tuple(slice(None, None, flip) for flip in flips)
            turned = evaluate_case(
                prediction.transpose(order)[steps],
                reference.transpose(order)[steps],
                (spacing[order[0]], spacing[order[1]], spacing[order[2]]),
            )
            for name in FIGURES:
                # Thinning visits voxels in an order, so a skeleton may lie a voxel aside in a turned mask.
                tolerance = 0.12 if name.startswith("cldice") else 1e-9
                assert getattr(turned, name) == pytest.approx(getattr(upright, name), abs=tolerance), name
    padded = evaluate_case(np.pad(prediction, 5), np.pad(reference, 5), spacing)
    assert padded == upright


def test_cldice_of_ducts_hardly_depends_on_the_axes() -> None:
    shape = (60, 60, 60)
    t = np.linspace(0, 1, 400)
    curve = np.stack([30 + 18 * np.sin(5 * t), 10 + 40 * t, 30 + 18 * np.cos(4 * t)])
    lines = np.zeros(shape, bool)
    lines[tuple(np.round(curve).astype(int))] = True
    reference = ndimage.distance_transform_edt(~lines) <= 2.6
    prediction = np.roll(ndimage.distance_transform_edt(~lines) <= 2.0, 1, axis=1)
    prediction[:, 30:36] = False
    upright = evaluate_case(prediction, reference, (1.0, 1.0, 1.0)).cldice
    assert 0.5 < upright < 0.97
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((1, -1), repeat=3):
            steps = tuple(slice(None, None, flip) for flip in flips)
            turned = (prediction.transpose(order)[steps], reference.transpose(order)[steps])
            assert evaluate_case(*turned, (1.0, 1.0, 1.0)).cldice == pytest.approx(upright, abs=0.03)


def test_scaling_the_spacing_scales_the_distances() -> None:
    prediction, reference = random_pair(3)
    one, three = (evaluate_case(prediction, reference, (2.0 * n, 1.0 * n, 0.5 * n)) for n in (1, 3))
    assert three.hd95_mm == pytest.approx(3 * one.hd95_mm)
    assert three.assd_mm == pytest.approx(3 * one.assd_mm)
    assert three.volume_reference_ml == pytest.approx(27 * one.volume_reference_ml)
    assert three.nsd_1voxel == one.nsd_1voxel

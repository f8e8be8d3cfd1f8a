"""Slices are what the engine feeds, crops are exact copies where nothing warps them, and a warp does what it says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from medseg.preprocess import SlicePreparer
from medseg_training.augment import Warp, draw_warp, vary_intensity, warp_crop
from medseg_training.cases import LoadedCase, list_cases, load_case
from medseg_training.config import Augmentation, Config, Sampling, parse_config
from medseg_training.sampling import Sampler
from medseg_training.store import SliceStore, build_store
from training_cases import settings

OFF = Augmentation(warp_share=0, gain=0, shift=0, gamma=0, noise=0, bias=0)


def _load(folder: Path) -> tuple[Config, list[LoadedCase]]:
    config = parse_config(settings(folder))
    cases = [load_case(case, config)[0] for case in list_cases(config)[0][:2]]
    return config, [case for case in cases if case is not None]


@pytest.fixture(scope="module")
def store(ellipsoids: Path) -> SliceStore:
    config, cases = _load(ellipsoids)
    return build_store(cases, config.draft, 0)


def test_gathered_slices_equal_what_the_engine_prepares(ellipsoids: Path, store: SliceStore) -> None:
    config, cases = _load(ellipsoids)
    for number, case in enumerate(cases):
        preparer = SlicePreparer([case.image], config.draft)
        images, labels = store.gather(torch.arange(preparer.count) + number * preparer.count, [-1, 0, 1])
        for n in range(preparer.count):
            assert np.array_equal(images[n].numpy(), preparer.prepare(n).astype(np.float16).astype(np.float32))
            assert np.array_equal(labels[n].numpy(), preparer.prepare_labels(case.labels, n))


def test_a_crop_without_warp_is_a_copy(store: SliceStore) -> None:
    images, labels = store.gather(torch.tensor([3, 9]), [0])
    generator = torch.Generator().manual_seed(0)
    cut, marks = warp_crop(images, labels, torch.tensor([[16, 17], [22, 18]]), (24, 16), draw_warp(2, OFF, generator))
    assert torch.allclose(cut[0, 0], images[0, 0, 4:28, 9:25], atol=1e-4)
    assert torch.allclose(cut[1, 0], images[1, 0, 10:34, 10:26], atol=1e-4)
    assert torch.equal(marks[0], labels[0, 4:28, 9:25].long())
    assert torch.equal(vary_intensity(cut, OFF, generator), cut)


def test_a_quarter_turn_turns_image_and_labels_alike() -> None:
    images = torch.rand(1, 1, 33, 33)
    labels = (images[:, 0] * 4).to(torch.uint8)
    turn = Warp(torch.tensor([[[0.0, -1.0], [1.0, 0.0]]]), None)
    cut, marks = warp_crop(images, labels, torch.tensor([[16, 16]]), (33, 33), turn)
    assert torch.allclose(cut[0, 0], torch.rot90(images[0, 0], -1), atol=1e-4)
    assert torch.equal(marks[0], torch.rot90(labels[0], -1).long())


def test_drawn_warps_stay_within_their_strengths_and_keep_the_side() -> None:
    strengths = Augmentation(warp_share=0.5, rotation_degrees=20, scale=0.25)
    warp = draw_warp(500, strengths, torch.Generator().manual_seed(2))
    size = torch.linalg.det(warp.matrix).sqrt()
    angle = torch.atan2(warp.matrix[:, 1, 0], warp.matrix[:, 0, 0]).rad2deg()
    assert bool((torch.linalg.det(warp.matrix) > 0).all())  # nothing is mirrored
    assert 1 / 1.25 - 1e-6 <= float(size.min()) < 0.85 and 1.15 < float(size.max()) <= 1.25 + 1e-6
    assert 15 < float(angle.abs().max()) <= 20 + 1e-4
    still = (warp.matrix == torch.eye(2)).all((1, 2))
    assert 200 < int(still.sum()) < 300


def test_flips_happen_only_where_they_are_allowed() -> None:
    warp = draw_warp(100, Augmentation(flip_columns=True, warp_share=0), torch.Generator().manual_seed(0))
    assert bool((warp.matrix[:, 0, 0] == 1).all())
    assert 30 < int((warp.matrix[:, 1, 1] == -1).sum()) < 70


def test_intensity_changes_keep_the_order_of_brightness_without_noise_and_bias() -> None:
    images = torch.rand(6, 1, 16, 16)
    only = Augmentation(noise=0, bias=0, gain=0.5, gamma=0.5, shift=1)
    changed = vary_intensity(images, only, torch.Generator().manual_seed(0))
    for before, after in zip(images, changed, strict=True):
        assert torch.equal(before.flatten().argsort(stable=True), after.flatten().argsort(stable=True))
        assert not torch.equal(before, after)


def test_blur_keeps_the_mean_of_what_lies_inside() -> None:
    images = torch.zeros(30, 2, 31, 31)
    images[:, :, 15, 15] = 1
    only = Augmentation(noise=0, bias=0, gain=0, gamma=0, shift=0, blur=1.5)
    changed = vary_intensity(images, only, torch.Generator().manual_seed(0))
    assert torch.allclose(changed.sum((2, 3)), torch.ones(30, 2), atol=1e-4)
    assert 3 < int((changed[:, 0, 15, 15] < 0.9).sum()) < 18  # about a third


def test_crops_lie_inside_and_hold_the_foreground_they_were_drawn_for(store: SliceStore) -> None:
    sampler = Sampler(store, Sampling(batch_size=8, crop=(16, 20), foreground_share=0.5))
    generator = torch.Generator().manual_seed(4)
    held = 0
    for _ in range(20):
        draw = sampler.draw(generator)
        height, width = store.shape
        assert bool((draw.centres[:, 0] >= 8).all() and (draw.centres[:, 0] <= height - 8).all())
        assert bool((draw.centres[:, 1] >= 10).all() and (draw.centres[:, 1] <= width - 10).all())
        for index, (row, column) in zip(draw.indices[:4], draw.centres[:4], strict=True):
            held += bool((store.labels[index, row - 8 : row + 8, column - 10 : column + 10] == 1).any())
    assert held == 80


def test_bright_crops_hold_what_looks_like_a_label_and_is_none(ellipsoids: Path) -> None:
    config, cases = _load(ellipsoids)
    for case in cases:
        case.labels.array[:4] = 0  # the lower half of the ellipsoid: as bright, and not asked for
    store = build_store(cases, config.draft, 0)
    for start, stop in ((0, 8), (8, 16)):  # the two cases
        inside = store.bright[(store.bright[:, 0] >= start) & (store.bright[:, 0] < stop)].long()
        values = store.images[inside[:, 0], inside[:, 1], inside[:, 2]]
        labelled = store.images[start:stop][store.labels[start:stop] > 0]
        assert len(inside) > 0 and bool((store.labels[inside[:, 0], inside[:, 1], inside[:, 2]] == 0).all())
        assert float(values.min()) >= float(np.percentile(labelled.float().numpy(), 10)) - 1e-2
    sampler = Sampler(store, Sampling(batch_size=4, crop=(8, 8), foreground_share=0.25, bright_share=0.5))
    bright = torch.zeros(store.labels.shape, dtype=torch.bool)
    bright[tuple(store.bright.long().T)] = True
    generator = torch.Generator().manual_seed(5)
    for _ in range(20):
        draw = sampler.draw(generator)
        for index, (row, column) in zip(draw.indices[1:3], draw.centres[1:3], strict=True):
            assert bool(bright[index, row - 4 : row + 4, column - 4 : column + 4].any())


def test_a_label_that_is_nowhere_is_never_drawn(store: SliceStore) -> None:
    nowhere = (torch.zeros((0, 3), dtype=torch.int32),)
    empty = SliceStore(store.images, store.labels * 0, store.first, store.last, nowhere, nowhere[0])
    draw = Sampler(empty, Sampling(batch_size=4, foreground_share=1.0)).draw(torch.Generator().manual_seed(0))
    assert len(draw.indices) == 4


def test_rotation_is_in_degrees_and_scale_is_zoom() -> None:
    """A warp matrix maps crop pixels to slice pixels: above 1 the crop shows more of the slice."""
    warp = draw_warp(1, Augmentation(warp_share=1, rotation_degrees=0, scale=0.5), torch.Generator().manual_seed(1))
    factor = float(warp.matrix[0, 0, 0])
    assert factor == pytest.approx(float(warp.matrix[0, 1, 1])) and abs(math.log(factor)) <= math.log(1.5)

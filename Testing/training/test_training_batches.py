"""Slices are what the engine feeds, crops are exact copies where nothing warps them, and a warp does what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from medseg.preprocess import SlicePreparer
from medseg_training.augment import Augmentation, Augmenter
from medseg_training.cases import LoadedCase, list_cases, load_case
from medseg_training.config import Config, Sampling, parse_config
from medseg_training.sampling import Sampler
from medseg_training.store import SliceStore, build_store
from training_cases import settings


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


def test_a_crop_without_augmentation_is_a_copy(store: SliceStore) -> None:
    images, labels = store.gather(torch.tensor([3, 9]), [0])
    centres = torch.tensor([[16, 17], [22, 18]])
    cut, marks = Augmenter(Augmentation(), (24, 16))(images, labels[:, None], centres, torch.Generator())
    assert torch.allclose(cut[0, 0], images[0, 0, 4:28, 9:25], atol=1e-4)
    assert torch.allclose(cut[1, 0], images[1, 0, 10:34, 10:26], atol=1e-4)
    assert torch.equal(marks[0, 0], labels[0, 4:28, 9:25].float())


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

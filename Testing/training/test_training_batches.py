"""Slices are what the engine feeds, whatever they are and wherever they lie; crops show what they were drawn for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from medseg.card import Channel
from medseg.errors import InputError
from medseg.preprocess import SlicePreparer
from medseg.volume import Volume
from medseg_training.augment import Augmentation, Augmenter
from medseg_training.config import Config, Sampling, parse_config
from medseg_training.data import Case, LoadedCase, list_cases, load_case
from medseg_training.losses import Loss, make_planes
from medseg_training.sampling import Sampler
from medseg_training.store import SliceStore, StoreBuilder, build_store, open_batches
from medseg_training.store.mapped import open_mapped, sweep
from training_cases import settings

HERE = (Channel(0, 0),)
AROUND = (Channel(0, -1), Channel(0, 0), Channel(0, 1))


def _load(folder: Path) -> tuple[Config, list[LoadedCase]]:
    config = parse_config(settings(folder))
    cases = [load_case(case, config)[0] for case in list_cases(config)[0][:2]]
    return config, [case for case in cases if case is not None]


@pytest.fixture(scope="module")
def store(ellipsoids: Path) -> SliceStore:
    config, cases = _load(ellipsoids)
    return build_store(cases, config.draft, 0)


def _loaded(name: str, *shapes_kji: tuple[int, int, int], labelled: bool = True) -> LoadedCase:
    """A case of one volume for each shape (all alike), a bright square in its middle."""
    rng = np.random.default_rng(len(name) + shapes_kji[0][1])
    volumes = [Volume(rng.normal(size=shape).astype(np.float32)) for shape in shapes_kji]
    labels = np.zeros(shapes_kji[0], dtype=np.uint8)
    k, j, i = shapes_kji[0]
    if labelled:
        labels[k // 2, j // 2 - 3 : j // 2 + 3, i // 2 - 3 : i // 2 + 3] = 1
    return LoadedCase(Case(name, name, (Path(name),), Path(name)), tuple(volumes), Volume(labels))


def _card(data: Path, **changes: object) -> Config:
    card = {**settings(data)["card"], **changes}
    return parse_config(settings(data, card=card))


def test_gathered_slices_equal_what_the_engine_prepares(ellipsoids: Path, store: SliceStore) -> None:
    config, cases = _load(ellipsoids)
    for number, case in enumerate(cases):
        preparer = SlicePreparer(case.images, config.draft)
        images, planes = store.gather(
            torch.arange(preparer.count) + number * preparer.count, config.draft.input.channels
        )
        for n in range(preparer.count):
            assert np.array_equal(images[n].numpy(), preparer.prepare(n).astype(np.float16).astype(np.float32))
            assert np.array_equal(planes[n, 0], preparer.prepare_labels(case.labels, n))


def test_channels_come_from_several_volumes_and_their_neighbours(tmp_path: Path) -> None:
    """Two volumes with one neighbour on each side: six channels, in the card's order."""
    size = {"mode": "native", "multiple_of": 8}
    given = {"volumes": ["T1", "T2"], "context": 1, "size": size, "normalisation": {"kind": "zscore"}}
    config = _card(tmp_path, input=given)
    case = _loaded("a", (5, 30, 28), (5, 30, 28))
    store = build_store([case], config.draft, 0)
    assert store.images.shape == (5, 2, 32, 32)
    preparer = SlicePreparer(case.images, config.draft)
    images, _ = store.gather(torch.arange(5), config.draft.input.channels)
    for n in range(5):
        assert np.array_equal(images[n].numpy(), preparer.prepare(n).astype(np.float16).astype(np.float32))
    assert not torch.equal(images[2, 1], images[2, 4])


def test_pictures_of_unlike_sizes_share_a_frame_and_crops_stay_inside_each(tmp_path: Path) -> None:
    config = _card(tmp_path, input={"size": {"mode": "native", "multiple_of": 8}, "normalisation": {"kind": "minmax"}})
    shapes = [(1, 16, 40), (1, 64, 24), (1, 32, 32)]
    store = build_store([_loaded(str(s), s) for s in shapes], config.draft, 0)
    assert store.shape == (64, 40)
    assert store.extents.tolist() == [[24, 0, 16, 40], [0, 8, 64, 24], [16, 4, 32, 32]]
    plan = Sampler(store, Sampling(batch_size=8, crop=(16, 24), foreground_share=0.25)).plan(50, torch.Generator())
    top, left, height, width = store.extents[plan.indices].unbind(-1)
    row, column = plan.centres.unbind(-1)
    assert bool((row - 8 >= top).all() and (row + 8 <= top + height).all())
    assert bool((column - 12 >= left).all() and (column + 12 <= left + width).all())
    assert set(plan.indices.unique().tolist()) == {0, 1, 2}
    for index, centre in zip(plan.indices[:, :2].flatten(), plan.centres[:, :2].reshape(-1, 2), strict=True):
        r, c = centre.tolist()
        assert bool((store.labels[index, r - 8 : r + 8, c - 12 : c + 12] == 1).any())


def test_values_too_large_for_half_precision_are_refused(tmp_path: Path) -> None:
    config = _card(tmp_path, input={"size": {"mode": "native", "multiple_of": 8}, "normalisation": {"kind": "none"}})
    case = _loaded("a", (2, 16, 16))
    case.images[0].array[0, 0, 0] = 70000
    with pytest.raises(InputError, match=r"half precision.*normalisation"):
        build_store([case], config.draft, 0)


@pytest.mark.parametrize("terms", [{}, {"terms": {"skeleton_recall": {}, "boundary": {}}}], ids=["labels", "planes"])
def test_the_device_the_memory_and_the_disk_give_the_same_batches(
    ellipsoids: Path, tmp_path: Path, terms: dict[str, object]
) -> None:
    config, cases = _load(ellipsoids)
    loss = Loss.model_validate(terms)
    whole = build_store(cases, config.draft, 0, loss)
    builder = StoreBuilder(config.draft, loss, 0, limit=0, folder=tmp_path)
    for case in cases:
        builder.add(case)
    assert builder.spilled
    disk = builder.finish("abc")
    assert [p.name for p in tmp_path.iterdir()] == ["slices-abc"]  # nothing is left lying about
    again = open_mapped(tmp_path / "slices-abc")
    assert again is not None
    plan = Sampler(whole, Sampling(batch_size=4, crop=(16, 16))).plan(9, torch.Generator().manual_seed(3))
    there = Sampler(disk, Sampling(batch_size=4, crop=(16, 16))).plan(9, torch.Generator().manual_seed(3))
    assert torch.equal(there.indices, plan.indices) and torch.equal(there.centres, plan.centres)
    cpu = torch.device("cpu")
    sources = [
        open_batches(whole, AROUND, cpu, resident=True),
        open_batches(whole, AROUND, cpu, resident=False),
        open_batches(disk, AROUND, cpu, resident=False),
        open_batches(again, AROUND, cpu, resident=True),
    ]
    batches = []
    for source in sources:
        with source.epoch(plan, 2) as epoch:
            batches.append(list(epoch))  # all at once: a batch does not change when the next ones are made
    assert [len(each) for each in batches] == [7] * 4
    for each in batches[1:]:
        for one, other in zip(batches[0], each, strict=True):
            assert torch.equal(one.images, other.images) and torch.equal(one.planes, other.planes)
            assert torch.equal(one.centres, other.centres)
    planes = batches[0][0].planes
    if terms:
        expected = make_planes(loss, planes[0, 0].to(torch.uint8).numpy(), 1)
        assert np.array_equal(planes[0, 1:].numpy(), expected)
    else:
        assert planes.shape[1] == 1 and planes.dtype == torch.uint8


def test_a_mapped_file_that_is_not_whole_is_not_used(ellipsoids: Path, tmp_path: Path) -> None:
    config, cases = _load(ellipsoids)
    builder = StoreBuilder(config.draft, Loss(), 0, limit=0, folder=tmp_path)
    builder.add(cases[0])
    builder.finish("k")
    whole = (tmp_path / "slices-k" / "images").read_bytes()
    (tmp_path / "slices-k" / "images").write_bytes(whole[:-2])
    assert open_mapped(tmp_path / "slices-k") is None
    assert open_mapped(tmp_path / "slices-other") is None
    (tmp_path / ".medseg-0123").mkdir()
    (tmp_path / ".medseg-0123" / "images").write_bytes(b"half")
    sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["slices-k"]


def test_a_crop_without_augmentation_is_a_copy(store: SliceStore) -> None:
    images, planes = store.gather(torch.tensor([3, 9]), HERE)
    centres = torch.tensor([[16, 17], [22, 18]])
    cut, marks = Augmenter(Augmentation(), (24, 16))(images, planes, centres, torch.Generator())
    assert torch.allclose(cut[0, 0], images[0, 0, 4:28, 9:25], atol=1e-4)
    assert torch.allclose(cut[1, 0], images[1, 0, 10:34, 10:26], atol=1e-4)
    assert torch.equal(marks[0, 0], planes[0, 0, 4:28, 9:25].float())


def test_crops_lie_inside_and_hold_the_foreground_they_were_drawn_for(store: SliceStore) -> None:
    sampler = Sampler(store, Sampling(batch_size=8, crop=(16, 20), foreground_share=0.5))
    plan = sampler.plan(20, torch.Generator().manual_seed(4))
    height, width = store.shape
    rows, columns = plan.centres.unbind(-1)
    assert bool((rows >= 8).all() and (rows <= height - 8).all())
    assert bool((columns >= 10).all() and (columns <= width - 10).all())
    for index, centre in zip(plan.indices[:, :4].flatten(), plan.centres[:, :4].reshape(-1, 2), strict=True):
        row, column = centre.tolist()
        assert bool((store.labels[index, row - 8 : row + 8, column - 10 : column + 10] == 1).any())


def test_labels_are_drawn_as_often_as_their_odds_say(tmp_path: Path) -> None:
    labels = [{"value": 1, "name": "one"}, {"value": 2, "name": "two"}, {"value": 3, "name": "nowhere"}]
    config = _card(tmp_path, output={"activation": "softmax", "labels": labels})
    case = _loaded("a", (4, 32, 32))
    case.labels.array[0, 4:6, 4:6] = 2
    store = build_store([case], config.draft, 0)
    sampling = Sampling(batch_size=10, crop=(4, 4), foreground_share=1.0, label_odds=[1, 3, 5])
    plan = Sampler(store, sampling).plan(400, torch.Generator().manual_seed(1))
    share = float((plan.indices == 0).float().mean())  # label 2 is in slice 0 only, label 1 in slice 2
    assert 0.72 < share < 0.78 and set(plan.indices.unique().tolist()) == {0, 2}


def test_bright_crops_hold_what_looks_like_a_label_and_is_none(ellipsoids: Path) -> None:
    config, cases = _load(ellipsoids)
    for case in cases:
        case.labels.array[:4] = 0  # the lower half of the ellipsoid: as bright, and not asked for
    store = build_store(cases, config.draft, 0)
    for start, stop in ((0, 8), (8, 16)):  # the two cases
        inside = store.bright[(store.bright[:, 0] >= start) & (store.bright[:, 0] < stop)].long()
        values = store.images[inside[:, 0], 0, inside[:, 1], inside[:, 2]]
        labelled = store.images[start:stop, 0][store.labels[start:stop] > 0]
        assert len(inside) > 0 and bool((store.labels[inside[:, 0], inside[:, 1], inside[:, 2]] == 0).all())
        assert float(values.min()) >= float(np.percentile(labelled.float().numpy(), 10)) - 1e-2
    sampler = Sampler(store, Sampling(batch_size=4, crop=(8, 8), foreground_share=0.25, bright_share=0.5))
    bright = torch.zeros(store.labels.shape, dtype=torch.bool)
    bright[tuple(store.bright.long().T)] = True
    plan = sampler.plan(20, torch.Generator().manual_seed(5))
    for index, centre in zip(plan.indices[:, 1:3].flatten(), plan.centres[:, 1:3].reshape(-1, 2), strict=True):
        row, column = centre.tolist()
        assert bool(bright[index, row - 4 : row + 4, column - 4 : column + 4].any())


def test_a_label_that_is_nowhere_is_never_drawn(tmp_path: Path) -> None:
    config = _card(tmp_path)
    store = build_store([_loaded("a", (3, 16, 16), labelled=False)], config.draft, 0)
    assert [len(p) for p in store.positions] == [0] and len(store.bright) == 0
    plan = Sampler(store, Sampling(batch_size=4, foreground_share=1.0)).plan(3, torch.Generator().manual_seed(0))
    assert plan.indices.shape == (3, 4)

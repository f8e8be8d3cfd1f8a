"""A stack of sections cut into cases of consecutive slices, so that it can be split at all."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from medseg.errors import InputError
from medseg.io import MedSegWarning
from medseg.volume import Volume

from .case import Case, Problem


def cut_into_blocks(cases: Sequence[Case], length: int) -> tuple[list[Case], list[Problem]]:
    """Cases of ``length`` consecutive slices along the stored k axis; the last of a volume may be shorter.

    Each block is a patient of its own, named ``CASE_000-009``. Blocks that touch share a border where slices resemble
    each other; folds of blocks are therefore kinder than folds of patients. A block without labels in whose image all
    is one value (the air about a skull-stripped brain) is left out.
    """
    blocks: list[Case] = []
    problems = []
    for case in cases:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", MedSegWarning)  # reading the case will tell
                labels = case.reader.read_labels(case.labels, case.name).array
        except InputError as error:
            problems.append(Problem(case.labels, error.what, error.mend or "replace the file"))
            continue
        depth = len(labels)
        width = len(str(depth - 1))
        slabs = [(start, min(depth, start + length)) for start in range(0, depth, length)]
        empty = {slab for slab in slabs if labels[slice(*slab)].min() == labels[slice(*slab)].max()}
        without = _without_image(case, empty, depth) if empty else set()
        for start, stop in slabs:
            if (start, stop) in without:
                continue
            name = f"{case.name}_{start:0{width}}-{stop - 1:0{width}}"
            blocks.append(replace(case, name=name, patient=name, slab=(start, stop)))
    return blocks, problems


def _without_image(case: Case, slabs: set[tuple[int, int]], depth: int) -> set[tuple[int, int]]:
    """Those of ``slabs`` where the image has one value everywhere."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MedSegWarning)
            images = [volume.array for volume in case.reader.read_images(case.images, case.name)]
    except InputError:
        return set()  # reading the case will tell
    if any(len(image) != depth for image in images):
        return set()  # so will that
    return {slab for slab in slabs if all(np.ptp(image[slice(*slab)]) == 0 for image in images)}


def cut(volume: Volume, slab: tuple[int, int] | None) -> Volume:
    """Slices ``slab[0]`` to ``slab[1]`` (not included) along k, in their place."""
    if slab is None:
        return volume
    start, stop = slab
    origin = (volume.ijk_to_lps @ np.array([0, 0, start, 1.0]))[:3]
    return Volume(
        np.ascontiguousarray(volume.array[start:stop]),
        volume.spacing,
        (float(origin[0]), float(origin[1]), float(origin[2])),
        volume.direction,
        volume.name,
        volume.source,
        volume.modality,
    )

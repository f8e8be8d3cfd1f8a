"""From the values of label files to the values of the card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from medseg.errors import InputError

from .case import Problem
from .naming import listed

if TYPE_CHECKING:
    from ..config import Config

#: A reference that covers more than this of an image is most likely drawn the other way round.
ALMOST_ALL = 0.97


def check_source_labels(config: Config) -> None:
    """Raise InputError where ``source_labels`` and the card name different labels."""
    if config.source_labels is None:
        return
    names = {label.value: label.name for label in config.draft.output.labels}
    for value in config.source_labels:
        if value != 0 and value not in names:
            raise InputError(
                f"source_labels: the card has no label {value}",
                mend=f"its labels are {listed(f'{v} ({n})' for v, n in names.items())}",
            )
    for value, name in names.items():
        if not config.source_labels.get(value):
            raise InputError(f"source_labels: nothing becomes label {value} ({name})", mend=f"add {value}: [...]")


def map_labels(file: Path, array: np.ndarray, config: Config) -> tuple[np.ndarray, list[Problem]]:
    """(K, J, I) values of a file as the card's values, uint8 (uint16 above 255), and what is wrong with them.

    Without ``source_labels`` a value stands for itself; in a mask of 0 and 255 for a card with one label, 255 is that
    label, as painting programs save it.
    """
    wanted = [label.value for label in config.draft.output.labels]
    values, counts = np.unique(array, return_counts=True)
    present = [int(v) for v in values]
    sources = config.source_labels or {value: [value] for value in wanted}
    if config.source_labels is None and len(wanted) == 1 and set(present) <= {0, 255}:
        sources = {wanted[0]: [255]}
    table = np.zeros(int(values[-1]) + 1, dtype=np.uint8 if max(wanted) <= 255 else np.uint16)
    for value, from_values in sources.items():
        table[[source for source in from_values if source < len(table)]] = value
    mapped = table[array]
    known = {0, *(source for from_values in sources.values() for source in from_values)}
    strange = [value for value in present if value not in known]
    if strange and config.other_labels == "refuse":
        return mapped, [_unknown(file, strange, present, counts, wanted)]
    share = np.count_nonzero(mapped) / mapped.size
    if share == 0:
        mend = "draw it, or keep it knowingly as a negative case"
        return mapped, [Problem(file, "the reference is empty", mend, fatal=False)]
    if share > ALMOST_ALL:
        what = f"the labels cover {share:.1%} of the image; is the reference inverted?"
        return mapped, [Problem(file, what, "correct source_labels or the file, if so", fatal=False)]
    return mapped, []


def _unknown(file: Path, strange: list[int], present: list[int], counts: np.ndarray, wanted: list[int]) -> Problem:
    shown = str(strange) if len(strange) <= 8 else f"{str(strange[:8])[:-1]}, …]"
    what = f"holds the label values {shown}, which the configuration does not name"
    mend = "name them in source_labels, or set other_labels: background"
    if file.suffix.lower() in (".jpg", ".jpeg"):
        return Problem(file, what + "; JPEG smears label values", "export the masks again as PNG")
    lowest_is_most = present[int(np.argmax(counts))] == present[0]
    if present[0] >= 1 and lowest_is_most and present[0] in wanted:
        # Some programs count the background as the first label.
        shifted = ", ".join(f"{value}: [{value + present[0]}]" for value in wanted)
        what += f", and no 0: the background seems to be {present[0]}, all labels shifted by {present[0]}"
        mend = f"if so, set source_labels: {{0: [{present[0]}], {shifted}}}"
    elif len(wanted) == 1 and len(present) == 2 and present[0] == 0:
        mend = f"set source_labels: {{{wanted[0]}: [{present[1]}]}} if that is the label"
    elif wanted != [1] and len(present) == 2 and present == [0, 255]:
        mend = f"the mask has two values, the card {len(wanted)} labels; set source_labels"
    return Problem(file, what, mend)

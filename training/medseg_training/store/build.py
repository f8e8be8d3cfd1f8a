"""All training cases become one store, case after case: never more than one of them in memory besides the slices."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from medseg.card import ModelCard
from medseg.io.atomic import disk_error

from ..data import LoadedCase
from ..losses import Loss
from .mapped import KINDS, MappedWriter
from .prepare import Prepared, prepare_case
from .slices import SliceStore


class StoreBuilder:
    """Takes cases, gives a store.

    Parameters
    ----------
    card, loss, seed : how slices are prepared, which planes go with them, and what draws the positions.
    limit : bytes of slices that may lie in memory; beyond it, and always where it is 0, they go to files in ``folder``.
    folder : where files may be written; needed where ``limit`` can be reached.
    """

    def __init__(
        self, card: ModelCard, loss: Loss, seed: int, *, limit: float = float("inf"), folder: Path | None = None
    ) -> None:
        self.card, self.loss, self.seed, self.limit, self.folder = card, loss, seed, limit, folder
        self.bytes = 0
        self._pieces: list[Prepared | Path] = []
        self._sizes: list[tuple[int, int, int]] = []
        self._positions: list[tuple[np.ndarray, ...]] = []
        self._spill: Path | None = None

    @property
    def spilled(self) -> bool:
        """Whether slices are on the disk because there was no room for them in memory."""
        return self._spill is not None

    def add(self, loaded: LoadedCase) -> None:
        """Prepare one case. Raises InputError where its values do not fit, or the disk is full."""
        rng = np.random.default_rng([abs(self.seed), len(self._pieces)])
        piece = prepare_case(loaded, self.card, self.loss, rng)
        self.bytes += piece.bytes
        self._sizes.append((len(piece.images), *piece.images.shape[2:]))
        self._positions.append((*piece.positions, piece.bright))
        self._pieces.append(piece)
        if self.bytes > self.limit:
            self._write_pieces()

    def finish(self, key: str = "") -> SliceStore:
        """Join everything. On the disk it lies under ``key``, to be found again."""
        height, width = (max(size[axis] for size in self._sizes) for axis in (1, 2))
        total = sum(size[0] for size in self._sizes)
        probe = self._read(0)
        shapes = {
            "images": (total, probe.images.shape[1], height, width),
            "labels": (total, height, width),
            "planes": (total, probe.planes.shape[1], height, width),
        }
        index = self._index(height, width)
        if self._spill is None:
            big: dict[str, np.ndarray] = {name: np.empty(shape, KINDS[name]) for name, shape in shapes.items()}
            self._fill(big)
            return SliceStore.from_arrays(big, index)
        assert self.folder is not None
        with MappedWriter(self.folder, key or secrets.token_hex(8), shapes) as writer:
            self._fill(writer.big)
            store = writer.finish(index)
        self.discard()
        return store

    def discard(self) -> None:
        """Remove what was written on the way."""
        if self._spill is not None:
            shutil.rmtree(self._spill, ignore_errors=True)

    def _write_pieces(self) -> None:
        """Send what lies in memory to files. Raises InputError where the disk is full."""
        try:
            self._try_to_write_pieces()
        except OSError as error:
            self.discard()
            raise disk_error(error, self.folder or Path()) or error from None

    def _try_to_write_pieces(self) -> None:
        if self._spill is None:
            assert self.folder is not None
            self.folder.mkdir(parents=True, exist_ok=True)
            self._spill = self.folder / f".medseg-pieces-{secrets.token_hex(4)}"
            self._spill.mkdir()
        for number, piece in enumerate(self._pieces):
            if isinstance(piece, Prepared):
                path = self._spill / f"{number}.npz"
                np.savez(path, images=piece.images, labels=piece.labels, planes=piece.planes)
                self._pieces[number] = path

    def _read(self, number: int) -> Prepared:
        piece = self._pieces[number]
        if isinstance(piece, Prepared):
            return piece
        with np.load(piece, allow_pickle=False) as arrays:
            return Prepared(arrays["images"], arrays["labels"], arrays["planes"], (), np.zeros((0, 3), np.int32))

    def _fill(self, big: Mapping[str, np.ndarray]) -> None:
        """Put every piece into the middle of its frames; each is let go, so that memory is not held twice."""
        at = 0
        height, width = big["labels"].shape[1:]
        for number, (count, rows, columns) in enumerate(self._sizes):
            piece = self._read(number)
            top, left = (height - rows) // 2, (width - columns) // 2
            here = slice(at, at + count)
            if (rows, columns) != (height, width):
                big["images"][here] = piece.fill[:, None, None]
                big["labels"][here] = 0
                big["planes"][here] = 0
            inside = slice(top, top + rows), slice(left, left + columns)
            big["images"][here, :, *inside] = piece.images
            big["labels"][here, *inside] = piece.labels
            big["planes"][here, :, *inside] = piece.planes
            at += count
            written = self._pieces[number]
            if isinstance(written, Path):
                written.unlink()
            self._pieces[number] = Path()

    def _index(self, height: int, width: int) -> dict[str, np.ndarray]:
        """The small arrays of a store."""
        first: list[int] = []
        last: list[int] = []
        extents: list[tuple[int, int, int, int]] = []
        places: list[list[np.ndarray]] = [[] for _ in self._positions[0]]
        at = 0
        for (count, rows, columns), positions in zip(self._sizes, self._positions, strict=True):
            top, left = (height - rows) // 2, (width - columns) // 2
            first += [at] * count
            last += [at + count - 1] * count
            extents += [(top, left, rows, columns)] * count
            for found, where in zip(places, positions, strict=True):
                found.append(where + np.array([at, top, left], dtype=np.int32))
            at += count
        index = {"first": np.array(first), "last": np.array(last), "extents": np.array(extents)}
        return index | {f"places_{n}": np.concatenate(found) for n, found in enumerate(places)}


def build_store(cases: Iterable[LoadedCase], card: ModelCard, seed: int, loss: Loss | None = None) -> SliceStore:
    """Prepare every case for ``card``, in memory."""
    builder = StoreBuilder(card, loss or Loss(), seed)
    for loaded in cases:
        builder.add(loaded)
    return builder.finish()

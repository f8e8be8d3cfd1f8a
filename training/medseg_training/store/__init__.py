"""The training slices: prepared as the engine prepares them, kept where there is room, drawn by index."""

from __future__ import annotations

from .batches import Batches, open_batches
from .build import StoreBuilder, build_store
from .slices import SliceStore

__all__ = ["Batches", "SliceStore", "StoreBuilder", "build_store", "open_batches"]

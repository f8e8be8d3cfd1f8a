"""The training package: from a folder of cases to a model file the engine opens. Imports medseg, never slicer."""

from __future__ import annotations

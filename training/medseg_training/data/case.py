"""What a case is, before and after it is read, and what can be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from medseg.volume import Volume

from .readers import FileReader, Reader


@dataclass(frozen=True)
class Case:
    """One volume (several for several input volumes) with its reference segmentation, not yet read.

    Attributes
    ----------
    name : unique in the data; of a file or folder, never from a DICOM header.
    patient : the group that no split parts.
    images : files or folders in the order of the card's input volumes; one that holds several channels stands once.
    labels : file or folder of the reference segmentation.
    reader : how the files become volumes.
    stratum : what folds are balanced by, where the patients file says so.
    slab : first slice and the one after the last, where the case is a part of a stack.
    """

    name: str
    patient: str
    images: tuple[Path, ...]
    labels: Path
    reader: Reader = field(default_factory=FileReader)
    stratum: str | None = None
    slab: tuple[int, int] | None = None

    @property
    def image(self) -> Path:
        """The first image: what messages name."""
        return self.images[0]


@dataclass(frozen=True)
class Problem:
    """Something wrong with the data. ``fatal`` ones keep the training from starting."""

    file: Path
    what: str
    mend: str
    fatal: bool = True

    def line(self) -> str:
        """``error: FILE: what; how to mend it``."""
        return f"{'error' if self.fatal else 'warning'}: {self.file}: {self.what}; {self.mend}"


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """A case in memory; ``labels`` (uint8, uint16 above 255) holds the card's values on the images' grid."""

    case: Case
    images: tuple[Volume, ...]
    labels: Volume

    @property
    def image(self) -> Volume:
        """The first input volume; all lie on its grid."""
        return self.images[0]

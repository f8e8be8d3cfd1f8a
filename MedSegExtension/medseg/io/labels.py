"""Label maps in: Slicer's segmentation files with their segments, and plain label maps of every volume format."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import InputError
from ..volume import Volume
from .amira import read_amira
from .dicom_seg import is_dicom_segmentation, read_dicom_segmentation
from .geometry import orthonormal
from .itk import open_reader, read_array
from .names import case_name, suffix_of, walk_files
from .notes import warn
from .reading import check_exists, read_volume
from .segfile import SegmentInfo, default_segment, parse_reference_geometry
from .writing import compact_labels


def read_labels(path: str | Path) -> Volume:
    """Read an integer label map: ``.seg.nrrd``, NIfTI, NRRD, MetaImage, AmiraMesh, DICOM SEG, a TIFF stack, PNG masks.

    Returns
    -------
    Volume of uint8, or uint16 above 255 labels; 0 is background.

    Raises
    ------
    InputError : as ``read_volume``; and values that are not whole numbers from 0 to 65535.

    Warns
    -----
    MedSegWarning : segments of several layers were flattened, with the number of voxels that overlapped.
    """
    return read_segmentation_file(path)[0]


def read_segmentation_file(path: str | Path) -> tuple[Volume, list[SegmentInfo]]:
    """Read a label map and what is known of its segments.

    A ``.seg.nrrd`` of several layers (segments that overlap) is flattened: where segments overlap the later one stays.
    A file that Slicer cropped is put back on its reference grid where the file tells it. For plain label maps the
    segments are made up from the values that occur.

    Raises and warns as ``read_labels``.
    """
    path = Path(path)
    check_exists(path)
    if path.is_file() and suffix_of(path) in (".nrrd", ".seg.nrrd", ".nhdr", ".seg.nhdr"):
        reader = open_reader(path)
        keys = reader.GetMetaDataKeys()
        if any(re.fullmatch(r"Segment\d+_ID", key) for key in keys):
            return _slicer_segmentation(path, reader)
    if path.is_dir():  # Slicer exports a DICOM segmentation into a folder of its own
        found = [file for file in walk_files(path) if is_dicom_segmentation(file)]
        path = found[0] if len(found) == 1 else path
    if is_dicom_segmentation(path):
        return read_dicom_segmentation(path)
    if path.is_file() and suffix_of(path) == ".am":
        array, frame, materials = read_amira(path)
        volume = dataclasses.replace(frame, array=compact_labels(array, path))
        if materials:
            return volume, materials
    else:
        volume = read_volume(path)
        volume = volume.with_array(compact_labels(volume.array, path))
    return volume, [default_segment(int(value)) for value in np.unique(volume.array) if value > 0]


@dataclasses.dataclass
class _Entry:
    layer: int
    stored: int
    info: SegmentInfo


def _slicer_segmentation(path: Path, reader: sitk.ImageFileReader) -> tuple[Volume, list[SegmentInfo]]:
    fields = _fields(reader)
    represented = fields.get("Segmentation_ContainedRepresentationNames", "Binary labelmap")
    if "Binary labelmap" not in represented:
        raise InputError(
            f"holds no binary label map but '{represented.strip('|')}'",
            file=path,
            mend="make the binary label map the source representation in Slicer and save again",
        )
    size = reader.GetSize()
    if len(size) > 3:
        raise InputError("is a segmentation of four dimensions", file=path, mend="save one time point in Slicer")
    array = read_array(path, reader)
    if reader.GetNumberOfComponents() == 1:
        array = array[..., np.newaxis]
    if array.ndim != 4:
        raise InputError("is not a 3D segmentation", file=path, mend="save it again in Slicer")
    entries = _entries(fields, array.shape[-1], path)
    flat = _flatten(array, entries, path)
    grid = Volume(
        flat,
        reader.GetSpacing(),
        reader.GetOrigin(),
        orthonormal(np.reshape(reader.GetDirection(), (3, 3)), path),
        case_name(path),
        path,
    )
    return _on_reference_grid(grid, fields), [entry.info for entry in entries]


def _fields(reader: sitk.ImageFileReader) -> dict[str, str]:
    """What the header says about segments; keys that are no text are passed over."""
    fields = {}
    for key in reader.GetMetaDataKeys():
        if key.startswith("Segment") and key.isprintable():
            value = reader.GetMetaData(key)
            fields[key] = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return fields


def _entries(fields: dict[str, str], layers: int, path: Path) -> list[_Entry]:
    numbers = sorted(int(key[7:-3]) for key in fields if re.fullmatch(r"Segment\d+_ID", key))
    entries = []
    for n in numbers:

        def get(what: str, default: str = "", n: int = n) -> str:
            return fields.get(f"Segment{n}_{what}", default).strip()

        try:
            # Files from before Slicer 4.11 have one layer for each segment, and 1 in it.
            layer = int(get("Layer", str(n if layers > 1 else 0)))
            stored = int(get("LabelValue", "1"))
            parts = [float(part) for part in get("Color", "0.5 0.5 0.5").split()]
        except ValueError as error:
            raise InputError(
                f"the description of segment {n} is not valid", file=path, mend="save it again in Slicer"
            ) from error
        if not 0 <= layer < layers or stored < 1 or len(parts) != 3:
            raise InputError(f"segment {n} points outside the file", file=path, mend="save it again in Slicer")
        r, g, b = (min(max(part, 0.0), 1.0) for part in parts)
        tags = dict(tag.split(":", 1) for tag in get("Tags").split("|") if ":" in tag)
        entries.append(
            _Entry(
                layer,
                stored,
                SegmentInfo(stored, get("Name") or get("ID"), (r, g, b), tags.get("TerminologyEntry") or None),
            )
        )
    stored_values = [entry.stored for entry in entries]
    if len(set(stored_values)) < len(stored_values):
        for value, entry in enumerate(entries, start=1):
            entry.info = dataclasses.replace(entry.info, value=value)
        warn("segments of several layers share label values and were numbered anew in the order of the file", path)
    return entries


def _flatten(array: np.ndarray, entries: list[_Entry], path: Path) -> np.ndarray:
    """(k, j, i, layers) to one (k, j, i) label map; later segments cover earlier ones."""
    if array.dtype.kind == "f":
        array = compact_labels(array, path)
    layers = array.shape[-1]
    if layers == 1 and all(entry.stored == entry.info.value for entry in entries):
        return compact_labels(np.ascontiguousarray(array[..., 0]), path)
    top = max((entry.info.value for entry in entries), default=0)
    flat = np.zeros(array.shape[:3], np.uint8 if top <= 255 else np.uint16)
    overlapping = 0
    for entry in entries:
        mask = array[..., entry.layer] == entry.stored
        overlapping += int(np.count_nonzero(flat[mask]))
        flat[mask] = entry.info.value
    if layers > 1:
        warn(
            f"the {layers} layers of the segmentation were flattened; segments overlapped in {overlapping} "
            "voxels and the later one stays there",
            path,
            "save segments apart where overlaps matter",
        )
    return flat


def _on_reference_grid(volume: Volume, fields: dict[str, str]) -> Volume:
    """Put a cropped segmentation back on the grid of the image it was drawn on, where the file names that grid.

    Slicer writes that grid into the conversion parameters (see ``reference_geometry``) and the place of the first
    voxel in it as ``ReferenceImageExtentOffset``. A file that was resampled, or that reaches beyond that grid, stays
    as it is.
    """
    reference = parse_reference_geometry(fields.get("Segmentation_ConversionParameters", ""))
    try:
        i, j, k = (int(part) for part in fields.get("Segmentation_ReferenceImageExtentOffset", "0 0 0").split())
    except ValueError:
        return volume
    if reference is None:
        return volume
    matrix, first, shape = reference
    start = (k - first[2], j - first[1], i - first[0])
    inner = volume.array.shape
    fits = all(s >= 0 and s + n <= whole for s, n, whole in zip(start, inner, shape, strict=True))
    if shape == inner or not fits or not np.allclose(matrix[:, :3], volume.ijk_to_lps[:3, :3], atol=1e-3):
        return volume
    origin = matrix @ [*first, 1.0]
    if np.abs(matrix @ [i, j, k, 1.0] - volume.origin).max() > 1e-2:
        return volume
    whole = np.zeros(shape, volume.array.dtype)
    whole[tuple(slice(s, s + n) for s, n in zip(start, inner, strict=True))] = volume.array
    return dataclasses.replace(
        volume, array=whole, origin=(float(origin[0]), float(origin[1]), float(origin[2])), direction=volume.direction
    )

"""AmiraMesh files as Amira and Avizo write them, for the reader's tests."""

from __future__ import annotations

import zlib
from itertools import groupby
from pathlib import Path

import numpy as np
from medseg.volume import Volume

MATERIALS = """    Materials {
        Exterior {
            Id 1,
            Color 0 0 0
        }
        Frontal {
            Color 0.8 0.16 0.16,
            &Color "AAAA==",
            Id "7"
        }
        "Parietal" { Color 0.1 0.5 0.9 }
    }
"""


def run_lengths(data: bytes) -> bytes:
    """HxByteRLE: equal bytes as (count, byte); stretches without repeats as (128 + count, bytes)."""
    out = bytearray()
    single = bytearray()

    def flush() -> None:
        while single:
            part = single[:127]
            out.extend(bytes([128 + len(part)]) + part)
            del single[:127]

    for value, group in groupby(data):
        count = len(list(group))
        if count == 1:
            single.append(value)
            continue
        flush()
        for start in range(0, count, 127):
            out.extend([min(127, count - start), value])
    flush()
    return bytes(out)


def write_amira(
    path: Path,
    labels: Volume,
    kind: str = "BINARY-LITTLE-ENDIAN",
    encoding: str = "",
    voxel: str = "byte",
    more: str = MATERIALS,
    stamp: str = "AmiraMesh",
) -> None:
    """A label field with uniform coordinates; ``labels`` has its axes along x, y and z."""
    k, j, i = labels.array.shape
    box = []
    for n, (start, step, count) in enumerate(zip(labels.origin, labels.spacing, (i, j, k), strict=True)):
        assert labels.direction[n, n] == 1
        box += [start, start + step * (count - 1)]
    order = ">" if kind == "BINARY" else "<"
    dtype = {"byte": "u1", "ushort": "u2", "float": "f4"}[voxel]
    array = np.ascontiguousarray(labels.array, dtype=order + dtype)
    data = array.tobytes()
    how = ""
    if kind == "ASCII":
        data = ("\n".join(str(v) for v in labels.array.ravel()) + "\n").encode()
    elif encoding == "HxByteRLE":
        data = run_lengths(data)
        how = f"(HxByteRLE,{len(data)})"
    elif encoding == "HxZip":
        data = zlib.compress(data)
        how = f"(HxZip,{len(data)})"
    header = (
        f"# {stamp} {kind} 2.1\n\n\ndefine Lattice {i} {j} {k}\n\nParameters {{\n{more}"
        f'    Content "{i}x{j}x{k} {voxel}, uniform coordinates",\n'
        f"    BoundingBox {' '.join(f'{b:g}' for b in box)},\n"
        f'    CoordType "uniform"\n}}\n\nLattice {{ {voxel} Labels }} @1{how}\n\n# Data section follows\n@1\n'
    )
    path.write_bytes(header.encode() + data + b"\n")

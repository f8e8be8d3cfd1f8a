"""The checksum of weights that does not depend on the file format."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np


def weights_sha256(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the tensors sorted by name: name, dtype, shape and little-endian bytes of each.

    The same weights under the same names give the same sum in every format; a renamed, retyped or changed tensor
    does not.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = np.asarray(tensors[name])
        little = tensor.astype(tensor.dtype.newbyteorder("<"), copy=False)
        head = f"{name}\0{tensor.dtype.name}\0{','.join(map(str, tensor.shape))}\0"
        digest.update(head.encode())
        digest.update(np.ascontiguousarray(little).tobytes())
    return digest.hexdigest()

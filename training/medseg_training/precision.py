"""Which number format trains fastest here without losing anything that matters."""

from __future__ import annotations

from typing import Literal

import torch


def choose_precision(wanted: Literal["auto", "fp32", "bf16"]) -> Literal["fp32", "bf16"]:
    """``auto``: bf16 where the processor multiplies it natively; emulated bf16 is slower than fp32."""
    if wanted != "auto":
        return wanted
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16" if any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")) else "fp32"

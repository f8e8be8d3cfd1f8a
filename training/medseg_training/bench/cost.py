"""What a step costs by counting, and what the device can do at most."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn


def count_flop(network: nn.Module, channels: int, size: int) -> dict[str, float]:
    """Floating-point operations of one slice (a multiplication and an addition are two): ``forward``, and ``step``
    (forward and backward). Convolutions and matrix products are counted, as `torch.utils.flop_counter` does.

    ``network`` may lie on the meta device: nothing is computed.
    """
    from torch.utils.flop_counter import FlopCounterMode

    device = next(network.parameters()).device
    slices = torch.empty(1, channels, size, size, device=device)
    with FlopCounterMode(display=False) as forward:
        out = network(slices)
    with FlopCounterMode(display=False) as backward:
        out.sum().backward()
    return {
        "forward": float(forward.get_total_flops()),
        "step": float(forward.get_total_flops() + backward.get_total_flops()),
    }


def matrix_peak(device: torch.device, precision: str, seconds: float) -> dict[str, Any]:
    """Rate of the best square matrix product on random numbers (zeros can be faster).

    On a CPU by processor time, a second of each core counting as one. Returns ``flop_per_s``, and ``size``, the side
    that gave it.
    """
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    best: dict[str, Any] = {"flop_per_s": 0.0, "size": 0}
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    sizes = (4096, 8192, 16384) if device.type == "cuda" else (512, 1024, 2048)
    for size in sizes:
        left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
        out = left @ right
        rates: list[float] = []
        for _ in range(3):
            repeats = 1 if not rates else max(1, int(seconds / 9 * rates[-1] / (2 * size**3)))
            _wait(device)
            begun = clock()
            for _ in range(repeats):
                torch.matmul(left, right, out=out)
            _wait(device)
            rates.append(repeats * 2 * size**3 / max(clock() - begun, 1e-9))
        if max(rates) > best["flop_per_s"]:
            best = {"flop_per_s": max(rates), "size": size}
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

"""``torch.compile`` where it works, and the reason where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .randomness import Randomness


def compiled(
    network: nn.Module,
    trial: Callable[[nn.Module], Tensor],
    randomness: Randomness,
    backend: str = "inductor",
) -> tuple[nn.Module, str | None]:
    """``network`` compiled for static shapes, and None; or itself, and why not.

    Compilation happens at the first step and may fail there (no compiler, no Triton, an operation it does not know),
    in the backward part only after the forward part has run. So one step is tried here, and what it changed (running
    statistics, gradients, random states) is put back.

    Parameters
    ----------
    trial : runs a module forward on data of the training's shape and returns a scalar.
    """
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    states = randomness.state_dict()
    try:
        fast: Any = torch.compile(network, dynamic=False, backend=backend)
        trial(fast).backward()
        return fast, None
    except Exception as error:  # dynamo, inductor, triton and the compilers below them all raise their own
        torch._dynamo.reset()
        lines = [line for line in str(error).splitlines() if line.strip()]
        return network, f"{type(error).__name__}: {lines[0].strip() if lines else 'no reason given'}"
    finally:
        network.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(buffers[name])
        randomness.load_state_dict(states)

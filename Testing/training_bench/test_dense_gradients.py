"""Batch norm gets gradients that it reads fast; what is learned from them stays the same."""

from __future__ import annotations

from typing import Any

import torch
from medseg.card import Architecture
from medseg.networks import build_network
from medseg_training.layout import dense_gradients
from torch import Tensor


def _gradients(*, dense: bool) -> tuple[list[Tensor], list[bool]]:
    """Of all parameters; and of each batch norm whether what its backward step reads is dense."""
    torch.manual_seed(0)
    network = build_network(Architecture("unet2d-b", {"in_channels": 1, "out_channels": 2, "depth": 2})).train()
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if dense:
        dense_gradients(network)
    seen: list[bool] = []

    def watch(_module: Any, _inputs: Any, output: Tensor) -> None:
        assert output.grad_fn is not None
        output.grad_fn.register_prehook(
            lambda given: seen.append(given[0].is_contiguous(memory_format=torch.channels_last))
        )

    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(watch)
    images = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    out = network(images.contiguous(memory_format=torch.channels_last))
    (out**2).mean().backward()
    return [p.grad for p in network.parameters() if p.grad is not None], seen


def test_what_concatenation_hands_back_is_made_dense_and_nothing_else_changes() -> None:
    plain, before = _gradients(dense=False)
    same, after = _gradients(dense=True)
    assert before.count(False) == 2  # the two levels that are concatenated
    assert len(after) == len(before) and all(after)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(plain, same, strict=True))


def test_the_trainer_asks_for_it_on_a_cpu(tmp_path: Any) -> None:
    from medseg_training.bench.ours import Contender
    from medseg_training.bench.phantoms import make_data
    from medseg_training.bench.request import Settings

    make_data(tmp_path, 2, 4, 32, 0)
    settings = Settings(str(tmp_path), "unet2d-b", {"depth": 2}, 32, "basic", "cpu", "fp32", None, False, 0)
    network = Contender("ours", settings)._trainer(2).network
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms and all(len(m._forward_hooks) == 1 for m in norms)


def test_nothing_is_asked_where_nothing_is_learned() -> None:
    network = build_network(Architecture("unet2d-b", {"depth": 1}))
    dense_gradients(network)
    with torch.no_grad():
        assert network(torch.zeros(1, 1, 16, 16)).shape == (1, 1, 16, 16)

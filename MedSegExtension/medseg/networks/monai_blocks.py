"""The parts that MONAI's 2D networks are made of, under the names that their weights have there.

Written anew so that weights of these networks open without MONAI, whose import alone takes longer than everything else
that is done to look into a file. The tests compare each network with MONAI's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError

#: A number for both sides, or one for each.
Pair = int | tuple[int, int]
#: ``"relu"``, or ``("leakyrelu", {"negative_slope": 0.1})``.
Named = str | tuple[str, dict[str, Any]] | None


class Swish(nn.Module):
    """x · sigmoid(alpha · x)."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.alpha * x)


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "prelu": nn.PReLU,
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "elu": nn.ELU,
    "swish": Swish,
    "mish": nn.Mish,
    "gelu": nn.GELU,
    "relu6": nn.ReLU6,
    "selu": nn.SELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
NORMS: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "group": nn.GroupNorm}


def activation(named: Named) -> nn.Module:
    """A fresh activation. Raises InputError for an option that it has not."""
    name, options = _split(named)
    return _made(ACTIVATIONS[name], name, {"alpha": 1.0, **options} if name == "swish" else options)


def norm(named: Named, channels: int) -> nn.Module:
    """A fresh norm over ``channels``. Raises InputError for an option that it has not."""
    name, options = _split(named)
    return _made(NORMS[name], name, {"num_channels" if name == "group" else "num_features": channels, **options})


def _split(named: Named) -> tuple[str, dict[str, Any]]:
    assert named is not None
    return (named, {}) if isinstance(named, str) else named


def _made(kind: type[nn.Module], name: str, options: dict[str, Any]) -> nn.Module:
    try:
        return kind(**options)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the options of {name} cannot be used ({error})", mend="give those that its PyTorch layer has"
        ) from None


def sides(value: Pair) -> tuple[int, int]:
    """The number for the rows and the one for the columns."""
    return (value, value) if isinstance(value, int) else value


def same_padding(kernel: Pair) -> tuple[int, int]:
    """Padding by which a step of one keeps the size. Raises InputError for an even kernel, which has none."""
    rows, columns = sides(kernel)
    if not rows % 2 or not columns % 2:
        raise InputError(f"a kernel of {rows} × {columns} keeps no size", mend="use odd kernels")
    return rows // 2, columns // 2


class Convolution(nn.Sequential):
    """``conv``, then below ``adn`` the norm ``N`` and the activation ``A``; both may be missing.

    Transposed ones enlarge by exactly their strides.
    """

    def __init__(
        self,
        before: int,
        after: int,
        kernel: Pair = 3,
        strides: Pair = 1,
        *,
        act: Named = None,
        normed: Named = None,
        bias: bool = True,
        transposed: bool = False,
        padding: tuple[int, int] | None = None,
        output_padding: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        pad = same_padding(kernel) if padding is None else padding
        if transposed:
            rows, columns = sides(strides)
            more = (rows - 1, columns - 1) if output_padding is None else output_padding
            self.add_module("conv", nn.ConvTranspose2d(before, after, kernel, strides, pad, more, bias=bias))
        else:
            self.add_module("conv", nn.Conv2d(before, after, kernel, strides, pad, bias=bias))
        parts = {"N": norm(normed, after) if normed else None, "A": activation(act) if act else None}
        if normed or act:
            self.add_module("adn", named({name: part for name, part in parts.items() if part is not None}))


def named(parts: dict[str, nn.Module]) -> nn.Sequential:
    """A sequence whose parts have names."""
    made = nn.Sequential()
    for name, part in parts.items():
        made.add_module(name, part)
    return made


class ResidualUnit(nn.Module):
    """Convolutions ``conv.unit0``, ``conv.unit1``, … beside a shortcut, ``residual``; the first one strides."""

    def __init__(
        self,
        before: int,
        after: int,
        kernel: Pair,
        strides: Pair,
        units: int,
        *,
        act: Named,
        normed: Named,
        bias: bool,
        plain_end: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Sequential()
        for number in range(units):
            plain = plain_end and number == units - 1
            self.conv.add_module(
                f"unit{number}",
                Convolution(
                    after if number else before,
                    after,
                    kernel,
                    1 if number else strides,
                    act=None if plain else act,
                    normed=None if plain else normed,
                    bias=bias,
                ),
            )
        self.residual: nn.Module = nn.Identity()
        if sides(strides) != (1, 1):
            self.residual = nn.Conv2d(before, after, kernel, strides, same_padding(kernel), bias=bias)
        elif before != after:
            self.residual = nn.Conv2d(before, after, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + self.residual(x)


class Joined(nn.Module):
    """What goes in, and beside it what ``submodule`` makes of it."""

    def __init__(self, submodule: nn.Module) -> None:
        super().__init__()
        self.submodule = submodule

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.submodule(x)), dim=1)


class Enlarged(nn.Sequential):
    """Twice the size: ``deconv``, or bilinear interpolation after ``preconv`` where the number of channels changes."""

    def __init__(self, before: int, after: int, trained: bool, corners: bool) -> None:
        super().__init__()
        if trained:
            self.add_module("deconv", nn.ConvTranspose2d(before, after, 2, 2))
            return
        if before != after:
            self.add_module("preconv", nn.Conv2d(before, after, 1))
        self.add_module("upsample_non_trainable", nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=corners))


def padded_like(x: Tensor, other: Tensor) -> Tensor:
    """``x`` with its last row and column repeated where ``other`` has one more: pooling drops odd ones."""
    rows, columns = (int(x.shape[axis] != other.shape[axis]) for axis in (2, 3))
    return nn.functional.pad(x, (0, columns, 0, rows), "replicate") if rows or columns else x


def initialise(network: nn.Module, slope: float) -> None:
    """Kaiming's normal weights for leaky ReLUs and zero biases, for all convolutions."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight, a=slope)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

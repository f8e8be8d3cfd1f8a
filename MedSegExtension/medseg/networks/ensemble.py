"""Several networks of one kind as one: the mean of their probabilities, for the models of a cross-validation."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..card import Architecture
from ..errors import InputError
from .arguments import check_channels, check_choice, check_whole

#: More than anybody averages; a card from a stranger may ask for anything.
MOST = 32


class Ensemble(nn.Module):
    """The mean of the members' probabilities. The output is activated already: its card says activation ``none``.

    Parameters
    ----------
    in_channels, out_channels : of every member.
    network, arguments : the members' architecture, without the two channels.
    members : how many.
    activation : what turns a member's logits into probabilities.

    Maps float32 (B, in_channels, H, W) to probabilities (B, out_channels, H, W).
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        network: str = "unet2d",
        arguments: dict[str, Any] | None = None,
        members: int = 5,
        activation: Literal["sigmoid", "softmax"] = "sigmoid",
    ) -> None:
        super().__init__()
        from .registry import build_network

        self.in_channels = check_channels("in_channels", in_channels)
        self.out_channels = check_channels("out_channels", out_channels)
        check_choice("activation", activation, ("sigmoid", "softmax"))
        self.activation = activation
        if not 1 <= check_whole("members", members) <= MOST:
            raise InputError(f"architecture argument members is {members}", mend=f"give a number from 1 to {MOST}")
        if network == "ensemble":
            raise InputError("the members of an ensemble are no ensembles", mend="name the network of the members")
        every = {"in_channels": in_channels, "out_channels": out_channels, **(arguments or {})}
        self.members = nn.ModuleList(build_network(Architecture(network, every)) for _ in range(members))
        step: Any = getattr(self.members[0], "multiple_of", None)
        if step is not None:  # MONAI's networks do not say it; the card does then
            self.multiple_of = int(step)

    def forward(self, x: Tensor) -> Tensor:
        total = self._probabilities(self.members[0](x))
        for member in self.members[1:]:
            total = total + self._probabilities(member(x))
        return total / len(self.members)

    def _probabilities(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(logits) if self.activation == "sigmoid" else torch.softmax(logits, dim=1)

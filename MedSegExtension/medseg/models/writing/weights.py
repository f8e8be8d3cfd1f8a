"""The weights of a network as a table of tensors, in the precision they are stored in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...backends import require
from ...errors import InputError
from ..checksum import weights_sha256


def state_of(module: Any, half: bool = False) -> dict[str, Any]:
    """Name → tensor on the CPU, each with memory of its own; floating point as float16 where ``half``."""
    torch = require("torch")
    state = {name: tensor.detach().cpu() for name, tensor in module.state_dict().items()}
    if half:
        largest = torch.finfo(torch.float16).max
        for name, tensor in state.items():
            if tensor.is_floating_point() and tensor.numel() and float(tensor.abs().max()) > largest:
                raise InputError(
                    f"the weights {name} reach {float(tensor.abs().max()):.3g}, beyond what float16 can hold",
                    mend="convert in float32",
                )
        state = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    return {name: tensor.clone().contiguous() for name, tensor in state.items()}


def checksum_of(state: dict[str, Any]) -> str:
    """The checksum the card carries, over the tensors as they are stored."""
    return weights_sha256({name: tensor.numpy() for name, tensor in state.items()})


def write_safetensors(state: dict[str, Any], path: Path) -> None:
    """Write the table as safetensors. Raises MissingPackageError."""
    require("safetensors.torch", "torch").save_file(state, str(path))


def in_float32(module: Any, state: dict[str, Any]) -> Any:
    """A module that keeps ``state`` (float16) and computes with it in float32: half the file, the same arithmetic."""
    torch = require("torch")

    class StoredInHalf(torch.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            # Not a submodule: its float32 tensors must not reach the file.
            self.__dict__["inner"] = module
            self.names = list(state)
            for number, tensor in enumerate(state.values()):
                self.register_buffer(f"weight_{number}", tensor)

        def forward(self, x: Any) -> Any:
            tensors = (getattr(self, f"weight_{number}") for number in range(len(self.names)))
            table = {
                name: tensor.float() if tensor.is_floating_point() else tensor
                for name, tensor in zip(self.names, tensors, strict=True)
            }
            return torch.func.functional_call(self.__dict__["inner"], table, (x,))

    return StoredInHalf().eval()

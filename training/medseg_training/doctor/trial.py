"""A program: one real piece of work on every device torch sees, with known answers. Prints one JSON object.

Run as a process of its own (``python -P -m medseg_training.doctor.trial``): a driver that does not fit may hang
or crash.
"""

from __future__ import annotations

import json
import time
from typing import Any

SIZE = 256


def main() -> None:
    """Look at torch, try the devices, print."""
    import torch

    report: dict[str, Any] = {
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "hip": getattr(torch.version, "hip", None),
        "cudnn": None,
        "built_for": [],
        "available": torch.cuda.is_available(),
        "devices": [],
    }
    if report["available"]:
        report["cudnn"] = torch.backends.cudnn.version()
        report["built_for"] = torch.cuda.get_arch_list()
    elif report["cuda"] is not None:
        try:
            torch.cuda.init()
        except Exception as error:  # what it says is what the person needs
            report["why_not"] = " ".join(str(error).split())
    places = [torch.device("cuda", n) for n in range(torch.cuda.device_count())] if report["available"] else []
    if not places and torch.backends.mps.is_available():
        places.append(torch.device("mps"))
    report["devices"] = [try_device(torch, place) for place in [*places, torch.device("cpu")]]
    print(json.dumps(report))


def try_device(torch: Any, device: Any) -> dict[str, Any]:
    """Name, memory, which operations give the right answer, and how long a warm matrix product takes."""
    found: dict[str, Any] = {"device": str(device)}
    try:
        if device.type == "cuda":
            properties = torch.cuda.get_device_properties(device)
            free, total = torch.cuda.mem_get_info(device)
            found |= {"name": properties.name, "capability": [properties.major, properties.minor]}
            found |= {"free_bytes": free, "total_bytes": total}
        # Whole numbers small enough that fp32, TF32 and the products in bf16 are exact.
        row, column = torch.arange(SIZE)[:, None], torch.arange(SIZE)[None]
        a, b = (row + column) % 7, (row * 3 + column) % 5
        wanted = a @ b  # int64, on the processor
        got = (a.to(device).float() @ b.to(device).float()).cpu()
        found["matrix product"] = bool(torch.equal(got.long(), wanted))
        found["bf16"] = _bf16(torch, device, a, b, wanted)
        found["convolution"] = _convolution(torch, device)
        found["milliseconds"] = _time(torch, device)
    except Exception as error:
        found["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return found


def _bf16(torch: Any, device: Any, a: Any, b: Any, wanted: Any) -> bool | None:
    """None where the hardware has no bf16 of its own."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return None
    if device.type == "cpu":
        capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        if not any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")):
            return None
    if device.type == "mps":
        return None
    got = (a.to(device).bfloat16() @ b.to(device).bfloat16()).float().cpu()
    # The result is rounded to 8 bits of mantissa, and sums may be rounded on the way.
    return bool(((got - wanted).abs() <= 0.02 * wanted + 1).all())


def _convolution(torch: Any, device: Any) -> bool:
    """A 3×3 convolution of ones and its gradient: 9 inside, 4 in the corners, and each kernel weight sums the image."""
    image = torch.ones(2, 1, 8, 8, device=device)
    layer = torch.nn.Conv2d(1, 1, 3, padding=1, bias=False).to(device)
    torch.nn.init.ones_(layer.weight)
    out = layer(image)
    out.sum().backward()
    gradient = layer.weight.grad.cpu()
    return (
        float(out[0, 0, 4, 4]) == 9.0
        and float(out[1, 0, 0, 0]) == 4.0
        and float(gradient[0, 0, 1, 1]) == 128.0
        and float(gradient[0, 0, 0, 0]) == 98.0
    )


def _time(torch: Any, device: Any) -> float:
    """A product of 1024×1024 matrices, fp32, the best of five."""
    x = torch.ones(1024, 1024, device=device)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        float((x @ x)[0, 0])  # reading a value waits for the device
        best = min(best, time.perf_counter() - start)
    return best * 1000


if __name__ == "__main__":
    main()

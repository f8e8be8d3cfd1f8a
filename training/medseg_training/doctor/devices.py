"""torch, its build, whether the driver fits it, and whether the devices really compute."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from typing import Any

from .finding import Finding, gib
from .nvidia import Driver

#: The oldest driver for each major version of CUDA (docs.nvidia.com, CUDA compatibility, minor version compatibility).
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
TIMEOUT_S = 300
INDEX = "https://download.pytorch.org/whl"
#: The index whose builds an older driver serves.
OLDER_BUILD = {12: "cu126", 11: "cu118"}


def run_trial() -> dict[str, Any] | Finding:
    """The report of `medseg_training.doctor.trial`, run as a process of its own."""
    if importlib.util.find_spec("torch") is None:
        return Finding("torch", "fail", "PyTorch is not installed", how_to_install())
    command = [sys.executable, "-P", "-m", "medseg_training.doctor.trial"]
    # A path that is only in this process's memory (an editable checkout, a test) must reach the child too.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, errors="replace", env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding(
            "torch",
            "fail",
            f"torch has not finished a small product in {TIMEOUT_S} s",
            "the driver or a GPU hangs: compare nvidia-smi, ask the administrator",
        )
    try:
        report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return report
    except (ValueError, IndexError):
        last = next((line.strip() for line in reversed(done.stderr.splitlines()) if line.strip()), "nothing")
        how = f"was ended by signal {-done.returncode}" if done.returncode < 0 else f"ended with {done.returncode}"
        return Finding("torch", "fail", f"torch {how} and said: {last}", f"install it again: {how_to_install()}")


def how_to_install(driver: Driver | None = None) -> str:
    """The pip line that brings a torch that fits this machine."""
    if driver is None:
        return "pip install 'medseg[train]' (docs/servers.md says which torch comes with it)"
    major = max((m for m, oldest in OLDEST_DRIVER.items() if driver.version[0] >= oldest), default=None)
    if major is None:
        return "ask the administrator for driver 525 or newer; no current PyTorch serves this one"
    if major >= 13:
        return "pip install --force-reinstall torch (from 2.11 on PyPI's builds for x86_64 and aarch64 have CUDA)"
    return f"pip install --force-reinstall torch --index-url {INDEX}/{OLDER_BUILD[major]}"


def judge_build(report: dict[str, Any], driver: Driver | None) -> Finding:
    """Whether torch was built for what is here."""
    version, cuda = report["torch"], report["cuda"]
    values = {k: report[k] for k in ("torch", "cuda", "cudnn", "built_for")}
    machine = platform.machine()
    if cuda is None:
        build = "for ROCm" if report.get("hip") else "for the CPU only"
        if driver is None or report.get("hip"):
            return Finding("torch", "ok", f"torch {version} {build}, {machine}", values=values)
        return Finding(
            "torch",
            "fail",
            f"torch {version} is built {build}, but there is an NVIDIA GPU",
            how_to_install(driver),
            values,
        )
    what = f"torch {version} with CUDA {cuda}, {machine}"
    if driver is None:
        return Finding("torch", "ok", f"{what}; there is no driver, so it computes on the CPU", values=values)
    oldest = OLDEST_DRIVER.get(int(cuda.split(".")[0]))
    if oldest is not None and driver.version[0] < oldest:
        return Finding(
            "torch",
            "fail",
            f"{what} needs driver {oldest} or newer, here is {driver.text}",
            f"ask the administrator for a newer driver, or {how_to_install(driver)}",
            values,
        )
    missing = _not_built_for(report["built_for"], driver)
    if missing:
        return Finding(
            "torch",
            "fail",
            f"{what} holds no kernels for {missing}",
            "install a newer torch (for a new GPU), or an older one (for an old GPU): pytorch.org/get-started",
            values,
        )
    return Finding("torch", "ok", f"{what}; the driver fits", values=values)


def _not_built_for(built_for: list[str], driver: Driver) -> str:
    """Names of GPUs for which the build has neither kernels of their major version nor PTX to make them from."""
    kernels = [(int(m[1]), int(m[2])) for a in built_for if (m := re.fullmatch(r"sm_(\d+)(\d)[a-z]?", a))]
    portable = [(int(m[1]), int(m[2])) for a in built_for if (m := re.fullmatch(r"compute_(\d+)(\d)[a-z]?", a))]
    lacking = []
    for gpu in driver.gpus:
        if gpu.capability is None or not built_for:
            continue
        same = any(k[0] == gpu.capability[0] and k[1] <= gpu.capability[1] for k in kernels)
        if not same and not any(p <= gpu.capability for p in portable):
            lacking.append(f"{gpu.name} ({gpu.capability[0]}.{gpu.capability[1]})")
    return ", ".join(lacking)


def judge_devices(report: dict[str, Any], driver: Driver | None) -> list[Finding]:
    """Whether every device gave right answers; and whether a GPU that is there can be used at all."""
    found = []
    if driver is not None and driver.gpus and report["cuda"] is not None and not report["available"]:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        if hidden is not None and hidden.strip() in ("", "-1"):
            found.append(
                Finding("GPU use", "warn", f"CUDA_VISIBLE_DEVICES={hidden!r} hides every GPU", "unset it to use them")
            )
        else:
            why = report.get("why_not", "torch does not say why")
            found.append(
                Finding("GPU use", "fail", f"torch cannot use the GPU: {why}", "compare the lines driver and torch")
            )
    return [*found, *(_judge_device(one) for one in report["devices"])]


def _judge_device(one: dict[str, Any]) -> Finding:
    name = f"compute on {one['device']}"
    title = f"{one['name']}: " if "name" in one else ""
    if "error" in one:
        mend = "another process may hold the GPU (nvidia-smi); else compare the lines driver and torch"
        return Finding(name, "fail", f"{title}{one['error']}", mend, one)
    wrong = [part for part in ("matrix product", "bf16", "convolution") if one[part] is False]
    if wrong:
        return Finding(
            name,
            "fail",
            f"{title}wrong answers from {' and '.join(wrong)}",
            "do not train here: results cannot be trusted; report it to the administrator",
            one,
        )
    bf16 = "bf16 right" if one["bf16"] else "no bf16 of its own (trains in fp32)"
    room = f", {gib(one['free_bytes'])} free" if "free_bytes" in one else ""
    what = f"{title}product, convolution and gradient right, {bf16}{room}, {one['milliseconds']:.2f} ms a 1024² product"
    return Finding(name, "ok", what, "", one)

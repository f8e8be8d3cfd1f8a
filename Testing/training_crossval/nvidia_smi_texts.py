"""What nvidia-smi prints on machines as the lab has them, in our words; and a program that prints it."""

from __future__ import annotations

import shlex
from pathlib import Path

HEADER = """\
Fri Nov 20 10:00:00 2026
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI {driver:<22} Driver Version: {driver:<14} CUDA Version: {cuda:<8} |
|-----------------------------------------+------------------------+----------------------+
"""

A10 = HEADER.format(driver="535.183.01", cuda="12.2")
A10_TABLE = "0, NVIDIA A10, 23028, 22511, 8.6, [N/A], Default\n1, NVIDIA A10, 23028, 3072, 8.6, [N/A], Default\n"

GRACE_HOPPER = HEADER.format(driver="580.95.05", cuda="13.0")
GRACE_HOPPER_TABLE = "0, NVIDIA GH200 480GB, 97871, 97012, 9.0, Disabled, Default\n"

UNIFIED_MEMORY_TABLE = "0, NVIDIA GB10, [N/A], [N/A], 12.1, [N/A], Default\n"
SHARED_OUT_TABLE = "0, NVIDIA H100, 97871, 97012, 9.0, Enabled, Exclusive_Process\n"
OLD_TABLE = "0, Tesla K80, 11441, 11441\n"
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95\n"
NOT_LOADED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA "
    "driver is installed and running.\n"
)


def put_nvidia_smi(folder: Path, header: str, table: str = "", *, status: int = 0, knows: str = "compute_cap") -> None:
    """A program ``nvidia-smi`` in ``folder``. It refuses queries for ``compute_cap`` where it is not to know them."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        f'  *compute_cap*) [ "{knows}" = compute_cap ] || {{ echo "a field is not valid to query"; exit 2; }}\n'
        f"     printf %s {shlex.quote(table)};;\n"
        f"  --query-gpu*) printf %s {shlex.quote(table)};;\n"
        f"  *) printf %s {shlex.quote(header)};;\n"
        "esac\n"
        f"exit {status}\n"
    )
    program.chmod(0o755)

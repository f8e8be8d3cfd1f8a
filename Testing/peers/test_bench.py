"""`medseg bench train` with nnU-Net's own trainer, loader and augmentation, in nnU-Net's environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_nnunet_is_measured_on_our_network_and_data(peers: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    subprocess.run(
        [
            *(sys.executable, "-P", "-m", "medseg", "bench", "train", "-o", str(out), "--contender", "nnunet"),
            *("--peers", str(peers.parent), "--device", "cpu", "--network", "unet2d-8", "--size", "32"),
            *("--batches", "2", "--cases", "2", "--slices", "4", "--threads", "1", "--workers", "0,1"),
            *("--seconds", "0.05", "--rounds", "1"),
        ],
        check=True,
        timeout=600,
    )
    outcome = json.loads(out.read_text())
    rows = [row for row in outcome["rows"] if row["contender"] == "nnunet"]
    assert [row["mode"] for row in rows] == ["full", "batches", "plain", "made"]
    assert all(row["reason"] is None and row["slices_per_s"] > 0 for row in rows), rows
    about = outcome["contenders"]["nnunet"]
    assert about["precision"] == "fp32" and about["versions"]["nnunetv2"]
    assert {(tried["mode"], tried["workers"]) for tried in about["search"]} == {
        ("full", 0), ("full", 1), ("plain", 0), ("plain", 1),
    }  # fmt: skip

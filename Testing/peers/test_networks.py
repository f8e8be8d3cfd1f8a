"""Other people's 2D networks beside us: on weights that both make from their names, ours give their numbers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from medseg.models import Model, open_model
from seeded_weights import seeded, seeded_slices

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize(("program", "least"), [("smp_models.py", 44), ("family_models.py", 14)])
def test_every_network_gives_its_familys_numbers(peers: Path, tmp_path: Path, program: str, least: int) -> None:
    out = tmp_path / "recorded.npz"
    subprocess.run([peers / "python", HERE / program, out], check=True, timeout=900, capture_output=True)
    recorded = np.load(out)
    models = [name.removeprefix("output ") for name in recorded.files if name.startswith("output ")]
    assert len(models) >= least
    for model in models:
        shapes = json.loads(recorded[f"shapes {model}"].tobytes())
        torch.save({name: torch.from_numpy(seeded(name, shape)) for name, shape in shapes}, tmp_path / "model.pth")
        wanted = recorded[f"output {model}"]
        with open_model(tmp_path / "model.pth", device="cpu") as opened:
            assert opened.in_channels is not None
            slices = seeded_slices((1, opened.in_channels, 64, 96))
            found = opened.run(slices)
            exact = _in_double(opened, slices)
        # Some of these networks of random weights amplify rounding: what float32 itself costs there is allowed.
        rounding = float(np.abs(found - exact).max())
        found = found[:, :, 1::3, 2::3]
        assert wanted.std() > 1e-3 and found.shape == wanted.shape, model
        scale = max(1.0, float(np.abs(wanted).max()))
        assert rounding <= 2e-4 * scale, model
        assert np.abs(exact[:, :, 1::3, 2::3] - wanted).max() <= 1e-5 * scale + rounding, model


def _in_double(opened: Model, slices: np.ndarray) -> np.ndarray:
    """The same network and weights in float64."""
    (module,) = (value for value in vars(opened.backend).values() if isinstance(value, torch.nn.Module))
    with torch.inference_mode():
        return module.double()(torch.from_numpy(slices).double()).numpy()

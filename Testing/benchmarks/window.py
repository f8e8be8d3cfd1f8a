"""From Segment to visible segments in the module's window, on the stand-ins, with the shipped model and a warm worker.

    python Testing/benchmarks/window.py [--runs 3]

Prints the network's time, the time from the click until the segments are in the scene with their surfaces, where the
rest goes, and the longest turn of the event loop, by the clock and in processor time of the window's thread. Views are
not painted here: docs/real-slicer.md has the figures of the application.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import slicer

TESTING = Path(__file__).resolve().parents[1]


def stand_ins() -> None:
    """Make the package `standins` importable by its place (see Testing/slicer_window/conftest.py)."""
    place = TESTING / "standins"
    spec = importlib.util.spec_from_file_location(
        "standins", place / "__init__.py", submodule_search_locations=[str(place)]
    )
    assert spec is not None
    sys.modules["standins"] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(TESTING / "support"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    stand_ins()
    from slicer_window_turns import watch
    from standins.application import StandIn
    from standins.module import Module

    with tempfile.TemporaryDirectory() as folder:
        stand_in = StandIn(Path(folder), testing=False)
        stand_in.install()
        module = Module(stand_in)
        widget = module.open()
        from medseg.data import shipped_model
        from MedSegLib.sampleData import addPhantom

        volume, reference = addPhantom()
        slicer.mrmlScene.RemoveNode(reference)
        widget.ui.inputSelector.setCurrentNode(volume)
        widget.modelPanel.choose(str(shipped_model()))

        def turn() -> None:
            stand_in.app.processEvents()

        def stage() -> str:
            job = widget.job
            progress = job.progress if job is not None else None
            return "start" if progress is None else "write" if progress.fraction == 1 else progress.stage

        watch(turn, lambda: widget.modelPanel.report is not None, lambda: "open")
        network, others, scene, longest = [], [], [], {}
        parts: dict[str, list[float]] = {}
        for number in range(options.runs + 1):  # the first warms the worker up
            widget.ui.outputSelector.setCurrentNode(None)
            clicked = time.perf_counter()
            widget.ui.segmentButton.click()
            turns = watch(turn, lambda: not widget.queue.running, stage)
            seconds = time.perf_counter() - clicked
            if widget.job.state != "done":
                sys.exit(f"the run {widget.job.state}: {widget.ui.statusLabel.text}")
            if number:
                network.append(widget.job.result.timings["network"])
                others.append(seconds - network[-1])
                scene.append(widget.job.sceneSeconds)
                for name, value in widget.job.result.timings.items():
                    parts.setdefault(name, []).append(value)
                for one in turns:
                    wall, cpu = longest.get(one.stage, (0.0, 0.0))
                    longest[one.stage] = (max(wall, one.wall), max(cpu, one.cpu))
        shape = "×".join(str(n) for n in widget.job.result.labels.array.shape)
        print(f"{shape} voxels, shipped model on {widget.job.result.engine.backend}, warm worker, {options.runs} runs")
        print(f"network: median {statistics.median(network):.2f} s")
        print(f"from Segment to visible segments, beyond the network: median {statistics.median(others):.2f} s")
        for name, values in parts.items():
            if name != "network":
                print(f"  of which {name}, in the worker: median {statistics.median(values):.2f} s")
        print(f"  of which the scene, segments and surfaces: median {statistics.median(scene):.2f} s")
        for name, (wall, cpu) in longest.items():
            print(
                f"longest turn of the event loop, {name}: {wall * 1000:.0f} ms, {cpu * 1000:.0f} ms of processor time"
            )
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        print(f"{platform.machine()}, {cores} cores, load {load:.1f}, Python {platform.python_version()}")
        module.quit()
        stand_in.remove()


if __name__ == "__main__":
    main()

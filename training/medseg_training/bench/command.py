"""`medseg bench train`."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from medseg.cli.common import JsonOption, errors, output, print_json
from medseg.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Measure how fast this machine trains, beside other programs.")


@app.callback()
def _group() -> None:
    """Measure how fast this machine trains, beside other programs."""


@app.command()
def train(
    out: Annotated[
        Path, typer.Option("-o", "--output", help="JSON file to write; a page of the same name, .html, beside it.")
    ] = Path("bench-train.json"),
    contender: Annotated[
        list[str] | None,
        typer.Option(help="ours, monai, monai-tuned or nnunet. Repeatable; all where left out."),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="JSON of a former run on this machine, to which this one's rows are added.")
    ] = None,
    peers: Annotated[
        str | None,
        typer.Option(envvar="MEDSEG_PEERS", help="Environment (or interpreter) that has nnU-Net v2."),
    ] = None,
    mode: Annotated[
        list[str] | None,
        typer.Option(
            help="full (load, augment, learn), batches (no learning), plain (no augmentation) or made (learning "
            "alone). Repeatable; all where left out."
        ),
    ] = None,
    network: Annotated[str, typer.Option(help="One of the engine's networks: docs/networks.md.")] = "unet2d-b",
    size: Annotated[int | None, typer.Option(min=16, help="Side of a slice (default: 320, on a CPU 160).")] = None,
    batches: Annotated[str | None, typer.Option(help="Batch sizes (default: 8,16,32,64,128,256, on a CPU 8).")] = None,
    augmentation: Annotated[
        str, typer.Option(help="basic (rotation, flips, elastic, noise) or mixed (the preset).")
    ] = "basic",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, bf16 or fp32; nnU-Net chooses by itself.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Of torch, in each process, on the CPU.")] = None,
    compile_: Annotated[
        bool, typer.Option("--compile/--no-compile", help="torch.compile for ours, where training uses it.")
    ] = True,
    workers: Annotated[
        str | None, typer.Option(help="Numbers of loader processes to try for the others (default: up to the cores).")
    ] = None,
    cases: Annotated[int | None, typer.Option(min=2, help="Volumes that are made (default: 32, on a CPU 4).")] = None,
    slices: Annotated[int | None, typer.Option(min=2, help="Slices in each (default: 90, on a CPU 24).")] = None,
    seconds: Annotated[float, typer.Option(min=0.01, help="Length of a window, after warming up.")] = 3.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often the contenders take turns.")] = 2,
    minutes: Annotated[float, typer.Option(min=0.1, help="The run ends about then.")] = 9.0,
    seed: Annotated[int, typer.Option(help="Of data, weights and draws.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Slices a second of the training step: augmented, plain, and on data already made, by batch size; beside a stock
    MONAI pipeline and nnU-Net v2's own trainer on the same network and data, each a process of its own, in turns.
    """
    from ..device import choose_device, choose_precision
    from .outcome import CONTENDERS
    from .picture import write_page
    from .policies import POLICIES
    from .request import MODES, Settings
    from .run import Plan, run_bench
    from .table import lines
    from .writing import write_outcome

    asked = list(dict.fromkeys(contender or CONTENDERS))
    if unknown := [name for name in asked if name not in CONTENDERS]:
        raise InputError(f"there is no contender {unknown[0]}", mend=f"choose from {', '.join(CONTENDERS)}")
    if unknown := [name for name in mode or () if name not in MODES]:
        raise InputError(f"there is no mode {unknown[0]}", mend=f"choose from {', '.join(MODES)}")
    if augmentation not in POLICIES:
        raise InputError(f"there is no augmentation {augmentation} here", mend=f"choose from {', '.join(POLICIES)}")
    if precision not in ("auto", "bf16", "fp32"):
        raise InputError(f"there is no precision {precision}", mend="choose auto, bf16 or fp32")
    if resume is not None and not resume.is_file():
        raise InputError("there is no such file", file=resume, mend="give the JSON of a former run")
    where = choose_device(device)
    if where.type == "mps":
        raise InputError("Apple's GPU is not measured here", mend="use --device cpu")
    on_cpu = where.type == "cpu"
    size = size or (160 if on_cpu else 320)
    name, arguments = _architecture(network, size)
    settings = Settings(
        data="",
        network=name,
        arguments=arguments,
        size=size,
        augmentation=augmentation,
        device=str(where),
        precision=choose_precision(precision, where),  # type: ignore[arg-type]
        threads=threads,
        compile=compile_,
        seed=seed,
    )
    plan = Plan(
        contenders=asked,
        peers=_interpreter(peers) if peers else None,
        batches=_numbers(batches or ("8" if on_cpu else "8,16,32,64,128,256"), "--batches", 1),
        workers=_numbers(workers, "--workers", 0) if workers else _some_workers(),
        cases=cases or (4 if on_cpu else 32),
        slices=slices or (24 if on_cpu else 90),
        seconds=seconds,
        rounds=rounds,
        minutes=minutes,
        modes=[name for name in MODES if name in (mode or MODES)],
        command=shlex.join(["medseg", *sys.argv[1:]]),
    )
    outcome = run_bench(plan, settings, resume, lambda text: errors.print(text, style="dim"))
    page = write_outcome(outcome, out, write_page)
    if as_json:
        print_json(outcome)
        return
    for line in lines(outcome):
        output.print(line, markup=False)
    output.print(f"{out} and {page} written", markup=False)


def _architecture(network: str, size: int) -> tuple[str, dict[str, object]]:
    """Name and arguments with one input channel, and two outputs as nnU-Net has them. Raises InputError."""
    from medseg.networks import known_network

    known = known_network(network)
    if size % 16:
        raise InputError(f"a slice of {size}×{size} does not halve four times", mend="give a --size that 16 divides")
    return known.name, {**known.arguments, "in_channels": 1, "out_channels": 2}


def _numbers(text: str, option: str, least: int) -> list[int]:
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError:
        numbers = []
    if not numbers or numbers[0] < least:
        raise InputError(f"{option} {text} are not whole numbers from {least} on", mend="write such as 8,32,128")
    return numbers


def _some_workers() -> list[int]:
    """None, and powers of two up to the cores that may be used, and those themselves less one for the step."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return sorted({0, *(n for n in (2, 4, 8, 16, 32) if n < cores), max(1, cores - 1)})


def _interpreter(peers: str) -> str:
    """Of an environment's folder, or itself. Raises InputError where there is none."""
    path = Path(peers)
    if path.is_dir():
        for inside in ("bin/python", "Scripts/python.exe", "python"):
            if (path / inside).is_file():
                return str((path / inside).absolute())
        raise InputError("this folder holds no Python", file=path, mend="give an environment, or its interpreter")
    if not path.is_file():
        raise InputError("there is no such environment", file=path, mend="make test-peers makes .venv-peers")
    return str(path.absolute())

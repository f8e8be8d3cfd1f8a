"""What `medseg bench train` needs on a GPU machine that has torch but no package index, and the commands to run there.

    .venv/bin/python Testing/benchmarks/training_wheels.py FOLDER [--python 3.12]

Writes two folders of wheels, each small enough to travel with the repository within 64 MiB, and prints the commands:
their working folder is the repository's root, ``$OUT`` takes what is to come back, and ``/tmp`` must last from one to
the next. Versions are those of constraints.txt and Testing/peers/requirements.txt; torch, numpy, scipy and what else
machine-learning images have is taken from there. Each command ends within ten minutes, all of them within 25.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WHEELS = (
    "simpleitk", "fastjsonschema", "pydantic", "pydantic_core", "annotated-types", "typing-inspection", "monai",
    "nnunetv2", "batchgeneratorsv2", "blosc2", "ndindex", "numexpr", "msgpack", "connected-components-3d", "nibabel",
    "yacs", "seaborn", "httpx",
)  # fmt: skip
#: These come as sources only; they are pure Python.
SOURCES = ("acvl_utils", "batchgenerators", "dynamic_network_architectures")
PLATFORMS = (
    "manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_24_x86_64", "manylinux_2_17_x86_64",
    "manylinux2014_x86_64", "manylinux1_x86_64",
)  # fmt: skip
#: Of the largest wheel, what goes into the first folder.
FIRST = 30 * 2**20

RUN = """PYTHONPATH=/tmp/site:$PWD/MedSegExtension:$PWD/training \\
  python3 -P -m medseg_training.bench train -o /tmp/gpu.json --seconds 2"""
COMMANDS = f"""
# 1, carrying {{one}}
cp {{one}}/* /tmp/
# 2, carrying {{two}}, at once after it
cat /tmp/sitk.0 {{two}}/sitk.1 > /tmp/sitk.whl
for w in /tmp/sitk.whl {{two}}/*.whl; do python3 -m zipfile -e $w /tmp/site; done
{RUN} --contender ours --minutes 8; cp /tmp/gpu.* $OUT
# 3
{RUN} --resume /tmp/gpu.json --contender monai --contender monai-tuned --batches 32,128 --minutes 6; cp /tmp/gpu.* $OUT
# 4
{RUN} --resume /tmp/gpu.json --contender nnunet --batches 32,128 --minutes 7 --peers "$(command -v python3)"
cp /tmp/gpu.* $OUT
"""


def pins() -> dict[str, str]:
    """Lower-case name → requirement with its exact version."""
    found = {}
    for file in (ROOT / "constraints.txt", ROOT / "Testing" / "peers" / "requirements.txt"):
        for line in file.read_text(encoding="utf-8").splitlines():
            requirement = line.partition("#")[0].strip()
            if "==" in requirement:
                found[_plain(requirement.partition("==")[0])] = requirement
    return found


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="inside the repository, where git ignores it")
    parser.add_argument("--python", default="3.12", help="of the machine with the GPU")
    options = parser.parse_args()
    one, two = options.folder / "one", options.folder / "two"
    for folder in (one, two):
        folder.mkdir(parents=True)
    known = pins()
    pip = [sys.executable, "-m", "pip"]
    where = ["--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", options.python]
    where += [f"--platform={name}" for name in PLATFORMS]
    subprocess.run([*pip, "download", "-q", *where, "-d", two, *(known[_plain(n)] for n in WHEELS)], check=True)
    sources = [known[_plain(name)] for name in SOURCES]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", two, *sources], check=True)
    (large,) = two.glob("simpleitk-*.whl")
    content = large.read_bytes()
    (one / "sitk.0").write_bytes(content[:FIRST])
    (two / "sitk.1").write_bytes(content[FIRST:])
    large.unlink()
    for folder in (one, two):
        print(f"{folder}: {sum(file.stat().st_size for file in folder.iterdir()) / 2**20:.1f} MiB")
    print(COMMANDS.format(one=one, two=two))


if __name__ == "__main__":
    main()

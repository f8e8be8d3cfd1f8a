"""Coverage-guided fuzzing of the static checks: ``python Testing/fuzz/fuzz_models.py [--seconds 120]``.

libFuzzer, through atheris, changes valid models and texts and keeps what reaches new code of ``medseg``. A finding is
an exception that is no refusal of ours, an input that takes more than 20 s, or more than 2 GiB; its input is written
to the folder that is printed, and the exit status is not 0. Put it into ``Testing/fuzz/regressions`` when it is mended.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TIMEOUT_S, RSS_MIB, LONGEST = 20, 2048, 1 << 17
#: Words that formats are made of, which random bytes would be long in finding.
WORDS = (
    "PK\\x03\\x04",
    "\\x80\\x02",
    "__torch__",
    "collections\\x0aOrderedDict\\x0a",
    "torch._utils\\x0a_rebuild_tensor_v2\\x0a",
    "_target_",
    "class_name",
    "inbound_nodes",
    "keras_history",
    "use_pickle",
    "dtype",
    "shape",
    "data_offsets",
    "__metadata__",
    "medseg.card",
    "weights",
    "inputs",
    "outputs",
    "as_expr",
    "as_int",
    "@",
    "$",
    "&a",
    "*a",
    "!!python/object",
    "1e999",
    "-1",
    "18446744073709551616",
    "null",
    "{}",
    "[]",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--keep", type=Path, help="folder of inputs to go on from, and to add to")
    parser.add_argument("--seed", type=int, default=0, help="of libFuzzer; 0: another one each time, printed")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        return _fuzz(arguments.keep, arguments.seconds, arguments.seed)
    try:
        import atheris  # noqa: F401
    except ImportError:
        print("fuzzing is left out: atheris is not installed (its wheels are for Linux on x86_64)")
        return 0
    with tempfile.TemporaryDirectory(prefix="medseg-fuzz-") as temporary:
        inputs = arguments.keep or Path(temporary) / "inputs"
        subprocess.run([sys.executable, str(HERE / "seeds.py"), str(inputs)], check=True)
        # A process of its own: libFuzzer ends the one it runs in.
        numbers = ["--seconds", str(arguments.seconds), "--seed", str(arguments.seed)]
        command = [sys.executable, __file__, "--inside", *numbers, "--keep", str(inputs)]
        status = subprocess.run(command, check=False).returncode
        print(
            f"fuzzing: {'clean' if status == 0 else 'a finding, see above'}, {len(list(inputs.iterdir()))} inputs kept"
        )
    return status


def _fuzz(inputs: Path, seconds: int, seed: int) -> int:
    import atheris

    sys.path.insert(0, str(HERE))
    with atheris.instrument_imports(include=["medseg.models", "medseg.card"]):
        import targets

    folder = targets.Folder()
    findings = Path(tempfile.mkdtemp(prefix="medseg-findings-"))
    words = findings / "words.txt"
    words.write_text("".join(f'"{word}"\n' for word in WORDS))
    # An input that asks for more than the machine has must fail in Python, where it is seen, and not end the process.
    resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, resource.RLIM_INFINITY))
    options = [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-timeout={TIMEOUT_S}",
        f"-rss_limit_mb={RSS_MIB}",
        f"-max_len={LONGEST}",
        f"-dict={words}",
        f"-artifact_prefix={findings}/",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    print(f"findings go to {findings}", flush=True)
    atheris.Setup([sys.argv[0], *options, str(inputs)], lambda data: targets.run_one(folder, data) and None)
    try:
        atheris.Fuzz()
    finally:
        folder.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

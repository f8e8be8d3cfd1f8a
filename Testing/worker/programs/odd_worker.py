"""A worker with operations that misbehave, for the tests of both sides of the protocol."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import numpy as np
from medseg.errors import Cancelled, InputError
from medseg.progress import Progress
from medseg.worker.__main__ import main


def echo(payload, context):
    """What came, and whether its arrays are maps of files."""
    return {
        **payload,
        "mapped": [
            isinstance(value.base, np.memmap) or isinstance(value, np.memmap)
            for value in payload.values()
            if isinstance(value, np.ndarray)
        ],
    }


def chatter(payload, context):
    """Print in every way a library can; each line looks like a message."""
    fake = '{"id": 1, "event": "result", "result": {"fake": true}}'
    print(fake, flush=True)
    os.write(1, fake.encode() + b"\n")
    subprocess.run([sys.executable, "-c", f"print({fake!r})"], check=True)
    return {"fake": False}


def count(payload, context):
    """Report a thousand steps."""
    for step in range(1000):
        context.progress(Progress("count", step + 1, 1000, (step + 1) / 1000, 0.0))
    return {}


def obedient(payload, context):
    """Run until cancelled, asking as the pipeline does."""
    context.progress(Progress("network", 0, 1, 0.0))
    while not context.cancelled():
        threading.Event().wait(0.005)
    raise Cancelled()


def stubborn(payload, context):
    """Never ask."""
    context.progress(Progress("network", 0, 1, 0.0))
    threading.Event().wait(120)
    return {}


def signal_self(payload, context):
    os.kill(os.getpid(), getattr(signal, payload["signal"]))
    threading.Event().wait(120)
    return {}


def leave(payload, context):
    print("the last words", file=sys.stderr, flush=True)
    os._exit(payload["status"])


def refuse(payload, context):
    raise InputError("the card has a wrong field", file="model.onnx", mend="correct it")


def break_down(payload, context):
    raise ZeroDivisionError("by our own fault")


def nan(payload, context):
    return {"score": float("nan"), "scores": [1.0, float("inf"), np.float32("nan")], "count": np.int64(3)}


def absent(payload, context):
    import surely_absent_package  # noqa: F401

    return {}


def hoard(payload, context):
    """Ask for more memory than there may be."""
    return {"size": np.ones(payload["bytes"], np.uint8).nbytes}


if __name__ == "__main__":
    sys.exit(
        main(
            {
                "echo": echo,
                "chatter": chatter,
                "count": count,
                "obedient": obedient,
                "stubborn": stubborn,
                "signal": signal_self,
                "leave": leave,
                "refuse": refuse,
                "break": break_down,
                "nan": nan,
                "absent": absent,
                "hoard": hoard,
            }
        )
    )

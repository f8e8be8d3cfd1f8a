"""Trains with several processes, as torchrun would start them: python together.py CONFIG RUN SIZE.

Forked after torch is imported, and told of each other by torchrun's environment variables. Each process prints a JSON
line: a checksum of its weights, of the slices it was shown, and the result.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import traceback
from pathlib import Path

import torch


def main(config_path: str, run: str, size: int) -> int:
    torch.set_num_threads(1)
    from medseg_training.config import load_config
    from medseg_training.trainer import Trainer
    from medseg_training.training import train

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
    children = []
    for rank in range(size):
        reader, writer = os.pipe()
        child = os.fork()
        if child:
            os.close(writer)
            children.append((child, reader))
            continue
        code = 1
        try:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            shown = hashlib.sha256()
            weights = []
            learn, finish = Trainer.learn, Trainer.train

            def look(self: Trainer, images: torch.Tensor, planes: torch.Tensor) -> None:
                shown.update(images.numpy().tobytes())  # noqa: B023
                learn(self, images, planes)  # noqa: B023

            def note(self: Trainer) -> None:
                finish(self)  # noqa: B023
                digest = hashlib.sha256()
                for parameter in self.network.parameters():
                    digest.update(parameter.detach().contiguous().numpy().tobytes())
                weights.append(digest.hexdigest())  # noqa: B023

            Trainer.learn, Trainer.train = look, note  # type: ignore[method-assign]
            result = train(load_config(config_path), Path(run), quiet=True)
            os.write(writer, json.dumps({"weights": weights, "shown": shown.hexdigest(), "result": result}).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    status = 0
    for child, reader in children:
        with os.fdopen(reader) as stream:
            print(stream.read())
        status |= os.waitpid(child, 0)[1]
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

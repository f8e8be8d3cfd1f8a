"""Starts a worker, has it compute, says its process id, and ends like a program that crashed."""

from __future__ import annotations

import os

from medseg.client import WorkerClient

client = WorkerClient(module="odd_worker")
request = client.submit("stubborn")
while request.progress is None:
    client.poll()
assert client._process is not None
print(client.pid, client._process.folder, flush=True)
os._exit(9)

"""The process that runs the backends, so that the application that asks needs no deep-learning package.

Start it with ``python -P -m medseg.worker --folder PRIVATE_FOLDER``; `medseg.client.WorkerClient` does. The two sides
exchange JSON lines (`messages`) and arrays in mapped files of a private folder (`exchange`, `private`).
"""

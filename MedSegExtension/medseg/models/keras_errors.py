"""Why a Keras configuration cannot be used."""

from __future__ import annotations


class ConfigRefused(ValueError):
    """The configuration cannot be used; ``args[0]`` says why and ``mend`` what to do."""

    def __init__(self, what: str, mend: str = "export the model to ONNX in the code that made it") -> None:
        super().__init__(what)
        self.mend = mend

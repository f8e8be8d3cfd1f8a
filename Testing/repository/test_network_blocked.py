"""The block that the other tests rely on does block, in this process and in the worker."""

from __future__ import annotations

import socket

import pytest


def test_a_connection_outwards_fails() -> None:
    with pytest.raises(AssertionError, match="nothing uses the network"), socket.socket() as attempt:
        attempt.connect(("192.0.2.1", 80))  # TEST-NET-1: never a real host

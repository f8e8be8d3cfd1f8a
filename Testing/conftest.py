"""What holds for every test: nothing reaches the network, and what is not there is skipped with a reason."""

from __future__ import annotations

import ipaddress
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

#: Real images that lie beside the checkout; they are not part of the repository.
SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"

_connect = socket.socket.connect

# A shell without job control makes what it starts in the background ignore Ctrl-C, and so all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _is_local(address: Any) -> bool:
    if not isinstance(address, tuple):  # a Unix socket is a file
        return True
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return address[0] == "localhost"


def _refuse(self: socket.socket, address: Any) -> Any:
    if not _is_local(address):
        raise AssertionError(f"a test tried to reach {address}: nothing uses the network at run time")
    return _connect(self, address)


@pytest.fixture(autouse=True, scope="session")
def sockets_blocked() -> Any:
    """Every connection that leaves this machine fails the test that tries it."""
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", _refuse)
    patch.setattr(socket.socket, "connect_ex", _refuse)
    yield
    patch.undo()


@pytest.fixture
def shared_data() -> Path:
    """The folder of real images, or a skip where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real images (../shared/data) are not on this machine")
    return SHARED_DATA

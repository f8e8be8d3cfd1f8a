"""``medseg doctor``: what a lab checks by hand before it trains on a server, each line with what to do about it.

Nothing here imports torch into this process: a broken driver can hang or kill whoever touches it.
"""

from __future__ import annotations

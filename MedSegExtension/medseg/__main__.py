"""``python -m medseg``: the same as the ``medseg`` script."""

from .cli import main

main()

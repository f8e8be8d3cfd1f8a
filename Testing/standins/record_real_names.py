"""Write down which names the real application has: run it there, never on the stand-ins.

    Slicer --no-splash --no-main-window --python-script Testing/standins/record_real_names.py

It writes `real_names.txt` beside itself: one ``module.name`` a line for `slicer`, `slicer.util`, `slicer.app`, `qt` and
`ctk`, and ``class.name`` for the classes of `qt` and `ctk` (static functions and enums). The first line says where it
was recorded. `Testing/slicer_window/test_real_names.py` compares the module's code with it.
"""

import inspect
from pathlib import Path

import ctk
import qt
import slicer
import slicer.util


def public(owner) -> list:
    return sorted(name for name in dir(owner) if not name.startswith("_"))


def names() -> list:
    found = []
    for label, owner in (("slicer", slicer), ("slicer.util", slicer.util), ("slicer.app", slicer.app)):
        found += [f"{label}.{name}" for name in public(owner)]
    for label, owner in (("qt", qt), ("ctk", ctk)):
        for name in public(owner):
            found.append(f"{label}.{name}")
            if inspect.isclass(getattr(owner, name)):
                found += [f"{label}.{name}.{part}" for part in public(getattr(owner, name))]
    return found


if __name__ == "__main__":
    where = f"# {slicer.app.applicationName} {slicer.app.applicationVersion}, Qt {qt.qVersion()}"
    path = Path(__file__).resolve().parent / "real_names.txt"
    path.write_text("\n".join([where, *names()]) + "\n", encoding="utf-8", newline="\n")
    print(f"{path}: {where}")
    slicer.util.exit(0)

"""Write down which names the real application has: run it there, never on the stand-ins.

    Slicer --no-splash --no-main-window --python-script Testing/standins/record_real_names.py

It writes `real_names.txt` beside itself: one ``module.name`` a line for `slicer`, `slicer.util`, `slicer.app`, `qt` and
`ctk`, and ``class.name`` where the module's code names a class's function or enum and it exists. The first line says
where it was recorded. `Testing/slicer_window/test_real_names.py` compares the module's code with it.
"""

import re
from pathlib import Path

import ctk
import qt
import slicer
import slicer.util

MODULE = Path(__file__).resolve().parents[2] / "MedSegExtension"


def public(owner) -> list:
    return sorted(name for name in dir(owner) if not name.startswith("_"))


def names() -> list:
    found = []
    for label, owner in (("slicer", slicer), ("slicer.util", slicer.util), ("slicer.app", slicer.app)):
        found += [f"{label}.{name}" for name in public(owner)]
    for label, owner in (("qt", qt), ("ctk", ctk)):
        for name in public(owner):
            found.append(f"{label}.{name}")
    for path in sorted(MODULE.rglob("*.py")):
        for module, kind, part in re.findall(r"\b(qt|ctk)\.(\w+)\.(\w+)", path.read_text(encoding="utf-8")):
            if hasattr(getattr({"qt": qt, "ctk": ctk}[module], kind, None), part):
                found.append(f"{module}.{kind}.{part}")
    return sorted(set(found))


if __name__ == "__main__":
    where = f"# {slicer.app.applicationName} {slicer.app.applicationVersion}, Qt {qt.qVersion()}"
    path = Path(__file__).resolve().parent / "real_names.txt"
    path.write_text("\n".join([where, *names()]) + "\n", encoding="utf-8", newline="\n")
    print(f"{path}: {where}")
    slicer.util.exit(0)

"""Write the lists of scripts and resources in MedSegExtension/CMakeLists.txt from the files git tracks.

Run it after adding, renaming or removing a file: ``python Testing/repository/update_cmake_lists.py``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULE = "MedSegExtension"
CMAKE = ROOT / MODULE / "CMakeLists.txt"


def tracked() -> list[str]:
    """Files of the module that git tracks, relative to the module's folder."""
    listing = subprocess.run(["git", "-C", str(ROOT / MODULE), "ls-files", "-z"], check=True, capture_output=True)
    names = [name for name in listing.stdout.decode("utf-8").split("\0") if name]
    return sorted(name for name in names if (ROOT / MODULE / name).is_file())


def expected() -> dict[str, list[str]]:
    """What each list of the CMake file must hold."""
    names = [name for name in tracked() if name != "CMakeLists.txt"]
    scripts = [name for name in names if name.endswith(".py")]
    return {
        "MODULE_PYTHON_SCRIPTS": scripts,
        "MODULE_PYTHON_RESOURCES": [name for name in names if name not in scripts],
    }


def listed(text: str) -> dict[str, list[str]]:
    """What each list of the CMake file ``text`` holds."""
    return {name: body.split() for name, body in re.findall(r"set\((MODULE_PYTHON_\w+)\n(.*?)  \)\n", text, re.DOTALL)}


def rewritten(text: str) -> str:
    """The CMake file ``text`` with the right lists."""
    for variable, names in expected().items():
        body = "".join(f"  {name}\n" for name in names)
        text = re.sub(
            rf"set\({variable}\n.*?  \)\n", lambda _, b=body, v=variable: f"set({v}\n{b}  )\n", text, flags=re.DOTALL
        )
    return text


def main() -> int:
    """Rewrite the file where it differs; say so."""
    text = CMAKE.read_text(encoding="utf-8")
    new = rewritten(text)
    if new != text:
        CMAKE.write_text(new, encoding="utf-8", newline="\n")
        print(f"{CMAKE.relative_to(ROOT)}: lists rewritten")
    return 0


if __name__ == "__main__":
    sys.exit(main())

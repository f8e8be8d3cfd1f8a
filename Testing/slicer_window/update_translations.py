"""Collect every text of the window into the .ts files, and compile them.

    python Testing/slicer_window/update_translations.py

Qt's lupdate does not know that Slicer's ``_`` takes the file as its context, so the texts are read from the syntax
tree. Translations that are there are kept; texts that are gone go. The .qm file is what Qt loads; it is made by Qt's
lrelease (PySide6 brings it), because Slicer compiles none for scripted modules.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

MODULE = Path(__file__).resolve().parents[2] / "MedSegExtension"
FOLDER = MODULE / "Resources" / "Translations"

#: Properties of a .ui file that a person sees.
SHOWN = {"text", "toolTip", "title", "suffix", "prefix", "specialValueText", "noneDisplay", "placeholderText", "label"}


def context_of(path: Path) -> str:
    """The context Slicer gives the texts of a Python file."""
    return f"{path.parent.name}.{path.stem}" if (path.parent / "__init__.py").exists() else path.stem


def python_texts(path: Path) -> set[str]:
    """Literal arguments of ``_``; raises ValueError for one that is not literal."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
            (argument,) = node.args
            if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                raise ValueError(f"{path.name}:{node.lineno}: a text that is not literal cannot be translated")
            found.add(argument.value)
    return found


def ui_texts(path: Path) -> set[str]:
    found = set()
    root = ElementTree.parse(path).getroot()
    # What a page is called on its tab is an attribute of the page.
    for element in (*root.iter("property"), *root.iter("attribute")):
        string = element.find("string")
        if element.get("name") in SHOWN and string is not None and string.text and string.get("notr") != "true":
            found.add(string.text)
    return found


def all_texts() -> dict[str, set[str]]:
    """Context -> texts."""
    texts: dict[str, set[str]] = {}
    for path in [MODULE / "MedSeg.py", *sorted((MODULE / "MedSegLib").glob("*.py"))]:
        texts.setdefault(context_of(path), set()).update(python_texts(path))
    for path in sorted((MODULE / "Resources" / "UI").glob("*.ui")):
        name = ElementTree.parse(path).getroot().findtext("class")
        texts.setdefault(name, set()).update(ui_texts(path))
    return {context: found for context, found in sorted(texts.items()) if found}


def read_ts(path: Path) -> dict[tuple[str, str], str]:
    """(context, source) -> translation, for those that are finished."""
    found = {}
    for context in ElementTree.parse(path).getroot().iter("context"):
        for message in context.iter("message"):
            translation = message.find("translation")
            if translation.get("type") is None and translation.text:
                found[context.findtext("name"), message.findtext("source")] = translation.text
    return found


def write_ts(path: Path, language: str, translations: dict[tuple[str, str], str]) -> list[tuple[str, str]]:
    """Write every text with its translation; returns those without one."""
    root = ElementTree.Element("TS", version="2.1", language=language)
    missing = []
    for context, texts in all_texts().items():
        element = ElementTree.SubElement(root, "context")
        ElementTree.SubElement(element, "name").text = context
        for text in sorted(texts):
            message = ElementTree.SubElement(element, "message")
            ElementTree.SubElement(message, "source").text = text
            translation = ElementTree.SubElement(message, "translation")
            if (context, text) in translations:
                translation.text = translations[context, text]
            else:
                translation.set("type", "unfinished")
                missing.append((context, text))
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    path.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n{body}\n', encoding="utf-8", newline="\n")
    return missing


def compile_ts(path: Path, target: Path) -> None:
    """``target`` .qm from the .ts by Qt's own compiler."""
    import PySide6

    program = Path(PySide6.__file__).parent / ("lrelease.exe" if os.name == "nt" else "lrelease")
    subprocess.run([program, "-silent", str(path), "-qm", str(target)], check=True)


def main() -> int:
    status = 0
    for path in sorted(FOLDER.glob("*.ts")):
        language = path.stem.partition("_")[2]
        missing = write_ts(path, language, read_ts(path))
        for context, text in missing:
            print(f"{path.name}: {context}: {text!r} is not translated")
            status = 1
        compile_ts(path, path.with_suffix(".qm"))
    return status


if __name__ == "__main__":
    sys.exit(main())

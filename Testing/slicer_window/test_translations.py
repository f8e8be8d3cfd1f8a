"""Every text of the window is in the French .ts, translated, and the compiled file is made from it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import update_translations as texts

TS = texts.FOLDER / "MedSeg_fr.ts"


def test_every_text_is_translated_and_no_other():
    wanted = {(context, text) for context, found in texts.all_texts().items() for text in found}
    have = set(texts.read_ts(TS))
    assert not wanted - have, "run Testing/slicer_window/update_translations.py and translate these"
    assert not have - wanted, "run Testing/slicer_window/update_translations.py: these are no longer used"
    assert len(wanted) > 200


def test_placeholders_stay_and_spaces_at_the_ends_too():
    for (_, source), translation in texts.read_ts(TS).items():
        fields = [sorted(re.findall(r"\{[^}]*\}", text)) for text in (source, translation)]
        assert fields[0] == fields[1], source
        assert source[:1].isspace() == translation[:1].isspace(), source


def test_the_compiled_file_is_made_from_it(tmp_path):
    pytest.importorskip("PySide6")
    texts.compile_ts(TS, tmp_path / "again.qm")
    assert (tmp_path / "again.qm").read_bytes() == TS.with_suffix(".qm").read_bytes()


def test_what_is_shown_is_marked_for_translation():
    """No text is set on a widget that did not go through ``_``."""
    literal = re.compile(r"\.(?:text|toolTip) = f?\"[^\"\\\\]|(?:setText|setToolTip|addItem)\(f?\"|[sS]ay\(f?\"")
    for path in [texts.MODULE / "MedSeg.py", *sorted((texts.MODULE / "MedSegLib").glob("*.py"))]:
        if path.stem in ("panelTest", "selfTest"):
            continue
        found = [
            line.strip()
            for line in path.read_text(encoding="utf-8").splitlines()
            if literal.search(line)
            and not any(word in line for word in ("_(", ".join("))
            and '"⚠ "' not in line
            and 'say("")' not in line
        ]
        assert not found, f"{path.name}: {found}"


@pytest.mark.parametrize("window", ["fr_FR"], indirect=True)
def test_the_window_speaks_french(window):
    window.open()
    assert window.ui.segmentButton.text == "Segmenter"  # set by the code
    assert window.ui.modelLabel.text == "Modèle :"  # of the .ui file
    assert window.ui.segmentButton.toolTip == window.ui.reasonLabel.text
    assert window.ui.reasonLabel.text.startswith("Chargez d'abord un volume") and not window.ui.reasonLabel.isHidden()
    assert window.widget.ductsUi.ductsTabs.tabText(0) == "Constats"
    assert "recherche" in window.ui.researchUseLabel.text
    assert "coupe par coupe" in window.module.information.helpText

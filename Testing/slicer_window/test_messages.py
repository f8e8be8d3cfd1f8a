"""What the engine says in English is in the table from which the window translates it."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import update_translations as texts

ENGINE = texts.MODULE / "medseg"
KINDS = {"InputError", "MedSegError", "UnsafeModelError", "MissingPackageError", "DeviceOutOfMemory", "WorkerDied"}

#: Where sentences come from that the window shows. Files about single formats of models are not among them: what is
#: wrong inside a stranger's file is said in English, as the page about translations says.
SOURCES = [
    *(ENGINE / f"{name}.py" for name in ("fit", "pipeline", "inference", "scores", "client", "giveback")),
    *(ENGINE / "models" / f"{name}.py" for name in ("model", "detect")),
    *(ENGINE / "backends" / f"{name}.py" for name in ("base", "choice")),
    ENGINE / "ducts" / "measure.py",
    *sorted((ENGINE / "worker").glob("*.py")),
    *sorted((texts.MODULE / "MedSegLib").glob("*.py")),
]

#: Only a program that calls the engine itself can cause these.
NEVER_SHOWN = {"there is no branch 7 to name", "the branches are 1 to 7"}


def sample(node: ast.AST) -> str | None:
    """A sentence as it might come out: 7 stands where something else stands each time; None where it is not literal."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "7" for part in node.values)
    return None


def sentences(path: Path) -> set[str]:
    """What the file's errors say and advise, and what it appends to lists of warnings and problems."""
    found: set[str | None] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name.rpartition(".")[2] in KINDS:
            found |= {sample(argument) for argument in node.args[:1]}
            found |= {sample(keyword.value) for keyword in node.keywords if keyword.arg == "mend"}
        elif name.endswith(("warnings.append", "problems.append")):
            found.add(sample(node.args[0]))
    return {text for text in found if text is not None and re.search("[a-z]", text)}


@pytest.fixture
def messages(window):
    window.open()
    from MedSegLib import messages

    return messages


def test_every_sentence_is_in_the_table(messages):
    found = {(path.name, text) for path in SOURCES for text in sentences(path) - NEVER_SHOWN}
    missing = sorted(pair for pair in found if not messages.known(pair[1]))
    assert not missing, "add these to MedSegLib/messageTexts.py"


def test_the_sentences_are_found_where_they_are():
    assert "run it again" in sentences(ENGINE / "worker" / "running.py")
    assert "the model was trained on 7, the volume is 7" in sentences(ENGINE / "fit.py")
    assert sum(len(sentences(path)) for path in SOURCES) > 150


def test_words_and_reasons_that_stand_in_tables(messages):
    from medseg.ducts import anatomy, findings
    from medseg.worker import death
    from MedSegLib.volumeInput import REFUSED

    grades = {findings.stricture_grade(change, resolved) for change in (0.1, 0.6, 0.9) for resolved in (True, False)}
    grades.add("possibly complete: no lumen labelled between two ends")
    named = [anatomy.COMMON, anatomy.LEFT, anatomy.RIGHT, "right side", "branch 12", "focal dilatation"]
    reasons = [death.KILLED, death.OUT_OF_MEMORY, death.REPORT]
    refused = [text for _name, what, mend in REFUSED for text in (f"the input is {what}", mend)]
    for text in [*grades, *named, *reasons, *refused]:
        assert messages.known(text), text


def test_every_stage_of_a_run_has_a_name(window):
    """Progress is told by stage; the engine's stages are found in its code."""
    window.open()
    from MedSegLib.texts import stageName

    stages = set()
    for path in sorted(ENGINE.rglob("*.py")):
        if not {"cli", "demo", "models"} & set(path.relative_to(ENGINE).parts):
            stages |= set(re.findall(r"Progress\(\s*\"([\w-]+)\"", path.read_text(encoding="utf-8")))
    assert {"open", "read", "network", "post-process", "measure", "phantom"} <= stages
    assert not {stage for stage in stages if stageName(stage) == stage}


@pytest.mark.parametrize("window", ["fr_FR"], indirect=True)
def test_sentences_become_french_with_their_names_and_numbers(messages):
    from medseg.errors import InputError

    say = messages.inLanguage
    assert say("the model was trained on MR, the volume is CT") == "le modèle a été entraîné sur MR, le volume est CT"
    assert "plan coronal" in say(
        "the volume was acquired in axial slices, the model reads coronal ones; expect coarse slices"
    )
    assert say("slices lie 6.00 mm apart; the model was trained on 1.00 to 1.50 mm") == (
        "les coupes sont espacées de 6.00 mm ; le modèle a été entraîné de 1.00 à 1.50 mm"
    )
    assert say("choose a volume; run it again") == "choisissez un volume; relancez-la"
    assert say("severe") == "sévère" and say("something of a framework") == "something of a framework"
    error = InputError("there is no such file", file="a {b}.onnx", mend="check the path")
    assert messages.asSentence("run it again") == "Relancez-la"
    assert messages.errorText(error) == "a {b}.onnx: ce fichier n'existe pas; vérifiez le chemin"
    assert error.line() == "a {b}.onnx: there is no such file; check the path"


@pytest.mark.parametrize("window", ["fr_FR"], indirect=True)
def test_a_radiologist_reads_french_reasons(window, tmp_path):
    """Why the button is off, why a run failed, and what the result warns of."""
    import numpy as np
    from medseg.client import WorkerClient
    from MedSegLib import selfTest, workerHost

    window.open()
    window.ui.inputSelector.setCurrentNode(selfTest.addVolume(np.full((4, 16, 16), 31, np.int16)))
    window.widget.modelPanel.choose(str(tmp_path / "absent.onnx"))
    window.wait(lambda: window.widget.modelPanel.problem)
    assert "ce fichier n'existe pas" in window.ui.segmentButton.toolTip
    window.widget.modelPanel.choose(str(selfTest.writeTestModel(tmp_path)))
    window.wait(lambda: window.widget.modelPanel.report is not None)
    window.ui.segmentButton.click()
    window.wait(lambda: window.widget.job is not None and not window.widget.queue.running)
    shown = window.ui.resultLabel.text
    assert "Rien n'a été trouvé" in shown and "a partout la même valeur" in shown and " the " not in shown
    workerHost.closeSharedHost()
    workerHost._shared = workerHost.WorkerHost(WorkerClient([str(tmp_path / "no python")]))
    window.ui.segmentButton.click()
    window.wait(lambda: not window.widget.queue.running)
    assert "ne peut pas être lancé" in window.ui.statusLabel.text

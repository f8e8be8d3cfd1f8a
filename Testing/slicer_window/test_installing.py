"""Every state of installing what the worker needs, with a real pip that installs wheels made here; no network."""

from __future__ import annotations

import sys

import pytest
from standins.packages import write_wheel

NEEDED = "medsegneeded"


@pytest.fixture
def asked(window, tmp_path, monkeypatch):
    """The window with a model and a volume chosen, where one needed package is not installed; Segment was pressed."""
    window.open()
    from MedSegLib import requirements, selfTest

    lines = tmp_path / "requirements.txt"
    lines.write_text(f"{NEEDED}>=1.0  # made by the test\n")
    monkeypatch.setattr(requirements, "REQUIREMENTS", lines)
    window.lines = lines
    window.widget.ui.inputSelector.setCurrentNode(selfTest.addVolume(selfTest.blockArray()))
    window.model = selfTest.writeTestModel(tmp_path)
    window.widget.modelPanel.choose(str(window.model))
    window.wheels = tmp_path / "wheels"
    window.panel = window.widget.installPanel
    yield window
    sys.modules.pop(NEEDED, None)


def install_from_folder(window) -> None:
    window.dialogs.answers.append(str(window.wheels))
    window.ui.installOfflineButton.click()
    assert window.panel.state == "installing" and window.ui.installLabel.text
    window.wait(lambda: window.panel.state != "installing")


def shown(window) -> set[str]:
    names = ("installSmallButton", "installTorchButton", "installOfflineButton", "installLaterButton", "restartButton")
    return {name for name in names if not getattr(window.ui, name).isHidden()}


def test_asked_declined_asked_again_offline_and_installed_from_a_folder(asked):
    asked.ui.segmentButton.click()
    assert asked.panel.state == "missing" and NEEDED in asked.ui.installLabel.text
    assert not asked.widget.queue.running and "not installed" in asked.ui.statusLabel.text
    assert shown(asked) == {"installSmallButton", "installTorchButton", "installOfflineButton", "installLaterButton"}
    asked.ui.installLaterButton.click()
    assert asked.panel.state == "declined" and "installSmallButton" in shown(asked)
    asked.module.leave()
    asked.open()
    assert asked.panel.state == "declined"  # not asked again by itself
    asked.ui.segmentButton.click()
    assert asked.panel.state == "missing"
    asked.ui.installSmallButton.click()
    asked.wait(lambda: asked.panel.state != "installing")
    assert asked.panel.state == "offline" and asked.ui.installSmallButton.text == "Try again"
    write_wheel(asked.wheels, NEEDED, "1.2")
    install_from_folder(asked)
    assert asked.panel.state == "ready" and asked.ui.installFrame.isHidden()
    assert (asked.stand_in.packages.folder / f"{NEEDED}.py").is_file()
    asked.ui.segmentButton.click()
    asked.wait(lambda: asked.widget.job is not None and not asked.widget.queue.running)
    assert asked.widget.job.state == "done"


def test_a_folder_without_the_wheel_says_so(asked):
    asked.ui.segmentButton.click()
    write_wheel(asked.wheels, "another", "1.0")
    install_from_folder(asked)
    assert asked.panel.state == "absent" and NEEDED in asked.ui.installLabel.text
    assert "installOfflineButton" in shown(asked)


def test_a_package_that_is_too_old_is_updated_and_slicer_restarted_where_it_was_loaded(asked):
    write_wheel(asked.wheels, NEEDED, "0.5")
    asked.lines.write_text(f"{NEEDED}>=0.1\n")
    asked.stand_in.packages.pip_install([NEEDED, "--no-index", "--find-links", str(asked.wheels)])
    asked.lines.write_text(f"{NEEDED}>=1.0\n")
    __import__(NEEDED)
    asked.ui.segmentButton.click()
    assert asked.panel.state == "old" and asked.ui.installSmallButton.text == "Update"
    write_wheel(asked.wheels, NEEDED, "1.5")
    install_from_folder(asked)
    assert asked.panel.state == "restart" and shown(asked) == {"restartButton"}
    asked.ui.segmentButton.click()
    assert not asked.widget.queue.running
    asked.ui.restartButton.click()
    assert asked.app.restarted


def test_slicer_5_10_has_no_packaging_and_blocks(asked):
    asked.stand_in.withdraw_packaging()
    write_wheel(asked.wheels, NEEDED, "1.0")
    asked.ui.segmentButton.click()
    asked.dialogs.answers.append(str(asked.wheels))
    asked.ui.installOfflineButton.click()
    assert asked.panel.state == "ready"


@pytest.mark.parametrize("window", [True], indirect=True)
def test_in_testing_mode_too(asked):
    asked.ui.segmentButton.click()
    asked.ui.installSmallButton.click()
    assert asked.panel.state == "offline"
    write_wheel(asked.wheels, NEEDED, "1.0")
    asked.dialogs.answers.append(str(asked.wheels))
    asked.ui.installOfflineButton.click()
    assert asked.panel.state == "ready"


def test_a_half_installed_package_is_found_by_the_worker_and_repaired(asked, monkeypatch, tmp_path):
    from medseg.client import WorkerClient
    from MedSegLib import workerHost

    write_wheel(asked.wheels, NEEDED, "1.0")
    asked.stand_in.packages.pip_install([NEEDED, "--no-index", "--find-links", str(asked.wheels)])
    # The records say all is there, but nothing can be imported: a worker in which the backends are broken.
    program = tmp_path / "programs" / "broken_backends.py"
    program.parent.mkdir()
    program.write_text(
        "import sys\n"
        "for name in ('torch', 'onnxruntime', 'openvino'):\n    sys.modules[name] = None\n"
        "from medseg.worker.__main__ import main\nsys.exit(main())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(program.parent))
    workerHost.closeSharedHost()
    workerHost._shared = workerHost.WorkerHost(WorkerClient(module="broken_backends"))
    asked.widget.modelPanel.refresh()
    asked.wait(lambda: asked.widget.modelPanel.problem)
    assert asked.panel.state == "broken" and asked.ui.installSmallButton.text == "Repair"
    assert "half installed" in asked.ui.installLabel.text
    install_from_folder(asked)
    assert asked.panel.state == "ready"
    asked.wait(lambda: asked.widget.modelPanel.report is not None)  # by a new worker, which sees what was installed
    assert not asked.widget.modelPanel.problem and asked.ui.segmentButton.enabled, asked.ui.reasonLabel.text


def test_a_model_that_needs_pytorch_leads_to_its_extension(asked):
    import slicer
    from medseg.errors import MissingPackageError

    write_wheel(asked.wheels, NEEDED, "1.0")
    asked.stand_in.packages.pip_install([NEEDED, "--no-index", "--find-links", str(asked.wheels)])
    asked.panel.explain(MissingPackageError("the Python package torch is not installed", packages=["torch"]))
    assert asked.panel.state == "torch" and shown(asked) == {"installTorchButton", "installLaterButton"}
    asked.ui.installTorchButton.click()
    assert "Extensions Manager" in asked.ui.installLabel.text
    opened = []
    slicer.modules.pytorchutils = object()
    select, slicer.util.selectModule = slicer.util.selectModule, opened.append
    try:
        asked.ui.installTorchButton.click()
    finally:
        slicer.util.selectModule = select
        del slicer.modules.pytorchutils
    assert opened == ["PyTorchUtils"]


def with_optional(asked, monkeypatch, text: str) -> None:
    """What models need is there; what single tasks need is as ``text`` says."""
    from MedSegLib import requirements

    write_wheel(asked.wheels, NEEDED, "1.0")
    asked.stand_in.packages.pip_install([NEEDED, "--no-index", "--find-links", str(asked.wheels)])
    optional = asked.lines.with_name("optional.txt")
    optional.write_text(text)
    monkeypatch.setattr(requirements, "OPTIONAL", optional)


def test_what_measuring_needs_is_asked_for_and_installed(asked, monkeypatch, tmp_path):
    """From the worker's error to a measured tree, with a worker that has no networkx and calls it by another name."""
    from medseg.client import WorkerClient
    from MedSegLib import workerHost
    from MedSegLib.ductsTest import addTree

    with_optional(asked, monkeypatch, "scikit-image>=0.24\nmedsegextra>=1.0\n")
    program = tmp_path / "programs" / "no_networkx.py"
    program.parent.mkdir()
    program.write_text(
        "import sys\nsys.modules['networkx'] = None\n"
        "import medseg.packages\nmedseg.packages.MEASURING = ('scikit-image', 'medsegextra')\n"
        "from medseg.worker.__main__ import main\nsys.exit(main())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(program.parent))
    workerHost.closeSharedHost()
    workerHost._shared = workerHost.WorkerHost(WorkerClient(module="no_networkx"))
    _volume, segmentation = addTree()
    asked.widget.ductsUi.ductsSegmentationSelector.setCurrentNode(segmentation)
    asked.widget.ductsUi.measureButton.click()
    asked.wait(lambda: not asked.widget.ductsPanel.running)
    assert asked.panel.state == "missing" and "medsegextra>=1.0" in asked.ui.installLabel.text
    assert "scikit-image" not in asked.ui.installLabel.text  # it is there
    assert shown(asked) == {"installSmallButton", "installOfflineButton", "installLaterButton"}
    assert "networkx" in asked.widget.ductsUi.ductsStatusLabel.text and NEEDED not in asked.ui.statusLabel.text
    write_wheel(asked.wheels, "medsegextra", "1.1")
    install_from_folder(asked)
    assert asked.panel.state == "ready"
    asked.widget.ductsUi.measureButton.click()  # by a new worker
    asked.wait(lambda: not asked.widget.ductsPanel.running)
    assert asked.widget.ductsPanel.measured is not None, asked.widget.ductsUi.ductsStatusLabel.text


def test_what_one_task_needs_may_be_declined_and_models_run_on(asked, monkeypatch):
    from medseg.errors import MissingPackageError

    with_optional(asked, monkeypatch, "medsegextra>=1.0\n")
    error = MissingPackageError("the Python package medsegextra is not installed", packages=["medsegextra"])
    asked.panel.explain(error)
    assert asked.panel.state == "missing" and "medsegextra>=1.0" in asked.ui.installLabel.text
    assert asked.ui.installSmallButton.text == "Install" and "installTorchButton" not in shown(asked)
    asked.ui.installLaterButton.click()
    assert asked.panel.state == "ready" and asked.ui.installFrame.isHidden()
    asked.ui.segmentButton.click()
    asked.wait(lambda: asked.widget.job is not None and not asked.widget.queue.running)
    assert asked.widget.job.state == "done"
    asked.panel.explain(error)
    write_wheel(asked.wheels, "medsegextra", "1.1")
    install_from_folder(asked)
    assert asked.panel.state == "ready" and (asked.stand_in.packages.folder / "medsegextra.py").is_file()


def test_nothing_is_installed_by_a_name_that_is_on_no_list(asked, monkeypatch):
    from medseg.errors import MissingPackageError
    from MedSegLib.requirements import howToInstallAll, requirementsOf

    with_optional(asked, monkeypatch, "h5py>=3.10\n")
    assert requirementsOf(["unheard-of", "H5PY"]) == ["h5py>=3.10"]
    asked.panel.explain(MissingPackageError("the Python package unheard-of is not installed", packages=["unheard-of"]))
    # PyTorch is on no list either: its own extension brings it.
    assert howToInstallAll(["torch"]) == "install it with Slicer's extension PyTorch"
    assert asked.panel._lines == [f"{NEEDED}>=1.0"] and "unheard-of" not in howToInstallAll(["unheard-of"])

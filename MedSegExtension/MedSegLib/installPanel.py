"""What is missing before a model can run, in the window: a question, its answer, and a next step for each state."""

from __future__ import annotations

import qt
import slicer
from medseg.errors import MissingPackageError
from slicer.i18n import tr as _

from .installer import Installer
from .messages import inLanguage
from .requirements import checkRequirements, requirements, requirementsOf


class InstallPanel:
    """``onReady()`` is called when packages were installed, ``onLog(text)`` with what happened.

    state : "ready", "missing", "old", "broken", "torch", "declined", "installing", "offline", "absent", "full",
    "failed" or "restart".
    """

    def __init__(self, ui, onReady, onLog) -> None:
        self.ui, self._onReady, self._onLog = ui, onReady, onLog
        self.state = "ready"
        self._lines: list[str] = []
        self._reason = ""
        self._repair = False
        self._advised = False
        self._special = False  # asked for what one task needs; models run without it
        self._installer = Installer(self._heard, self._finished)
        ui.installSmallButton.connect("clicked(bool)", lambda checked=False: self.install())
        ui.installTorchButton.connect("clicked(bool)", lambda checked=False: self.openTorch())
        ui.installOfflineButton.connect("clicked(bool)", lambda checked=False: self.installFromFolder())
        ui.installLaterButton.connect("clicked(bool)", lambda checked=False: self.decline())
        ui.restartButton.connect("clicked(bool)", lambda checked=False: slicer.util.restart())

    def check(self) -> bool:
        """Whether a model can run as far as installed packages tell; asks where not."""
        if self.state in ("installing", "restart", "torch") or (self.state == "broken" and not self._special):
            self.update()
            return False
        found = checkRequirements()
        if found.state == "ready":
            self._set("ready")
            return True
        self._lines, self._repair, self._special = found.lines, False, False
        self._set(found.state)
        return False

    def recheck(self) -> None:
        """Perhaps something was installed elsewhere meanwhile; says nothing where a person declined."""
        if self.state in ("ready", "installing", "declined", "restart"):
            return
        if self.state == "torch" or (self.state == "broken" and self._repair):
            return
        if checkRequirements(self._lines or None).state == "ready":
            self._set("ready")
            self._onReady()

    def explain(self, error) -> None:
        """Ask for what an error of the worker names; other errors change nothing."""
        if not isinstance(error, MissingPackageError) or self.state == "installing":
            return
        self._reason = inLanguage(error.what)
        base = checkRequirements()
        if base.state != "ready":
            self._lines, self._repair, self._special = base.lines, False, False
            self._set(base.state)
            return
        if "torch" in error.packages:
            self._advised = False
            self._set("torch")
            return
        lines = requirementsOf(error.packages)
        self._special = bool(lines) and not set(lines) <= set(requirements())
        found = checkRequirements(lines or None)
        # Where the records say that all is there, the worker could still not import it: half installed.
        self._lines, self._repair = found.lines or lines or requirements(), found.state == "ready"
        self._set("broken" if self._repair else found.state)

    def install(self, wheels: str = "") -> None:
        """Install after the person pressed the button."""
        if self._installer.running:
            return
        self._set("installing")
        self._onLog(_("Installing {packages}").format(packages=", ".join(self._lines)))
        self._installer.start(self._lines or requirements(), wheels, self._repair)

    def installFromFolder(self) -> None:
        path = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder of wheels"), "")
        if path:
            self.install(str(path))

    def decline(self) -> None:
        self._set("ready" if self.state == "torch" or self._special else "declined")
        self._onLog(_("Nothing was installed."))

    def openTorch(self) -> None:
        """PyTorch is installed by its own extension, which knows the graphics driver."""
        if getattr(slicer.modules, "pytorchutils", None) is not None:
            slicer.util.selectModule("PyTorchUtils")
            return
        self._advised = True
        self._set("torch")

    def _heard(self, line: str) -> None:
        self._onLog(line)
        self.ui.installLabel.text = _("Installing… {line}").format(line=line[:120])

    def _finished(self, state: str, explanation: str) -> None:
        self._reason = explanation
        self._onLog(_("Installing ended: {state} {explanation}").format(state=state, explanation=explanation))
        self._repair = self._repair and state != "ready"
        self._set(state)
        if state == "ready":
            self._onReady()

    def _set(self, state: str) -> None:
        self.state = state
        self.update()

    def update(self) -> None:
        """Show the state, and the buttons that lead on."""
        state, ui = self.state, self.ui
        packages = ", ".join(self._lines)
        texts = {
            "missing": _(
                "For this, MedSeg needs Python packages that are not installed: {packages}. Download them from the"
                " Python Package Index and install them into this Slicer?"
            ).format(packages=packages)
            if self._special
            else _(
                "To run models, MedSeg needs Python packages that are not installed: {packages}. Download them from the"
                " Python Package Index and install them into this Slicer?"
            ).format(packages=packages),
            "old": _("These Python packages are too old for MedSeg: {packages}. Update them?").format(
                packages=packages
            ),
            "broken": _("A Python package is only half installed ({reason}). Install it again?").format(
                reason=self._reason
            ),
            "torch": _(
                "PyTorch comes with Slicer's extension PyTorch: install it in the Extensions Manager, restart Slicer,"
                " open the module PyTorch Utils, press Install, and come back."
            )
            if self._advised
            else _("This model needs PyTorch, which is not installed ({reason}).").format(reason=self._reason),
            "declined": _("Nothing was installed, so models cannot run. Press the button when you want to."),
            "installing": _("Installing…"),
            "offline": _(
                "The Python Package Index could not be reached. Check the network or proxy and try again, or install"
                " from a folder of wheels (see the documentation)."
            ),
            "absent": _("A package was not found: {reason}. The folder must hold wheels for this Python.").format(
                reason=self._reason
            ),
            "full": _("The disk is full. Free some space and try again."),
            "failed": _("Installing failed: {reason}. The log below has the details.").format(reason=self._reason),
            "restart": _("Installed. Slicer must be restarted, because it had loaded {packages} before.").format(
                packages=self._reason
            ),
        }
        ui.installFrame.visible = state != "ready"
        ui.installLabel.text = texts.get(state, "")
        asking = state not in ("ready", "installing", "restart")
        ui.installSmallButton.visible = asking and state != "torch"
        install = _("Install") if self._special else _("Install ONNX Runtime")
        ui.installSmallButton.text = {"old": _("Update"), "broken": _("Repair"), "missing": install}.get(
            state, _("Try again") if state in ("offline", "absent", "full", "failed") else install
        )
        ui.installTorchButton.visible = (
            asking and state in ("missing", "torch", "declined") and not (self._special and state != "torch")
        )
        ui.installOfflineButton.visible = asking and state != "torch"
        ui.installLaterButton.visible = asking and state != "declined"
        ui.restartButton.visible = state == "restart"

"""Choosing a model: a path, recent ones, the one that ships, a dropped file; and its card, read in the worker."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from medseg.card import ModelCard
from medseg.errors import Cancelled, InputError, MedSegError, MissingPackageError
from slicer.i18n import tr as _

from .cardForm import CardForm
from .cardPreview import CardPreview
from .cardText import cardHtml, cardName
from .messages import errorText

#: Where the paths of models used before are kept, newest first.
SETTING = "MedSeg/RecentModels"
RECENT = 8

#: The path line tells of every key; the file is looked at when the person pauses.
PAUSE_MS = 300

#: Height at most of what a card says, and of what is said of a file without one.
CARD_HEIGHT, BARE_HEIGHT = 210, 90


class ModelPanel:
    """``nodes()`` gives the chosen volume nodes. ``onPath(path)`` is called when another path is chosen,
    ``onChanged()`` when more or less is known about it, ``onMissingPackage(error)`` where it needs one.

    report : the dictionary of ``medseg inspect`` for the path, or None while unknown.
    card : the `ModelCard` to run with, or None.
    givenCard : JSON data of a card the person gave, else None: the file's own is used.
    """

    def __init__(self, ui, logic, nodes, onPath, onChanged, onMissingPackage) -> None:
        self.ui, self._logic, self._onPath = ui, logic, onPath
        self._onChanged, self._onMissingPackage = onChanged, onMissingPackage
        self.report: dict | None = None
        self.card: ModelCard | None = None
        self.givenCard: dict | None = None
        self.problem = ""
        self._request = None
        self._asked = 0
        self._path = ""
        self.preview = CardPreview(ui, logic, nodes)
        self.form = CardForm(ui, self._onCardGiven, self.preview.show)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        self._timer.connect("timeout()", self._inspect)
        self._menu = qt.QMenu()
        self._menu.connect("aboutToShow()", self.fillMenu)
        ui.modelMenuButton.setMenu(self._menu)
        ui.modelPathLineEdit.connect("currentPathChanged(QString)", self._onPathChanged)
        ui.cardBrowser.setMaximumHeight(CARD_HEIGHT)
        ui.cardBrowser.connect("anchorClicked(QUrl)", lambda url: self.changeAnswers())
        self._actions: list = []

    def cleanup(self) -> None:
        self._timer.stop()
        if self._request is not None and not self._request.finished:
            self._logic.forget(self._request)
        self._request = None
        self.preview.cleanup()

    @property
    def path(self) -> str:
        return self._path

    @property
    def name(self) -> str:
        return cardName(self.report) or Path(self._path).name

    def choose(self, path: str) -> None:
        """Show ``path`` in the line, as if it had been typed."""
        self.ui.modelPathLineEdit.currentPath = str(path)
        self._onPathChanged(path)  # the line does not tell when it is emptied

    def _onPathChanged(self, path) -> None:
        path = plainPath(str(path))
        if path == self._path:
            return
        self._path = path
        self.report = self.card = self.givenCard = None
        self.problem = ""
        self.form.hide()
        self.ui.cardBrowser.visible = bool(path)
        self.ui.cardBrowser.setHtml(_("Reading the model…") if path else "")
        self._asked += 1  # an answer about the former path comes too late
        self._timer.start()
        self._onPath(path)
        self._onChanged()

    def refresh(self) -> None:
        """Look at the file again, for example after packages were installed."""
        if self._path:
            self._inspect()

    def _inspect(self) -> None:
        self._timer.stop()
        if self._request is not None and not self._request.finished:
            self._logic.forget(self._request)
        self._request = None
        if not self._path:
            return
        self._asked += 1
        asked = self._asked
        try:
            self._request = self._logic.startInspect(self._path, lambda request: self._inspected(asked, request))
        except MedSegError as error:
            self._refuse(error)

    def _inspected(self, asked: int, request) -> None:
        if asked != self._asked:
            return
        if isinstance(request.error, Cancelled):
            return
        if request.error is not None:
            self._refuse(request.error)
            return
        self.report, self.problem = request.result["report"], ""
        try:
            data = self.report.get("card")
            self.card = ModelCard.from_dict(data) if data else None
        except InputError as error:
            self._refuse(error)
            return
        self.ui.cardBrowser.setHtml(cardHtml(self.report))
        self.ui.cardBrowser.setMaximumHeight(CARD_HEIGHT if self.card is not None else BARE_HEIGHT)
        if self.card is None:
            self.form.show(self.report)
        self._onChanged()

    def _refuse(self, error: MedSegError) -> None:
        self.report = self.card = None
        if isinstance(error, MissingPackageError):  # how to install it on a command line is no help here
            error = MissingPackageError(
                error.what, mend="install what is asked for at the top of the panel", packages=error.packages
            )
        self.problem = errorText(error)
        self.ui.cardBrowser.setPlainText("⚠ " + self.problem)
        self._onMissingPackage(error)
        self._onChanged()

    def _onCardGiven(self, data: dict, saved: bool) -> None:
        """The person answered what the file does not say."""
        self.givenCard, self.card = data, ModelCard.from_dict(data)
        self.report = {**(self.report or {}), "card": self.card.to_dict(), "missing": []}
        self.report["card_source"] = _("saved beside it") if saved else _("as answered in this session")
        self.ui.cardBrowser.setHtml(cardHtml(self.report, canChange=True))
        self.ui.cardBrowser.setMaximumHeight(CARD_HEIGHT)
        self._onChanged()

    def changeAnswers(self) -> None:
        """Ask again what the person answered in this session."""
        if self.givenCard is not None:
            self.form.open()

    def volumeChanged(self) -> None:
        """Show the slice of another volume, where answers are being given."""
        self.form.tell()

    # The menu

    def fillMenu(self) -> None:
        """The model that ships, recent ones, and a folder."""
        from medseg.data import shipped_model

        self._menu.clear()
        self._actions = []
        self._add(_("The model that ships: bile ducts (synthetic)"), lambda: self.choose(str(shipped_model())))
        self._menu.addSeparator()
        for path in recentModels():
            self._add(path, lambda checked=False, path=path: self.choose(path))
        if recentModels():
            self._menu.addSeparator()
        self._add(_("Choose a folder (nnU-Net, MONAI bundle)…"), self.chooseFolder)

    def _add(self, text: str, call) -> None:
        action = qt.QAction(text, self._menu)
        self._menu.addAction(action)
        action.connect("triggered(bool)", lambda checked=False: call())
        self._actions.append(action)  # PythonQt lets go of what nobody holds

    def chooseFolder(self) -> None:
        path = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder of a model package"), self._path)
        if path:
            self.choose(path)

    def remember(self) -> None:
        """Put the path first among the recent ones: it was used."""
        paths = [self._path, *(path for path in recentModels() if path != self._path)]
        qt.QSettings().setValue(SETTING, "\n".join(paths[:RECENT]))


def recentModels() -> list[str]:
    """Paths of models used before that still exist, newest first."""
    text = slicer.util.settingsValue(SETTING, "", converter=str)
    return [path for path in text.split("\n") if path and Path(path).exists()]


def plainPath(text: str) -> str:
    """A path as people paste and drop it: without quotes and ``file://``."""
    text = text.strip().strip('"')
    return qt.QUrl(text).toLocalFile() if text.startswith("file:") else text

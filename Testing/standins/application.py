"""The application object, `slicer.util`'s needs of it, dialogs that the test answers, and translation."""

from __future__ import annotations

import inspect
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from PySide6 import QtCore, QtWidgets

from . import pythonqt, widgets
from .mrml import mrml_application
from .packages import Packages
from .parameter_node import WithinRange, parameterNodeWrapper

EXTENSION = Path(__file__).resolve().parents[2] / "MedSegExtension"


class Dialogs:
    """Every dialog that opened, and the answers the test has ready. A dialog nobody expects is a problem."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.answers: list[Any] = []

    def ask(self, text: str) -> Any:
        self.shown.append(text)
        if not self.answers:
            pythonqt.PROBLEMS.append(f"a dialog nobody expects: {text}")
            return None
        return self.answers.pop(0)


class Application:
    """``slicer.app``."""

    applicationName = "Slicer"

    def __init__(self, folder: Path, testing: bool) -> None:
        self.slicerHome, self.temporaryPath = str(folder), str(folder / "tmp")
        self._testing = testing
        self.applicationLocaleName = "en_US"
        self.userMessages: list[str] = []
        self.translators: list[Any] = []
        self._startup: list[Any] = []
        self._manager = ModuleManager()
        (folder / "bin").mkdir(parents=True)
        (folder / "tmp").mkdir()
        launcher = folder / "bin" / "PythonSlicer"
        launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        launcher.chmod(0o755)
        self.restarted = False

    def testingEnabled(self) -> bool:
        return self._testing

    def connect(self, signature: str, slot: Any) -> bool:
        assert signature == "startupCompleted()"
        self._startup.append(slot)
        return True

    def completeStartup(self) -> None:
        for slot in self._startup:
            slot()

    def pauseRender(self) -> None:
        """There are no views here to pause."""

    def resumeRender(self) -> None:
        """As `pauseRender`."""

    def processEvents(self, flags: Any = None) -> None:
        application = QtWidgets.QApplication.instance()
        if flags is None:
            application.processEvents()
        else:
            application.processEvents(flags)

    def moduleManager(self) -> Any:
        return self._manager

    def startupEnvironment(self) -> Any:
        return QtCore.QProcessEnvironment.systemEnvironment()

    def clipboard(self) -> Any:
        return QtWidgets.QApplication.clipboard()

    def translate(self, context: str, text: str) -> str:
        return QtCore.QCoreApplication.translate(context, text)

    def loadTranslations(self, folder: str) -> None:
        language = self.applicationLocaleName.partition("_")[0]
        for file in sorted(Path(folder).glob(f"*_{language}.qm")):
            translator = QtCore.QTranslator()
            if translator.load(str(file)):
                QtCore.QCoreApplication.installTranslator(translator)
                self.translators.append(translator)

    def restart(self) -> None:
        self.restarted = True

    def layoutManager(self) -> Any:
        return None  # as without a main window

    def applicationLogic(self) -> Any:
        return mrml_application().logic


class ModuleManager:
    """Tells that a module is about to be unloaded, and knows the modules by name."""

    def __init__(self) -> None:
        self._slots: list[Any] = []
        self.modules: dict[str, Any] = {}

    def connect(self, signature: str, slot: Any) -> bool:
        assert signature == "moduleAboutToBeUnloaded(QString)"
        self._slots.append(slot)
        return True

    def disconnect(self, signature: str, slot: Any) -> bool:
        self._slots.remove(slot)
        return True

    def unload(self, name: str) -> None:
        for slot in list(self._slots):
            slot(name)

    def module(self, name: str) -> Any:
        return self.modules.get(name.lower())


def translation_context(file: str) -> str:
    """The context Slicer gives the texts of a Python file: ``Package.file`` or ``file``."""
    path = Path(file)
    return f"{path.parent.name}.{path.stem}" if (path.parent / "__init__.py").is_file() else path.stem


def tr(text: str) -> str:
    """`slicer.i18n.tr`."""
    frame = inspect.currentframe().f_back
    return slicer.app.translate(translation_context(frame.f_code.co_filename), text)


class _Installed:
    """Remembers what it replaces in ``slicer``, ``slicer.util`` and ``sys.modules``, to put it back."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []
        self._modules = dict(sys.modules)

    def set(self, owner: Any, name: str, value: Any) -> None:
        self._before.append((owner, name, vars(owner).get(name, self)))
        setattr(owner, name, value)

    def undo(self) -> None:
        for owner, name, value in reversed(self._before):
            if value is self:
                if name in vars(owner):
                    delattr(owner, name)
            else:
                setattr(owner, name, value)
        ours = ("MedSeg", "MedSegLib", "medseg", "qt", "ctk")
        for name in [n for n in sys.modules if n.partition(".")[0] in ours or n.startswith("slicer.")]:
            del sys.modules[name]
        for name, module in self._modules.items():
            if name.partition(".")[0] in ours or name.startswith("slicer."):
                sys.modules[name] = module


class StandIn:
    """The whole of it, put in place by `install` and taken away by `remove`."""

    def __init__(self, folder: Path, testing: bool) -> None:
        # One QApplication in a process; it goes with it.
        self.qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
        QtCore.QCoreApplication.setOrganizationName("MedSegTests")
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
        QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, str(folder / "settings"))
        self.mrml = mrml_application()
        self.app = Application(folder / "Slicer", testing)
        self.dialogs = Dialogs()
        self.packages = Packages(folder / "packages")
        self._installed = _Installed()

    def install(self) -> None:
        for name in [n for n in sys.modules if n.partition(".")[0] in ("MedSeg", "MedSegLib")]:
            del sys.modules[name]
        put = self._installed.set
        qt, ctk = pythonqt.make_qt(), widgets.make_ctk()
        sys.modules["qt"], sys.modules["ctk"] = qt, ctk
        self._add_dialogs(qt, ctk)
        widgets.register(pythonqt.UiLoader)
        put(slicer, "app", self.app)
        put(slicer, "mrmlScene", self.mrml.scene)
        logics = {n: types.SimpleNamespace(logic=lambda x=x: x) for n, x in self.mrml.module_logics.items()}
        put(slicer, "modules", types.SimpleNamespace(**logics))
        for name, kind in widgets.QMRML.items():
            put(slicer, name, kind)
        self._module("i18n", tr=tr, translate=lambda context, text: self.app.translate(context, text))
        self._module("parameterNodeWrapper", parameterNodeWrapper=parameterNodeWrapper, WithinRange=WithinRange)
        put(slicer.util, "mainWindow", lambda: None)
        put(slicer.util, "restart", self.app.restart)
        put(slicer.util, "pip_install", lambda lines: self.packages.pip_install(lines))
        self.offer_packaging()
        put(slicer.util, "errorDisplay", self._display)
        put(slicer.util, "warningDisplay", self._display)
        put(slicer.util, "infoDisplay", self._display)
        put(slicer.util, "confirmOkCancelDisplay", self._display)
        put(slicer.util, "confirmYesNoDisplay", self._display)
        put(slicer.util, "saveScene", self._save_scene)
        put(slicer.util, "loadScene", self._load_scene)
        put(slicer.util, "delayDisplay", lambda text, autoCloseMsec=1000, **_: self.app.processEvents())
        sys.path.append(str(self.packages.folder))
        if str(EXTENSION) not in sys.path:
            sys.path.insert(0, str(EXTENSION))
        QtCore.qInstallMessageHandler(_listen)

    def offer_packaging(self) -> None:
        """``slicer.packaging`` as Slicer 5.12 has it; 5.10 has none."""
        self._module("packaging", pip_install=self.packages.pip_install)

    def withdraw_packaging(self) -> None:
        sys.modules["slicer.packaging"] = None
        del slicer.packaging

    def _save_scene(self, path: str) -> bool:
        """The scene's XML alone: nodes, references and parameters; voxels would need Slicer's I/O manager."""
        scene = self.mrml.scene
        scene.SetSaveToXMLString(1)
        scene.Commit()
        Path(path).write_text(scene.GetSceneXMLString(), encoding="utf-8")
        scene.SetSaveToXMLString(0)
        return True

    def _load_scene(self, path: str) -> bool:
        scene = self.mrml.scene
        scene.SetLoadFromXMLString(1)
        scene.SetSceneXMLString(Path(path).read_text(encoding="utf-8"))
        scene.Import()
        scene.SetLoadFromXMLString(0)
        return True

    def _display(self, text: str, *_: Any, **__: Any) -> Any:
        """In testing mode Slicer shows no message box; the confirming ones then answer False (slicer.md 6.3)."""
        if self.app.testingEnabled():
            return False
        return self.dialogs.ask(text)

    def _add_dialogs(self, qt: Any, ctk: Any) -> None:
        class FileDialog:
            """The static functions; PythonQt gives the path alone."""

            getOpenFileName = staticmethod(lambda *a: self.dialogs.ask(f"open file: {a[1]}"))
            getSaveFileName = staticmethod(lambda *a: self.dialogs.ask(f"save file: {a[1]}"))
            getExistingDirectory = staticmethod(lambda *a: self.dialogs.ask(f"folder: {a[1]}"))

        qt.QFileDialog = FileDialog

    def _module(self, name: str, **contents: Any) -> None:
        module = types.ModuleType(f"slicer.{name}")
        vars(module).update(contents)
        sys.modules[module.__name__] = module
        self._installed.set(slicer, name, module)

    def remove(self) -> None:
        for translator in self.app.translators:
            QtCore.QCoreApplication.removeTranslator(translator)
        self.mrml.clear()
        sys.path.remove(str(self.packages.folder))
        self._installed.undo()
        QtCore.qInstallMessageHandler(None)
        shutil.rmtree(self.app.slicerHome, ignore_errors=True)


def _listen(kind: Any, context: Any, text: str) -> None:
    """Qt's own complaints are problems of the module; the loader's missing scene signal is the stand-in's."""
    if "mrmlSceneChanged" in text or text.startswith(("QObject::connect:  (", "This plugin")):
        return
    if kind in (QtCore.QtMsgType.QtWarningMsg, QtCore.QtMsgType.QtCriticalMsg):
        pythonqt.PROBLEMS.append(f"Qt: {text}")

"""What can compute on this computer, and what the person chose of it."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

#: The devices are tried when nothing else goes on for so long: trying them loads every framework.
IDLE_MS = 2000


class DevicePanel:
    """The list starts with the automatic choice; a worker is asked for the rest when nothing else goes on.

    ``onChosen(device)`` is called with "auto", "cpu", "cuda:0", ...; ``isBusy()`` says whether something runs.
    """

    def __init__(self, ui, logic, onChosen, isBusy) -> None:
        self.ui, self._logic, self._onChosen, self._isBusy = ui, logic, onChosen, isBusy
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(IDLE_MS)
        self._timer.connect("timeout()", self._idle)
        self.devices: list[dict] = []
        self._request = None
        self._wanted = "auto"
        self._fill()
        ui.deviceSelector.connect("activated(int)", self._onActivated)

    def cleanup(self) -> None:
        self._timer.stop()
        if self._request is not None and not self._request.finished:
            self._logic.forget(self._request)
        self._request = None

    @property
    def device(self) -> str:
        return self._wanted

    def setDevice(self, device: str) -> None:
        """Show what the scene's parameter node says; a device that is not here is shown as absent."""
        self._wanted = device or "auto"
        self._fill()

    def lookSoon(self) -> None:
        """Ask once, when nothing else goes on."""
        if self._request is None:
            self._timer.start()

    def _idle(self) -> None:
        if self._isBusy():
            self._timer.start()
        else:
            self.look()

    def look(self) -> None:
        """Ask the worker once which devices work."""
        if self._request is None:
            self._request = self._logic.startProbe(self._found)

    def lookAgain(self) -> None:
        """After packages were installed."""
        self.cleanup()
        self.look()

    def _found(self, request) -> None:
        if request.error is None:
            self.devices = request.result["devices"]
            self._fill()
        else:
            self._request = None  # ask again another time

    def _fill(self) -> None:
        box = self.ui.deviceSelector
        box.clear()
        box.addItem(self._automaticText(), "auto")
        listed = ["auto"]
        for device in self._usable():
            if device["device"] in listed:
                continue
            listed.append(device["device"])
            box.addItem(self._text(device), device["device"])
        if self._wanted not in listed:
            box.addItem(_("{device} (not found on this computer)").format(device=self._wanted), self._wanted)
            listed.append(self._wanted)
        box.currentIndex = listed.index(self._wanted)
        broken = [f"{d['backend']} {d['device']}: {d['reason']}" for d in self.devices if not d["usable"]]
        box.toolTip = "\n".join(
            [_("Where the network runs. Automatic takes a graphics processor where one works, else the processor.")]
            + ([_("Not usable:"), *broken] if broken else [])
        )

    def _usable(self) -> list[dict]:
        return sorted((d for d in self.devices if d["usable"]), key=lambda d: d["device"] == "cpu")

    def _automaticText(self) -> str:
        best = next(iter(self._usable()), None)
        return _("Automatic") if best is None else _("Automatic: {device}").format(device=self._text(best))

    def _text(self, device: dict) -> str:
        kind = _("processor") if device["device"] == "cpu" else _("graphics processor")
        name = " ".join(device["name"].replace("(R)", "").replace("(TM)", "").split()) or device["device"]
        free = device.get("free_bytes")
        text = f"{kind} {name}"
        return text if not free else _("{device}, {size:.0f} GB free").format(device=text, size=free / 1e9)

    def _onActivated(self, index) -> None:
        self._wanted = self.ui.deviceSelector.itemData(index)
        self._onChosen(self._wanted)

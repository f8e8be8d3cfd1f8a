"""What a model's file does not say, asked for in the window, and saved beside the model where wanted."""

from __future__ import annotations

import copy
from typing import Any

import qt
from medseg.card import ModelCard, card_path_beside, write_card
from medseg.errors import InputError, MedSegError
from medseg.orientation import PLANES
from slicer.i18n import tr as _

from .cardText import planeName
from .messages import errorText


class CardForm:
    """Fields for what ``report["missing"]`` names. ``onCard(data, saved)`` is called with a card's JSON data."""

    def __init__(self, ui, onCard) -> None:
        self.ui, self._onCard = ui, onCard
        self._report: dict = {}
        self.fields: dict[str, Any] = {}
        ui.useCardButton.connect("clicked(bool)", lambda checked=False: self._give(save=False))
        ui.saveCardButton.connect("clicked(bool)", lambda checked=False: self._give(save=True))

    def hide(self) -> None:
        self.ui.cardFormFrame.visible = False

    def show(self, report: dict) -> None:
        """Ask for what is missing; what was inferred is filled in."""
        self._report = report
        self._clear()
        draft, missing = report.get("draft") or {}, set(report.get("missing") or ())
        self.ui.cardFormLabel.text = _("What the file does not say about its network:")
        self.ui.cardFormErrorLabel.text = ""
        self._choice("plane", _("Slices:"), [(name, planeName(name)) for name in (*PLANES, "acquisition")])
        self._choice(
            "normalisation",
            _("Intensities:"),
            [
                ("zscore", _("mean 0, standard deviation 1")),
                ("minmax", _("lowest 0, highest 1")),
                ("percentile", _("1st to 99th percentile to 0…1")),
                ("window", _("a fixed window to 0…1")),
                ("divide", _("divided by 255")),
                ("none", _("as they are")),
            ],
        )
        self._number("low", _("Window from:"), -1000.0)
        self._number("high", _("Window to:"), 1000.0)
        self.fields["normalisation"].connect("currentIndexChanged(int)", self._showWindow)
        channels = report.get("in_channels")
        if "input.channels" in missing and channels != 1:
            self._choice("channels", _("Input channels:"), self._channelChoices(channels))
        if "output.activation" in missing:
            self._choice(
                "activation",
                _("The network gives:"),
                [
                    ("softmax", _("one class for each pixel (softmax)")),
                    ("sigmoid", _("a yes or no for each structure (sigmoid)")),
                    ("none", _("probabilities already")),
                ],
            )
        labels = draft.get("output", {}).get("labels") or [{"value": 1, "name": _("structure")}]
        for number, label in enumerate(labels[:20]):
            line = qt.QLineEdit()
            line.text = label["name"]
            line.toolTip = _("The name of the structure, as it shall appear in the segmentation.")
            self._row(f"label {number}", _("Structure {number}:").format(number=number + 1), line)
        self._showWindow()
        self.ui.cardFormFrame.visible = True

    def data(self) -> dict:
        """The card's JSON data as answered."""
        card = copy.deepcopy(self._report.get("draft") or {})
        card.setdefault("schema_version", 1)
        card.setdefault("name", "model")
        card["plane"] = self._value("plane")
        card["orientation"] = PLANES.get(card["plane"])
        kind = self._value("normalisation")
        normalisation: dict[str, Any] = {"kind": kind}
        if kind == "window":
            normalisation["window"] = [self.fields["low"].value, self.fields["high"].value]
        if kind == "divide":
            normalisation["divisor"] = 255
        inputs = card.setdefault("input", {"size": {"mode": "native"}})
        inputs["normalisation"] = normalisation
        channels = int(self._report.get("in_channels") or 1)
        meaning = self._value("channels")
        if meaning == "neighbours":
            inputs["context"] = channels // 2
        elif meaning == "repeated":
            inputs["channels"] = [{"volume": 0, "offset": 0}] * channels
        elif meaning == "volumes":
            inputs["volumes"] = [_("volume {number}").format(number=n + 1) for n in range(channels)]
        output = card.setdefault("output", {})
        activation = self._value("activation") or output.get("activation", "sigmoid")
        if activation != output.get("activation"):
            output.pop("background_channel", None)
        output["activation"] = activation
        labels = output.get("labels") or [{"value": 1, "name": ""}]
        for number, label in enumerate(labels):
            field = self.fields.get(f"label {number}")
            label["name"] = field.text.strip() if field is not None else label["name"]
            if activation == "sigmoid" and "background_channel" not in output:
                label.pop("channel", None)
        output["labels"] = labels
        return card

    def _give(self, save: bool) -> None:
        try:
            card = ModelCard.from_dict(self.data())
            if save:
                write_card(card, card_path_beside(self._report["path"]))
        except MedSegError as error:
            self.ui.cardFormErrorLabel.text = "⚠ " + errorText(error)
            return
        except OSError as error:
            problem = InputError(f"the card could not be saved ({error.strerror})", mend="use it for this session")
            self.ui.cardFormErrorLabel.text = "⚠ " + errorText(problem)
            return
        self.hide()
        self._onCard(card.to_dict(), save)

    # Fields

    def _channelChoices(self, channels: int | None) -> list[tuple[str, str]]:
        choices = [("repeated", _("the grey slice repeated")), ("volumes", _("one volume for each"))]
        if channels is None or channels % 2:
            choices.insert(0, ("neighbours", _("the slice and its neighbours")))
        return choices

    def _clear(self) -> None:
        layout = self.ui.cardFieldsWidget.layout()
        while layout.rowCount():
            layout.removeRow(0)
        self.fields = {}
        self._labels: dict[str, Any] = {}

    def _row(self, name: str, text: str, widget) -> None:
        label = qt.QLabel(text)
        label.setBuddy(widget)
        self.ui.cardFieldsWidget.layout().addRow(label, widget)
        self.fields[name], self._labels[name] = widget, label

    def _choice(self, name: str, text: str, choices: list[tuple[str, str]]) -> None:
        box = qt.QComboBox()
        for value, shown in choices:
            box.addItem(shown, value)
        self._row(name, text, box)

    def _number(self, name: str, text: str, value: float) -> None:
        box = qt.QDoubleSpinBox()
        box.setRange(-1e6, 1e6)
        box.setValue(value)
        self._row(name, text, box)

    def _value(self, name: str):
        box = self.fields.get(name)
        return None if box is None else box.itemData(box.currentIndex)

    def _showWindow(self) -> None:
        fixed = self._value("normalisation") == "window"
        for name in ("low", "high"):
            self.fields[name].visible = fixed
            self._labels[name].visible = fixed

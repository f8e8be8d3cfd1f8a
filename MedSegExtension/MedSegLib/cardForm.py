"""What a model's file does not say, asked for in the window, and saved beside the model where wanted."""

from __future__ import annotations

from typing import Any

import qt
from medseg.card import ModelCard, card_path_beside, write_card
from medseg.errors import InputError, MedSegError
from medseg.orientation import PLANES
from slicer.i18n import tr as _

from .cardAnswers import DEFAULTS, cardData, isImage, orientationChoices, outputChannels, sizeChoices, structures
from .cardText import planeName
from .messages import errorText

#: A network with more structures than this gets names from its draft.
MOST_NAMES = 20


class CardForm:
    """Fields for what the report does not know. ``onCard(data, saved)`` is called with a card's JSON data when the
    person is done, ``onDraft(data)`` with one after each change, or with None where the answers make no card yet."""

    def __init__(self, ui, onCard, onDraft) -> None:
        self.ui, self._onCard, self._onDraft = ui, onCard, onDraft
        self._report: dict = {}
        self._filling = False
        self.fields: dict[str, Any] = {}
        self._labels: dict[str, Any] = {}
        ui.useCardButton.connect("clicked(bool)", lambda checked=False: self._give(save=False))
        ui.saveCardButton.connect("clicked(bool)", lambda checked=False: self._give(save=True))

    def hide(self) -> None:
        self.ui.cardFormFrame.visible = False
        self._onDraft(None)

    def open(self) -> None:
        """Show the answers of `show` again, to be changed."""
        self.ui.cardFormFrame.visible = True
        self._changed()

    def show(self, report: dict) -> None:
        """Ask for what is missing; what was inferred is filled in."""
        self._report, self._filling = report, True
        self._clear()
        self.ui.cardFormLabel.text = _("What the file does not say about its network:")
        self.ui.cardFormErrorLabel.text = ""
        self._askSlices(report)
        self._askIntensities()
        self._askNetwork(report)
        self._filling = False
        self._fillOrientations()
        self.ui.cardFormFrame.visible = True
        self._changed()

    def data(self) -> dict:
        """The card's JSON data as answered."""
        answers = {name: self._answer(field) for name, field in self.fields.items() if not name.startswith("label ")}
        answers["orientation"] = answers["orientation"] or answers["code"].strip().upper()
        names = [field.text.strip() for name, field in self.fields.items() if name.startswith("label ")]
        if "tensors" in answers:
            answers["tensors"] = [part.strip() for part in answers["tensors"].split(",") if part.strip()]
        constants = [name for name in answers if name.startswith("constant ")]
        answers["constants"] = {name.removeprefix("constant "): answers.pop(name) for name in constants}
        return cardData(self._report, {**answers, "labels": names})

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

    # Questions

    def _askSlices(self, report: dict) -> None:
        self._choice("plane", _("Slices:"), [(name, planeName(name)) for name in (*PLANES, "acquisition")])
        self._choice("orientation", _("Shown to it:"), [])
        self.fields["orientation"].toolTip = _(
            "Rows, columns and slices of the arrays that the network was trained on, as patient directions. ILP: down"
            " the rows to the feet (I), along the columns to the patient's left (L), slices from front to back (P)."
        )
        self._text("code", _("Directions:"), "")
        self.fields["code"].toolTip = _("Three letters of L or R, A or P, S or I: of the rows, columns and slices.")
        self._choice("size", _("Size:"), sizeChoices(report))
        self._whole("height", _("Rows:"), DEFAULTS["height"])
        self._whole("width", _("Columns:"), DEFAULTS["width"])
        self._number("pixel", _("Pixel (mm):"), DEFAULTS["pixel"], 0.01, 100.0)
        self.fields["plane"].connect("currentIndexChanged(int)", self._fillOrientations)

    def _askIntensities(self) -> None:
        self._choice(
            "normalisation",
            _("Intensities:"),
            [
                ("zscore", _("mean 0, standard deviation 1")),
                ("minmax", _("lowest 0, highest 1")),
                ("percentile", _("1st to 99th percentile to 0…1")),
                ("window", _("a fixed window to 0…1")),
                ("divide", _("divided by a number")),
                ("none", _("as they are")),
            ],
        )
        self._choice("scope", _("Measured on:"), [("volume", _("the whole volume")), ("slice", _("each slice"))])
        self._number("low", _("Window from:"), DEFAULTS["low"])
        self._number("high", _("Window to:"), DEFAULTS["high"])
        self._number("divisor", _("Divided by:"), DEFAULTS["divisor"])

    def _askNetwork(self, report: dict) -> None:
        missing = set(report.get("missing") or ())
        channels = report.get("in_channels")
        if "input.channels" in missing and channels != 1:
            self._choice("channels", _("Input channels:"), self._channelChoices(channels))
        if "unclear" in (report.get("details") or {}):
            self._askTensors(report)
        if "output.activation" in missing:
            self._choice(
                "activation",
                _("The network gives:"),
                [
                    ("softmax", _("one class for each pixel (softmax)")),
                    ("sigmoid", _("a yes or no for each structure (sigmoid)")),
                    ("classes", _("probabilities already, the first of the background")),
                    ("structures", _("probabilities already, one for each structure")),
                ],
            )

    def _askTensors(self, report: dict) -> None:
        """Which of several inputs and outputs are used, where the graph leaves it open."""
        inputs, outputs = report.get("inputs") or (), report.get("outputs") or ()
        images = [tensor["name"] for tensor in inputs if isImage(tensor)]
        if len(images) > 1:
            self._text("tensors", _("Inputs, in order:"), ", ".join(images))
        for tensor in inputs:
            if tensor["name"] not in images:
                self._number(f"constant {tensor['name']}", f"{tensor['name']}:", 1.0)
        if len(outputs) > 1:
            self._choice("output", _("The segmentation is:"), [(t["name"], t["name"]) for t in outputs])

    def _channelChoices(self, channels: int | None) -> list[tuple[str, str]]:
        choices = [("repeated", _("the grey slice repeated")), ("volumes", _("one volume for each"))]
        if channels is None or channels % 2:
            choices.insert(0, ("neighbours", _("the slice and its neighbours")))
        return choices

    # Fields

    def _clear(self) -> None:
        layout = self.ui.cardFieldsWidget.layout()
        while layout.rowCount():
            layout.removeRow(0)
        self.fields, self._labels = {}, {}

    def _row(self, name: str, text: str, widget, signal: str) -> None:
        label = qt.QLabel(text)
        label.setBuddy(widget)
        self.ui.cardFieldsWidget.layout().addRow(label, widget)
        self.fields[name], self._labels[name] = widget, label
        widget.connect(signal, lambda value=None: self._changed())

    def _choice(self, name: str, text: str, choices: list[tuple[str, str]]) -> None:
        box = qt.QComboBox()
        # The panel is narrow: a long choice shall not make it wider.
        box.setSizeAdjustPolicy(qt.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(12)
        for value, shown in choices:
            box.addItem(shown, value)
        self._row(name, text, box, "currentIndexChanged(int)")

    def _number(self, name: str, text: str, value: float, low: float = -1e6, high: float = 1e6) -> None:
        box = qt.QDoubleSpinBox()
        box.setRange(low, high)
        box.setValue(value)
        self._row(name, text, box, "valueChanged(double)")

    def _whole(self, name: str, text: str, value: float) -> None:
        box = qt.QSpinBox()
        box.setRange(8, 4096)
        box.setValue(int(value))
        self._row(name, text, box, "valueChanged(int)")

    def _text(self, name: str, text: str, value: str) -> None:
        line = qt.QLineEdit()
        line.text = value
        self._row(name, text, line, "textChanged(QString)")

    def _answer(self, field) -> Any:
        if field.inherits("QComboBox"):
            return field.itemData(field.currentIndex)
        return field.text if field.inherits("QLineEdit") else field.value

    def _value(self, name: str):
        return self._answer(self.fields[name])

    # Changes

    def _fillOrientations(self, index=None) -> None:
        """The ways of showing slices belong to a plane."""
        if self._filling:
            return
        self._filling = True
        box, plane = self.fields["orientation"], self._value("plane")
        box.clear()
        for code, text in orientationChoices(plane) if plane in PLANES else ():
            box.addItem(text, code)
        self.fields["code"].text = PLANES.get(plane, "")
        self._filling = False
        self._changed()

    def _changed(self) -> None:
        """Show the fields that the answers so far ask for, and tell what card they make."""
        if self._filling:
            return
        self._askNames()
        mode, kind, fixed = self._value("size"), self._value("normalisation"), self._report.get("fixed_size")
        oriented = self._value("plane") != "acquisition"
        wanted = {
            "orientation": oriented,
            "code": oriented and self._value("orientation") == "",
            "height": mode in ("resize", "pad_or_crop") and not fixed,
            "pixel": mode == "resample",
            "scope": kind in ("zscore", "minmax", "percentile"),
            "low": kind == "window",
            "divisor": kind == "divide",
        }
        wanted |= {"width": wanted["height"], "high": wanted["low"]}
        for name, visible in wanted.items():
            self.fields[name].visible = visible
            self._labels[name].visible = visible
        self.tell()

    def _askNames(self) -> None:
        """A name for each structure; how many there are depends on what the network gives."""
        output = self._value("output") if "output" in self.fields else None
        single = outputChannels(self._report, output) == 1
        if "activation" in self.fields and single and self._value("activation") in ("softmax", "classes"):
            self._filling = True
            self.fields["activation"].currentIndex = self.fields["activation"].findData("sigmoid")
            self._filling = False
        activation = self._value("activation") if "activation" in self.fields else None
        labels = structures(self._report, activation, output)[:MOST_NAMES]
        names = [name for name in self.fields if name.startswith("label ")]
        for name in names[len(labels) :]:
            self.ui.cardFieldsWidget.layout().removeRow(self.fields.pop(name))
            self._labels.pop(name)
        for number, label in list(enumerate(labels))[len(names) :]:
            self._text(f"label {number}", _("Structure {number}:").format(number=number + 1), label["name"])
            self.fields[f"label {number}"].toolTip = _(
                "The name of the structure, as it shall appear in the segmentation."
            )

    def tell(self) -> None:
        """Tell what card the answers make, while they are being given."""
        if self.ui.cardFormFrame.isHidden():
            return
        try:
            card = ModelCard.from_dict(self.data())
        except MedSegError:
            self._onDraft(None)
        else:
            self._onDraft(card.to_dict())

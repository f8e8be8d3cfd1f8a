"""The model card: what is accepted, what is refused and how, and that nothing is lost on the way through JSON."""

from __future__ import annotations

import copy

import pytest
from medseg.card import ModelCard, read_card, slicer_terminology, write_card
from medseg.card.schema import schema
from medseg.errors import InputError

MINIMAL = {
    "schema_version": 1,
    "name": "ducts",
    "plane": "coronal",
    "orientation": "ILP",
    "input": {"size": {"mode": "resize", "height": 320, "width": 320}, "normalisation": {"kind": "zscore"}},
    "output": {"activation": "sigmoid", "labels": [{"value": 1, "name": "bile ducts"}]},
}


def changed(path: str, value: object) -> dict:
    card = copy.deepcopy(MINIMAL)
    *parents, last = path.split(".")
    place: dict = card
    for name in parents:
        place = place.setdefault(name, {})
    if value is None:
        place.pop(last)
    else:
        place[last] = value
    return card


def test_a_card_survives_json_unchanged() -> None:
    full = copy.deepcopy(MINIMAL)
    full |= {
        "description": "Žluč",
        "licence": "Apache-2.0",
        "modality": "MR",
        "contrast": "T2 heavily weighted",
        "spacing_range_mm": {"in_plane": [1.0, 1.3], "between_slices": [1.0, 1.5]},
        "postprocessing": {
            "hysteresis_low": 0.2,
            "minimum_part_mm3": 12.5,
            "fill_holes": True,
            "keep_largest_parts": 2,
        },
        "architecture": {"name": "unet2d", "arguments": {"widths": [16, 32]}},
        "weights_sha256": "0" * 64,
        "training": {"synthetic": True, "metrics": {"dice": {"mean": 0.9, "interval_95": [0.88, 0.92]}}},
    }
    full["output"]["labels"][0] |= {
        "color": [1, 2, 3],
        "terminology": {
            "category": {"scheme": "SCT", "value": "123037004", "meaning": "Anatomical Structure"},
            "type": {"scheme": "SCT", "value": "28273000", "meaning": "Bile duct"},
        },
    }
    card = ModelCard.from_dict(full)
    assert ModelCard.from_json(card.to_json()) == card
    kept = card.to_dict()
    assert {key: kept[key] for key in ("description", "training", "spacing_range_mm", "weights_sha256")} == {
        key: full[key] for key in ("description", "training", "spacing_range_mm", "weights_sha256")
    }
    assert card.synthetic


def test_context_makes_one_channel_for_each_neighbour() -> None:
    card = ModelCard.from_dict(changed("input.context", 2))
    assert [c.offset for c in card.input.channels] == [-2, -1, 0, 1, 2]
    assert card.in_channels == 5


def test_softmax_has_a_background_channel_and_no_threshold() -> None:
    card = ModelCard.from_dict(changed("output.activation", "softmax"))
    assert card.output.background_channel and card.output.threshold is None
    assert [label.channel for label in card.output.labels] == [1] and card.out_channels == 2


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        ("plane", "axal", ("plane", "'axial'")),
        ("plane", None, ("plane",)),
        ("orientation", "PLS", ("orientation", "axial", "ILP")),
        ("orientation", "LLP", ("orientation", "twice")),
        ("orientation", None, ("orientation", "coronal")),
        ("colour", "red", ("colour", "known here")),
        ("schema_version", 2, ("schema_version", "newer")),
        ("input.context", -1, ("input.context",)),
        ("input.size.height", None, ("input.size", "height and width")),
        ("input.normalisation", {"kind": "window"}, ("input.normalisation.window",)),
        ("input.normalisation", {"kind": "window", "window": [400, -100]}, ("input.normalisation.window", "lower")),
        ("input.normalisation", {"kind": "divide"}, ("divisor",)),
        ("input.channels", [{"volume": 1, "offset": 0}], ("input.channels[0].volume",)),
        ("output.labels", [], ("output.labels",)),
        ("output.labels", [{"value": 1, "name": "a"}, {"value": 1, "name": "b"}], ("value", "twice")),
        ("output.threshold", 1.5, ("output.threshold",)),
        ("postprocessing", {"hysteresis_low": 0.7}, ("hysteresis_low", "threshold")),
    ],
)
def test_a_wrong_field_is_named_with_its_mend(path: str, value: object, names: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        ModelCard.from_dict(changed(path, value), "ducts.onnx")
    line = caught.value.line()
    assert line.startswith("ducts.onnx: ") and "\n" not in line
    assert all(name in line for name in names), line


def test_cards_on_disk(tmp_path) -> None:
    card = ModelCard.from_dict(MINIMAL)
    path = tmp_path / "Žluč ducts.onnx.card.json"
    write_card(card, path)
    assert read_card(path) == card
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="not valid JSON"):
        read_card(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_card(path)


def test_terminology_is_in_slicers_seven_fields() -> None:
    card = ModelCard.from_dict(MINIMAL)
    assert len(slicer_terminology(card.output.labels[0]).split("~")) == 7


def test_the_published_schema_is_itself_valid_draft_7() -> None:
    import fastjsonschema

    fastjsonschema.compile(schema())
    assert schema()["$schema"].startswith("http://json-schema.org/draft-07")

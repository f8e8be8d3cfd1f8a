"""Cards that lie beside a model file, as ``<full file name>.card.json``."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from .model_card import ModelCard

#: A card is text; anything longer is not one.
MAX_CARD_BYTES = 4 * 1024 * 1024


def card_path_beside(model_path: str | Path) -> Path:
    """Where the card of ``model_path`` lies when it is not inside the file."""
    path = Path(model_path)
    return path.with_name(path.name + ".card.json")


def read_card(path: str | Path) -> ModelCard:
    """Read and validate a card file. Raises InputError naming the file, the field and the mend."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise InputError("this is too long for a model card", file=path, mend="check that it is the right file")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("the model card is not UTF-8 text", file=path, mend="save it as UTF-8") from None
    except OSError as error:
        raise InputError(
            f"the model card cannot be read ({error.strerror})", file=path, mend="check the path"
        ) from None
    return ModelCard.from_json(text, path)


def write_card(card: ModelCard, path: str | Path) -> None:
    """Write ``card`` as JSON; the file appears only when complete."""
    from ..io import atomic_path

    with atomic_path(Path(path)) as temporary:
        Path(temporary).write_text(card.to_json(indent=2) + "\n", encoding="utf-8")

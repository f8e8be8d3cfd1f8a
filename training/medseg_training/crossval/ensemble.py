"""The models of all folds as one network, and the card it travels with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from medseg.card import Architecture, ModelCard
from medseg.errors import InputError
from medseg.metrics import Summary
from medseg.models import open_model, weights_sha256
from medseg.networks import build_network
from torch import nn

from ..config import Config
from ..data import dataset_fingerprint
from ..provenance import software
from .choose import Chosen
from .outcome import metrics_for_card
from .place import Place
from .plan import Plan


def build_ensemble(place: Place, count: int) -> tuple[nn.Module, ModelCard]:
    """The ensemble of the folds' exported models, in evaluation mode, and the card of the first of them.

    Raises InputError where a fold's model is missing or of another architecture.
    """
    from safetensors.torch import load_file

    card: ModelCard | None = None
    network: nn.Module | None = None
    for number in range(count):
        file = place.fold(number).model
        if not file.is_file():
            raise InputError(f"fold {number} has no model", file=place.path, mend="run medseg crossval to its end")
        with open_model(file, backend="torch", device="cpu") as model:
            own = model.card
        assert own is not None and own.architecture is not None
        if card is None or network is None:
            card, network = own, build_network(ensemble_architecture(own, count))
        elif own.architecture != card.architecture:  # pragma: no cover - folds share one configuration
            raise InputError(f"fold {number} has another network", file=file, mend="start again with --fresh")
        members: Any = network.members
        members[number].load_state_dict(load_file(file))
    assert network is not None and card is not None
    return network.eval(), card


def ensemble_architecture(member: ModelCard, count: int) -> Architecture:
    """The architecture whose members are like the one of ``member``."""
    assert member.architecture is not None
    arguments = dict(member.architecture.arguments)
    edges = {name: arguments.pop(name) for name in ("in_channels", "out_channels")}
    inside = {"network": member.architecture.name, "arguments": arguments}
    return Architecture("ensemble", {**edges, **inside, "members": count, "activation": member.output.activation})


def ensemble_card(
    member: ModelCard,
    network: nn.Module,
    config: Config,
    plan: Plan,
    place: Place,
    chosen: Chosen,
    summary: Mapping[int, Summary],
) -> ModelCard:
    """The card of the ensemble: probabilities come out of it, and threshold and post-processing are the chosen ones."""
    count = len(plan.folds)
    folds = [json.loads(place.fold(n).done.read_text(encoding="utf-8")) for n in range(count)]
    prints = json.loads((place.fold(0).path / "data.json").read_text(encoding="utf-8"))
    tensors = {name: t.detach().cpu().numpy() for name, t in network.state_dict().items()}
    given = config.draft
    words = f"Mean of the probabilities of {count} networks, one of each fold of a cross-validation by patient."
    card = replace(
        given,
        description=f"{given.description} {words}".strip(),
        output=replace(given.output, activation="none", threshold=chosen.final.threshold),
        postprocessing=chosen.final.postprocessing,
        architecture=ensemble_architecture(member, count),
        weights_sha256=weights_sha256(tensors),
        training={
            "synthetic": config.synthetic,
            "data": config.data_kind,
            "fingerprint": dataset_fingerprint(prints),
            "folds": {
                "sha256": plan.sha256,
                "seed": plan.seed,
                "count": count,
                # Every case of the folds trained some member and judged another.
                "cases": {"training": len(plan.patients), "validation": len(plan.patients)},
                "patients": {"training": sum(map(len, plan.folds)), "validation": sum(map(len, plan.folds))},
                "patients_of_folds": [len(fold) for fold in plan.folds],
                "stratified": plan.strata is not None,
            },
            "metrics": metrics_for_card(summary, chosen, epoch_chosen_by(config)),
            "software": software(),
            "command": "medseg crossval",
            "steps": [fold["steps"] for fold in folds],
            "minutes": round(sum(fold["minutes"] for fold in folds), 1),
            "seed": config.seed,
        },
    )
    return ModelCard.from_dict(card.to_dict())


def epoch_chosen_by(config: Config) -> str:
    """Which patients chose the epoch: never those a fold is judged on."""
    if config.split.validation > 0:
        return f"inner validation: {config.split.validation:.0%} of the training patients of each fold"
    return "nobody: the last epoch of each fold"

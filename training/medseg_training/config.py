"""The configuration of a training run: one YAML file, typed here, and nowhere else."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from medseg.card import ModelCard
from medseg.errors import InputError
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator, model_validator

from .augment import PRESETS, Augmentation
from .crossval.settings import CrossValidation
from .data.settings import DataSettings
from .losses.settings import Loss
from .section import Amount, Section, Share

#: What all variants have in common, or they could not be compared: data, folds, seeds and steps.
COMMON = (*DataSettings.model_fields, "split", "seed", "deterministic", "budget", "run", "variants")
_VARIANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")


class Network(Section):
    """One of the engine's networks; its channels follow from the card."""

    name: str = "unet2d"
    """A preset (``unet2d-16``, ``unet2d_b``, ``unet2d_e``, ``UNet++`` ...: docs/networks.md) or an architecture."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What the preset leaves open or sets otherwise, such as ``{widths: [32, 64, 128], norm: instance}``."""
    deep_supervision: bool = False
    """Learn from coarser outputs too, each half as much as the one before; the exported network has the main one only.
    For ``unet2d``, ``unet2d-b``, DynUNet and UNet++."""

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        from medseg.networks import known_network

        if value.lower() == "ensemble":
            raise ValueError("an ensemble is not trained; medseg crossval makes it of the folds' networks")
        try:
            known_network(value)
        except InputError as error:
            raise ValueError(f"{error.what}; {error.mend}") from None
        return value


class Split(Section):
    """Which patients train, which choose the epoch, and which are not touched before the end."""

    hold_out: list[str] = Field(default_factory=list)
    """Patients evaluated once, after training, with the exported model."""
    hold_out_share: Share = 0.0
    """Share of the other patients that is held out too, drawn from ``seed``."""
    validation: Share = 0.0
    """Share of the patients left that chooses the best epoch; 0 keeps the last epoch."""
    validate_on: list[str] = Field(default_factory=list)
    """Patients that choose the best epoch, by name; with it, ``validation`` and ``folds`` are not used."""
    folds: int | None = Field(default=None, ge=2)
    """Number of folds; with it, fold ``fold`` validates and ``validation`` is not used."""
    fold: int = Field(default=0, ge=0)
    """Which of the folds validates, from 0."""
    stratify: str | None = None
    """What ``medseg crossval`` balances its folds by: ``table`` (the column stratum of ``patients``), ``labels`` (which
    ones a reference holds), or a regular expression on the case name whose first group is the stratum."""
    seed: int = 0
    """Of the order in which patients are dealt out."""

    @model_validator(mode="after")
    def _fold_exists(self) -> Split:
        if self.folds is not None and self.fold >= self.folds:
            raise ValueError(f"fold {self.fold} of {self.folds} does not exist; number folds from 0")
        both = set(self.hold_out) & set(self.validate_on)
        if both:
            raise ValueError(f"patient {sorted(both)[0]} is in hold_out and in validate_on; leave it in one")
        return self


class Optimiser(Section):
    """Learning rate rises linearly over ``warm_up`` of the run, then follows ``schedule``."""

    name: Literal["adam", "adamw"] = "adamw"
    """In adamw the weight decay is apart from the gradient."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """The highest, after the warm-up."""
    weight_decay: Amount = 1e-2
    """Of the convolutions' weights; scales and biases do not decay."""
    warm_up: float = Field(default=0.03, ge=0, lt=1)
    """Share of the run."""
    schedule: Literal["cosine", "poly", "plateau", "constant"] = "cosine"
    """``cosine``: half a cosine down to ``final_share``. ``poly``: (1 − share done) to the power of ``power``.
    ``plateau``: times ``plateau_factor`` after ``plateau_patience`` validations without a better figure (epochs without
    a smaller loss where nothing is validated)."""
    final_share: Share = 0.01
    """Of the learning rate, at the end of ``cosine``, and the least that ``plateau`` goes down to."""
    power: float = Field(default=0.9, gt=0)
    """Of ``poly``."""
    plateau_patience: int = Field(default=5, ge=1)
    """Validations (or epochs) that ``plateau`` waits."""
    plateau_factor: float = Field(default=0.5, gt=0, lt=1)
    """What ``plateau`` multiplies with."""
    clip_gradient: float | None = Field(default=5.0, gt=0)
    """Largest norm of the whole gradient."""
    ema_decay: float = Field(default=0.998, ge=0, lt=1)
    """Of the exponential moving average of the weights, which is what is validated and exported; 0 turns it off."""


class Sampling(Section):
    """What a batch holds."""

    batch_size: int = Field(default=8, ge=1)
    """Of all processes together, where several train one network."""
    crop: tuple[int, int] | None = None
    """(rows, columns) of the network's input; whole slices where left out."""
    foreground_share: Share = 0.67
    """Share of the samples whose crop holds a voxel of a label drawn by ``label_odds``."""
    bright_share: Share = 0.0
    """Share of the samples whose crop holds an unlabelled voxel as bright as the labels of its case: what looks like a
    label and is none, far more often than chance would show it. Raise it where a trained model finds too much."""
    label_odds: list[Amount] | None = None
    """How often each label is the one drawn, in the card's order; equal where left out."""


class Budget(Section):
    """When to stop: whichever comes first. The schedule ends there too."""

    max_minutes: float | None = Field(default=None, gt=0)
    """Wall time of training, validation and checkpoints included, loading the data not."""
    epochs: int | None = Field(default=None, ge=1)
    """An epoch is so many steps; a checkpoint is written after each."""
    steps_per_epoch: int = Field(default=100, ge=1)
    """Batches in an epoch, drawn at random: not one pass over the slices."""

    @model_validator(mode="after")
    def _some_end(self) -> Budget:
        if self.max_minutes is None and self.epochs is None:
            raise ValueError("give max_minutes, epochs or both")
        return self


class Validation(Section):
    """How often the validation patients are segmented as ``medseg segment`` would, and when that ends the run."""

    every_epochs: int = Field(default=5, ge=1)
    """Epochs from one validation to the next."""
    patience: int | None = Field(default=None, ge=1)
    """Validations without a better figure before the run stops early."""
    loss_batches: int = Field(default=8, ge=0)
    """Batches of crops of the validation patients, drawn once as in training and not augmented, on which the loss is
    measured too; 0 leaves it out."""
    figure: Literal["dice", "cldice", "dice+cldice"] = "dice"
    """What chooses the best epoch: mean over patients and labels of the 3D figure at native spacing."""


def _preset(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in PRESETS:
        close = difflib.get_close_matches(value, PRESETS, n=1)
        known = f"did you mean {close[0]}?" if close else f"known: {', '.join(PRESETS)}"
        raise ValueError(f"there is no preset of that name; {known}")
    return PRESETS[value]


class Config(DataSettings):
    """Everything a run needs. ``card`` is a model card without architecture, weights_sha256 and training."""

    card: dict[str, Any]
    """A model card without architecture, weights_sha256 and training: docs/model-card.md."""
    network: Network = Network()
    split: Split = Split()
    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    sampling: Sampling = Sampling()
    augmentation: Annotated[Augmentation, BeforeValidator(_preset)] = Augmentation.model_validate(PRESETS["mixed"])
    """Transforms and the policy that picks among them, or the name of a preset (`medseg_training.augment.PRESETS`)."""
    budget: Budget = Budget(epochs=100)
    validation: Validation = Validation()
    crossval: CrossValidation = CrossValidation()
    variants: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Names, and what each variant has instead: ``rotation: {augmentation: rotation, loss.alpha: 0.3}``. ``medseg
    crossval`` trains them all on the same folds, seeds and steps and compares them: docs/crossval.md."""
    seed: int = 0
    """Of the first weights, of what is drawn, and of the augmentation."""
    threads: int | None = Field(default=None, ge=1)
    """On the CPU; as torch chooses where left out. One is much faster than two on a machine with other work."""
    device: str = "auto"
    """``auto`` (CUDA, else Apple's GPU, else the CPU), ``cpu``, ``cuda``, ``cuda:1`` or ``mps``."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """``auto``: bf16 where the hardware multiplies it natively (avx512_bf16, AMX, CUDA from 8.0 on), else fp32."""
    deterministic: bool = False
    """Two runs of the same configuration, data, machine and software end with the same bits, killed and resumed or not.
    Takes fp32 (unless ``precision`` says bf16), no TF32, and only kernels that repeat themselves; slower on a GPU."""
    compile: Literal["auto"] | bool = "auto"
    """``torch.compile``: ``auto`` on CUDA only; where it fails, the run says so and goes on without."""
    storage: Literal["auto", "device", "memory", "disk"] = "auto"
    """Where the training slices lie: on the device; in memory, streamed to it; in a memory-mapped file, streamed. All
    give the same batches. ``auto``: the first of them with room."""
    cache: Path | None = None
    """Folder for the file of ``storage: disk``, which is found again by checksum; the run's own where left out."""
    mlflow: str | None = None
    """Where MLflow is to write: a folder or the address of a tracking server (``pip install 'medseg[mlflow]'``)."""
    run: Path | None = None
    """Directory of the run; ``runs/<name of the configuration>`` where left out."""

    @field_validator("card")
    @classmethod
    def _card_is_a_draft(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in ("architecture", "weights_sha256", "training"):
            if name in value:
                raise ValueError(f"{name} is written by the training itself; remove it from the card")
        ModelCard.from_dict({"schema_version": 1, **value})
        return value

    @model_validator(mode="after")
    def _fits_the_card(self) -> Config:
        count = len(self.draft.output.labels)
        lists = {"loss.label_weights": self.loss.label_weights, "sampling.label_odds": self.sampling.label_odds}
        for name, given in lists.items():
            if given is not None and len(given) != count:
                raise ValueError(f"{name} has {len(given)} entries for {count} labels of the card")
        softmax = self.draft.output.activation == "softmax"
        if self.loss.kind != "auto" and (self.loss.kind == "dice_ce") != softmax:
            raise ValueError(
                f"loss.kind {self.loss.kind} does not fit the card's activation "
                f"{self.draft.output.activation}; use auto"
            )
        first = 1 if softmax else 0
        if [label.channel for label in self.draft.output.labels] != list(range(first, first + count)):
            raise ValueError("card.output.labels: leave out channel; training numbers the output channels in order")
        if self.deterministic and self.budget.max_minutes is not None:
            raise ValueError("deterministic: a run that ends by the clock cannot be repeated; give budget.epochs alone")
        if self.draft.output.activation == "none":
            raise ValueError("card.output.activation is none; use sigmoid or softmax")
        return self

    @model_validator(mode="after")
    def _variants_can_be_compared(self) -> Config:
        if not self.variants:
            return self
        if self.budget.max_minutes is not None:
            raise ValueError("variants: a budget in minutes gives unequal steps; give budget.epochs alone")
        for name, changes in self.variants.items():
            if not _VARIANT.match(name):
                raise ValueError(f"variants: {name!r} becomes a folder; use letters, digits, - and _")
            common = sorted({key.partition(".")[0] for key in changes} & set(COMMON))
            if common:
                raise ValueError(f"variants.{name} changes {common[0]}, which all must have in common to be compared")
        try:
            each = self.each_variant().values()
        except InputError as error:
            raise ValueError(f"{error.what}; {error.mend}") from None
        if any(one.draft.output.labels != self.draft.output.labels for one in each):
            raise ValueError("variants: all must learn the labels of card.output.labels")
        return self

    def each_variant(self) -> dict[str, Config]:
        """The whole configuration of each variant, in the order in which they are named. Raises InputError."""
        base = self.model_dump_json(exclude={"variants"})
        found = {}
        for name, changes in self.variants.items():
            data = json.loads(base)
            for key, value in changes.items():
                *parents, last = key.split(".")
                inside = data
                for parent in parents:
                    inside = inside.get(parent) if isinstance(inside, dict) else None
                if not isinstance(inside, dict):
                    raise InputError(
                        f"variants.{name}: there is no {key}", mend="see docs/configuration.md for the keys"
                    )
                inside[last] = value
            try:
                found[name] = parse_config(data)
            except InputError as error:
                raise InputError(f"variants.{name}: {error.what}", mend=error.mend) from None
        return found

    @property
    def draft(self) -> ModelCard:
        """The card as far as the configuration gives it."""
        return ModelCard.from_dict({"schema_version": 1, **self.card})

    def to_yaml(self) -> str:
        """The resolved configuration, every default written out."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML configuration and apply ``key=value`` overrides (``optimiser.learning_rate=1e-3``).

    Raises InputError naming the key and the mend, with the nearest known key where one is unknown.
    """
    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"the configuration cannot be read ({error.strerror})", file=path, mend="check the path"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"not valid YAML ({error})", file=path, mend="correct the line it names") from None
    if not isinstance(data, dict):
        raise InputError("the configuration holds no keys", file=path, mend="see training/recipes for examples")
    for text in overrides:
        _override(data, text)
    return parse_config(data, path)


def parse_config(data: Mapping[str, Any], source: str | Path | None = None) -> Config:
    """Validate ``data``. Raises InputError as `load_config` does."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise InputError(f"unknown key {place}", file=source, mend=_suggest(first["loc"])) from None
        message = first["msg"].removeprefix("Value error, ")
        given = f" (given: {first['input']!r})" if place and not isinstance(first["input"], (dict, BaseModel)) else ""
        raise InputError(
            f"{place + ': ' if place else ''}{message}{given}",
            file=source,
            mend="correct it in the configuration or with --set",
        ) from None


def _override(data: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(f"--set {text!r} is not key=value", mend="write such as --set optimiser.learning_rate=1e-3")
    *parents, last = key.strip().split(".")
    for name in parents:
        data = data.setdefault(name, {})
        if not isinstance(data, dict):
            raise InputError(f"--set {key}: {name} has no keys of its own", mend="check the name")
    try:
        data[last] = _scalar(yaml.safe_load(value))
    except yaml.YAMLError:
        data[last] = value


def _scalar(value: Any) -> Any:
    """YAML 1.1 reads ``1e-3`` as text; people mean the number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _suggest(location: tuple[int | str, ...]) -> str:
    section: Any = Config
    for part in location[:-1]:
        annotation = section.model_fields[str(part)].annotation
        section = next((a for a in get_args(annotation) if a is not type(None)), annotation)
    known = list(section.model_fields)
    close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"

"""The loop: draw, augment, step, average, validate, write down. Its state can be saved and taken up at any step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from medseg.card import ModelCard
from medseg.errors import Cancelled, DeviceOutOfMemory, InputError, MedSegError
from torch import Tensor, nn

from .augment import Augmenter
from .checkpoint import FORMAT, copy_checkpoint, save_checkpoint
from .clock import Clock
from .compiling import compiled
from .config import Config
from .data import LoadedCase
from .device import choose_device, choose_precision
from .display import Display
from .distributed import World
from .journal import Journal
from .layout import dense_gradients
from .losses import build_loss
from .meter import LossMeter
from .networks import architecture_of, each_output, training_network
from .optimisation import Average, build_optimiser, clip_gradient
from .randomness import Randomness, mix
from .rundir import RunDirectory
from .sampling import Sampler
from .schedule import Plateau, position, rate
from .store import SliceStore, open_batches
from .store.batches import Batch
from .validation import Preparers, evaluate_cases, mean_over_patients, score
from .validation_loss import ValidationCrops

__all__ = ["Trainer", "architecture_of"]

#: Steps between two looks at the other processes, where several train together.
_MEET = 10
#: Validation cases of which TensorBoard gets a picture.
_PICTURES = 3


class Trainer:
    """One training of one network.

    Parameters
    ----------
    config, card : what to do; ``card`` is the draft.
    store : training slices, on the host.
    validation : cases that choose the epoch; may be none.
    run : where checkpoints and metrics go.
    stop : asked after every step; true ends the run with a checkpoint and Cancelled.
    device, world : where, and with whom.
    resident : whether the slices go to the device as a whole; else they are streamed.
    journal : takes figures for TensorBoard and MLflow.
    """

    def __init__(
        self,
        config: Config,
        card: ModelCard,
        store: SliceStore,
        validation: Iterable[LoadedCase],
        run: RunDirectory,
        display: Display,
        stop: Callable[[], bool] = lambda: False,
        *,
        device: torch.device | None = None,
        world: World | None = None,
        resident: bool = True,
        journal: Journal | None = None,
    ) -> None:
        self.config, self.card, self.store, self.validation = config, card, store, validation
        self.run, self.display, self.stop = run, display, stop
        self.device = device or choose_device(config.device)
        self.world = world or World()
        self.journal = journal or Journal()
        self.precision = choose_precision(config.precision, self.device, deterministic=config.deterministic)
        torch.manual_seed(mix(config.seed, 0))
        # Apple's GPU has no kernels for channels-last that would be worth it.
        self.layout = torch.contiguous_format if self.device.type == "mps" else torch.channels_last
        network = training_network(config)
        # torch's stubs do not know `Module.to(memory_format=)`.
        self.network: nn.Module = network.to(self.device, memory_format=self.layout)  # type: ignore[call-overload]
        self.average = Average(self.network, config.optimiser.ema_decay) if config.optimiser.ema_decay else None
        self.loss = build_loss(config.loss, card).to(self.device)
        self.optimiser = build_optimiser(self.network, config.optimiser)
        self.sampler = Sampler(store, config.sampling, self.world.share(config.sampling.batch_size))
        self.augmenter = Augmenter(config.augmentation, self.sampler.crop)
        self.batches = open_batches(store, card.input.channels, self.device, resident=resident)
        self.randomness = Randomness(config.seed, self.device, self.world.rank)
        self.preparers = Preparers()
        count, crop = config.validation.loss_batches, self.sampler.crop
        self.crops = ValidationCrops(validation, card, config.loss, config.sampling, crop, count, config.seed)
        self.plateau = Plateau(config.optimiser.plateau_patience)
        self.meter = LossMeter(config.budget.steps_per_epoch, self.device)
        self.step = 0
        self.elapsed_s = 0.0
        self.cpu_s = 0.0
        self.speed = 0.0
        self.ended = 0
        self.best = -math.inf
        self.best_step = 0
        self.without_gain = 0
        self.line: dict[str, Any] = {}
        fast = self._compiled()
        if fast is self.network and self.device.type == "cpu":
            dense_gradients(self.network)
        self.forward = self.world.wrap(fast, self.device)

    @property
    def deployed(self) -> nn.Module:
        """The network that is validated and exported: the average where there is one."""
        return self.network if self.average is None else self.average.module

    @property
    def share(self) -> float:
        """How much of the run is done, 0..1; 1 where early stopping ended it."""
        patience = self.config.validation.patience
        if patience is not None and self.without_gain >= patience:
            return 1.0
        return position(self.step, self.elapsed_s, self.config.budget)

    @property
    def _unfinished(self) -> bool:
        """Whether an epoch's steps are done and what follows them (validation, checkpoint) is not."""
        full = self.step % self.config.budget.steps_per_epoch == 0 or self.share >= 1
        return self.step > 0 and full and self.ended != self.step

    @property
    def epoch(self) -> int:
        """The epoch in progress, or at its end the one that has just ended; from 1."""
        return math.ceil(self.step / self.config.budget.steps_per_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs: weights, average, optimiser, position, losses and random states."""
        return {
            "format": FORMAT,
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "plateau": self.plateau.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "cpu_s": self.cpu_s,
            "speed": self.speed,
            "ended": self.ended,
            "best": self.best,
            "best_step": self.best_step,
            "without_gain": self.without_gain,
            "losses": self.meter.state_dict(),
            "line": self.line,
            "randomness": self.randomness.state_dict(),
        }

    def load_weights(self, state: dict[str, Any]) -> None:
        """Only the weights, learned and averaged."""
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a run where `state_dict` left it. Raises InputError for a run of another version."""
        if state.get("format") != FORMAT:
            raise InputError(
                "this run was begun by another version of the trainer",
                file=self.run.path,
                mend="finish it with that version, or start again with --fresh",
            )
        self.load_weights(state)
        self.optimiser.load_state_dict(state["optimiser"])
        self.plateau.load_state_dict(state["plateau"])
        self.step, self.elapsed_s, self.cpu_s = state["step"], state["elapsed_s"], state["cpu_s"]
        self.best, self.best_step, self.without_gain = state["best"], state["best_step"], state["without_gain"]
        self.speed, self.ended = state["speed"], state["ended"]
        self.meter.load_state_dict(state["losses"])
        self.line = state["line"]
        self.randomness.load_state_dict(state["randomness"])

    def train(self) -> None:
        """Run to the end of the budget or of the patience.

        Raises MedSegError where the loss is no number (the last good state stays), Cancelled when asked to stop.
        """
        self.network.train()
        clock = Clock(self.elapsed_s, self.cpu_s)
        try:
            if self._unfinished:
                self._end_epoch(clock)
            while self.share < 1:
                self._epoch(clock)
                self._end_epoch(clock)
        except torch.OutOfMemoryError:
            raise DeviceOutOfMemory(
                f"{self.device} has not enough memory for this training",
                mend="lower sampling.batch_size or sampling.crop, or set storage: memory; the last good state is kept",
            ) from None

    def _epoch(self, clock: Clock) -> None:
        length = self.config.budget.steps_per_epoch
        number, begun = divmod(self.step, length)
        if begun == 0:
            self.randomness.begin_epoch(number)
            self.meter.begin()
        plan = self.sampler.plan(length, self.randomness.plan(number))
        clock.begin_epoch()
        with self.batches.epoch(plan, begun) as batches:
            for batch in batches:
                self._step(batch)
                asked = self._meet(clock)
                self.speed = (self.step - number * length - begun) * self.config.sampling.batch_size / clock.epoch_s
                self.display.step(self)
                if asked and self.share < 1:
                    self._save_good()
                    raise Cancelled("stopped by the person")
                if self.share >= 1:
                    break

    def _meet(self, clock: Clock) -> bool:
        """Read the clock, and ask whether to stop; several processes do so together, now and then."""
        if self.world.size == 1:
            self.elapsed_s, self.cpu_s = clock.read()
            return self.stop()
        length = self.config.budget.steps_per_epoch
        if self.step % _MEET and self.step % length:
            return False
        elapsed, self.cpu_s = clock.read()
        asked, self.elapsed_s = self.world.largest(float(self.stop()), elapsed)
        # In the middle of an epoch each process has random states of its own: they stop where those begin anew.
        return bool(asked) and self.step % length == 0

    def _step(self, batch: Batch) -> None:
        """One step."""
        self.learn(*self.augment(batch))

    def learn(self, images: Tensor, planes: Tensor) -> None:
        """From what `augment` gives to new weights, on the device. Nothing is asked back from it."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.share, self.config.optimiser, self.plateau.reductions)
        loss = self.loss_of(self.forward, images, planes)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        clip_gradient(self.network, self.config.optimiser.clip_gradient)
        self.optimiser.step()
        if self.average is not None:
            self.average.update(self.network)
        self.meter.add(loss.detach())
        self.step += 1

    def augment(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) float32 in the network's memory layout, and (B, 1 + P, h, w) float32, labels first."""
        host, device = self.randomness.host, self.randomness.device
        images, planes = self.augmenter(batch.images, batch.planes, batch.centres, host, device)
        return images.contiguous(memory_format=self.layout), planes

    def loss_of(self, network: nn.Module, images: Tensor, planes: Tensor) -> Tensor:
        """The scalar that is made small."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            outputs = each_output(network(images))
        target, others = planes[:, 0].long(), planes[:, 1:]
        parts = [weight * self.loss(logits, target, others) for weight, logits in outputs]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum()

    def _compiled(self) -> nn.Module:
        wanted = self.config.compile
        if wanted is False or (wanted == "auto" and self.device.type != "cuda"):
            return self.network
        height, width = self.sampler.crop
        batch = self.sampler.batch_size
        images = torch.zeros(batch, self.card.in_channels, height, width, device=self.device)
        images = images.contiguous(memory_format=self.layout)
        planes = torch.zeros(batch, 1 + self.loss.planes, height, width, device=self.device)
        self.network.train()
        fast, why = compiled(self.network, lambda n: self.loss_of(n, images, planes), self.randomness)
        if why is not None:
            self.display.line(f"torch.compile does not work here, going on without it ({why})")
        return fast

    def _check_losses(self) -> Tensor:
        """The epoch's losses, on the host. Raises MedSegError where one is no number."""
        losses = self.world.mean(self.meter.read())
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            first = int(bad[0])
            raise MedSegError(
                f"the loss is {float(losses[first])} at step {self.step - len(losses) + first}",
                file=self.run.path,
                mend="lower optimiser.learning_rate or set precision: fp32; the last good state is kept",
            )
        return losses

    def _save_good(self) -> None:
        """Save, unless the weights are no good any more."""
        self._check_losses()
        if self.world.first:
            save_checkpoint(self.state_dict(), self.run.last)

    def _end_epoch(self, clock: Clock) -> None:
        losses = self._check_losses()
        settings = self.config.validation
        self.line = {
            "epoch": self.epoch,
            "step": self.step,
            "loss": float(losses.double().mean()),
            "slices_per_s": self.speed,
            "learning_rate": self.optimiser.param_groups[0]["lr"],
        }
        better = False
        if self.validation and (self.epoch % settings.every_epochs == 0 or self.share >= 1):
            better = self._validate()
        elif not self.validation:
            self.plateau.look(-self.line["loss"])
        self.elapsed_s, self.cpu_s = clock.read()
        self.elapsed_s, self.cpu_s = self.world.tell((self.elapsed_s, self.cpu_s))
        self.line |= {"elapsed_s": self.elapsed_s, "cpu_s": self.cpu_s}
        self.ended = self.step
        if self.world.first:
            save_checkpoint(self.state_dict(), self.run.last)
            if better:
                copy_checkpoint(self.run.last, self.run.best)
            self.run.add_metrics(self.line)
            self.journal.epoch(self.line)
        self.display.epoch(self)

    def _validate(self) -> bool:
        """Segment the validation cases; whether they were never better."""
        self.display.busy("validating")
        told: dict[str, Any] | None = None
        if self.world.first:
            try:
                figures = evaluate_cases(
                    self.deployed,
                    self.card,
                    self.validation,
                    self.stop if self.world.size == 1 else None,
                    device=self.device,
                    preparers=self.preparers,
                    quick=True,
                    pictures=_PICTURES,
                )
            except Cancelled:
                save_checkpoint(self.state_dict(), self.run.last)
                raise
            means = {name: mean_over_patients(figures, name) for name in ("dice", "cldice")}
            shown = {f"validation/{f.case}": f.picture for f in figures if f.picture is not None}
            self.journal.pictures(shown, self.step)
            told = {
                "means": {name: {str(v): m for v, m in each.items()} for name, each in means.items()},
                "score": score(figures, self.config.validation.figure),
                "loss": self._validation_loss(),
            }
        told = self.world.tell(told)
        self.line["validation"] = told["means"]
        if told["loss"] is not None:
            self.line["validation_loss"] = told["loss"]
        now = told["score"]
        self.plateau.look(now)
        if now > self.best:
            self.best, self.best_step, self.without_gain = now, self.step, 0
            return True
        self.without_gain += 1
        return False

    def _validation_loss(self) -> float | None:
        """The loss of the network that is judged, on the validation patients; None where it is not asked for."""
        if self.config.validation.loss_batches == 0:
            return None
        network = self.deployed
        was_training = network.training
        network.eval()
        try:
            return self.crops.mean(
                lambda images, planes: self.loss_of(network, images.contiguous(memory_format=self.layout), planes),
                self.device,
            )
        finally:
            network.train(was_training)

"""The loop: draw, augment, step, average, validate, write down. Its state can be saved and taken up at any step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from medseg.card import Architecture, ModelCard
from medseg.errors import Cancelled, MedSegError
from medseg.networks import build_network
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from .augment import Augmenter
from .cases import LoadedCase
from .checkpoint import save_checkpoint
from .config import Config, Optimiser
from .display import Display
from .losses import build_loss
from .precision import choose_precision
from .rundir import RunDirectory
from .sampling import Sampler
from .schedule import position, rate
from .store import SliceStore
from .validation import evaluate_cases, mean_over_patients, score


def architecture_of(config: Config) -> Architecture:
    """The network of a configuration, its channels filled in from the card."""
    card = config.draft
    return Architecture(
        config.network.name,
        {"in_channels": card.in_channels, "out_channels": card.out_channels, **config.network.arguments},
    )


class Trainer:
    """One training of one network.

    Parameters
    ----------
    config, card : what to do; ``card`` is the draft.
    store : training slices.
    validation : cases that choose the epoch; may be none.
    run : where checkpoints and metrics go.
    stop : asked after every step; true ends the run with a checkpoint and Cancelled.
    """

    def __init__(
        self,
        config: Config,
        card: ModelCard,
        store: SliceStore,
        validation: Sequence[LoadedCase],
        run: RunDirectory,
        display: Display,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.config, self.card, self.store, self.validation = config, card, store, validation
        self.run, self.display, self.stop = run, display, stop
        torch.manual_seed(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)
        network: nn.Module = build_network(architecture_of(config))
        # torch's stubs do not know `Module.to(memory_format=)`.
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = _average(self.network, config.optimiser.ema_decay)
        self.loss = build_loss(config.loss, card)
        self.optimiser = _optimiser(self.network, config.optimiser)
        self.sampler = Sampler(store, config.sampling)
        self.augmenter = Augmenter(config.augmentation, self.sampler.crop)
        self.offsets = [channel.offset for channel in card.input.channels]
        self.precision = choose_precision(config.precision)
        self.step = 0
        self.elapsed_s = 0.0
        self.cpu_s = 0.0
        self.best = -math.inf
        self.best_step = 0
        self.without_gain = 0

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

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs: weights, average, optimiser, position and random states."""
        return {
            "network": self.network.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "cpu_s": self.cpu_s,
            "best": self.best,
            "best_step": self.best_step,
            "without_gain": self.without_gain,
            "generator": self.generator.get_state(),
            "torch_rng": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a run where `state_dict` left it."""
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.elapsed_s, self.cpu_s = state["step"], state["elapsed_s"], state.get("cpu_s", 0.0)
        self.best, self.best_step, self.without_gain = state["best"], state["best_step"], state["without_gain"]
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["torch_rng"])

    def batch(self) -> tuple[Tensor, Tensor]:
        """The next augmented batch: (B, C, h, w) float32 channels-last and (B, h, w) int64."""
        draw = self.sampler.draw(self.generator)
        images, labels = self.store.gather(draw.indices, self.offsets)
        images, planes = self.augmenter(images, labels[:, None], draw.centres, self.generator)
        return images.contiguous(memory_format=torch.channels_last), planes[:, 0].long()

    def train(self) -> None:
        """Run to the end of the budget or of the patience.

        Raises MedSegError where the loss is no number (the last good state stays), Cancelled when asked to stop.
        """
        self.network.train()
        clock = _Clock(self.elapsed_s, self.cpu_s)
        while self.share < 1:
            steps, losses, busy = 0, 0.0, 0.0
            while True:
                start = time.monotonic()
                losses += self._step()
                steps += 1
                busy += time.monotonic() - start
                self.elapsed_s, self.cpu_s = clock.read()
                speed = steps * self.config.sampling.batch_size / busy
                epoch = math.ceil(self.step / self.config.budget.steps_per_epoch)
                self.display.update(self.share, f"epoch {epoch}  loss {losses / steps:.3f}  {speed:.1f} slices/s")
                if self.stop():
                    save_checkpoint(self.state_dict(), self.run.last)
                    raise Cancelled("stopped by the person")
                if self.step % self.config.budget.steps_per_epoch == 0 or self.share >= 1:
                    break
            self._end_epoch(epoch, losses / steps, speed, clock)

    def _step(self) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.share, self.config.optimiser)
        images, target = self.batch()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            logits = self.network(images)
        loss = self.loss(logits, target)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise MedSegError(
                f"the loss is {value} at step {self.step}",
                file=self.run.path,
                mend="lower optimiser.learning_rate or set precision: fp32; the last good state is kept",
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if self.config.optimiser.clip_gradient is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.optimiser.clip_gradient)
        self.optimiser.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.step += 1
        return value

    def _end_epoch(self, epoch: int, loss: float, speed: float, clock: _Clock) -> None:
        line: dict[str, Any] = {
            "epoch": epoch,
            "step": self.step,
            "loss": loss,
            "slices_per_s": speed,
            "learning_rate": self.optimiser.param_groups[0]["lr"],
        }
        text = f"epoch {epoch}  {self.elapsed_s / 60:.1f} min  loss {loss:.4f}  {speed:.1f} slices/s"
        if self.validation and (epoch % self.config.validation.every_epochs == 0 or self.share >= 1):
            text += self._validate(line)
        self.elapsed_s, self.cpu_s = clock.read()
        line |= {"elapsed_s": self.elapsed_s, "cpu_s": self.cpu_s}
        save_checkpoint(self.state_dict(), self.run.last)
        self.run.add_metrics(line)
        self.display.line(text)

    def _validate(self, line: dict[str, Any]) -> str:
        try:
            figures = evaluate_cases(self.deployed, self.card, self.validation, self.stop)
        except Cancelled:
            save_checkpoint(self.state_dict(), self.run.last)
            raise
        means = {name: mean_over_patients(figures, name) for name in ("dice", "cldice")}
        line["validation"] = {name: {str(v): m for v, m in each.items()} for name, each in means.items()}
        now = score(figures, self.config.validation.figure)
        if now > self.best:
            self.best, self.best_step, self.without_gain = now, self.step, 0
            save_checkpoint(self.state_dict(), self.run.best)
        else:
            self.without_gain += 1
        return "".join(f"  {name} " + " ".join(f"{m:.4f}" for m in each.values()) for name, each in means.items())


class _Clock:
    """Wall and processor time of a run, former sittings counted. On a busy machine they lie far apart."""

    def __init__(self, elapsed_s: float, cpu_s: float) -> None:
        self._wall, self._cpu = elapsed_s - time.monotonic(), cpu_s - time.process_time()

    def read(self) -> tuple[float, float]:
        return self._wall + time.monotonic(), self._cpu + time.process_time()


def _optimiser(network: nn.Module, settings: Optimiser) -> torch.optim.Optimizer:
    """Weight decay on the convolutions only: on scales and biases it fights the normalisation."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return kind(groups, lr=settings.learning_rate, fused=True)


def _average(network: nn.Module, decay: float) -> AveragedModel | None:
    """Exponential moving average of weights and running statistics; young averages forget faster."""
    if decay == 0:
        return None

    @torch.no_grad()
    def update(averaged: Any, current: Any, count: Any) -> None:
        keep = min(decay, (1 + int(count)) / (10 + int(count)))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, 1 - keep)
        else:  # counters of batches
            for mine, its in zip(averaged, current, strict=True):
                mine.copy_(its)

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)

"""Train one phase after another, in worker processes that average their gradients.

Each step's windows depend only on seed, phase, step and worker: an interrupted run continues
exactly where it was, and how busy the machine is changes nothing but the time it takes.
"""

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing as multiprocessing
from torch.nn import functional

from training.corpus import Corpus, Mixture
from training.network import Network, Shape
from training.tokens import FIRST_TIMESTAMP, TOKEN_COUNT, UNKNOWN
from training.windows import POSITIONS_PER_SECOND, WindowKind, make_window, stack


@dataclass(frozen=True)
class Phase:
    """One row of the recipe."""

    name: str
    steps: int
    window_seconds: int
    windows_per_worker: int
    learning_rate: float
    warm_up: int  # steps in which the learning rate rises from 0
    hold: float  # share of the steps before it begins to fall
    last_rate: float  # where it ends, as a share of learning_rate
    frame_weight: float  # of the loss of the word of each 20 ms, on the encoder
    guide_weight: float  # of the loss of where the guided heads look
    earlier_text: float  # share of windows with text of earlier windows before them
    no_timestamps: float  # share of windows to be written without timestamps
    corpora: dict[str, float]  # share of each corpus

    @property
    def window_kind(self) -> WindowKind:
        positions = self.window_seconds * POSITIONS_PER_SECOND
        return WindowKind(positions, self.earlier_text, self.no_timestamps)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        progress = (step + 1) / self.steps
        fall = 1 - max(0.0, progress - self.hold) / max(1e-9, 1 - self.hold)
        return self.learning_rate * min(1, (step + 1) / self.warm_up) * max(self.last_rate, fall)


@dataclass(frozen=True)
class Recipe:
    """All that determines the trained model."""

    seed: int
    workers: int
    network: Shape
    corpora: dict[str, dict]
    phases: list[Phase]
    average_decay: float  # of the moving average of the weights, which is what gets exported
    checkpoint_every: int  # steps
    log_every: int  # steps

    @staticmethod
    def from_dict(values: dict) -> "Recipe":
        """Read the recipe file's content; each phase inherits from `phase_defaults`."""
        defaults = values.pop("phase_defaults")
        phases = [Phase(**{**defaults, **phase}) for phase in values.pop("phases")]
        return Recipe(network=Shape(**values.pop("network")), phases=phases, **values)


def soft_token_loss(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy in which a timestamp may be off by up to three steps of 20 ms.

    scores: (labels, TOKEN_COUNT). labels: (labels,).
    """
    log_shares = scores.log_softmax(-1)
    is_time = labels >= FIRST_TIMESTAMP
    losses = -log_shares.gather(1, labels[:, None])[:, 0]
    if not is_time.any():
        return losses.mean()
    offsets = torch.arange(-3, 4)
    weights = torch.exp(-((offsets / 1.5) ** 2) / 2)
    near = (labels[is_time][:, None] + offsets).clamp(FIRST_TIMESTAMP, TOKEN_COUNT - 1)
    soft = -(log_shares[is_time].gather(1, near) * (weights / weights.sum())).sum(1)
    return (losses[~is_time].sum() + soft.sum()) / len(labels)


def guide_loss(log_weights: torch.Tensor, spans: torch.Tensor) -> torch.Tensor:
    """Return how little of the guided heads' attention lies on the given spans.

    log_weights: (batch, heads, tokens, positions). spans: (batch, tokens, 2), -1 for none.
    """
    guided = spans[..., 0] >= 0
    if not guided.any():
        return log_weights.sum() * 0
    places = torch.arange(log_weights.shape[-1])
    inside = (places >= spans[guided][:, :1]) & (places < spans[guided][:, 1:])
    chosen = log_weights.permute(0, 2, 1, 3)[guided]
    return -chosen.masked_fill(~inside[:, None], -1e4).logsumexp(-1).mean()


MEASURES = ["token_loss", "frame_loss", "guide_loss", "words", "times", "frames"]


def losses_of(
    network: Network, batch: dict[str, torch.Tensor], phase: Phase
) -> tuple[torch.Tensor, list[float]]:
    """Return the loss to minimise and the MEASURES (three losses, three shares of right ones)."""
    with torch.autocast("cpu", torch.bfloat16):
        memory = network.encoder(batch["features"], batch["first_positions"])
        states, at_written, at_next = network.decoder(batch["tokens"], memory)
        frame_scores = network.frame_words(memory)
        predicted = batch["labels"] >= 0
        scores = network.decoder.scores(states[predicted])
    labels = batch["labels"][predicted]
    frame_labels = batch["frame_words"].flatten()
    token_loss = soft_token_loss(scores.float(), labels)
    frame_loss = functional.cross_entropy(frame_scores.float().flatten(0, 1), frame_labels)
    next_spans = batch["spans"]
    written_spans = functional.pad(next_spans[:, :-1], (0, 0, 1, 0), value=-1)
    looking = guide_loss(at_next, next_spans) + 0.5 * guide_loss(at_written, written_spans)
    loss = token_loss + phase.frame_weight * frame_loss + phase.guide_weight * looking
    with torch.no_grad():
        token_loss, frame_loss, looking = (x.detach() for x in (token_loss, frame_loss, looking))
        best = scores.argmax(-1)
        is_word, is_time = labels < UNKNOWN, labels >= FIRST_TIMESTAMP
        right_words = (best == labels)[is_word].float().mean() if is_word.any() else 1.0
        near_times = (best - labels).abs()[is_time] <= 5
        right_times = near_times.float().mean() if is_time.any() else 1.0
        right_frames = (frame_scores.argmax(-1).flatten() == frame_labels).float().mean()
        measures = (token_loss, frame_loss, looking, right_words, right_times, right_frames)
        return loss, [float(value) for value in measures]


class GradientAverage:
    """Averages gradients between the workers, through shared memory.

    There are two buffers in turn, so that one barrier a step is enough: nobody can write into a
    buffer before all have read it.
    """

    def __init__(self, workers: int, values: int, context):
        self._buffers = torch.zeros(2, workers, values).share_memory_()
        self._barrier = context.Barrier(workers)

    def __call__(self, parameters: list[torch.nn.Parameter], worker: int, step: int) -> None:
        buffer = self._buffers[step % 2]
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        torch.cat([parameter.grad.flatten() for parameter in parameters], out=buffer[worker])
        self._barrier.wait()
        pieces = buffer.mean(0).split([parameter.numel() for parameter in parameters])
        for parameter, piece in zip(parameters, pieces, strict=True):
            parameter.grad = piece.view_as(parameter)


def save_atomically(value: dict, path: Path) -> None:
    """Write a checkpoint so that an interruption leaves the old one or the new one."""
    partial = path.with_suffix(".partial")
    torch.save(value, partial)
    os.replace(partial, path)


def _optimiser(parameters: list[torch.nn.Parameter]) -> torch.optim.AdamW:
    """Matrices shrink a little at every step; biases and norms do not."""
    return torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.02},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ],
        betas=(0.9, 0.98),
    )


def _log(phase: Phase, step: int, measured: list[list[float]], seconds: float) -> None:
    """Print the means of the steps since the last line."""
    means = zip(MEASURES, np.mean(measured, 0), strict=True)
    print(
        f"{phase.name} step {step + 1}/{phase.steps} rate {phase.rate(step):.1e} "
        + " ".join(f"{name} {value:.3f}" for name, value in means)
        + f" | {seconds:.0f} s, CPU {time.process_time():.0f} s a worker",
        flush=True,
    )


def _work(worker: int, recipe: Recipe, phase_number: int, folder: Path, average) -> None:
    torch.set_num_threads(1)
    phase = recipe.phases[phase_number]
    torch.manual_seed(recipe.seed)
    network = Network(recipe.network)
    parameters = list(network.parameters())
    optimiser = _optimiser(parameters)
    smooth = [parameter.detach().clone() for parameter in parameters]
    steps_before, first_step = 0, 0
    checkpoint = folder / "latest.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        smooth = saved["smooth"]
        steps_before = saved["steps"]
        if saved["phase"] == phase.name:
            first_step = saved["step"]
    mixture = Mixture(
        [Corpus(folder / "corpus" / name) for name in phase.corpora], list(phase.corpora.values())
    )
    began, measured = time.monotonic(), []
    for step in range(first_step, phase.steps):
        rng = np.random.default_rng([recipe.seed, phase_number, step, worker])
        windows = [
            make_window(mixture, rng, phase.window_kind) for _ in range(phase.windows_per_worker)
        ]
        batch = {name: torch.from_numpy(array) for name, array in stack(windows).items()}
        optimiser.zero_grad(set_to_none=True)
        loss, measures = losses_of(network, batch, phase)
        loss.backward()
        average(parameters, worker, step)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = phase.rate(step)
        optimiser.step()
        steps_done = steps_before + step + 1 - first_step
        with torch.no_grad():
            decay = min(recipe.average_decay, steps_done / (steps_done + 10))
            torch._foreach_lerp_(smooth, parameters, 1 - decay)
        measured.append(measures)
        if worker != 0:
            continue
        last = step + 1 == phase.steps
        if last or (step + 1) % recipe.log_every == 0:
            _log(phase, step, measured, time.monotonic() - began)
            measured = []
        if last or (step + 1) % recipe.checkpoint_every == 0:
            state = {
                "shape": asdict(recipe.network),
                "phase": phase.name,
                "step": step + 1,
                "steps": steps_done,
                "network": network.state_dict(),
                "optimiser": optimiser.state_dict(),
                "smooth": smooth,
            }
            save_atomically(state, checkpoint)
            if last:
                save_atomically(state, folder / f"{phase.name}.pt")


def train(recipe: Recipe, folder: Path) -> Path:
    """Run all phases that are not done yet; returns the path of the last checkpoint."""
    context = multiprocessing.get_context("spawn")
    values = sum(parameter.numel() for parameter in Network(recipe.network).parameters())
    print(f"{values} parameters, {recipe.workers} workers", flush=True)
    # Workers inherit this; each is to use one core.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    for number, phase in enumerate(recipe.phases):
        done = folder / f"{phase.name}.pt"
        if done.exists():
            continue
        average = GradientAverage(recipe.workers, values, context)
        multiprocessing.start_processes(
            _work, (recipe, number, folder, average), nprocs=recipe.workers, start_method="spawn"
        )
    return folder / f"{recipe.phases[-1].name}.pt"


def load_smooth_network(checkpoint: Path) -> Network:
    """Return the network with the moving average of its weights."""
    saved = torch.load(checkpoint, weights_only=True)
    network = Network(Shape(**saved["shape"]))
    network.load_state_dict(saved["network"])
    with torch.no_grad():
        for parameter, value in zip(network.parameters(), saved["smooth"], strict=True):
            parameter.copy_(value)
    return network.eval()

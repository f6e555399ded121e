"""A run of several networks that differ in their seed alone: trained at once, averaged at the end.

Source: Lakshminarayanan et al. 2017, arXiv:1612.01474, section 2.4 (the mean of the networks'
probabilities; each trained on all data, without adversarial examples).
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcnn import config as config_lib
from jaxcnn import loop, pictures, plots
from jaxcnn import summary as summary_lib
from jaxcnn.checkpoint import CheckpointError, CheckpointStore
from jaxcnn.data import batches as batches_lib
from jaxcnn.evaluation import Evaluation
from jaxcnn.member_training import (
    Member,
    MembersFit,
    mean_history,
    member_names,
    restore_members,
)
from jaxcnn.members import MembersStep, choose_mode
from jaxcnn.metrics import expected_calibration_error
from jaxcnn.phase_training import (
    PhaseTrainer,
    Prepared,
    batch_shapes,
    count_parameters,
    write_epoch,
)
from jaxcnn.phases import plan_phases
from jaxcnn.progress import ProgressLine
from jaxcnn.run import Run, about_machine
from jaxcnn.types import PyTree, TrainState
from jaxcnn.workdir import write_json

_LEAST_PROBABILITY = float(np.finfo(np.float32).tiny)


class Tested(NamedTuple):
    """A network's, or the ensemble's, answers to the two splits that it is not trained on."""

    validation: Evaluation
    test: Evaluation


def average(members: Sequence[Evaluation]) -> Evaluation:
    """Answer by the mean of several networks' probabilities.

    Args:
      members: each network's answers to the same examples in the same order.

    Returns:
      The ensemble's answers; its loss is the mean of -log of the label's mean probability.

    Raises:
      ValueError: if the members answer different examples, or there is none.
    """
    first = members[0] if members else None
    if first is None or any(not np.array_equal(m.index, first.index) for m in members):
        raise ValueError(
            f"{len(members)} members do not answer the same examples in the same order; evaluate "
            "each on the same split."
        )
    table = np.stack([m.probabilities for m in members])
    probabilities = np.asarray(table.mean(axis=0, dtype=np.float64))
    right = np.take_along_axis(probabilities, first.labels[:, None], axis=1)[:, 0]
    correct = int((probabilities.argmax(1) == first.labels).sum())
    return first._replace(
        loss=float(-np.log(np.maximum(right, _LEAST_PROBABILITY)).mean()),
        accuracy=correct / first.count,
        correct=correct,
        probabilities=probabilities.astype(np.float32),
    )


class EnsembleRun(Run):
    """The parts of a run of several networks, and its acts, as `run.Run` has them for one.

    Args: as for `run.Run`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._init_keys, self._members = [], []
        metadata = {"class_names": list(self.data.class_names)}
        for number in range(self.config.num_seeds):
            seed = self.config.seed + number
            init_key, run_key = jax.random.split(jax.random.key(seed))
            solo = dataclasses.replace(self.config, seed=seed, num_seeds=1)
            folder = self.folder.member(number)
            # One more than `last` keeps: falling back there must still find its best here.
            best = CheckpointStore(folder.best_checkpoints, max_to_keep=3, say=self._run.say)
            self._init_keys.append(init_key)
            self._members.append(
                Member(
                    seed, run_key, folder, best, {**metadata, "config": config_lib.to_json(solo)}
                )
            )

    def train_members(self) -> list[loop.Progress]:
        """Train all networks, from where an earlier start of the run left off."""
        last = CheckpointStore(self.folder.last_checkpoints, max_to_keep=2, say=self._run.say)
        (phase,) = plan_phases(self.config)
        trainer = PhaseTrainer(self._run, phase, loop.Stores(last, self._best))
        make_start = self._make_start()  # compiled once for all
        starts = [make_start(key) for key in self._init_keys]
        trainer.draw_samples()
        prepared = trainer.prepare(starts[0], loop.Progress())
        states = [prepared.start(start) for start in starts]
        step = self._compile(prepared, states[0])
        self._say_heading(step, states[0], phase.num_epochs, trainer.steps_per_epoch)
        batches = self._batches(prepared, step)
        states, progress = restore_members(last, states, batches)
        if done := int(states[0].step):
            self._run.say(f"resuming at step {done}")
        config = self.config
        with self.folder.summary_writer(first_step=done) as writer:
            fit = MembersFit(
                step=step,
                eval_step=prepared.eval_step,
                members=self._members,
                batches=batches,
                validation=lambda: self._run.eval_batches(prepared.validation),
                plan=loop.Plan(
                    num_epochs=phase.num_epochs,
                    steps_per_epoch=trainer.steps_per_epoch,
                    checkpoint_every_steps=config.checkpoint_every_steps,
                ),
                last=last,
                export=prepared.export,
                learning_rate=trainer.learning_rate,
                line=ProgressLine(
                    num_epochs=phase.num_epochs,
                    steps_per_epoch=trainer.steps_per_epoch,
                    batch_size=config.batch_size * config.num_seeds,
                ),
                on_epoch=functools.partial(write_epoch, self.folder.metrics, writer),
            )
            return fit.run(states, progress)[1]

    def finish_members(self, progress: Sequence[loop.Progress]) -> dict[str, Any]:
        """Test each network at its best step, and their mean, once; write down what came of it."""
        steps = [each.best_step for each in progress]
        members, ensemble = self.test_members(steps)
        accuracies = self._baselines() | {self.config.model: ensemble.test.accuracy}
        rows = [
            {"member": name, "seed": member.seed, "best_step": step, **_scores(tested)}
            for name, member, step, tested in zip(
                member_names(len(members)), self._members, steps, members, strict=True
            )
        ]
        summary = {
            **summary_lib.result(ensemble.test, ensemble.validation, self.data.class_names),
            "test_calibration_error": _calibration_error(ensemble.test),
            "num_members": len(members),
            "mean": _over(rows, np.mean),
            "standard_deviation": _over(rows, _deviation),
            "members": rows,
            "num_parameters": count_parameters(self._run.shapes["params"]),
            "train_seconds": progress[0].train_seconds,
            "images_per_second": self._images_trained(progress[0])
            * len(members)
            / progress[0].train_seconds,
            "steps": progress[0].history[-1]["step"],
            "weights": self._start.name if self._start else None,
            "baseline_test_accuracies": accuracies,
            **self._about_data(),
            **about_machine(),
        }
        for member, row in zip(self._members, rows, strict=True):
            write_json(member.folder.summary, row)
        write_json(self.folder.summary, summary)
        self._draw(ensemble, progress, accuracies)
        self._tell_members(summary, accuracies)
        return summary

    def test_members(self, steps: Sequence[int | None]) -> tuple[list[Tested], Tested]:
        """Evaluate each network, at its best step or the given ones, and the mean of all."""
        found = []
        for member, step in zip(self._members, steps, strict=True):
            variables = self._best_of(member, step)
            found.append(Tested(*(self.evaluate(split, variables) for split in self._held_out())))
        return found, Tested(*(average(each) for each in zip(*found, strict=True)))

    def _held_out(self) -> tuple[Any, Any]:
        return self.data.validation, self.data.test

    def _best_of(self, member: Member, step: int | None) -> PyTree:
        found = member.best.restore(self._run.shapes, step=step)
        if found is None:
            raise CheckpointError(f"{member.folder.path} holds no checkpoint to evaluate.")
        return found.state

    def _compile(self, prepared: Prepared, state: TrainState) -> MembersStep:
        return MembersStep(
            prepared.step,
            state,
            batch_shapes(prepared.train, self.config.batch_size),
            self._run.key,
            num_members=self.config.num_seeds,
            mode=choose_mode(self.config.members_mode),
            shared_batch=self.config.member_order == "shared",
        )

    def _batches(self, prepared: Prepared, step: MembersStep) -> Any:
        """Feed the members; what is stacked for `vmap` stays on the host until then."""
        options: dict[str, Any] = {"batch_size": self.config.batch_size}
        if self.config.member_order == "shared":
            seed = self.config.seed
            return batches_lib.train_batches(
                prepared.train, seed=seed, to_device=jax.device_put, **options
            )
        if step.mode == "in_turn":
            options["to_device"] = jax.device_put
        seeds = [member.seed for member in self._members]
        return batches_lib.member_batches(prepared.train, seeds=seeds, **options)

    def _say_heading(
        self, step: MembersStep, state: TrainState, num_epochs: int, steps_per_epoch: int
    ) -> None:
        config = self.config
        way = "in one program by vmap" if step.mode == "vmap" else "in turn by one program"
        self._run.say(
            f"{config.num_seeds} x {config.model} (seeds {config.seed} to "
            f"{config.seed + config.num_seeds - 1}), {way} (--members_mode), "
            f"{'shared batches' if config.member_order == 'shared' else 'batches of their own'}: "
            f"{count_parameters(state.params):,} parameters trained each, "
            f"{config.image_size_px} x {config.image_size_px} x {config.num_channels} images, "
            f"{num_epochs * steps_per_epoch:,} steps of {config.num_seeds} x {config.batch_size} "
            f"on {jax.device_count()} x {jax.devices()[0].device_kind}; compiled in "
            f"{step.seconds:.1f} s"
        )

    def _draw(
        self, ensemble: Tested, progress: Sequence[loop.Progress], accuracies: dict[str, float]
    ) -> None:
        folder = self.folder.pictures
        pictures.draw_results(
            folder, self.data.test, ensemble.test, mean_history(progress), accuracies=accuracies
        )
        plots.plot_member_curves(
            folder / "member_curves.png",
            [each.history for each in progress],
            ensemble_accuracy=ensemble.validation.accuracy,
        )

    def _tell_members(self, summary: dict[str, Any], accuracies: dict[str, float]) -> None:
        say = self._run.say
        for name, accuracy in accuracies.items():
            if name != self.config.model:
                say(f"  {name:<32} {accuracy:6.1%} of test images right")
        for row in summary["members"]:
            say(
                f"  member {row['member']} (seed {row['seed']}): validation "
                f"{row['validation_accuracy']:.1%}, test {row['test_accuracy']:.1%}, loss "
                f"{row['test_loss']:.3f}, calibration error {row['test_calibration_error']:.1%}; "
                f"best step {row['best_step']}"
            )
        mean, spread = summary["mean"], summary["standard_deviation"]
        say(
            f"  mean of {len(summary['members'])}: validation {mean['validation_accuracy']:.1%} "
            f"± {spread['validation_accuracy']:.1%}, test {mean['test_accuracy']:.1%} "
            f"± {spread['test_accuracy']:.1%}, loss {mean['test_loss']:.3f}, calibration error "
            f"{mean['test_calibration_error']:.1%} (± standard deviation of members)"
        )
        low, high = summary["test_accuracy_interval"]
        say(
            f"ensemble: test accuracy {summary['test_accuracy']:.1%} (95 % interval {low:.1%} to "
            f"{high:.1%}) on {summary['num_test']:,} images never trained on, loss "
            f"{summary['test_loss']:.3f}, calibration error "
            f"{summary['test_calibration_error']:.1%}"
        )
        say(f"results in {self.folder.path}: summary.json, pictures/, members/")


def _calibration_error(found: Evaluation) -> float:
    return expected_calibration_error(found.probabilities, found.labels)


def _scores(tested: Tested) -> dict[str, float]:
    validation, test = tested
    return {
        "validation_accuracy": validation.accuracy,
        "validation_loss": validation.loss,
        "test_accuracy": test.accuracy,
        "test_loss": test.loss,
        "test_calibration_error": _calibration_error(test),
    }


def _over(rows: Sequence[dict[str, Any]], statistic: Any) -> dict[str, float]:
    names = [name for name, value in rows[0].items() if isinstance(value, float)]
    return {name: float(statistic([row[name] for row in rows])) for name in names}


def _deviation(values: Sequence[float]) -> float:
    """Give the standard deviation of which the values are a sample."""
    return float(np.std(values, ddof=1))

"""A run of several networks that differ in their seed alone: trained at once, then averaged."""

import logging
from collections.abc import Sequence
from typing import Any

import jax

from jaxcnn import plots
from jaxcnn.data import batches as batches_lib
from jaxcnn.host.files import write_json
from jaxcnn.runs import config as config_lib, ensemble_scores, figures
from jaxcnn.runs.context import batch_shapes, count_parameters, epoch_writer
from jaxcnn.runs.ensemble_loop import (
    Member,
    MembersFit,
    mean_history,
    member_names,
    restore_members,
)
from jaxcnn.runs.ensemble_scores import Tested, average
from jaxcnn.runs.phase_training import PhaseTrainer, Prepared
from jaxcnn.runs.phases import plan_phases
from jaxcnn.runs.single import Run, about_machine
from jaxcnn.training import loop
from jaxcnn.training.checkpoints import CheckpointError, CheckpointStore
from jaxcnn.training.history import Progress
from jaxcnn.training.members import MembersStep, choose_mode
from jaxcnn.training.progress_line import ProgressLine
from jaxcnn.types import PyTree, TrainState

logger = logging.getLogger(__name__)


class EnsembleRun(Run):
    """The parts of a run of several networks, and its acts, as `run.Run` has them for one.

    Args: as for `run.Run`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._init_keys, self._members = [], []
        metadata = {"class_names": list(self.data.class_names)}
        for number in range(self.config.run.num_seeds):
            seed = self.config.run.seed + number
            init_key, run_key = jax.random.split(jax.random.key(seed))
            solo = self.config.replace(seed=seed, num_seeds=1)
            folder = self.folder.member(number)
            # One more than `last` keeps: falling back there must still find its best here.
            best = CheckpointStore(folder.best_checkpoints, max_to_keep=3)
            self._init_keys.append(init_key)
            self._members.append(
                Member(
                    seed, run_key, folder, best, {**metadata, "config": config_lib.to_json(solo)}
                )
            )

    def train_members(self) -> list[Progress]:
        """Train all networks, from where an earlier start of the run left off."""
        last = CheckpointStore(self.folder.last_checkpoints, max_to_keep=2)
        (phase,) = plan_phases(self.config)
        trainer = PhaseTrainer(self._run, phase, loop.Stores(last, self._best))
        make_start = self._make_start()  # compiled once for all
        starts = [make_start(key) for key in self._init_keys]
        trainer.draw_samples()
        prepared = trainer.prepare(starts[0], Progress())
        states = [prepared.start(start) for start in starts]
        step = self._compile(prepared, states[0])
        plan = loop.Plan(
            num_epochs=phase.num_epochs,
            steps_per_epoch=trainer.steps_per_epoch,
            checkpoint_every_steps=self.config.run.checkpoint_every_steps,
        )
        logger.info(self._heading(step, states[0], plan))
        batches = self._batches(prepared, step)
        states, progress = restore_members(last, states, batches)
        done = int(states[0].step)
        if done:
            logger.info(f"resuming at step {done}")
        with epoch_writer(self.folder, done) as on_epoch:
            fit = MembersFit(
                step=step,
                eval_step=prepared.eval_step,
                members=self._members,
                batches=batches,
                validation=lambda: self._run.eval_batches(prepared.validation),
                plan=plan,
                last=last,
                export=prepared.export,
                learning_rate=trainer.learning_rate,
                line=self._line(plan),
                on_epoch=on_epoch,
            )
            return fit.run(states, progress)[1]

    def _line(self, plan: loop.Plan) -> ProgressLine:
        return ProgressLine(
            num_epochs=plan.num_epochs,
            steps_per_epoch=plan.steps_per_epoch,
            batch_size=self.config.training.batch_size * self.config.run.num_seeds,
            visible=self._run.progress,
        )

    def finish_members(self, progress: Sequence[Progress]) -> dict[str, Any]:
        """Test each network at its best step, and their mean, once; write down what came of it."""
        steps = [each.best_step for each in progress]
        members, ensemble = self.test_members(steps)
        rows = [
            {"member": name, "seed": member.seed, "best_step": step, **ensemble_scores.scores(each)}
            for name, member, step, each in zip(
                member_names(len(members)), self._members, steps, members, strict=True
            )
        ]
        for member, row in zip(self._members, rows, strict=True):
            write_json(member.folder.summary, row)
        accuracies = self._baselines() | {self.config.network.model: ensemble.test.accuracy}
        summary = {
            **ensemble_scores.result(rows, ensemble, self.data.class_names),
            **self._about_training(progress[0]),
            "baseline_test_accuracies": accuracies,
            **self._about_data(),
            **about_machine(self._run.layout),
        }
        write_json(self.folder.summary, summary)
        self._draw(ensemble, progress, accuracies)
        self._write_page(
            ensemble.test, ensemble.validation, self._best_of(self._members[0], steps[0])
        )
        for name, accuracy in accuracies.items():
            if name != self.config.network.model:
                logger.info(f"  {name:<32} {accuracy:6.1%} of test images right")
        for line in ensemble_scores.format_lines(summary):
            logger.info(line)
        logger.info(f"results in {self.folder.path}: summary.json, pictures/, members/")
        logger.info(f"look at it: {self.folder.report}")
        return summary

    def _about_training(self, progress: Progress) -> dict[str, Any]:
        images = self._images_trained(progress) * len(self._members)
        return {
            "num_parameters": count_parameters(self._run.shapes["params"]),
            "train_seconds": progress.train_seconds,
            "images_per_second": images / progress.train_seconds,
            "steps": progress.history[-1]["step"],
            "weights": self._start.name if self._start else None,
        }

    def write_page_again(self) -> None:
        """Test all networks again, and write the page of a run that ended from that."""
        _, ensemble = self.test_members([None] * len(self._members))
        first = self._best_of(self._members[0], None)
        self._write_page(ensemble.test, ensemble.validation, first)

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
            batch_shapes(prepared.train, self.config.training.batch_size),
            self._run.key,
            num_members=self.config.run.num_seeds,
            mode=choose_mode(self.config.run.members_mode),
            shared_batch=self.config.run.member_order == "shared",
        )

    def _batches(self, prepared: Prepared, step: MembersStep) -> Any:
        """Feed the members; what is stacked for `vmap` stays on the host until then."""
        options: dict[str, Any] = {"batch_size": self.config.training.batch_size}
        if self.config.run.member_order == "shared":
            seed = self.config.run.seed
            return batches_lib.train_batches(
                prepared.train, seed=seed, to_device=jax.device_put, **options
            )
        if step.mode == "in_turn":
            options["to_device"] = jax.device_put
        seeds = [member.seed for member in self._members]
        return batches_lib.member_batches(prepared.train, seeds=seeds, **options)

    def _heading(self, step: MembersStep, state: TrainState, plan: loop.Plan) -> str:
        config = self.config
        is_shared = config.run.member_order == "shared"
        batches = "shared batches" if is_shared else "batches of their own"
        way = "in one program by vmap" if step.mode == "vmap" else "in turn by one program"
        return (
            f"{config.run.num_seeds} x {config.network.model} (seeds {config.run.seed} to "
            f"{config.run.seed + config.run.num_seeds - 1}), {way} (members_mode), "
            f"{batches}: "
            f"{count_parameters(state.params):,} parameters each, "
            f"{config.data.image_size()} images, "
            f"{plan.num_epochs * plan.steps_per_epoch:,} steps of {config.run.num_seeds} x "
            f"{config.training.batch_size} on {self._run.layout.describe()}; "
            f"compiled in {step.seconds:.1f} s"
        )

    def _draw(
        self, ensemble: Tested, progress: Sequence[Progress], accuracies: dict[str, float]
    ) -> None:
        folder = self.folder.pictures
        figures.draw_results(
            folder, self.data.test, ensemble.test, mean_history(progress), accuracies=accuracies
        )
        plots.plot_member_curves(
            folder / "member_curves.png",
            [each.history for each in progress],
            ensemble_accuracy=ensemble.validation.accuracy,
        )

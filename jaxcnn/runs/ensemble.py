"""A run of several networks that differ in their seed alone: trained at once, then averaged."""

import logging
from collections.abc import Sequence
from typing import Any

import jax

from jaxcnn import plots
from jaxcnn.data import batches as batches_lib
from jaxcnn.host.files import write_json
from jaxcnn.runs import config as config_lib, summary as summary_lib
from jaxcnn.runs.context import batch_shapes, count_parameters, epoch_writer
from jaxcnn.runs.ensemble_loop import (
    Member,
    MembersFit,
    mean_history,
    member_names,
    restore_members,
)
from jaxcnn.runs.phase_training import PhaseTrainer, Prepared
from jaxcnn.runs.phases import plan_phases
from jaxcnn.runs.single import Run
from jaxcnn.runs.summary import Tested
from jaxcnn.training import loop
from jaxcnn.training.checkpoints import CheckpointStore
from jaxcnn.training.history import Progress
from jaxcnn.training.members import MembersStep, choose_mode

logger = logging.getLogger(__name__)


class EnsembleRun(Run):
    """The parts of a run of several networks, and its acts, as `Run` has them for one."""

    networks_folder = "members/"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._members = []
        for number in range(self.config.run.num_seeds):
            seed = self.config.run.seed + number
            folder = self.folder.member(number)
            metadata = {
                "config": config_lib.to_json(self.config.replace(seed=seed, num_seeds=1)),
                "class_names": list(self.data.class_names),
            }
            # One more than `last` keeps: falling back there must still find its best here.
            best = CheckpointStore(folder.best_checkpoints, max_to_keep=3)
            self._members.append(Member(seed, _keys(seed)[1], folder, best, metadata))

    def train(self) -> list[Progress]:
        """Train all networks, from where an earlier start of the run left off."""
        config = self.config
        last = CheckpointStore(self.folder.last_checkpoints, max_to_keep=2)
        (phase,) = plan_phases(config)
        trainer = PhaseTrainer(self.context, phase, loop.Stores(last, self._best))
        make_start = self._make_start()  # compiled once for all
        starts = [make_start(_keys(member.seed)[0]) for member in self._members]
        trainer.draw_samples()
        prepared = trainer.prepare(starts[0], Progress())
        states = [prepared.start(start) for start in starts]
        step = MembersStep(
            prepared.step,
            states[0],
            batch_shapes(prepared.train, config.training.batch_size),
            self.context.key,
            num_members=len(states),
            mode=choose_mode(config.run.members_mode),
            shared_batch=config.run.member_order == "shared",
        )
        logger.info(
            trainer.heading(
                self._about_members(step.mode),
                f"{count_parameters(states[0].params):,} parameters each",
                step.seconds,
                num_members=len(states),
            )
        )
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
                validation=lambda: self.context.eval_batches(prepared.validation),
                plan=trainer.plan,
                last=last,
                export=prepared.export,
                learning_rate=trainer.learning_rate,
                line=trainer.line(num_members=len(states)),
                on_epoch=on_epoch,
            )
            return fit.run(states, progress)[1]

    def finish(self, progress: Sequence[Progress]) -> dict[str, Any]:
        """Test each network at its best step, and their mean, once; write down what came of it."""
        steps = [each.best_step for each in progress]
        members, ensemble = self.test_members(steps)
        names = member_names(len(members))
        rows = []
        for name, member, step, tested in zip(names, self._members, steps, members, strict=True):
            row = {"member": name, "seed": member.seed, "best_step": step}
            rows.append(row | summary_lib.scores(tested))
            write_json(member.folder.summary, rows[-1])
        plots.plot_member_curves(
            self.folder.pictures / "member_curves.png",
            [each.history for each in progress],
            ensemble_accuracy=ensemble.validation.accuracy,
        )
        return self._conclude(
            summary_lib.result(ensemble, self.data.class_names) | summary_lib.members_result(rows),
            ensemble,
            progress,
            mean_history(progress),
            self.best_variables(steps[0], self._members[0].best)[0],
        )

    def test_again(self) -> dict[str, Any]:
        """Test all networks of a run that was trained before; see `evaluate_classifier`."""
        members, ensemble = self.test_members()
        return {
            "members": [summary_lib.split_scores(tested) for tested in members],
            **summary_lib.split_scores(ensemble),
        }

    def write_page_again(self) -> None:
        """Test all networks again, and write the page of a run that ended from that."""
        _, ensemble = self.test_members()
        self._write_page(ensemble, self.best_variables(None, self._members[0].best)[0])

    def test_members(self, steps: Sequence[int] | None = None) -> tuple[list[Tested], Tested]:
        """Evaluate each network, at its best step or the given ones, and the mean of all."""
        chosen: Sequence[int | None] = steps or [None] * len(self._members)
        found = [
            self.test(self.best_variables(step, member.best)[0])
            for member, step in zip(self._members, chosen, strict=True)
        ]
        return found, Tested(*map(summary_lib.average, zip(*found, strict=True)))

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

    def _about_members(self, mode: str) -> str:
        run = self.config.run
        batches = "shared batches" if run.member_order == "shared" else "batches of their own"
        way = "in one program by vmap" if mode == "vmap" else "in turn by one program"
        return (
            f"{run.num_seeds} x {self.config.network.model} (seeds {run.seed} to "
            f"{run.seed + run.num_seeds - 1}), {way} (members_mode), {batches}"
        )


def _keys(seed: int) -> jax.Array:
    """Give the key of a network's first parameters, and that of its run."""
    return jax.random.split(jax.random.key(seed))

"""One run, of one network or of several: it trains, tests once, and tests again when asked."""

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn.data.datasets import ImageSplits
from jaxcnn.data.source import SPLIT_NAMES
from jaxcnn.data.splits.joined_split import PartOfSplit
from jaxcnn.data.splits.near_duplicates import NearDuplicate
from jaxcnn.host.compilation_cache import options_for_few_calls
from jaxcnn.host.processes import is_first, on_first
from jaxcnn.metrics.multi_label import choose_thresholds
from jaxcnn.runs import (
    averaging,
    build,
    config as config_lib,
    figures,
    summary as summary_lib,
    transfer,
)
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.config.train_config import settle_head
from jaxcnn.runs.context import RunContext
from jaxcnn.runs.features_cache import holds_features, split_features
from jaxcnn.runs.folder import Workdir, note_seen_photos
from jaxcnn.runs.known_photos import (
    KnownPhotos,
    folder_of_all,
    make_known_photos,
    make_score,
    photos_to_compare,
    save_known_photos,
)
from jaxcnn.runs.phase_training import Training, prepare_phase
from jaxcnn.runs.phases import Phase, cures, plan_phases
from jaxcnn.runs.report.run_page import cache_and_write
from jaxcnn.runs.report.shown_photos import map_maker
from jaxcnn.runs.seen_photos import SeenPhotos, check_unseen, count_seen, load_seen
from jaxcnn.runs.summary import Tested
from jaxcnn.runs.thresholds import keep_thresholds, load_thresholds
from jaxcnn.training import callbacks, features
from jaxcnn.training.checkpointing import Checkpoint
from jaxcnn.training.checkpoints import CheckpointError, CheckpointStore
from jaxcnn.training.evaluation import Evaluation, Evaluator, Score
from jaxcnn.training.fitting import fit
from jaxcnn.training.history import Progress
from jaxcnn.training.inputs import SplitInput
from jaxcnn.training.progress_bar import ProgressBar
from jaxcnn.training.sharding import Layout
from jaxcnn.types import PyTree

logger = logging.getLogger(__name__)

_NO_MAPS = "none are made while several processes train; testing the run again makes them."


class Run:
    """One run: trains, tests once, tests again.

    Args:
      config: complete settings.
      folder: where it writes.
      data: the three splits.
      start: the weights it starts from; None for random ones, or where it only evaluates.
      progress: show moving lines, and a line per epoch.

    Attributes:
      context: what the phases of the run share.
      taught_on: the photos that its teacher was trained on.
      averaged_epochs: for each network, how many epochs' mean the best is; 0: it is one epoch's.
      near_duplicates: pairs of photos that are nearly the same; None where nobody looked.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: Workdir,
        data: ImageSplits,
        *,
        start: transfer.Start | None = None,
        progress: bool = True,
    ) -> None:
        config = settle_head(config, data.train.labels)  # refuses other labels than the run's
        self.config, self.folder, self.data = config, folder, data
        self.start = start
        self.averaged_epochs = [0] * config.run.num_seeds  # whose mean is the best, of each network
        self.near_duplicates: list[NearDuplicate] | None = None  # None: not looked for
        self.taught_on = SeenPhotos()  # what a teacher was trained on
        self.seeds = [config.run.seed + number for number in range(config.run.num_seeds)]
        self.folders = [folder]
        if len(self.seeds) > 1:
            self.folders = [folder.member(number) for number in range(len(self.seeds))]
        num_classes = len(data.class_names)
        self._model = build.build_model(config, num_classes)
        layout = Layout.make(config.run.mesh, batch_size=config.training.batch_size)
        metrics = build.build_metrics(config)
        step = build.build_eval_step(config, self._model, num_classes, metrics)
        self.context = RunContext(
            config,
            folder,
            data,
            build.variable_shapes(config, self._model),
            key=jax.random.split(jax.random.key(config.run.seed))[1],
            layout=layout,
            evaluator=Evaluator(step, metrics, layout, config.run.eval_batch_size),
            metrics=metrics,
            progress=progress,
        )

    @property
    def best_folders(self) -> list[Path]:
        """The folders of the best checkpoints of each network."""
        return [each.best_checkpoints for each in self.folders]

    def note_seen(self) -> None:
        """Note what the weights are trained on: the run's own photos and those of its ancestors."""
        own, name = self.data.digests, str(self.folder.path)
        before = [self.taught_on, *([self.start.seen] if self.start else [])]
        unknown = [each for one in before for each in one.unknown]
        note_seen_photos(
            self.best_folders,
            own[0] if own else (),
            before=[digest for one in before for digest in one.digests],
            unknown=[*dict.fromkeys(unknown), *(() if own else (name,))],
        )

    def train(self) -> Progress:
        """Train all phases, resuming where an earlier start stopped."""
        config, phases, progress = self.config, plan_phases(self.config), None
        begun = [n for n, phase in enumerate(phases) if _holds_steps(self._last_folder(phase))]
        for phase in phases[max(begun, default=0) :]:
            if progress is None:
                starts = self.start_variables()
            else:
                starts = [self.best_variables(progress.best_step)]
            training = prepare_phase(self.context, phase, starts)
            progress = fit(
                training.model,
                training.train,
                training.validation,
                optimizer=training.optimizer,
                loss=training.loss_fn,
                repeated_augmentation=config.training.repeated_augmentation,
                sampler=config.training.sampler,
                progressive_resizing=phase.progressive_resizing,
                num_epochs=phase.num_epochs,
                batch_size=config.training.batch_size,
                eval_batch_size=config.run.eval_batch_size,
                key=config.run.seed,
                best=config.training.best_metric,
                callbacks=self._callbacks(phase, training),
                variables=training.starts,
                mesh=self.context.layout,
                num_members=config.run.num_seeds,
                shared_batches=config.run.member_order == "shared",
                members_mode=config.run.members_mode,
                epoch_scan=config.run.epoch_scan,
                learning_rate=training.schedule,
                eval_step=training.eval_step,
                after=progress,
                phase=phase.name,
                name=_name(config, phase),
                **training.options,
            ).progress
        assert progress is not None
        if config.training.average_checkpoints:
            self.averaged_epochs = averaging.average_last_epochs(
                self.context,
                training,
                progress,
                recent=[each.recent_checkpoints for each in self.folders],
                best=self.best_folders,
                on_features=phase.on_features,
            )
        return progress

    def _callbacks(self, phase: Phase, training: Training) -> list[callbacks.Callback]:
        config, folder = self.config, self.folder
        class_names = list(self.data.class_names)
        own = [config.replace(seed=seed, num_seeds=1) for seed in self.seeds]
        last = self._last_folder(phase)
        members = [each.metrics for each in self.folders if each is not folder]
        found: list[callbacks.Callback] = [
            Checkpoint(
                last.parent,
                every_steps=config.run.checkpoint_every_steps,
                last=last.name,
                best=self.best_folders,
                metadata=[
                    {"config": config_lib.to_json(each), "class_names": class_names} for each in own
                ],
                recent=self._recent_stores(phase),
                export=training.export,
            ),
            callbacks.HistoryFile(folder.metrics, members),
            callbacks.TensorBoard(folder.path / "tensorboard"),
        ]
        if not phase.on_features:
            found.append(figures.SamplePictures(self.context, training))
        if self.context.progress:
            found.append(ProgressBar())
        found.append(callbacks.OverfittingWarning(cures(config), len(self.data.validation)))
        if config.training.early_stopping_epochs is not None:
            found.append(callbacks.EarlyStopping(config.training.early_stopping_epochs))
        return found

    def _recent_stores(self, phase: Phase) -> list[CheckpointStore]:
        """Give what keeps the last epochs of the last phase, where they are to be averaged."""
        count = self.config.training.average_checkpoints
        if not count or phase != plan_phases(self.config)[-1]:
            return []
        folders = [each.recent_checkpoints for each in self.folders]
        return [CheckpointStore(folder, max_to_keep=count) for folder in folders]

    def test_again(self) -> dict[str, Any]:
        """Test the best variables of a run that was trained before; see `evaluate_classifier`."""
        members, tested = self.test_members()
        scores = summary_lib.split_scores(tested.splits, self.thresholds())
        seen = {"data": self.config.data.data_dir or self.config.data.dataset, **self.seen()}
        if len(members) == 1:
            return {"step": self.best_step(), **scores, **seen}
        return {
            "members": [summary_lib.split_scores(each.splits) for each in members],
            **scores,
            **seen,
        }

    def test_others(self, *, allow_seen: bool = False) -> dict[str, Any]:
        """Test on photos that are not the run's, see `evaluate_classifier`."""
        best = self.best_folders[0]
        check_unseen(self.data, load_seen(best, str(self.folder.path)), allowed=allow_seen)
        found = [
            self.evaluate(self.data.test, self.best_variables(member=number))
            for number in range(len(self.seeds))
        ]
        both = found[0] if len(found) == 1 else summary_lib.average(found, self.context.metrics)
        scores = summary_lib.split_scores({"test": both}, self.thresholds())
        seen = {k: v for k, v in self.seen().items() if k != "num_validation_seen"}
        return {"data": self.config.data.data_dir, **scores, **seen}

    def seen(self) -> dict[str, Any]:
        """Count the photos of validation and test that the weights saw in training."""
        return count_seen(self.data, self.best_folders[0], str(self.folder.path))

    def write_page_again(self) -> None:
        """Test the best variables again, and write the page of a run that ended from that."""
        members, tested = self.test_members()
        steps = [self.best_step(number) for number in range(len(members))]
        known_photos = self.keep_known_photos(members, tested, steps)
        self.write_page(tested, self.best_variables(), known_photos)

    def keep_known_photos(
        self, members: Sequence[Tested], tested: Tested, steps: Sequence[int]
    ) -> KnownPhotos | None:
        """Write beside each network what "none of these" and sets of classes follow from.

        Args:
          members: as `test_members` gives.
          tested: likewise.
          steps: the best step of each network.

        Returns:
          The known photos of all networks together; None where features of photos are private.
        """
        folders, networks, steps = [*self.best_folders], [*members], [*steps]
        if len(members) > 1:
            folders.append(folder_of_all(folders[0]))
            networks.append(tested)
            steps.append(steps[0])
        kept = None
        for folder, network, step in zip(folders, networks, steps, strict=True):
            kept = make_known_photos(
                network.validation,
                network.reference,
                step=step,
                coverage=self.config.run.coverage,
            )
            if kept is not None and is_first():
                save_known_photos(folder, kept)
        return kept

    def write_page(
        self, tested: Tested, variables: PyTree, known_photos: KnownPhotos | None = None
    ) -> None:
        """Keep the answers to the test photos, and write the page from them."""
        several = jax.process_count() > 1
        maps = _NO_MAPS if several else map_maker(self._model, variables, self.config.preprocessing)
        cache_and_write(
            self.folder,
            self.config,
            self.data.test,
            test=tested.test,
            validation=tested.validation,
            maps=maps,
            thresholds=self.thresholds(),
            known_photos=known_photos,
        )

    def choose_thresholds(self, validation: Evaluation, step: int) -> np.ndarray | None:
        """Choose each label's threshold, and keep it beside the best checkpoint.

        Args:
          validation: the network's answers to the validation split.
          step: of the checkpoint that gave them.

        Returns:
          (K,); None where photos have one label each.
        """
        if not self.config.has_several_labels:
            return None
        found = choose_thresholds(validation.labels, validation.probabilities)
        on_first(
            lambda: keep_thresholds(self.best_folders[0], found, self.data.class_names, step=step)
        )
        return found

    def thresholds(self) -> np.ndarray | None:
        """Read the thresholds that were kept; None where photos have one label each."""
        if not self.config.has_several_labels:
            return None
        return load_thresholds(self.best_folders[0], self.data.class_names, step=self.best_step())

    def start_variables(self) -> list[PyTree]:
        """Give the variables that each network of the run starts from."""
        start = self._make_start()  # compiled once for all
        return [start(jax.random.split(jax.random.key(seed))[0]) for seed in self.seeds]

    def _make_start(self) -> Callable[[jax.Array], PyTree]:
        """Make the function from a key to the variables that training starts from."""
        shape, start = self.config.preprocessing.image_shape, self.start
        if start is None:
            return make_initial(self._model, shape)
        same_head = start.head == self.config.network.head
        keep_head = same_head and tuple(self.data.class_names) == start.class_names
        if keep_head:
            logger.info(f"the same classes as {start.name}: its last layer is kept")
        return lambda key: transfer.transfer_variables(
            start.variables,
            self._model,
            shape,
            key=key,
            head_init=self.config.network.head_init,
            keep_head=keep_head,
        )

    def best_variables(self, step: int | None = None, *, member: int = 0) -> PyTree:
        """Restore the best variables so far, or those of a step.

        Args:
          step: the step; None for the newest.
          member: which of several networks.

        Returns:
          The variables.

        Raises:
          CheckpointError: if there is no checkpoint, or none that can be read.
        """
        shapes = self.context.layout.state_shapes(self.context.shapes)
        folder = self.folders[member].best_checkpoints
        with contextlib.closing(CheckpointStore(folder, read_only=True)) as store:
            found = store.restore(shapes, step=step)
            if found is None:
                raise CheckpointError(f"{store.directory} holds no checkpoint to evaluate.")
            return found.state

    def best_step(self, member: int = 0) -> int:
        """Give the step of the best variables of a network."""
        folder = self.folders[member].best_checkpoints
        with contextlib.closing(CheckpointStore(folder, read_only=True)) as store:
            return store.steps()[-1]

    def evaluate(self, split: Any, variables: PyTree, score: Score | None = None) -> Evaluation:
        """Classify a split with the whole network, see `training.evaluation.evaluate`."""
        return self.context.evaluator(SplitInput(split), variables, score)

    def test_members(self, steps: Sequence[int] = ()) -> tuple[list[Tested], Tested]:
        """Evaluate each network, and all together, on validation and test.

        Args:
          steps: the best step of each network; () for the newest best.

        Returns:
          Each network's answers, and the ensemble's; with one network they are the same.
        """
        found = []
        for number in range(len(self.seeds)):
            variables = self.best_variables(steps[number] if steps else None, member=number)
            found.append(self._test(variables))
        if len(found) == 1:
            return found, found[0]
        metrics = self.context.metrics
        validation = summary_lib.average([each.validation for each in found], metrics)
        test = summary_lib.average([each.test for each in found], metrics)
        return found, Tested(validation, test, found[0].reference)

    def _test(self, variables: PyTree) -> Tested:
        """Evaluate one network, and score how much the photos look like those of the training."""
        reference, score = None, None
        # Features of single photos are not private; several labels can all be absent as it is.
        if not (self.config.training.dp_clip_norm or self.config.has_several_labels):
            reference, score = make_score(self._some_train_features(variables))
        validation = self.evaluate(self.data.validation, variables, score)
        return Tested(validation, self.evaluate(self.data.test, variables, score), reference)

    def _some_train_features(self, variables: PyTree) -> np.ndarray:
        """Give (M, D) features of some training photos, as evaluation sees them."""
        train = self.data.train
        chosen = photos_to_compare(train.labels, len(self.data.class_names))
        on_features = plan_phases(self.config)[-1].on_features and holds_features(self.context)
        if on_features and not self.config.preprocessing.views:  # else training has fewer
            cached = self.features(0, variables)
            num_views = 2 if self.config.preprocessing.flip_average else 1  # the first ones
            own = cached.features[chosen, :num_views].mean(axis=1)
            return np.asarray(own[cached.present[chosen]])
        scores = self.evaluate(PartOfSplit(train, chosen), variables, lambda given: given).scores
        assert scores is not None
        return scores

    def features(self, number: int, variables: PyTree) -> features.FeatureSplit:
        """Give the backbone's features of a split, cached in the folder.

        Args:
          number: 0 for training, 1 for validation, 2 for the test.
          variables: of the whole network.

        Returns:
          The split; where the last layer was trained on features, training photos have augmented
          views too, after the others.
        """
        phase, name = plan_phases(self.config)[-1], SPLIT_NAMES[number]
        parts = build.build_parts(
            self.config, phase, class_counts=[1] * len(self.data.class_names), steps_per_epoch=1
        )
        return split_features(
            self.context,
            parts.model,
            parts.options["augment"],
            name if phase.on_features else f"{name}_best",
            self.data.splits[number],
            variables,
            num_augmented=phase.on_features and not number,  # training has kept these already
        )

    def _last_folder(self, phase: Phase) -> Path:
        last = self.folder.last_checkpoints
        is_last = phase == plan_phases(self.config)[-1]
        return last if is_last else last.with_name(f"{last.name}_{phase.name}")


def make_initial(model: Any, image_shape: tuple[int, int, int]) -> Callable[[jax.Array], PyTree]:
    """Make the function from a key to a network's first variables, compiled once for all keys."""
    images = np.zeros((1, *image_shape), np.float32)

    def initial(key: jax.Array) -> PyTree:
        variables = model.init(key, images, train=False)
        return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}

    return jax.jit(initial, compiler_options=options_for_few_calls())


def _name(config: TrainConfig, phase: Phase) -> str:
    """Name what a phase trains, for the log."""
    what = f"last layer of {config.network.model}" if phase.on_features else config.network.model
    return f"{phase.name}: {what}" if phase.name else what


def _holds_steps(folder: Path) -> bool:
    """Tell whether a folder holds checkpoints."""
    return folder.is_dir() and any(entry.name.isdecimal() for entry in folder.iterdir())

"""Read what a run's folder keeps, as the facts that its page is made of."""

import dataclasses
from pathlib import Path
from typing import Any

from jaxcnn.host.files import read_json, read_rows
from jaxcnn.metrics.registry import DEFAULT_BEST, DEFAULT_METRICS
from jaxcnn.runs import config as config_lib
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.folder import Workdir, WorkdirError, check_run
from jaxcnn.runs.report.answers import CachedAnswers, read_arrays
from jaxcnn.runs.report.label_sets import CachedSets
from jaxcnn.runs.report.shown_photos import CachedPhotos, read_photos
from jaxcnn.training.history import make_rank


@dataclasses.dataclass(frozen=True)
class RunFacts:
    """All that a run's page says.

    Attributes:
      workdir: the run's folder, as it was named.
      config: complete settings.
      summary: the result, as `summary.json` has it.
      history: one row per epoch, of several networks their mean.
      answers: to the test photos; sets of labels where photos have several.
      photos: those that the page shows.
      chosen: the settings that a sweep or a test of learning rates chose; {} without one.
    """

    workdir: str
    config: TrainConfig
    summary: dict[str, Any]
    history: list[dict[str, Any]]
    answers: CachedAnswers | CachedSets
    photos: CachedPhotos
    chosen: dict[str, Any]

    @property
    def class_names(self) -> list[str]:
        """The classes, in the order of the labels."""
        return list(self.summary["class_names"])

    @property
    def averaged_epochs(self) -> int:
        """How many last epochs the tested parameters are the mean of; 0 where of one epoch."""
        return int(self.summary.get("averaged_epochs", 0))

    @property
    def best_epoch(self) -> int:
        """The epoch that was tested; of several networks, or of a mean of epochs, the best one."""
        step = None if self.averaged_epochs else self.summary.get("best_step")
        several = self.config.has_several_labels
        metric = self.config.training.best_metric or DEFAULT_BEST[several]
        best = max(self.history, key=make_rank(metric, self.measured))
        return int(next((row for row in self.history if row["step"] == step), best)["epoch"])

    @property
    def measured(self) -> list[str]:
        """Names of the metrics that were measured beside the loss."""
        always = DEFAULT_METRICS[self.config.has_several_labels]
        return [*always, *self.summary.get("validation_metrics", {})]


def check_finished(workdir: Path | str) -> Workdir:
    """Check that a folder holds a run that ended.

    Args:
      workdir: the folder.

    Returns:
      Its paths.

    Raises:
      WorkdirError: if it holds no run, or one that is unfinished; the message says what to do.
    """
    folder = Workdir(Path(workdir))
    check_run(folder.path)
    done = len(read_rows(folder.metrics)) if folder.metrics.is_file() else 0
    if not folder.summary.is_file() or not done:
        planned = config_lib.load_config(folder.config).training.num_epochs
        raise WorkdirError(
            f"{workdir} holds a run that has not ended ({done} of {planned} epochs, no "
            "summary.json); resume it, and its page is written at the end."
        )
    return folder


def gather(workdir: Path | str) -> RunFacts:
    """Read all that a run's page says from the run's folder alone; no photo is needed.

    Args:
      workdir: the folder of a run that ended.

    Returns:
      The facts.

    Raises:
      WorkdirError: if the run is unfinished, or kept no answers.
    """
    folder = check_finished(workdir)
    for path in (folder.test_answers, folder.report_photos):
        if not path.is_file():
            raise WorkdirError(
                f"{workdir} keeps no {path.name}, since an older version trained it; "
                "test the run again for its report."
            )
    chosen = read_json(folder.best_trial) if folder.best_trial.is_file() else {}
    config = config_lib.load_config(folder.config)
    form: Any = CachedSets if config.has_several_labels else CachedAnswers
    return RunFacts(
        workdir=str(workdir),
        config=config,
        summary=read_json(folder.summary, "num_parameters"),
        history=read_rows(folder.metrics, "epoch", "step"),
        answers=form(*read_arrays(folder.test_answers, form._fields, newer=form._field_defaults)),
        photos=read_photos(folder.report_photos),
        chosen=chosen,
    )

"""Keep in a run's folder what its page is made of, and make it: the last act of a run."""

import jax

from jaxcnn.data.image_splits import ImageSplit
from jaxcnn.models import StagedNetwork
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.folder import Workdir
from jaxcnn.runs.report.answers import shorten_answers, write_answers
from jaxcnn.runs.report.run_page import write_report
from jaxcnn.runs.report.shown_photos import keep_photos, map_maker, write_photos
from jaxcnn.training.evaluation import Evaluation
from jaxcnn.types import PyTree

_SHARED = "none are made while several processes train; testing the run again makes them."


def keep_and_write(
    folder: Workdir,
    config: TrainConfig,
    split: ImageSplit,
    *,
    test: Evaluation,
    validation: Evaluation,
    model: StagedNetwork,
    variables: PyTree,
) -> None:
    """Keep a run's answers and some of its photos in its folder, and write its page.

    Args:
      folder: the run's, with its settings, rows and summary.
      config: complete settings.
      split: the test split.
      test: the network's answers to it.
      validation: its answers to the validation split.
      model: the network.
      variables: {"params": ..., "batch_stats": ...}, whose maps are drawn.
    """
    answers = shorten_answers(test, validation, split.names)
    write_answers(folder.test_answers, answers)
    maps = _SHARED if jax.process_count() > 1 else map_maker(model, variables, config)
    write_photos(folder.report_photos, keep_photos(answers, split, config, maps))
    write_report(folder.path)

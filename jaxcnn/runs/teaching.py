"""The teacher of a run: a trained network whose answers the run's network learns."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcnn.host.files import read_json
from jaxcnn.host.text import listed
from jaxcnn.models import head_of
from jaxcnn.runs.best_checkpoint import checkpoint_folder, member_folders
from jaxcnn.runs.classifier import Classifier
from jaxcnn.runs.config import TrainConfig
from jaxcnn.runs.context import RunContext
from jaxcnn.runs.features_cache import keep
from jaxcnn.runs.seen_photos import SeenPhotos, load_seen
from jaxcnn.runs.transfer import split_settings_of
from jaxcnn.training.answered_views import answer_views
from jaxcnn.training.checkpoints import CheckpointError, fingerprint
from jaxcnn.training.distillation import AnsweredViews, Teacher, make_teacher
from jaxcnn.training.features import load_features
from jaxcnn.training.step import Augment

logger = logging.getLogger(__name__)


class FoundTeacher(NamedTuple):
    """A trained network that is to teach."""

    name: str
    classifier: Classifier
    seen: SeenPhotos  # in its own training


def find_teacher(config: TrainConfig) -> FoundTeacher:
    """Load the network that the settings name as teacher.

    Args:
      config: complete settings, with a teacher.

    Returns:
      The network, and the photos that it was trained on.

    Raises:
      ValueError: if it cannot be had or read.
    """
    name = config.training.teacher or ""
    dtype, folder = config.network.compute_dtype, Path(name)
    if not folder.is_dir():
        try:
            classifier = Classifier.from_pretrained(name, compute_dtype=dtype)
        except ValueError as error:
            raise ValueError(
                f"teacher (={name}) is neither the folder of a run nor published weights: {error}"
            ) from error
        return FoundTeacher(name, classifier, SeenPhotos(unknown=(name,)))
    try:
        classifier = Classifier.load(folder, compute_dtype=dtype)
    except CheckpointError as error:
        raise ValueError(f"teacher: {error}") from error
    seen = [load_seen(checkpoint_folder(m), name) for m in member_folders(folder) or [folder]]
    digests = frozenset().union(*(each.digests for each in seen))
    unknown = tuple(dict.fromkeys(each for one in seen for each in one.unknown))
    split = split_settings_of(classifier.config)
    return FoundTeacher(name, classifier, SeenPhotos(digests, unknown, split))


def check_teacher(
    found: FoundTeacher, config: TrainConfig, class_names: Sequence[str], head: str
) -> None:
    """Refuse a teacher that does not fit a run.

    Args:
      found: the trained network.
      config: complete settings of the run.
      class_names: of the run.
      head: of the run's network.

    Raises:
      ValueError: if it has other classes, another kind of labels or other channels.
    """
    classifier, name = found.classifier, found.name
    theirs = classifier.class_names
    if sorted(theirs) != sorted(class_names):
        raise ValueError(
            f"teacher (={name}) knows {_classes(theirs)}, and these photos have "
            f"{_classes(class_names)}; both must be the same. Train the teacher's last layer on "
            "these classes first, by a run with pretrained=True, and give its folder."
        )
    if (head == "multi_label") != (head_of(classifier.model) == "multi_label"):
        raise ValueError(
            f"teacher (={name}) gives {'one label' if head == 'multi_label' else 'several labels'} "
            "per photo, and this run the other kind; give a teacher of its own kind."
        )
    channels = classifier.preprocessing.decoding.num_channels
    if channels != config.data.num_channels:
        raise ValueError(
            f"teacher (={name}) takes images of {channels} channels, num_channels is "
            f"{config.data.num_channels}; give a teacher that takes as many."
        )


def teacher_for(
    found: FoundTeacher, config: TrainConfig, class_names: Sequence[str], head: str
) -> Teacher:
    """Make a teacher for a run's classes.

    Args:
      found: the trained network.
      config: complete settings of the run.
      class_names: of the run, in the order of the labels.
      head: of the run's network.

    Returns:
      The teacher, whose answers are in the order of the run's classes.

    Raises:
      ValueError: if it does not fit, see `check_teacher`.
    """
    check_teacher(found, config, class_names, head)
    classifier, name = found.classifier, found.name
    teacher = make_teacher(
        classifier.model,
        classifier.members,
        preprocessing=classifier.preprocessing,
        order=[classifier.class_names.index(each) for each in class_names],
        kind=config.training.distillation,
        temperature=config.training.distillation_temperature,
        label_share=config.training.distillation_label_share,
    )
    logger.info(
        f"taught by {name} ({classifier.config.network.model}): {teacher.kind} answers"
        + (f" at temperature {teacher.temperature:g}" if teacher.kind == "soft" else "")
        + f", label's share {teacher.share:g}"
    )
    return teacher


def with_answers(run: RunContext, teacher: Teacher, augment: Augment) -> Teacher:
    """Let the teacher answer to views of the training photos, or read what it has answered.

    Args:
      run: whose folder keeps the answers, and whose settings say how many views there are.
      teacher: of the run.
      augment: (key, image) to image, of the training.

    Returns:
      The teacher with its answers.
    """
    config, split = run.config, run.data.train
    num_views, seed = config.training.teacher_views, config.run.seed
    preprocessing = config.training_preprocessing
    path = run.folder.features / "teacher.npz"
    policy, origin = config.training.augment, read_json(run.folder.origin)
    about = fingerprint((), origin, preprocessing, policy, num_views, seed)
    if found := load_features(path, about):
        return teacher._replace(answered=AnsweredViews(seed, found[0]))
    logger.info(f"the teacher answers to {num_views} views of {len(split):,} photos")
    with run.bar(len(split), "the teacher's answers", unit="image", leave=True) as bar:
        teacher = answer_views(
            *(teacher, split),
            augment=augment,
            preprocessing=preprocessing,
            num_views=num_views,
            seed=seed,
            mesh=run.layout,
            on_batch=bar.update,
        )
    assert teacher.answered is not None
    logits = teacher.answered.logits
    keep(path, (logits, np.ones(len(logits), bool)), about, "the teacher's answers")
    return teacher


def _classes(names: Sequence[str]) -> str:
    return f"{len(names):,} classes ({listed(names, 5)})"

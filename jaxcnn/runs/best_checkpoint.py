"""The best checkpoint of a run: its settings, variables and class names."""

import contextlib
from pathlib import Path

from jaxcnn.runs import build, config as config_lib
from jaxcnn.runs.config import TrainConfig
from jaxcnn.training.checkpoints import (
    Checkpoint,
    CheckpointError,
    CheckpointStore,
)
from jaxcnn.types import PyTree


def load_best(workdir: Path) -> tuple[TrainConfig, PyTree, list[str]]:
    """Load the settings, the best variables and the class names of a run.

    Args:
      workdir: the run's folder, or its folder `checkpoints/best` alone.

    Returns:
      Complete settings, {"params": ..., "batch_stats": ...}, and names in the order of the labels.

    Raises:
      CheckpointError: if there is no checkpoint, or it is damaged.
    """
    config, found, class_names = read_best(workdir)
    return config, found.state, class_names


def read_best(workdir: Path) -> tuple[TrainConfig, Checkpoint, list[str]]:
    """Load what `load_best` does, as a checkpoint that knows its step."""
    with contextlib.closing(CheckpointStore(checkpoint_folder(workdir), read_only=True)) as store:
        metadata = store.metadata()
        try:
            config = config_lib.from_json(metadata["config"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"{workdir} holds checkpoints, but not of the best network of this version "
                f"({error}); give the run's folder, or its checkpoints/best."
            ) from error
        model = build.build_model(config, len(metadata["class_names"]))
        found = store.restore(build.variable_shapes(config, model))
    assert found is not None  # `metadata` raises where there is no checkpoint
    return config, found, metadata["class_names"]


def member_folders(path: Path) -> list[Path]:
    """Find the networks of a run that trained several; none of a run of one."""
    found = sorted((path / "members").glob("[0-9]*"))
    return [folder for folder in found if folder.name.isdecimal()]


def checkpoint_folder(path: Path) -> Path:
    """Find the best checkpoints of a run of one network: in its folder, or the folder itself."""
    if members := member_folders(path):
        raise CheckpointError(
            f"{path} holds {len(members)} networks where one is wanted; give the folder of one, "
            f"such as {members[0]}."
        )
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise CheckpointError(f"{path} {what}; give the folder of a run.")
    for folder in (path / "checkpoints" / "best", path):
        # Photos lie in folders that are numbers too, one per year.
        if any(each.parent.name.isdecimal() for each in folder.glob("*/manifest")):
            return folder
    raise CheckpointError(
        f"{path} holds no trained network: expected a run's folder with checkpoints/best/."
    )

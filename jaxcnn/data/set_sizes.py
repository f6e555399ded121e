"""How large a data set is, before an image of it is read."""

from jaxcnn.data.datasets import DRAWN_PETS, FOLDER, load_splits
from jaxcnn.data.tables.table_columns import TableColumns
from jaxcnn.data.tfds_prepare import TfdsError, find_builder
from jaxcnn.data.tfds_source import find_feature_keys


def count_classes_and_examples(
    name: str,
    *,
    data_dir: str | None = None,
    validation_fraction: float = 0.15,
    test_fraction: float = 0.15,
    labels: str | None = None,
    columns: TableColumns | None = None,
) -> tuple[int, int]:
    """Count classes and training examples by file names, or by what tfds knows of a set.

    Args:
      name: "drawn_pets", "folder", or the name of a tensorflow-datasets set.
      data_dir: the folder of photos, or where tensorflow-datasets keeps its sets.
      validation_fraction: share of the examples for validation where there is no such split.
      test_fraction: share of the examples for the test where there is no such split.
      labels: with "folder", a table of the photos' labels.
      columns: names of the table's columns.

    Returns:
      Number of classes, and of examples in the training split; of a tfds set whose validation or
      test is still to be taken out of it, as many as are expected to be left.

    Raises:
      ValueError: if the set cannot be found.
      TfdsError: if tfds does not know the numbers before the set is prepared.
    """
    if name in (DRAWN_PETS, FOLDER):
        splits = load_splits(
            name,
            data_dir=data_dir,
            size_px=32,  # no image is drawn or read
            validation_fraction=validation_fraction,
            test_fraction=test_fraction,
            labels=labels,
            columns=columns,
        )
        return len(splits.train.class_names), len(splits.train)
    info = find_builder(name, data_dir=data_dir).info
    counts = {split: found.num_examples for split, found in info.splits.items()}
    if not counts.get("train"):
        raise TfdsError(
            f"tfds does not know how large the train split of {name!r} is before it is prepared; "
            "give num_classes and num_examples."
        )
    left = 1.0
    left -= 0 if "validation" in counts else validation_fraction
    left -= 0 if "test" in counts else test_fraction
    num_classes = info.features[find_feature_keys(info).label].num_classes
    return num_classes, round(counts["train"] * left)

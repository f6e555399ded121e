"""What is learned from, and how photos are read and split."""

import dataclasses

from jaxcnn.data.image_size import ImageSize, as_size, sides
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.tables.table_columns import TableColumns
from jaxcnn.runs.config.settings.fields import open_setting, setting

SIZE_SETTINGS = ("image_size_px", "eval_size_px", "stored_size_px")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Data settings."""

    def image_size(self) -> str:
        """Write the size of the images that the network sees, as in "64 x 64 x 3"."""
        trained, seen = (
            " x ".join(map(str, (*sides(size_px), self.num_channels)))
            for size_px in (self.image_size_px, self.seen_size_px)
        )
        return trained if seen == trained else f"{trained}, {seen} in evaluation"

    @property
    def seen_size_px(self) -> ImageSize:
        """Size of the images in evaluation, prediction and export, pixels."""
        return self.eval_size_px or self.image_size_px

    def __post_init__(self) -> None:
        """Take a folder of photos as the data set, where no other is named; read sizes."""
        for name in SIZE_SETTINGS:
            if (value := getattr(self, name)) is not None:
                try:
                    object.__setattr__(self, name, as_size(value))
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
        if not self.dataset:
            has_photos = self.data_dir or self.labels
            object.__setattr__(self, "dataset", "folder" if has_photos else "drawn_pets")

    @property
    def columns(self) -> TableColumns:
        """The columns of the table of labels, as far as they are named."""
        return TableColumns(
            self.image_column,
            self.label_column,
            self.split_column,
            self.group_column,
            self.label_separator,
        )

    dataset: str = open_setting(
        "drawn_pets (drawn by this program), folder (of `data_dir`), or the name of a "
        "tensorflow-datasets image classification set, e.g. cats_vs_dogs, cifar10, mnist; default "
        "folder with `data_dir` or `labels`, else drawn_pets.",
    )
    data_dir: str | None = open_setting(
        "your photos: a folder with one sub-folder per class, or with train/, validation/ and "
        "test/ above the classes; with `labels` any folder; or a folder of Parquet files with "
        "images inside, or of tar shards; for a set of tensorflow-datasets, the folder that holds "
        "it.",
    )
    labels: str | None = open_setting(
        "table of the photos' labels, CSV, TSV, JSON lines or Parquet: one row per photo, with its "
        "path relative to `data_dir`, or without that to the table.",
    )
    image_column: str | None = open_setting(
        "the table's column of paths; default one of a usual name, such as file or image."
    )
    label_column: str | None = open_setting(
        "the table's column of labels; several, comma-separated, are one column of 0 and 1 per "
        "class; default one of a usual name, such as label or class."
    )
    split_column: str | None = open_setting(
        "the table's column of splits, such as train, validation, test; default split or subset, "
        "if it is there."
    )
    group_column: str | None = open_setting(
        "the table's column of groups, such as a patient or a site: its photos belong together."
    )
    label_separator: str | None = open_setting(
        "what stands between several labels of one photo, such as ';'; without it a photo has one."
    )
    decisions: str | None = open_setting(
        "table (CSV) of what you decided about photos: labels to change, and photos to leave out; "
        "the page of suspected labels writes it.",
    )
    image_size_px: int | tuple[int, int] = open_setting(
        "side of the square that the network sees, pixels, or HEIGHTxWIDTH, e.g. 224x160."
    )
    eval_size_px: int | tuple[int, int] | None = open_setting(
        "the same in evaluation and prediction; a size somewhat above that of random crops in "
        "training is often more accurate. Default "
        "`image_size_px`; of a folder of photos from scratch, with six_conv, 7/6 of it.",
    )
    stored_size_px: int | tuple[int, int] = open_setting(
        "size of the stored images, written likewise; with crop_from=square, augmentation crops "
        "from it. Default 7/6 of `image_size_px` (1 with augment=none), at least `eval_size_px`.",
    )
    resize_mode: str = open_setting(
        "how a photo takes that shape: crop (fills it, centre cut out), squash, or pad."
    )
    interpolation: str = open_setting("how photos are resized: bilinear, bicubic or lanczos.")
    num_channels: int = open_setting("3 for colour, 1 for grey.")
    pixel_mean: tuple[float, ...] = open_setting(
        "mean that is subtracted from pixels, which lie in [0, 1]: one number for all channels, "
        "or one per channel."
    )
    pixel_std: tuple[float, ...] = open_setting(
        "standard deviation that pixels are then divided by, likewise."
    )
    max_train_examples: int = open_setting(
        "at most this many training examples, chosen by `split_seed`; 0 is all."
    )
    split_seed: int = setting(
        0,
        "whole number that decides which photos are for training, validation and test, and what "
        "drawn_pets draws; with `init_from`, give that of the other run.",
    )
    validation_fraction: float = setting(
        0.15, "share of examples for validation where the data set has no such split, in (0, 1)."
    )
    test_fraction: float = setting(
        0.15, "share of examples for the test where the data set has no such split, in (0, 1)."
    )
    split_method: str = open_setting(
        "how photos are split where the data set has no such splits: stratified (each class has "
        "its share in each split; a few photos at the cuts move when others are added), or hash "
        "(none moves, shares are met on average). Default stratified, with `init_from` as that "
        "run did."
    )
    group_by: str = setting(
        "",
        "regular expression that finds a photo's group in its name, e.g. 'patient_([0-9]+)'; "
        "photos of one group share a split. The group is what the first parentheses match, or the "
        "whole match if there are none. For a table, give `group_column`.",
    )
    near_duplicates: str = open_setting(
        "what to do about photos that are nearly the same, such as crops, re-encodings and bursts: "
        "report (list them), group (they share a split), or none. They are found by the features "
        "of a frozen network, else by a perceptual hash of photos in memory. "
        "Default report for folders of photos, else none."
    )
    allow_seen_test_photos: bool = setting(
        False,
        "test even on photos that the weights were trained on in an earlier run; the result says "
        "how many they are.",
    )
    memory_limit_gib: float = setting(
        2.0, "decoded images are kept in memory up to this size, GiB; above it they are streamed."
    )
    num_workers: int | None = open_setting(
        "threads that decode; without it, one per core of this process."
    )
    decoder: str = setting(
        "auto",
        "what decodes JPEGs: pillow, fast (the extra fast brings it), or auto: fast "
        "where it is installed.",
    )
    image_cache_gib: float = setting(
        4.0,
        "decoded images that fit in memory are cached on disk for the next run, in $JAXCNN_CACHE "
        "or the user's cache folder, up to this size, GiB; 0 keeps none.",
    )
    max_bad_share: float = setting(
        0.05, "stop where more than this share of the files cannot be read, in [0, 1]."
    )
    max_pixels: int = setting(
        Decoding._field_defaults["max_pixels"],
        "photos of more pixels are left out as unreadable; most JPEGs are decoded at a reduced "
        "size, down to 1/8, and the limit applies to that size.",
    )
    check_files: bool = setting(
        True,
        "read each file once before training, where images are streamed: bad ones are left out and "
        "listed, and duplicates across splits are reported. If off, a bad file is skipped when it "
        "is read.",
    )


TABLE_SETTINGS = (
    *("image_column", "label_column", "split_column", "group_column", "label_separator"),
)
"""Settings that say how a table of labels is read."""

"""Data on the host: sources, decoding, splits, and batches of numpy arrays.

From a data set's name to batches (`datasets` does the first four):

    source        labelled images by position, one interface for all sets
    photo_sources what a user names as photos, in any of these forms:
    folder        photos in folders; photo_files finds and reads the files
    tables/       photos whose labels are in a table: table_file reads it, table_columns finds its
                  columns, row_labels and class_labels make classes of its labels, table_images
                  finds the files of its rows
    shards/       sets of Hugging Face (parquet_images), and in WebDataset's form (tar_shards)
    drawn_pets/   drawn cats and dogs, which need no download
    tfds_source   sets of TensorFlow Datasets; tfds_prepare downloads and writes them,
                  without_tensorflow and tfds_internals let it do without TensorFlow,
                  cats_vs_dogs is the builder of that set, label_cache caches names and labels
    decisions/    what a person decided about photos: a table, its log, and their effect
    splits/       which example is for training, validation, test (splitting): stratified, by
                  groups, joined again; photos that are equal (duplicates) or nearly so
                  (near_duplicates)
    preprocessing how a photo becomes what a network takes, as one value
    decode        from a file's bytes to upright pixels; opening, resize and fast_jpeg are its
                  parts
    image_splits  a split's images at one size: in memory, or decoded when requested;
                  image_cache caches the decoded, bad_files lists the unreadable
    array_split   arrays and sequences of examples as splits
    random_crops  a split's images as random crops of whole photos, other ones in each batch
    batches       shuffled for training, each example once for evaluation; sampling says how
                  often classes come
    workers       threads that decode
    encode        from pixels to files, for pages

Imports `jaxcnn.host` and `jaxcnn.types`, and no JAX arithmetic.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.data.bad_files import (
        BadFilesError as BadFilesError,
        SkippedFile as SkippedFile,
    )
    from jaxcnn.data.batches import (
        eval_batches as eval_batches,
        steps_per_epoch as steps_per_epoch,
        train_batches as train_batches,
    )
    from jaxcnn.data.datasets import (
        ImageSplits as ImageSplits,
        load_images as load_images,
        load_splits as load_splits,
    )
    from jaxcnn.data.decisions.applying import apply_decisions as apply_decisions
    from jaxcnn.data.decisions.decision_log import DecisionLog as DecisionLog
    from jaxcnn.data.decisions.decision_table import (
        Decision as Decision,
        DecisionError as DecisionError,
        read_decisions as read_decisions,
    )
    from jaxcnn.data.decode import (
        DecodeError as DecodeError,
        decode_and_crop as decode_and_crop,
        decode_and_resize as decode_and_resize,
        decode_image as decode_image,
    )
    from jaxcnn.data.drawn_pets.splits import DrawnPetsSource as DrawnPetsSource
    from jaxcnn.data.folder import (
        FolderError as FolderError,
        FolderSource as FolderSource,
        load_folder as load_folder,
    )
    from jaxcnn.data.image_cache import ImageCache as ImageCache
    from jaxcnn.data.image_splits import (
        DecodedSplit as DecodedSplit,
        ImageSplit as ImageSplit,
        StreamedSplit as StreamedSplit,
        check_source as check_source,
        decode_split as decode_split,
    )
    from jaxcnn.data.photo_sources import load_photos as load_photos
    from jaxcnn.data.preprocessing import Decoding as Decoding, Preprocessing as Preprocessing
    from jaxcnn.data.random_crops import (
        CropRange as CropRange,
        RandomCrops as RandomCrops,
        random_box as random_box,
    )
    from jaxcnn.data.shards.packed import PackedSource as PackedSource
    from jaxcnn.data.shards.parquet_images import load_parquet_images as load_parquet_images
    from jaxcnn.data.shards.tar_shards import load_tar_shards as load_tar_shards
    from jaxcnn.data.source import (
        Example as Example,
        Source as Source,
        Splits as Splits,
        SubsetSource as SubsetSource,
        example_labels as example_labels,
        example_names as example_names,
    )
    from jaxcnn.data.splits.duplicates import (
        DuplicatePair as DuplicatePair,
        find_duplicates as find_duplicates,
    )
    from jaxcnn.data.splits.near_duplicates import (
        NearPairs as NearPairs,
        connected as connected,
        pairs_by_features as pairs_by_features,
        pairs_by_hash as pairs_by_hash,
    )
    from jaxcnn.data.splits.perceptual_hash import perceptual_hash as perceptual_hash
    from jaxcnn.data.splits.splitting import (
        complete_splits as complete_splits,
        fold_numbers as fold_numbers,
    )
    from jaxcnn.data.tables.label_table import load_label_table as load_label_table
    from jaxcnn.data.tables.table_columns import TableColumns as TableColumns
    from jaxcnn.data.tables.table_file import TableError as TableError
    from jaxcnn.data.tfds_prepare import TfdsError as TfdsError
    from jaxcnn.data.tfds_source import TfdsSource as TfdsSource, load_tfds as load_tfds
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)

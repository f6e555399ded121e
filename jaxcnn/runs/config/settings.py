"""The settings in their four groups, each with its meaning and its default."""

import dataclasses
from typing import Any

from jaxcnn.data.image_size import ImageSize, as_size, sides
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.tables.table_columns import TableColumns


def _setting(default: Any, text: str, *, model_option: bool = False) -> Any:
    about = {"help": text, "model_option": model_option}
    return dataclasses.field(default=default, metadata=about)


def _open(text: str) -> Any:
    """Make a setting that is None unless given: a preset fills it in, or it means what is said."""
    return _setting(None, text)


def _model_option(text: str) -> Any:
    """Make a setting that only some networks have."""
    return _setting(None, text, model_option=True)


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

    dataset: str = _open(
        "drawn_pets (drawn by this program), folder (of `data_dir`), or the name of a "
        "tensorflow-datasets image classification set, e.g. cats_vs_dogs, cifar10, mnist; default "
        "folder with `data_dir` or `labels`, else drawn_pets.",
    )
    data_dir: str | None = _open(
        "your photos: a folder with one sub-folder per class, or with train/, validation/ and "
        "test/ above the classes; with `labels` any folder; or a folder of Parquet files with "
        "images inside, or of tar shards; for a set of tensorflow-datasets, the folder that holds "
        "it.",
    )
    labels: str | None = _open(
        "table of the photos' labels, CSV, TSV, JSON lines or Parquet: one row per photo, with its "
        "path relative to `data_dir`, or without that to the table.",
    )
    image_column: str | None = _open(
        "the table's column of paths; default one of a usual name, such as file or image."
    )
    label_column: str | None = _open(
        "the table's column of labels; several, comma-separated, are one column of 0 and 1 per "
        "class; default one of a usual name, such as label or class."
    )
    split_column: str | None = _open(
        "the table's column of splits, such as train, validation, test; default split or subset, "
        "if it is there."
    )
    group_column: str | None = _open(
        "the table's column of groups, such as a patient or a site: its photos belong together."
    )
    label_separator: str | None = _open(
        "what stands between several labels of one photo, such as ';'; without it a photo has one."
    )
    decisions: str | None = _open(
        "table (CSV) of what you decided about photos: labels to change, and photos to leave out; "
        "the page of suspected labels writes it.",
    )
    image_size_px: int | tuple[int, int] = _open(
        "side of the square that the network sees, pixels, or HEIGHTxWIDTH, e.g. 224x160."
    )
    eval_size_px: int | tuple[int, int] | None = _open(
        "the same in evaluation and prediction; a size somewhat above that of random crops in "
        "training is often more accurate. Default "
        "`image_size_px`; of a folder of photos from scratch, with six_conv, 7/6 of it.",
    )
    stored_size_px: int | tuple[int, int] = _open(
        "size of the stored images, written likewise; with crop_from=square, augmentation crops "
        "from it. Default 7/6 of `image_size_px` (1 with augment=none), at least `eval_size_px`.",
    )
    resize_mode: str = _open(
        "how a photo takes that shape: crop (fills it, centre cut out), squash, or pad."
    )
    interpolation: str = _open("how photos are resized: bilinear, bicubic or lanczos.")
    num_channels: int = _open("3 for colour, 1 for grey.")
    pixel_mean: tuple[float, ...] = _open(
        "mean that is subtracted from pixels, which lie in [0, 1]: one number for all channels, "
        "or one per channel."
    )
    pixel_std: tuple[float, ...] = _open(
        "standard deviation that pixels are then divided by, likewise."
    )
    max_train_examples: int = _open(
        "at most this many training examples, chosen by `split_seed`; 0 is all."
    )
    split_seed: int = _setting(
        0,
        "whole number that decides which photos are for training, validation and test, and what "
        "drawn_pets draws; with `init_from`, give that of the other run.",
    )
    validation_fraction: float = _setting(
        0.15, "share of examples for validation where the data set has no such split, in (0, 1)."
    )
    test_fraction: float = _setting(
        0.15, "share of examples for the test where the data set has no such split, in (0, 1)."
    )
    split_method: str = _open(
        "how photos are split where the data set has no such splits: stratified (each class has "
        "its share in each split; a few photos at the cuts move when others are added), or hash "
        "(none moves, shares are met on average). Default stratified, with `init_from` as that "
        "run did."
    )
    group_by: str = _setting(
        "",
        "regular expression that finds a photo's group in its name, e.g. 'patient_([0-9]+)'; "
        "photos of one group share a split. The group is what the first parentheses match, or the "
        "whole match if there are none. For a table, give `group_column`.",
    )
    near_duplicates: str = _open(
        "what to do about photos that are nearly the same, such as crops, re-encodings and bursts: "
        "report (list them), group (they share a split), or none. They are found by the features "
        "of a frozen network, else by a perceptual hash of photos in memory. "
        "Default report for folders of photos, else none."
    )
    allow_seen_test_photos: bool = _setting(
        False,
        "test even on photos that the weights were trained on in an earlier run; the result says "
        "how many they are.",
    )
    memory_limit_gib: float = _setting(
        2.0, "decoded images are kept in memory up to this size, GiB; above it they are streamed."
    )
    num_workers: int | None = _open(
        "threads that decode; without it, one per core of this process."
    )
    decoder: str = _setting(
        "auto",
        "what decodes JPEGs: pillow, fast (the extra fast brings it), or auto: fast "
        "where it is installed.",
    )
    image_cache_gib: float = _setting(
        4.0,
        "decoded images that fit in memory are cached on disk for the next run, in $JAXCNN_CACHE "
        "or the user's cache folder, up to this size, GiB; 0 keeps none.",
    )
    max_bad_share: float = _setting(
        0.05, "stop where more than this share of the files cannot be read, in [0, 1]."
    )
    max_pixels: int = _setting(
        Decoding._field_defaults["max_pixels"],
        "photos of more pixels are left out as unreadable; most JPEGs are decoded at a reduced "
        "size, down to 1/8, and the limit applies to that size.",
    )
    check_files: bool = _setting(
        True,
        "read each file once before training, where images are streamed: bad ones are left out and "
        "listed, and duplicates across splits are reported. If off, a bad file is skipped when it "
        "is read.",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The network, and the weights that it starts from."""

    model: str = _open(
        "name of the network; default six_conv, with `pretrained` efficientnet_lite0."
    )
    head: str | None = _open(
        "softmax: one label per photo; sigmoid: a single output, for two classes; multi_label: any "
        "number of labels per photo. Default multi_label where photos have several labels, else "
        "softmax."
    )
    dropout_rate: float | None = _model_option("share of units dropped in training, in [0, 1).")
    width_multiplier: float | None = _model_option(
        "factor on the number of channels of each layer; below 1 is a smaller network."
    )
    depth: int | None = _model_option("number of convolution blocks; fewer is a smaller network.")
    batch_norm: bool | None = _model_option("BatchNorm after each convolution.")
    global_pooling: str | None = _model_option(
        "none (flatten) or average, before the fully connected layers."
    )
    dense_widths: tuple[int, ...] | None = _model_option(
        "units of the fully connected layers before the last, comma-separated; '' is none."
    )
    padding: str | None = _model_option(
        "padding of the convolutions: same or valid; for some networks same or symmetric."
    )
    drop_path_rate: float | None = _model_option(
        "share of residual branches dropped in training (stochastic depth), in [0, 1)."
    )
    pooling: str | None = _model_option("kind of pooling: max or avg.")
    pool_padding: str | None = _model_option(
        "last row and column that fill no pooling window: valid drops them, same pools them too."
    )
    activation: str | None = _model_option("activation function, e.g. relu, sigmoid, tanh, gelu.")
    model_options: str | None = _open(
        "further options of the network: name=value, comma-separated; an unknown name is refused "
        "with a list of those that the network has.",
    )
    compute_dtype: str = _setting(
        "auto",
        "precision of the layers: float32, bfloat16, or auto: bfloat16 where a trial shows that it "
        "is faster on this machine and right, else float32. A run keeps what it began with. "
        "Parameters, loss and metrics are float32.",
    )
    pretrained: bool = _setting(
        False, "start from the network's published weights; see `weights` for others."
    )
    weights: str | None = _open(
        "published weights to start from: their name, or the path of a file; without it, the "
        "network's own. An unknown name is refused with a list.",
    )
    weights_key: str | None = _open(
        "which part of the file of `weights` to start from: an entry of a PyTorch checkpoint, such "
        "as state_dict, or what stands before the names of the arrays; default the EMA of the "
        "weights where the file has one, else the only entry.",
    )
    init_from: str | None = _open(
        "start from the best checkpoint of another run: its folder, for the same `model`; the last "
        "layer is kept where the classes are the same."
    )
    freeze: str | None = _open(
        "layers that keep the weights they start from: backbone (all but the last), a number of "
        "stages, or none; default backbone with `pretrained`, none with `fine_tune`.",
    )
    freeze_batch_norm: bool | None = _model_option(
        "BatchNorm keeps the running averages that it starts from, in training too."
    )
    head_init: str = _setting(
        "zero", "how a new last layer starts: zero, or scaled (random, variance 1 / inputs)."
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Training settings."""

    num_epochs: int = _open("passes over the training split.")
    batch_size: int = _setting(32, "examples per training step.")
    optimizer: str = _setting("adamw", "name of the optimizer, one of Optax's among them.")
    optimizer_options: str | None = _open(
        "further options of the optimizer: name=value, comma-separated, e.g. b2=0.99; an unknown "
        "name is refused with a list of those that it has.",
    )
    learning_rate: float = _open(
        "peak learning rate; default the optimizer's own, smaller with `pretrained` or "
        "`init_from`.",
    )
    schedule: str = _open(
        "learning-rate schedule, one of Optax's among them; default cosine, with a schedule-free "
        "optimizer constant.",
    )
    schedule_options: str | None = _open(
        "options of the schedule: name=value, comma-separated, e.g. with polynomial power=2.",
    )
    warmup_epochs: float | None = _open("epochs in which the learning rate rises to its peak.")
    weight_decay: float = _open(
        "decay of kernels (not of biases and normalization parameters): a factor of the learning "
        "rate for adamw, lion, lamb, muon and their like (default 0.05), an L2 penalty for the "
        "others (default 0.0005).",
    )
    weight_decay_on: str | None = _open(
        "regular expression of the names of parameters that decay, in place of kernels.",
    )
    lr_multipliers: str | None = _open(
        "factors on the learning rate by parameter: PATTERN=FACTOR, comma-separated, e.g. "
        "head=1,stage_[34]=0.1,.*=0.01. Patterns are regular expressions that begin to match at "
        "the start of a name; the first that matches holds, and others have 1. 0 keeps parameters "
        "as they are.",
    )
    momentum: float | None = _open(
        "momentum coefficient, in [0, 1): velocity of sgd and rmsprop, first moment (b1) of the "
        "Adam family and of lion. Default 0.9, of muon 0.95, of others Optax's.",
    )
    gradient_clip_norm: float | None = _open(
        "largest global norm of the gradient; without it, no clipping."
    )
    loss: str = _setting(
        "cross_entropy",
        "training loss: cross_entropy, or binary_cross_entropy, which treats each class as a "
        "separate yes-or-no question, so that both classes of a mixed photo are targets.",
    )
    target_threshold: float = _setting(
        0.0,
        "with binary_cross_entropy, targets above this value become 1 and the others 0, in [0, 1).",
    )
    label_smoothing: float = _open("share of each label spread over all classes, in [0, 1).")
    class_weights: str = _setting(
        "none",
        "none, balanced (rarer classes weigh more; with several labels per photo those that show a "
        "class weigh as much as those that do not), or one number per class, comma-separated.",
    )
    sampler: str = _setting(
        "none",
        "how often classes come in training: none (as often as there are photos), balanced (all "
        "alike), or sqrt (by the square root of their size, between the two). An epoch stays as "
        "long. Together with `class_weights`, rare classes count twice.",
    )
    ema_decay: float = _open(
        "decay per step of the exponential moving average (EMA) of parameters and batch "
        "statistics that is evaluated, in [0, 1); 0 is none.",
    )
    average_checkpoints: int = _setting(
        0,
        "stochastic weight averaging: average the parameters of this many last epochs, and take "
        "the mean instead of the best epoch where it is better on validation. 0 is off.",
    )
    augment: str = _open(
        "none, flip, standard, strong, or a comma list such as "
        "'flip,zoom=0.55,rotation=0.25,brightness=0.2', 'standard,rand_augment=9,erasing=0.25'. "
        "Also vertical_flip, perspective, elastic, trivial_augment, aug_mix, grayscale and blur.",
    )
    crop_from: str = _open(
        "what the random crops of `augment` (zoom and aspect) are cut from: square (the stored "
        "one), or photo: the whole photo, decoded again for each crop. Default photo for a folder "
        "of photos from scratch, else square.",
    )
    repeated_augmentation: int = _setting(
        1,
        "differently augmented copies of each photo per batch. The number of steps per epoch stays "
        "the same, so with n copies an epoch sees 1/n of the photos. 1 is off.",
    )
    progressive_resizing: str = _open(
        "smaller image sizes to train at first, each with its share of the epochs: "
        "SIZE:SHARE, comma-separated, e.g. 64:0.4,80:0.3; the rest is trained at `image_size_px`, "
        "whose shorter side SIZE replaces. "
        "'' is none. Default 64:0.3,80:0.3 for a folder of photos from scratch with six_conv at "
        "96 px.",
    )
    mixup: float = _setting(
        0.0,
        "mixup, which blends each training photo and its label with another's: alpha of "
        "Beta(alpha, alpha), from which the share is drawn, e.g. 0.2; 0 is off. With `cutmix` "
        "too, each step takes one of the two.",
    )
    cutmix: float = _setting(
        0.0,
        "CutMix, which pastes a box of another photo into each training photo and mixes the labels "
        "by area: alpha of Beta(alpha, alpha), from which the area is drawn, e.g. 1; 0 is off.",
    )
    teacher: str | None = _open(
        "knowledge distillation: the folder of a trained run with the same classes, or the name of "
        "published weights that have them; its answers to the same views are learned beside the "
        "labels.",
    )
    distillation: str = _setting(
        "soft",
        "what is learned of `teacher`: soft, its probabilities; hard, its most probable class.",
    )
    distillation_temperature: float = _setting(
        3.0,
        "divides the logits of `teacher` and of the network, so that small probabilities count "
        "more; of distillation soft.",
    )
    distillation_label_share: float | None = _open(
        "share of the loss with the photo's own label, in [0, 1]; `teacher` has the rest. Default "
        "0.1, with distillation hard 0.5.",
    )
    early_stopping_epochs: int | None = _open(
        "stop after this many epochs without a better `best_metric`; without it, never."
    )
    metrics: str = _setting(
        "",
        "what is measured beside loss and accuracy, comma-separated, e.g. balanced_accuracy,"
        "macro_f1,top5,auroc; in metrics.jsonl, TensorBoard, the page and the summary. Several "
        "labels per photo have mean_average_precision, macro_f1 and subset_accuracy instead of "
        "accuracy.",
    )
    best_metric: str | None = _open(
        "the metric on the validation split that chooses the best epoch and that early stopping "
        "goes by; with - before it less is better, as in -loss. Default accuracy; with several "
        "labels per photo mean_average_precision.",
    )
    fine_tune: bool = _setting(
        False, "train the last layer first, then the layers that `freeze` leaves free too."
    )
    head_epochs: int = _open("with `fine_tune`, epochs in which the last layer is trained alone.")
    head_learning_rate: float = _open("peak learning rate while the last layer is trained alone.")
    layer_decay: float = _open(
        "with `fine_tune`, the ratio of a stage's learning rate to that of the next, in (0, 1]."
    )
    unfreeze_epochs: float = _setting(
        0.0,
        "with weights to start from, gradual unfreezing: train the last layer alone first, and one "
        "more stage after each so many epochs; 0 trains all at once.",
    )
    cache_features: bool = _open(
        "run a frozen backbone once over the data, and train the last layer on its features."
    )
    feature_views: int = _open(
        "augmented views of each training photo in that cache, beside the photo itself and, where "
        "`augment` flips, its mirror image; default 4 where `augment` does more, else 0.",
    )
    dp_clip_norm: float | None = _open(
        "differentially private training: largest norm of the gradient of one photo; default off.",
    )
    dp_noise_multiplier: float | None = _open(
        "differentially private training: standard deviation of the noise on the summed gradient, "
        "over `dp_clip_norm`; 0 clips only.",
    )
    accumulate_steps: int = _setting(
        1,
        "parts that each batch is computed in, one after the other, to need less memory; must "
        "divide batch_size.",
    )
    rematerialize: bool = _setting(
        False, "compute activations again in the backward pass instead of keeping them."
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """How a run goes about it: seeds, devices, evaluation, checkpoints, and search before it."""

    seed: int = _setting(
        0,
        "whole number that decides the initial weights, the order of the photos, augmentation and "
        "dropout; `split_seed` decides the data.",
    )
    num_seeds: int = _setting(
        1,
        "networks trained at once, on the same data: network k, from 0, equals that of a run with "
        "seed + k. Predictions of several networks are averaged.",
    )
    folds: int = _setting(
        0,
        "cross-validation: divide all photos into this many folds, at least 3. Each fold is the "
        "test of one network, which chooses its best epoch on the next fold and learns from the "
        "others; so every photo is tested once. 0 is off.",
    )
    member_order: str = _setting(
        "own",
        "with `num_seeds`, batches of each network: own (in the order of its own seed) or shared "
        "(all see the same, which is less to decode and to send).",
    )
    members_mode: str = _setting(
        "auto",
        "how several networks take a step: vmap (all in one program), in_turn (the program of one, "
        "called for each), or auto: in_turn on a CPU, vmap elsewhere.",
    )
    sweep: str | None = _open(
        "try a grid of values first, all in one program, and train with the best: "
        "name:low..high:log|linear:count, comma-separated, of learning_rate, weight_decay and "
        "momentum, e.g. learning_rate:1e-4..1e-1:log:8,weight_decay:0..0.1:linear:3.",
    )
    sweep_epochs: int | None = _open(
        "epochs of the last round of successive halving; at epochs 1, 2, 4, ... before it the "
        "worse half drops out. Default a third of `num_epochs`, at least 1.",
    )
    find_learning_rate: bool = _setting(
        False,
        "try a dozen learning rates for a few steps first, all in one program, and train with the "
        "one that the losses suggest.",
    )
    eval_batch_size: int = _open("examples per evaluation step; no effect on results.")
    flip_average: bool = _open(
        "when evaluating, average the answers for an image and its mirror image; default where "
        "`augment` flips.",
    )
    eval_views: str | None = _open(
        "when evaluating, average the answers over views of an image: none, or some of flip (its "
        "mirror image, as `flip_average`), five_crop (its corners and its middle) and scales "
        "(things an eighth larger and smaller), comma-separated; default as `flip_average`.",
    )
    coverage: float = _setting(
        0.95,
        "share of the validation photos that are taken for one of the classes; a photo that looks "
        "less like the training photos than these is none of them. Above 0, at most 1.",
    )
    conformal: float = _setting(
        0.9,
        "sets of classes that hold the right one with this probability, between 0 and 1: the page "
        "says how large they are, and predictions give them on request.",
    )
    baselines: bool = _open(
        "also classify by colour histogram and by edge orientations, for comparison."
    )
    checkpoint_every_steps: int | None = _open(
        "number of steps between checkpoints, beside those at the end of each epoch; default none.",
    )
    epoch_scan: str = _setting(
        "auto",
        "many training steps as one program on images that lie on the device: on, off, or auto: "
        "on a GPU or TPU with room for them, where a short trial says that it is faster.",
    )
    mesh: str = _setting(
        "auto",
        "devices by axis, e.g. data:4,fsdp:2: batches are split over all, parameters are copied "
        "along data and split along fsdp; auto: all devices along data.",
    )

    @property
    def searches(self) -> bool:
        """Whether hyper-parameters are looked for before training."""
        return self.sweep is not None or self.find_learning_rate


MODEL_OPTIONS = tuple(
    f.name for f in dataclasses.fields(NetworkSettings) if f.metadata["model_option"]
)
"""Settings that only some networks have; they are passed on where given."""

TABLE_SETTINGS = (
    *("image_column", "label_column", "split_column", "group_column", "label_separator"),
)
"""Settings that say how a table of labels is read."""

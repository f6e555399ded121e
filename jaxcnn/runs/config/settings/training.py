"""How the network is trained, and by what it is measured."""

import dataclasses

from jaxcnn.runs.config.settings.fields import open_setting, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Training settings."""

    num_epochs: int = open_setting("passes over the training split.")
    batch_size: int = setting(32, "examples per training step.")
    optimizer: str = setting("adamw", "name of the optimizer; most are Optax's.")
    optimizer_options: str | None = open_setting(
        "further options of the optimizer: name=value, comma-separated, e.g. b2=0.99; an unknown "
        "name is refused with a list of those that it has.",
    )
    learning_rate: float = open_setting(
        "peak learning rate; default the optimizer's own, smaller with `pretrained` or "
        "`init_from`.",
    )
    schedule: str = open_setting(
        "learning-rate schedule; some are Optax's. Default cosine, or constant for a schedule-free "
        "optimizer.",
    )
    schedule_options: str | None = open_setting(
        "options of the schedule: name=value, comma-separated, e.g. with polynomial power=2.",
    )
    warmup_epochs: float | None = open_setting(
        "epochs in which the learning rate rises to its peak."
    )
    weight_decay: float = open_setting(
        "weight decay of kernels; biases and normalization parameters do not decay. Decoupled for "
        "adamw, lion, lamb, muon and the like (default 0.05), an L2 penalty for the others "
        "(default 0.0005); those that go by the loss, such as momo, take none.",
    )
    weight_decay_on: str | None = open_setting(
        "regular expression: the parameters whose names it matches decay, instead of kernels.",
    )
    lr_multipliers: str | None = open_setting(
        "factors on the learning rate by parameter: PATTERN=FACTOR, comma-separated, e.g. "
        "head=1,stage_[34]=0.1,.*=0.01. Patterns are regular expressions that begin to match at "
        "the start of a name, and the first that matches holds. Parameters that none matches have "
        "1; a factor of 0 keeps parameters as they are.",
    )
    momentum: float | None = open_setting(
        "momentum coefficient, in [0, 1): velocity of sgd, sam and rmsprop, first moment (b1) of "
        "the Adam family and of lion. Default 0.9, of muon 0.95, of others Optax's.",
    )
    gradient_clip_norm: float | None = open_setting(
        "largest global norm of the gradient; without it, no clipping."
    )
    loss: str = setting(
        "cross_entropy",
        "training loss: cross_entropy, or binary_cross_entropy, which treats each class as a "
        "separate yes-or-no question, so that both classes of a mixed photo are targets.",
    )
    target_threshold: float = setting(
        0.0,
        "with binary_cross_entropy, targets above this value become 1 and the others 0, in [0, 1).",
    )
    label_smoothing: float = open_setting("share of each label spread over all classes, in [0, 1).")
    class_weights: str = setting(
        "none",
        "none, balanced (rarer classes weigh more; with several labels per photo those that show a "
        "class weigh as much as those that do not), or one number per class, comma-separated.",
    )
    sampler: str = setting(
        "none",
        "how often classes come in training: none (as often as there are photos), balanced (all "
        "alike), or sqrt (by the square root of their size, between the two). An epoch stays as "
        "long. Together with `class_weights`, rare classes count twice.",
    )
    ema_decay: float = open_setting(
        "decay per step of the exponential moving average (EMA) of parameters and batch "
        "statistics that is evaluated, in [0, 1); 0 is none.",
    )
    average_checkpoints: int = setting(
        0,
        "stochastic weight averaging: average the parameters of the last N epochs, and use the "
        "mean if it is better on validation than the best epoch. 0 is off.",
    )
    augment: str = open_setting(
        "none, flip, standard, strong, or a comma list such as "
        "'flip,zoom=0.55,rotation=0.25,brightness=0.2', 'standard,rand_augment=9,erasing=0.25'. "
        "Also vertical_flip, perspective, elastic, trivial_augment, aug_mix, grayscale and blur.",
    )
    crop_from: str = open_setting(
        "what the random crops of `augment` (zoom and aspect) are cut from: square (the stored "
        "one), or photo: the whole photo, decoded again for each crop. Default photo for a folder "
        "of photos from scratch, else square.",
    )
    repeated_augmentation: int = setting(
        1,
        "differently augmented copies of each photo per batch. The number of steps per epoch stays "
        "the same, so with n copies an epoch sees 1/n of the photos. 1 is off.",
    )
    progressive_resizing: str = open_setting(
        "smaller image sizes to train at first, each with its share of the epochs: "
        "SIZE:SHARE, comma-separated, e.g. 64:0.4,80:0.3; the rest is trained at `image_size_px`, "
        "whose shorter side SIZE replaces. "
        "'' is none. Default 64:0.3,80:0.3 for a folder of photos from scratch with six_conv at "
        "96 px.",
    )
    mixup: float = setting(
        0.0,
        "mixup, which blends each training photo and its label with another's: alpha of "
        "Beta(alpha, alpha), from which the share is drawn, e.g. 0.2; 0 is off. With `cutmix` "
        "too, each step takes one of the two.",
    )
    cutmix: float = setting(
        0.0,
        "CutMix, which pastes a box of another photo into each training photo and mixes the labels "
        "by area: alpha of Beta(alpha, alpha), from which the area is drawn, e.g. 1; 0 is off.",
    )
    teacher: str | None = open_setting(
        "knowledge distillation: the folder of a trained run with the same classes, or the name of "
        "published weights that have them. The network learns its answers to the same views, "
        "beside the labels.",
    )
    distillation: str = setting(
        "soft",
        "what is learned of `teacher`: soft, its probabilities; hard, its most probable class.",
    )
    distillation_temperature: float = setting(
        3.0,
        "divides the logits of `teacher` and of the network, so that small probabilities count "
        "more; of distillation soft.",
    )
    distillation_label_share: float | None = open_setting(
        "share of the loss with the photo's own label, in [0, 1]; `teacher` has the rest. Default "
        "0.1, with distillation hard 0.5.",
    )
    teacher_views: int = setting(
        0,
        "augmented views of each photo that `teacher` answers once, before training, which then "
        "draws from them; 0, new views in each step.",
    )
    early_stopping_epochs: int | None = open_setting(
        "stop after this many epochs without a better `best_metric`; without it, never."
    )
    metrics: str = setting(
        "",
        "what is measured beside loss and accuracy, comma-separated, e.g. balanced_accuracy,"
        "macro_f1,top5,auroc; in metrics.jsonl, TensorBoard, the page and the summary. Several "
        "labels per photo have mean_average_precision, macro_f1 and subset_accuracy instead of "
        "accuracy.",
    )
    best_metric: str | None = open_setting(
        "the metric on the validation split that chooses the best epoch and that early stopping "
        "goes by; with - before it less is better, as in -loss. Default accuracy; with several "
        "labels per photo mean_average_precision.",
    )
    fine_tune: bool = setting(
        False, "train the last layer first, then the layers that `freeze` leaves free too."
    )
    head_epochs: int = open_setting(
        "with `fine_tune`, epochs in which the last layer is trained alone."
    )
    head_learning_rate: float = open_setting(
        "peak learning rate while the last layer is trained alone."
    )
    layer_decay: float = open_setting(
        "with `fine_tune`, the ratio of a stage's learning rate to that of the next, in (0, 1]."
    )
    unfreeze_epochs: float = setting(
        0.0,
        "gradual unfreezing, for a run that starts from weights: the last layer is trained first, "
        "and every N epochs one more stage joins it. 0 trains all stages at once.",
    )
    cache_features: bool = open_setting(
        "run a frozen backbone once over the data, and train the last layer on its features."
    )
    feature_views: int = open_setting(
        "augmented views of each training photo in that cache, beside the photo itself and, where "
        "`augment` flips, its mirror image; default 4 where `augment` does more, else 0.",
    )
    dp_clip_norm: float | None = open_setting(
        "differentially private training: largest norm of the gradient of one photo; default off.",
    )
    dp_noise_multiplier: float | None = open_setting(
        "differentially private training: standard deviation of the noise on the summed gradient, "
        "over `dp_clip_norm`; 0 clips only.",
    )
    accumulate_steps: int = setting(
        1,
        "parts that each batch is computed in, one after the other, to need less memory; must "
        "divide batch_size.",
    )
    rematerialize: bool = setting(
        False, "compute activations again in the backward pass instead of keeping them."
    )

"""What each recipe does in another way than its source, and why: the whole list.

Settings that are not listed are as published.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Deviation(NamedTuple):
    """One thing that a recipe does in another way than its source."""

    setting: str  # the one that differs, or that comes nearest
    published: str
    reason: str


_EVERY_IMAGENET = (
    Deviation(
        "test_fraction",
        "accuracy is measured on the 50,000 validation photos",
        "these choose the best epoch here, so 1 % of the training photos are the test split; "
        "compare validation_accuracy.",
    ),
    Deviation(
        "compute_dtype",
        "float32, or float16 mixed precision",
        "accelerators are twice as fast in bfloat16; parameters, statistics and loss are float32.",
    ),
)
_BIASES = Deviation(
    "weight_decay",
    "biases decay too",
    "the only biases are the last layer's, 1,000 of 25 million parameters.",
)
_SHARES = Deviation(
    "mixup",
    "one mixing share per batch",
    "here the share is drawn per example, from its index; its distribution is the same.",
)
_RSB = (
    Deviation(
        "augment",
        "RandAugment's magnitude varies by 0.5 of 10, and its operations are timm's",
        "the library's have one magnitude; AutoAugment's list and amounts are nearly timm's.",
    ),
    Deviation(
        "warmup_epochs",
        "the warm-up begins at a rate of 1e-4 and the cosine ends at 1e-6",
        "here the warm-up begins at 0 and the cosine ends at 0; the difference is at most 2 % of "
        "the peak.",
    ),
)
DEVIATIONS: Mapping[str, tuple[Deviation, ...]] = {
    "resnet50_classic": (
        *_EVERY_IMAGENET,
        _BIASES,
        Deviation(
            "momentum",
            "Nesterov's",
            "torchvision's ResNet-50 has 76.1 % by plain momentum, 0.3 points less.",
        ),
        Deviation(
            "augment",
            "colours are changed at random too",
            "torchvision's ResNet-50 has its 76.1 % without.",
        ),
    ),
    "resnet50_modern": (
        *_EVERY_IMAGENET,
        _BIASES,
        _SHARES,
        Deviation(
            "augment",
            "TrivialAugment (wide) leaves black what it moves in from outside",
            "here that is the mirrored image, as in every augmentation of the library.",
        ),
        Deviation(
            "ema_decay",
            "an average that moves every 32nd step",
            "it moves every step here, with a decay to match.",
        ),
    ),
    "resnet50_a2": (*_EVERY_IMAGENET, _SHARES, *_RSB),
    "resnet50_quick": (*_EVERY_IMAGENET, _SHARES, *_RSB),
    "cifar10_fast": (
        Deviation(
            "model",
            "a 9-layer ResNet of the author's",
            "ResNet-18 with a 3x3 stem is better known; it costs twice the FLOPs per image.",
        ),
        Deviation(
            "schedule", "straight lines up and down", "one cycle of cosine halves is nearly that."
        ),
        Deviation(
            "momentum", "Nesterov's", "plain momentum; optimizer_options=nesterov=true turns it on."
        ),
        Deviation("weight_decay", "biases and norms decay too", "they do not in any recipe here."),
        Deviation("label_smoothing", "none in parts 2 to 4", "part 8 of the series adds it."),
        Deviation(
            "learning_rate",
            "at most 0.4, for the summed loss",
            "0.2 per 512 examples, for the mean loss; not tuned.",
        ),
        Deviation(
            "validation_fraction",
            "all 50,000 images train",
            "the best epoch is chosen on a tenth of them, not on the test images.",
        ),
        Deviation("compute_dtype", "float16", "bfloat16 needs no scaling of the loss."),
    ),
}

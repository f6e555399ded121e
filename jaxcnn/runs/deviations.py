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
        "accuracy is of the 50,000 validation photos; here these choose the best epoch, and a "
        "hundredth of the training photos is the test split",
        "a set has to have a split that nothing was chosen on; compare validation_accuracy.",
    ),
    Deviation(
        "compute_dtype",
        "float32, or float16 where that was at hand",
        "accelerators are twice as fast in bfloat16; parameters, statistics and loss are float32.",
    ),
)
_BIASES = Deviation(
    "weight_decay",
    "biases decay too",
    "this network's only bias is the last layer's, of 1,000 among 25 million parameters.",
)
_SHARES = Deviation(
    "mixup",
    "one share and one kind of mixing per batch",
    "shares are drawn for each example, by its index, so that a draw depends on no batch; their "
    "distribution is the same.",
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
        "both begin and end at 0 here, 2 % and 0.02 % of the peak away.",
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
            "TrivialAugment (wide)",
            "the library has RandAugment alone; its magnitude 9 is the nearest in strength.",
        ),
        Deviation(
            "ema_decay",
            "an average that moves every 32nd step",
            "it moves every step here, by as much in sum.",
        ),
    ),
    "resnet50_a2": (*_EVERY_IMAGENET, _SHARES, *_RSB),
    "resnet50_quick": (*_EVERY_IMAGENET, _SHARES, *_RSB),
    "cifar10_fast": (
        Deviation(
            "model",
            "a 9-layer ResNet of the author's",
            "ResNet-18 with a 3x3 stem is known better; it is twice the work for an image.",
        ),
        Deviation(
            "schedule", "straight lines up and down", "one cycle of cosine halves is nearly that."
        ),
        Deviation("momentum", "Nesterov's", "the optimizer has plain momentum alone."),
        Deviation("weight_decay", "biases and norms decay too", "as in every recipe here."),
        Deviation("label_smoothing", "none in parts 2 to 4", "part 8 of the series adds it."),
        Deviation(
            "learning_rate",
            "0.4 at most, of summed losses",
            "this network's, 0.2 for each 512; it was not tuned.",
        ),
        Deviation(
            "validation_fraction",
            "all 50,000 images train",
            "the best epoch is chosen on a tenth of them, not on the test images.",
        ),
        Deviation("compute_dtype", "float16", "bfloat16 needs no scaling of the loss."),
    ),
}

"""Names of the arrays of AlexNet and VGG in the files of others.

torchvision and timm count all layers of the convolutional part through, so that their names depend
on the variant. timm writes VGG's fc6 and fc7 as convolutions.
"""

from jaxcnn.models import list_models, model_options
from jaxcnn.pretrained.mapping import Names, Rules, by_rules

_ALEXNET = {
    "conv_1": "features.0",
    "conv_2": "features.3",
    "conv_3": "features.6",
    "conv_4": "features.8",
    "conv_5": "features.10",
    "fc6": "classifier.1",
    "fc7": "classifier.4",
    "head": "classifier.6",
}
_TORCHVISION = {"fc6": "classifier.0", "fc7": "classifier.3", "head": "classifier.6"}
_TIMM = {"fc6": "pre_logits.fc1", "fc7": "pre_logits.fc2", "head": "head.fc"}
_KERAS: Rules = {
    r"stage_(\d)/conv_(\d)": lambda stage, number: (f"block{stage}_conv{number}",),
    "fc6": "fc1",
    "fc7": "fc2",
    "head": "predictions",
}


def _features(model: str) -> dict[str, tuple[str, ...]]:
    """Count the layers of a VGG's convolutional part, activations and poolings too."""
    options = model_options(model)
    names: dict[str, tuple[str, ...]] = {}
    index = 0
    for stage, size in enumerate(options["stage_sizes"], start=1):
        for number in range(1, size + 1):
            layers = ("conv", "bn") if options["batch_norm"] else ("conv",)
            names[f"stage_{stage}/conv_{number}"] = tuple(
                f"features.{index + place}" for place in range(len(layers))
            )
            index += len(layers) + 1
        index += 1
    return names


NAMES = {
    ("torchvision", "alexnet"): Names(
        by_rules(_ALEXNET), layout="torch", flattened={("fc6", "linear"): (256, 6, 6)}
    ),
    ("keras", "vgg1[69]"): Names(by_rules(_KERAS), layout="keras", bgr=True),
    **{
        (origin, model): Names(
            by_rules({**_features(model), **last}),
            layout="torch",
            flattened={("fc6", "linear"): (512, 7, 7)},
        )
        for origin, last in (("torchvision", _TORCHVISION), ("timm", _TIMM))
        for model in list_models()
        if model.startswith("vgg")
    },
}

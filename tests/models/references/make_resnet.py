"""Write resnet.json: logits of torchvision's and timm's ResNets with seeded weights."""

from functools import partial

import timm
import torch
import torchvision
from reference_rows import Case, make_parser, write

# The gain on the last scale of each residual branch, for logits of natural size.
_GAINS = {"18": 0.5, "34": 0.35, "50": 0.3, "101": 0.2, "152": 0.15, "200": 0.15}
_TORCHVISION = {
    "resnet18": "18",
    "resnet34": "34",
    "resnet50": "50",
    "resnet101": "101",
    "resnet152": "152",
    "resnext50_32x4d": "50",
    "resnext101_32x8d": "101",
    "resnext101_64x4d": "101",
    "wide_resnet50_2": "50",
    "wide_resnet101_2": "101",
}
_TIMM = {
    "resnet18": "18",  # timm's names and arithmetic of these four are torchvision's
    "resnet50": "50",
    "resnext50_32x4d": "50",
    "wide_resnet50_2": "50",
    "resnet18d": "18",
    "resnet34d": "34",
    "resnet50d": "50",
    "resnet101d": "101",
    "resnet152d": "152",
    "resnet200d": "200",
    "seresnet50": "50",
    "seresnet152d": "152",
    "seresnext50_32x4d": "50",
    "seresnext101_32x4d": "101",
    "seresnext101_32x8d": "101",
    "seresnext101_64x4d": "101",
}
# A row for each kind of block.
_FAST = {("torchvision", "resnet18"), ("torchvision", "resnet50"), ("timm", "resnet18d")}


def _case(origin: str, model: str, depth: str) -> Case:
    build, version = partial(timm.create_model, model), f"timm {timm.__version__}"
    if origin == "torchvision":
        build = getattr(torchvision.models, model)
        version = f"torchvision {torchvision.__version__}"
    last = r"layer\d+\.\d+\.bn2" if depth in ("18", "34") else r"\.bn3"
    return Case(
        model=model,
        origin=origin,
        build=build,
        reference=f"{version}, torch {torch.__version__}",
        image_shape=(64, 80, 3),
        gains={rf"{last}\.weight$": _GAINS[depth]},
        slow=(origin, model) not in _FAST,
    )


if __name__ == "__main__":
    cases = [_case("torchvision", model, depth) for model, depth in _TORCHVISION.items()]
    cases += [_case("timm", model, depth) for model, depth in _TIMM.items()]
    write("resnet", cases, make_parser().parse_args())

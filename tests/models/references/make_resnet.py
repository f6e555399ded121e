"""Write resnet.json: logits of torchvision's and timm's ResNets with seeded weights."""

from functools import partial

import timm
import torch
import torchvision
from reference_rows import Case, make_parser, write

# The gain on the last scale of each residual branch, for logits of natural size.
_GAINS = {"resnet18": 0.5, "resnet34": 0.35, "resnet50": 0.3, "resnet101": 0.2, "resnet152": 0.15}
_FAST = ("resnet18", "resnet50")  # a row for each kind of block


def _case(model: str, origin: str) -> Case:
    build = getattr(torchvision.models, model)
    version = f"torchvision {torchvision.__version__}"
    if origin == "timm":
        build, version = partial(timm.create_model, model), f"timm {timm.__version__}"
    last = r"layer\d+\.\d+\.bn2" if model in ("resnet18", "resnet34") else r"\.bn3"
    return Case(
        model=model,
        origin=origin,
        build=build,
        reference=f"{version}, torch {torch.__version__}",
        image_shape=(64, 80, 3),
        gains={rf"{last}\.weight$": _GAINS[model]},
        slow=model not in _FAST or origin == "timm",
    )


if __name__ == "__main__":
    cases = [_case(model, "torchvision") for model in _GAINS]
    cases += [_case(model, "timm") for model in _FAST]  # timm's names and arithmetic are the same
    write("resnet", cases, make_parser().parse_args())

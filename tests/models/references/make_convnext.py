"""Write convnext.json: logits of torchvision's and timm's ConvNeXts with seeded weights."""

from functools import partial

import timm
import torch
import torchvision
from reference_rows import Case, make_parser, write

_V1 = ("convnext_tiny", "convnext_small", "convnext_base", "convnext_large")
_V2 = tuple(
    f"convnextv2_{size}"
    for size in ("atto", "femto", "pico", "nano", "tiny", "base", "large", "huge")
)
_FAST = ("convnext_tiny", "convnextv2_atto")  # a row for each kind of block
# Of the layers that end a block's branch, for logits of natural size; layer scale draws as a bias.
_GAINS = {r"mlp\.fc2\.weight$": 0.25, r"mlp\.grn\.weight$": 0.3}


def _case(model: str, origin: str) -> Case:
    build = partial(timm.create_model, model)
    version = f"timm {timm.__version__}"
    if origin == "torchvision":
        build = getattr(torchvision.models, model)
        version = f"torchvision {torchvision.__version__}"
    return Case(
        model=model,
        origin=origin,
        build=build,
        reference=f"{version}, torch {torch.__version__}",
        image_shape=(64, 84, 3),  # pixels at the right fill no patch
        gains=_GAINS,
        slow=model not in _FAST or (model == "convnext_tiny" and origin == "timm"),
    )


if __name__ == "__main__":
    cases = [_case(model, "torchvision") for model in _V1]
    cases += [_case(model, "timm") for model in (*_V1[:1], *_V2)]  # V1's arithmetic is the same
    write("convnext", cases, make_parser().parse_args())

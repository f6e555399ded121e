"""Write efficientnet.json: logits of other EfficientNets, b0 to b7, with seeded weights."""

from functools import partial

import timm
import torch
import torchvision
from reference_rows import Case, make_parser, write

_IMAGE_SHAPE = (65, 80, 3)  # odd and even sides, which "same" pads differently
_TIMM = {"timm": "efficientnet_{}", "timm_tensorflow": "tf_efficientnet_{}"}
_GAINS = {r"(\.block\.3\.1|\.bn3)\.weight$": 0.7, r"^classifier\.(1\.)?weight$": 2.0}


def _case(size: str, origin: str) -> Case:
    build, version = getattr(torchvision.models, f"efficientnet_{size}"), torchvision.__version__
    if origin in _TIMM:
        build, version = partial(timm.create_model, _TIMM[origin].format(size)), timm.__version__
    return Case(
        model=f"efficientnet_{size}",
        origin=origin,
        build=build,
        reference=f"{origin.split('_')[0]} {version}, torch {torch.__version__}",
        image_shape=_IMAGE_SHAPE,
        gains=_GAINS,
        slow=(size, origin) != ("b0", "torchvision"),
    )


if __name__ == "__main__":
    cases = [
        _case(f"b{number}", origin)
        for origin in ("torchvision", "timm", "timm_tensorflow")
        for number in range(8)
    ]
    write("efficientnet", cases, make_parser().parse_args())

"""Write efficientnet_v2.json: logits of other EfficientNets v2 with seeded weights."""

from functools import partial

import timm
import torch
import torchvision
from reference_rows import Case, make_parser, write

_IMAGE_SHAPE = (65, 80, 3)  # odd and even sides, which "same" pads differently
# The last scale of each residual branch, of torchvision's blocks and of timm's.
_GAINS = {
    r"features\.1\.\d+\.block\.0\.1\.weight$": 0.3,
    r"features\.[23]\.\d+\.block\.1\.1\.weight$": 0.3,
    r"\.block\.3\.1\.weight$": 0.3,
    r"blocks\.0\.\d+\.bn1\.weight$": 0.3,
    r"blocks\.[12]\.\d+\.bn2\.weight$": 0.3,
    r"\.bn3\.weight$": 0.3,
    r"^classifier\.(1\.)?weight$": 2.0,
}


def _case(size: str, origin: str) -> Case:
    build = partial(timm.create_model, f"tf_efficientnetv2_{size}")
    version = f"timm {timm.__version__}"
    if origin == "torchvision":
        build = getattr(torchvision.models, f"efficientnet_v2_{size}")
        version = f"torchvision {torchvision.__version__}"
    return Case(
        model=f"efficientnet_v2_{size}",
        origin=origin,
        build=build,
        reference=f"{version}, torch {torch.__version__}",
        image_shape=_IMAGE_SHAPE,
        gains=_GAINS,
        slow=size != "b0",
    )


if __name__ == "__main__":
    cases = [_case(size, "torchvision") for size in "sml"]
    cases += [_case(size, "timm_tensorflow") for size in ("b0", "b1", "b2", "b3", "s", "m", "l")]
    write("efficientnet_v2", cases, make_parser().parse_args())

"""Write mobilenet_v3.json: logits of torchvision's and timm's MobileNets v3 with seeded weights."""

from functools import partial

import timm
import torch
import torchvision
from reference_rows import Answer, Case, make_parser, run_torch, write

_IMAGE_SHAPE = (65, 96, 3)


def _case(origin: str, size: str) -> Case:
    build = getattr(torchvision.models, f"mobilenet_v3_{size}")
    version = f"torchvision {torchvision.__version__}"
    if origin == "timm":
        build = partial(timm.create_model, f"mobilenetv3_{size}_100")
        version = f"timm {timm.__version__}"
    return Case(
        model=f"mobilenet_v3_{size}",
        origin=origin,
        build=build,
        reference=f"{version}, torch {torch.__version__}",
        image_shape=_IMAGE_SHAPE,
        gains={r"^classifier\.(3\.)?weight$": 0.1 if size == "large" else 3.0},
        slow=origin == "timm",
    )


def _run(case: Case, image_shape: tuple[int, int, int], **precision: bool) -> Answer:
    answer = run_torch(case, image_shape, **precision)
    if "conv_head.weight" not in answer.shapes:
        return answer
    # timm's hidden layer is a 1x1 convolution on the mean; ours is dense, and takes both.
    weight = {"conv_head.weight": answer.shapes["conv_head.weight"][:2]}
    return answer._replace(shapes={**answer.shapes, **weight})


if __name__ == "__main__":
    cases = [
        _case(origin, size) for origin in ("torchvision", "timm") for size in ("large", "small")
    ]
    write("mobilenet_v3", cases, make_parser().parse_args(), _run)

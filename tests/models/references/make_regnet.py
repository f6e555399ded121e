"""Write regnet.json: logits of torchvision's and timm's RegNets with seeded weights."""

from functools import partial

import timm
import torch
import torchvision
from reference_rows import Case, make_parser, write

_SIZES = ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")
_TORCHVISION = [f"regnet_{kind}_{size}" for kind in "xy" for size in _SIZES] + ["regnet_y_128gf"]
_TIMM = {"regnet_y_400mf": "regnety_004", "regnet_y_16gf": "regnety_160"}
_FAST = ("regnet_y_400mf",)
# On the last scale of each residual branch, for logits of natural size.
_GAINS = {r"(\.f\.c\.1|conv3\.bn)\.weight$": 0.3}


def _case(origin: str, model: str) -> Case:
    if origin == "torchvision":
        build = getattr(torchvision.models, model)
        version = f"torchvision {torchvision.__version__}"
    else:
        build, version = partial(timm.create_model, _TIMM[model]), f"timm {timm.__version__}"
    return Case(
        model=model,
        origin=origin,
        build=build,
        reference=f"{version}, torch {torch.__version__}",
        image_shape=(64, 80, 3),
        gains=_GAINS,
        slow=origin == "timm" or model not in _FAST,
    )


if __name__ == "__main__":
    cases = [_case("torchvision", model) for model in _TORCHVISION]
    cases += [_case("timm", model) for model in _TIMM]
    write("regnet", cases, make_parser().parse_args())

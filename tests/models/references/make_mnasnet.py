"""Write mnasnet.json: logits of torchvision's and timm's MNASNets with seeded weights."""

from functools import partial

import timm
import torch
import torchvision
from reference_rows import Case, make_parser, write

# Ours, and timm's where it has weights.
_MODELS = {"mnasnet0_5": None, "mnasnet0_75": None, "mnasnet1_0": "mnasnet_100", "mnasnet1_3": None}
_GAINS = {r"(\.layers\.7|\.bn3)\.weight$": 0.7, r"^classifier(\.1)?\.weight$": 0.3}


def _case(model: str, timm_name: str | None = None) -> Case:
    build = getattr(torchvision.models, model)
    version = f"torchvision {torchvision.__version__}"
    if timm_name:
        build, version = partial(timm.create_model, timm_name), f"timm {timm.__version__}"
    return Case(
        model=model,
        origin="timm" if timm_name else "torchvision",
        build=build,
        reference=f"{version}, torch {torch.__version__}",
        image_shape=(64, 80, 3),
        gains=_GAINS,
        slow=True,
    )


if __name__ == "__main__":
    cases = [_case(model) for model in _MODELS]
    cases += [_case(model, name) for model, name in _MODELS.items() if name]
    write("mnasnet", cases, make_parser().parse_args())

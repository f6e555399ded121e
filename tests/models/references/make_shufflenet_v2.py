"""Write shufflenet_v2.json: logits of torchvision's ShuffleNets v2 with seeded weights."""

import torch
import torchvision
from reference_rows import Case, make_parser, write

_MODELS = ("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0")


def _case(model: str) -> Case:
    return Case(
        model=model,
        origin="torchvision",
        build=getattr(torchvision.models, model),
        reference=f"torchvision {torchvision.__version__}, torch {torch.__version__}",
        image_shape=(64, 80, 3),
        gains={r"^fc\.weight$": 0.2},
        slow=model != "shufflenet_v2_x0_5",
    )


if __name__ == "__main__":
    write("shufflenet_v2", [_case(model) for model in _MODELS], make_parser().parse_args())

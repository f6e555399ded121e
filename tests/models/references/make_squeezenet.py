"""Write squeezenet.json: logits of torchvision's SqueezeNets with seeded weights."""

import torch
import torchvision
from reference_rows import Case, make_parser, write


def _case(model: str) -> Case:
    return Case(
        model=model,
        origin="torchvision",
        build=getattr(torchvision.models, model),
        reference=f"torchvision {torchvision.__version__}, torch {torch.__version__}",
        image_shape=(64, 84, 3),  # poolings hang over the edge
        gains={},
    )


if __name__ == "__main__":
    cases = [_case(model) for model in ("squeezenet1_0", "squeezenet1_1")]
    write("squeezenet", cases, make_parser().parse_args())

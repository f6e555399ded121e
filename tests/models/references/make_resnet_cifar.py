"""Write resnet_cifar.json: logits of akamaster's ResNets for CIFAR-10 with seeded weights.

The reference is resnet.py of github.com/akamaster/pytorch_resnet_cifar10, given by its path.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

import torch
from reference_rows import Case, make_parser, write

_MODELS = ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110")


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("akamaster_resnet", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _case(model: str, reference: ModuleType) -> Case:
    return Case(
        model=model,
        origin="akamaster",
        build=getattr(reference, model),
        reference=f"akamaster/pytorch_resnet_cifar10, torch {torch.__version__}",
        image_shape=(32, 32, 3),
        gains={r"layer\d+\.\d+\.bn2\.weight$": 0.3 if model != "resnet110" else 0.2},
        num_classes=10,
        slow=model != "resnet20",
    )


if __name__ == "__main__":
    parser = make_parser()
    parser.add_argument("resnet_py", type=Path, help="the reference's resnet.py")
    flags = parser.parse_args()
    reference = _load(flags.resnet_py)
    write("resnet_cifar", [_case(model, reference) for model in _MODELS], flags)

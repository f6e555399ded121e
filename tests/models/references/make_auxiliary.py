"""Print what test_auxiliary.py expects of torchvision's auxiliary heads with seeded weights."""

import torch
import torchvision
from reference_rows import HERE  # noqa: F401, it puts the folder of seeded_weights on the path
from seeded_weights import names_digest, seeded_array, seeded_images

_HEADS = {
    "googlenet": ("aux1.", (9, 14, 512)),
    "inception_v3": ("AuxLogits.", (17, 21, 768)),
}


def _print(model: str, prefix: str, shape: tuple[int, int, int]) -> None:
    build = getattr(torchvision.models, model)
    network = build(num_classes=4, aux_logits=True, init_weights=False).eval()
    state = network.state_dict()
    shapes = {n: tuple(t.shape) for n, t in state.items() if t.is_floating_point()}
    for name, tensor in state.items():
        if name in shapes and name.startswith(prefix):
            drawn = seeded_array(name, shapes[name], layout="torch")
            tensor.copy_(torch.from_numpy(drawn))
    x = torch.from_numpy(seeded_images((2, *shape)).transpose(0, 3, 1, 2).copy())
    with torch.inference_mode():
        logits = network.get_submodule(prefix.rstrip("."))(x).numpy()
    print(model, names_digest(shapes), logits.round(6).tolist())


if __name__ == "__main__":
    for model, (prefix, shape) in _HEADS.items():
        _print(model, prefix, shape)

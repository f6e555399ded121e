"""Published ways to train, by name: each a function from a batch size to settings.

The settings are those of `TrainConfig`. Where a paper scales the learning rate with the batch, so
does its recipe. All figures in the docstrings are as published, on the hardware that they name;
none of them was measured with this package.

`deviations.DEVIATIONS` lists what differs from the source, and why; a test holds the settings
against the published ones.
"""

from collections.abc import Callable, Mapping
from typing import Any

from jaxcnn.host.names import unknown_name

Settings = dict[str, Any]
Recipe = Callable[..., Settings]

_RANDOM_RESIZED_CROP = "zoom=0.08,aspect=1.3333"  # 8 to 100 % of the area, 3/4 to 4/3 wide
_IMAGENET: Mapping[str, Any] = {
    "dataset": "imagenet2012",
    "model": "resnet50",
    "num_channels": 3,
    "image_size_px": 224,
    "stored_size_px": 256,  # the shorter side; the test sees its centre
    "crop_from": "photo",
    "pixel_mean": (0.485, 0.456, 0.406),
    "pixel_std": (0.229, 0.224, 0.225),
    "validation_fraction": 0.04,  # as large as ImageNet's own, where there is none
    "test_fraction": 0.01,
    "max_train_examples": 0,
    "check_files": False,
    "flip_average": False,
    "eval_batch_size": 512,
    "compute_dtype": "bfloat16",
    "warmup_epochs": 5.0,
    "label_smoothing": 0.0,
}


def resnet50_classic(batch_size: int = 256) -> Settings:
    """ResNet-50 on ImageNet, 90 epochs of SGD with three drops; published 76.4 % top-1.

    Paper: Goyal et al. 2017, arXiv:1706.02677, sections 2 and 5.1; the recipe of He et al. 2016,
    arXiv:1512.03385, with random resized crops (Szegedy et al. 2014, arXiv:1409.4842).
    Expected: 76.4 % (error 23.60 %) at batch 256 on 8 GPUs; 76.3 % (23.74 %) at batch 8192 in one
    hour on 256 P100 GPUs (the paper's tables 1 and 2).

    Args:
      batch_size: examples per step; the rate is 0.1 for each 256.

    Returns:
      Settings.
    """
    return {
        **_IMAGENET,
        "num_epochs": 90,
        "batch_size": batch_size,
        "optimizer": "sgd",
        "momentum": 0.9,
        "learning_rate": 0.1 * batch_size / 256,
        "schedule": "step",
        "weight_decay": 1e-4,
        "augment": f"flip,{_RANDOM_RESIZED_CROP}",
    }


def resnet50_modern(batch_size: int = 1024) -> Settings:
    """ResNet-50 on ImageNet, 600 epochs, mixing, erasing, averaging; published 80.9 % top-1.

    Paper: Vryniotis 2021, "How to Train State-Of-The-Art Models Using TorchVision's Latest
    Primitives", and the references of torchvision (weights IMAGENET1K_V2 of ResNet-50).
    Expected: 80.858 % tested at 224 px after training at 176 px, batch 1024 on 8 GPUs. No time is
    published; 600 epochs at 176 px compute as much as 370 at 224 px.
    Stochastic depth is no part of it; drop_path_rate=0.05 adds it.

    Args:
      batch_size: examples per step; the rate is 0.5 for each 1024.

    Returns:
      Settings.
    """
    return {
        **_IMAGENET,
        "image_size_px": 176,
        "eval_size_px": 224,
        "stored_size_px": 232,
        "num_epochs": 600,
        "batch_size": batch_size,
        "optimizer": "sgd",
        "momentum": 0.9,
        "learning_rate": 0.5 * batch_size / 1024,
        "schedule": "cosine",
        "weight_decay": 2e-5,
        "label_smoothing": 0.1,
        "mixup": 0.2,
        "cutmix": 1.0,
        "repeated_augmentation": 4,
        "ema_decay": 1 - 2e-5 * batch_size / 600,
        "augment": f"flip,{_RANDOM_RESIZED_CROP},trivial_augment=1,erasing=0.1",
    }


def resnet50_a2(batch_size: int = 2048) -> Settings:
    """ResNet-50 on ImageNet, 300 epochs of LAMB, RandAugment, mixing; published 79.8 % top-1.

    Paper: Wightman, Touvron & Jegou 2021, "ResNet strikes back", arXiv:2110.00476, table 2,
    procedure A2.
    Expected: 79.8 % at 224 px; 55 hours on 4 V100 GPUs.
    The paper gives no rule for other batches; the rate scales with the batch here. What the table
    leaves open is as in timm, whose programs trained it.

    Args:
      batch_size: examples per step; the rate is 5e-3 for each 2048.

    Returns:
      Settings.
    """
    return {
        **_IMAGENET,
        "stored_size_px": 236,  # of which the test sees 0.95
        "interpolation": "bicubic",
        "num_epochs": 300,
        "batch_size": batch_size,
        "optimizer": "lamb",
        "learning_rate": 5e-3 * batch_size / 2048,
        "schedule": "cosine",
        "weight_decay": 0.02,
        "gradient_clip_norm": 1.0,  # part of timm's LAMB
        "drop_path_rate": 0.05,
        "mixup": 0.1,
        "cutmix": 1.0,
        "loss": "binary_cross_entropy",
        "target_threshold": 0.2,
        "repeated_augmentation": 3,
        "augment": f"flip,{_RANDOM_RESIZED_CROP},rand_augment=7",
    }


def resnet50_quick(batch_size: int = 2048) -> Settings:
    """ResNet-50 on ImageNet at 160 px, 100 epochs of LAMB; published 78.1 % top-1 at 224 px.

    Paper: Wightman, Touvron & Jegou 2021, "ResNet strikes back", arXiv:2110.00476, table 2,
    procedure A3.
    Expected: 78.1 % trained at 160 px and tested at 224 px; 15 hours on 4 V100 GPUs.

    Args:
      batch_size: examples per step; the rate is 8e-3 for each 2048.

    Returns:
      Settings.
    """
    return {
        **resnet50_a2(batch_size),
        "image_size_px": 160,
        "eval_size_px": 224,
        "num_epochs": 100,
        "learning_rate": 8e-3 * batch_size / 2048,
        "drop_path_rate": None,
        "repeated_augmentation": 1,
        "augment": f"flip,{_RANDOM_RESIZED_CROP},rand_augment=6",
    }


def cifar10_fast(batch_size: int = 512) -> Settings:
    """ResNet-18 on CIFAR-10 in 24 epochs, one cycle; published 94 % for a 9-layer ResNet.

    Paper: Page 2018, "How to Train Your ResNet", parts 2 to 4 (an entry of DAWNBench).
    Expected: the author's 9-layer ResNet reaches 94 % of the test images in 24 epochs and 79
    seconds on one V100 GPU, in float16.

    Args:
      batch_size: examples per step; the rate is 0.2 for each 512.

    Returns:
      Settings.
    """
    return {
        "dataset": "cifar10",
        "model": "resnet18",
        "model_options": "stem=small",
        "num_channels": 3,
        "image_size_px": 32,
        "stored_size_px": 32,
        "pixel_mean": (0.4914, 0.4822, 0.4465),
        "pixel_std": (0.247, 0.2435, 0.2616),
        "validation_fraction": 0.1,
        "max_train_examples": 0,
        "num_epochs": 24,
        "batch_size": batch_size,
        "eval_batch_size": 1000,
        "optimizer": "sgd",
        "momentum": 0.9,
        "learning_rate": 0.2 * batch_size / 512,
        "schedule": "one_cycle",
        "weight_decay": 5e-4,
        "label_smoothing": 0.1,
        "augment": "flip,translation=0.125,cutout=0.25",
        "flip_average": True,
        "compute_dtype": "bfloat16",
        "epoch_scan": "auto",
    }


RECIPES: Mapping[str, Recipe] = {
    recipe.__name__: recipe
    for recipe in (resnet50_classic, resnet50_modern, resnet50_a2, resnet50_quick, cifar10_fast)
}


def recipe_settings(name: str, batch_size: int | None = None) -> Settings:
    """Look up a recipe's settings.

    Args:
      name: "resnet50_classic", "resnet50_modern", "resnet50_a2", "resnet50_quick" or
        "cifar10_fast".
      batch_size: examples per step, by which learning rates scale; None for the paper's own.

    Returns:
      {field of `TrainConfig`: value}; what it does not name is left as it was.

    Raises:
      ValueError: if the name is unknown, or `batch_size` below 1.

    Example:
      >>> recipe_settings("resnet50_classic", 1024)["learning_rate"]
      0.4
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    if batch_size is None:
        return RECIPES[name]()
    if batch_size < 1:
        raise ValueError(f"batch_size must be a number above 0, got {batch_size}.")
    return RECIPES[name](batch_size)


def describe_recipes() -> list[str]:
    """List the recipes, a line each: name, and what it is.

    Example:
      >>> describe_recipes()[0].split()[0]
      'resnet50_classic'
    """
    width = max(map(len, RECIPES))
    firsts = {name: (recipe.__doc__ or "").splitlines()[0] for name, recipe in RECIPES.items()}
    return [f"{name:<{width}}  {first}" for name, first in firsts.items()]

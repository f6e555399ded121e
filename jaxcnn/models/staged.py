"""What all networks share: named stages, one after the other, and a head.

A network says in `stages` what it is made of; the rest is here: where features are taken out, what
is frozen, and how logits are made. Each stage's variables lie under its own name, the head's under
"head", so the parameter tree reads like the network.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from jaxcnn.host.names import unknown_name
from jaxcnn.models import checks, layers
from jaxcnn.types import PyTree

HEAD = "head"
_VECTOR = "vector"
STAGE_OUTPUT = "stage_output"  # the name of what rematerialization keeps


class Stage(NamedTuple):
    """A named part of a network."""

    name: str  # of its variables in the tree; a stage without variables may have any
    stride: int  # px of the image for one px of the stage's output; 0 once there are no px
    apply: Callable[..., jax.Array]  # (x, train=...) -> x


class StageInfo(NamedTuple):
    """What comes out of a stage."""

    name: str
    stride: int  # px of the image for one px of the output, along each side
    num_channels: int


class StagedNetwork(nn.Module, kw_only=True):
    """A sequence of stages and a head; networks are its subclasses.

    Attributes:
      num_classes: number of classes, at least 2; or 0 for no head: the network then gives the
        (B, D) float32 vector that the head would have seen.
      head: "softmax" for num_classes logits, "sigmoid" for the one logit of class 1 of two,
        "multi_label" for num_classes logits of which each stands alone.
      dropout_rate: probability that a feature is dropped before the last layer, in [0, 1).
      features_only: give {stage name: (B, H, W, C)} in place of logits, see `stage_infos`.
      starts_after: name of a stage whose (B, H, W, C) the network takes in place of images, see
        `rest_after`; "" for images.
      frozen_stages: number of first stages that act as in evaluation and pass no gradient.
      freeze_batch_norm: all BatchNorm layers normalise by their averages, and keep them, in
        training too.
      folded_batch_norm: no BatchNorm; the convolutions do its work, see `fold_batch_norm`.
      bn_momentum: share of BatchNorm's averages that a step keeps, in [0, 1).
      bn_epsilon: added to BatchNorm's variance.
      dtype: of the computation, float32, bfloat16 or float16; parameters and logits are float32.

    Raises:
      ValueError: at construction, for an option out of range or unknown; at the call, for images
        that are not floating (B, H, W, C).
    """

    num_classes: int
    head: str = "softmax"
    dropout_rate: float = 0.0
    features_only: bool = False
    starts_after: str = ""
    frozen_stages: int = 0
    freeze_batch_norm: bool = False
    folded_batch_norm: bool = False
    bn_momentum: float = 0.9
    bn_epsilon: float = 1e-5
    dtype: Any = jnp.float32

    smallest_image_px = 1  # along each side; a constant of the class, no attribute

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        checks.check_head(self.num_classes or 2, self.head, self.dropout_rate)
        checks.check_rate("bn_momentum", self.bn_momentum)
        checks.check_dtype(self.dtype)
        super().__post_init__()

    def stages(self) -> Sequence[Stage]:
        """List the stages in order; called inside `__call__`, which owns the modules in them."""
        raise NotImplementedError

    def pool(self, x: jax.Array) -> jax.Array:
        """Map the last stage's (B, H, W, C) to the (B, D) that the head sees: the mean."""
        return x.mean(axis=(1, 2))

    def classify(self, x: jax.Array, vector: jax.Array, *, train: bool) -> jax.Array:
        """Map what `pool` gave, (B, D), to logits; `x` is what it was given."""
        del x
        return _make_head(self)(vector, train=train)

    @nn.nowrap
    def check_image_size(self, height: int, width: int) -> None:
        """Raise a ValueError if strides and poolings would leave no pixel of images of this size.

        Args:
          height: of the images, px.
          width: of the images, px.
        """
        if min(height, width) < self.smallest_image_px:
            raise ValueError(
                f"{height}x{width} images are too small for {type(self).__name__}: its strides and "
                "poolings would leave no pixel; pad or resize them to at least "
                f"{self.smallest_image_px} px a side."
            )

    @property
    def has_linear_head(self) -> bool:
        """Whether the logits are linear in the vector that num_classes=0 gives."""
        return True

    @property
    def bn(self) -> layers.BatchNorm:
        """BatchNorm's constants, for the layers."""
        return layers.BatchNorm(
            self.bn_momentum, self.bn_epsilon, self.freeze_batch_norm, self.folded_batch_norm
        )

    @property
    def conv_bn(self) -> Callable[..., layers.ConvBlock]:
        """Makes a convolution with this network's BatchNorm, in its dtype."""
        return functools.partial(layers.conv_bn, bn=self.bn, dtype=self.dtype)

    @nn.compact
    def __call__(self, images: jax.Array, *, train: bool) -> Any:
        """Compute logits.

        Args:
          images: (B, H, W, C) floating, normalised.
          train: whether dropout and stochastic depth act, and BatchNorm uses and collects the
            batch's statistics. They draw from the RNG collection 'dropout'.

        Returns:
          (B, num_classes) float32 logits, (B, 1) with head="sigmoid"; see `features_only` and
          `num_classes` for other outputs.
        """
        checks.check_images(images)
        if not self.starts_after:
            self.check_image_size(*images.shape[1:3])
        x, features = images.astype(self.dtype), {}
        stages = self.stages()
        _check_frozen(self.frozen_stages, stages)
        num_skipped = _count_through(self.starts_after, stages)
        for number, stage in enumerate(stages[num_skipped:], start=num_skipped + 1):
            if self.features_only and not stage.stride:
                break  # no later stage gives a feature map
            x = stage.apply(x, train=train and number > self.frozen_stages)
            x = checkpoint_name(x, STAGE_OUTPUT)
            if number == self.frozen_stages:
                x = lax.stop_gradient(x)
            if x.ndim == 4:
                features[stage.name] = x
        if self.features_only:
            return features
        vector = self.pool(x) if x.ndim == 4 else x
        if self.num_classes == 0:
            return vector.astype(jnp.float32)
        self.sow("intermediates", _VECTOR, vector)  # for `logits_and_vectors`
        return self.classify(x, vector, train=train)


class FeatureClassifier(nn.Module, kw_only=True):
    """The head of a network by itself, on the vectors that the network gives with num_classes=0.

    Its variables are those of the whole network, of which it uses "head" alone.

    Attributes:
      num_classes: number of classes, at least 2.
      head: "softmax" for num_classes logits, "sigmoid" for the one logit of class 1 of two,
        "multi_label" for num_classes logits of which each stands alone.
      dropout_rate: probability that a feature is dropped in training, in [0, 1).
    """

    num_classes: int
    head: str = "softmax"
    dropout_rate: float = 0.0

    @nn.compact
    def __call__(self, vectors: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, D) float32 to (B, num_classes) or (B, 1) float32 logits."""
        return _make_head(self)(vectors, train=train)


def _make_head(model: StagedNetwork | FeatureClassifier) -> layers.Head:
    return layers.Head(
        num_classes=model.num_classes, kind=model.head, dropout_rate=model.dropout_rate, name=HEAD
    )


def head_of(model: nn.Module) -> str | None:
    """Say what a network's logits are for, see `jaxcnn.losses`; any other module's, "softmax".

    None is what a network has that does not classify.

    Example:
      >>> from jaxcnn.models import create_model
      >>> head_of(create_model("six_conv", 2, head="sigmoid"))
      'sigmoid'
    """
    return getattr(model, "head", "softmax")


def split_at_head(model: StagedNetwork) -> tuple[StagedNetwork, FeatureClassifier]:
    """Cut a network in two: images to vectors, vectors to logits.

    Args:
      model: a network with a head.

    Returns:
      The backbone and the head; both take the whole network's variables.

    Raises:
      ValueError: if the head does not see vectors, as SqueezeNet's with class_maps=True.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model, images = create_model("lenet5", 10), jnp.ones((4, 32, 32, 1))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> backbone, head = split_at_head(model)
      >>> vectors = backbone.apply(variables, images, train=False)
      >>> vectors.shape, head.apply(variables, vectors, train=False).shape
      ((4, 84), (4, 10))
    """
    if not model.has_linear_head:
        raise ValueError(
            f"the head of this {type(model).__name__} sees a map of features, so features that "
            "are vectors do not give its logits; make it with class_maps=False."
        )
    classifier = FeatureClassifier(
        num_classes=model.num_classes, head=model.head, dropout_rate=model.dropout_rate
    )
    return model.clone(num_classes=0), classifier


def logits_and_vectors(
    model: StagedNetwork, variables: PyTree, images: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Compute what a network answers, and what it would give with num_classes=0, in one pass.

    Args:
      model: a network with a head.
      variables: its variables.
      images: (B, H, W, C) floating, normalised.

    Returns:
      (B, num_classes) or (B, 1) float32 logits, and (B, D) float32 vectors; in evaluation.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model, images = create_model("lenet5", 10), jnp.ones((4, 32, 32, 1))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> [array.shape for array in logits_and_vectors(model, variables, images)]
      [(4, 10), (4, 84)]
    """
    logits, sown = model.apply(variables, images, train=False, mutable=["intermediates"])
    return jnp.asarray(logits), sown["intermediates"][_VECTOR][0].astype(jnp.float32)


def rest_after(model: StagedNetwork, stage: str) -> StagedNetwork:
    """Give the part of a network behind a stage, to see how the logits depend on its output.

    Args:
      model: a network.
      stage: name of a stage that gives a feature map, see `stage_infos`.

    Returns:
      A network that maps that feature map, (B, H, W, C), to what `model` maps images to. It takes
      the whole network's variables and passes gradients through frozen stages too.

    Example:
      >>> from jaxcnn.models import create_model
      >>> model = create_model("six_conv", 2, depth=2)
      >>> images = jnp.ones((1, 8, 8, 3))
      >>> variables = model.init(jax.random.key(0), images, train=False)
      >>> features = model.clone(features_only=True).apply(variables, images, train=False)
      >>> logits = rest_after(model, "block_1").apply(variables, features["block_1"], train=False)
      >>> bool((logits == model.apply(variables, images, train=False)).all())
      True
    """
    return model.clone(starts_after=stage, frozen_stages=0)


def stage_names(model: StagedNetwork, image_shape: tuple[int, int, int]) -> tuple[str, ...]:
    """List the names of all stages in order.

    Args:
      model: a network.
      image_shape: (H, W, C) of an image that it takes.

    Returns:
      The names; the head is none of them.

    Example:
      >>> from jaxcnn.models import create_model
      >>> stage_names(create_model("lenet5", 10), (32, 32, 1))[:2]
      ('c1', 's2')
    """
    return tuple(stage.name for stage in _trace(model, image_shape)[0])


def stage_infos(model: StagedNetwork, image_shape: tuple[int, int, int]) -> tuple[StageInfo, ...]:
    """List what `features_only` gives for images of a shape.

    Args:
      model: a network.
      image_shape: (H, W, C).

    Returns:
      Name, stride and channels of each stage that gives a feature map, in order.

    Example:
      >>> from jaxcnn.models import create_model
      >>> for stage in stage_infos(create_model("vgg11", 10), (224, 224, 3)):
      ...     print(stage.name, stage.stride, stage.num_channels)
      stage_1 2 64
      stage_2 4 128
      stage_3 8 256
      stage_4 16 512
      stage_5 32 512
    """
    stages, features = _trace(model, image_shape)
    strides = {stage.name: stage.stride for stage in stages}
    return tuple(StageInfo(n, strides[n], x.shape[-1]) for n, x in features.items())


def _trace(model: StagedNetwork, image_shape: tuple[int, int, int]) -> tuple[Any, Any]:
    """Run the network on shapes alone, and note its stages."""
    seen: list[Any] = []

    def note_stages(call: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
        result = call(*args, **kwargs)
        if context.method_name == "stages":
            seen.extend(result)
        return result

    def run(images: jax.Array) -> Any:
        with nn.intercept_methods(note_stages):
            network = model.clone(features_only=True)
            return network.init_with_output(jax.random.key(0), images, train=False)[0]

    features = jax.eval_shape(run, jax.ShapeDtypeStruct((1, *image_shape), jnp.float32))
    # A tree of shapes comes back with its names sorted.
    return seen, {stage.name: features[stage.name] for stage in seen if stage.name in features}


def _count_through(name: str, stages: Sequence[Stage]) -> int:
    """Count the stages up to the one of that name; none where there is no name."""
    names = [stage.name for stage in stages]
    if name and name not in names:
        raise unknown_name("stage", name, names)
    return names.index(name) + 1 if name else 0


def _check_frozen(frozen_stages: int, stages: Sequence[Stage]) -> None:
    if not 0 <= frozen_stages <= len(stages):
        names = ", ".join(stage.name for stage in stages)
        raise ValueError(
            f"frozen_stages (={frozen_stages}) must lie in [0, {len(stages)}]; the stages are "
            f"{names}."
        )

"""What the Inception networks share: branches side by side, and heads for training only.

An inception module is written as a table: a row for each branch, of `Conv`, `Fork` and pooling.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxcnn.models import layers
from jaxcnn.models.staged import StagedNetwork


class Conv(NamedTuple):
    """A convolution with BatchNorm and ReLU."""

    width: int
    kernel_size: int | tuple[int, int] = 1
    strides: int = 1
    padding: str = "symmetric"


class Fork(NamedTuple):
    """Two convolutions of the same input, whose outputs are joined."""

    a: Conv
    b: Conv


Pooling: TypeAlias = Callable[[jax.Array], jax.Array]
BranchParts: TypeAlias = tuple[Conv | Fork | Pooling, ...]


class Branch(nn.Module, kw_only=True):
    """Convolutions and poolings one after the other.

    The convolutions are conv_1, conv_2, ...; those of a fork in second place conv_2a and conv_2b.

    Attributes:
      parts: the convolutions and poolings in order.
      conv_bn: makes a convolution with BatchNorm, `layers.ConvBlock` with its options set.
    """

    parts: BranchParts
    conv_bn: Callable[..., layers.ConvBlock] = layers.conv_bn

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', C')."""
        number = 0
        for part in self.parts:
            if not isinstance(part, Conv | Fork):
                x = part(x)
                continue
            number += 1
            if isinstance(part, Fork):
                a = self.conv_bn(**part.a._asdict(), name=f"conv_{number}a")(x, train=train)
                b = self.conv_bn(**part.b._asdict(), name=f"conv_{number}b")(x, train=train)
                x = jnp.concatenate([a, b], axis=-1)
            else:
                x = self.conv_bn(**part._asdict(), name=f"conv_{number}")(x, train=train)
        return x


class InceptionModule(nn.Module, kw_only=True):
    """Branches of the same input, branch_1, branch_2, ..., whose outputs are joined.

    Attributes:
      branches: the parts of each branch.
      make_branch: `Branch` with its other options set.

    Source: Szegedy et al. 2014, arXiv:1409.4842, figure 2.
    """

    branches: tuple[BranchParts, ...]
    make_branch: Callable[..., Branch] = Branch

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', sum of the branches' channels)."""
        branches = [
            self.make_branch(parts=parts, name=f"branch_{number}")
            for number, parts in enumerate(self.branches, start=1)
        ]
        return jnp.concatenate([branch(x, train=train) for branch in branches], axis=-1)


class InceptionStage(nn.Module, kw_only=True):
    """Pooling, then inception modules that are called a, b, c, ... by their letter.

    Attributes:
      modules: the branches of each module, by its letter.
      pooling: what stands before the first module.
      auxiliary_heads: {letter of a module: makes the auxiliary head that sees the module's output,
        given its name}; they are called auxiliary_a, ... likewise.
      make_branch: `Branch` with its other options set.
    """

    modules: tuple[tuple[str, tuple[BranchParts, ...]], ...]
    pooling: Pooling = layers.ACTIVATIONS["linear"]
    auxiliary_heads: tuple[tuple[str, Callable[..., nn.Module]], ...] = ()
    make_branch: Callable[..., Branch] = Branch

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Map (B, H, W, C) to (B, H', W', C')."""
        heads = dict(self.auxiliary_heads)
        x = self.pooling(x)
        for letter, branches in self.modules:
            module = InceptionModule(branches=branches, make_branch=self.make_branch, name=letter)
            x = module(x, train=train)
            # In evaluation they are not computed; but all parameters must be made.
            if letter in heads and (train or self.is_initializing()):
                heads[letter](name=f"auxiliary_{letter}")(x, train=train)
        return x


class AuxiliaryHead(nn.Module, kw_only=True):
    """A head behind an inception module, there for training only.

    Attributes:
      make_head: `layers.Head` with its options set.
      bn: the constants of BatchNorm.
      dtype: of the computation; parameters are float32.
    """

    make_head: Callable[..., layers.Head]
    bn: layers.BatchNorm = layers.BatchNorm()
    dtype: Any = jnp.float32

    @nn.nowrap
    def sow_logits(self, logits: jax.Array, *, train: bool) -> None:
        """Give out logits in training, to callers that ask for them.

        Args:
          logits: (B, num_classes) or (B, 1) float32; sown as "logits" into the collection
            "auxiliary", which only a caller that makes it mutable receives.
          train: whether to do so at all.
        """
        if train and not self.is_initializing():
            self.sow("auxiliary", "logits", logits)


class InceptionNetwork(StagedNetwork, kw_only=True):
    """What GoogLeNet and Inception v3 have in common.

    It has the attributes of `StagedNetwork`, and these.

    Attributes:
      auxiliary_heads: whether the heads that see the output of inner modules are there for
        training. There they sow their logits into the collection "auxiliary", see
        `AuxiliaryHead.sow_logits`; evaluation skips them. None with num_classes=0.
      auxiliary_weight: factor on each auxiliary head's loss, at least 0.
    """

    auxiliary_heads: bool = False
    auxiliary_weight: float = 0.3
    bn_epsilon: float = 1e-3

    def __post_init__(self) -> None:
        """Check the options, so that a mistake is found before any compilation."""
        if not self.auxiliary_weight >= 0:
            raise ValueError(
                f"auxiliary_weight (={self.auxiliary_weight}) must be at least 0; leave "
                "auxiliary_heads off to train without them."
            )
        super().__post_init__()

    @nn.nowrap
    def make_auxiliary_heads(
        self, kind: type[AuxiliaryHead], letters: str
    ) -> tuple[tuple[str, Callable[..., nn.Module]], ...]:
        """List the auxiliary heads behind the modules of these letters, for `InceptionStage`."""
        if not self.auxiliary_heads or self.num_classes == 0:
            return ()
        make_head = partial(layers.Head, num_classes=self.num_classes, kind=self.head)
        make = partial(kind, make_head=make_head, bn=self.bn, dtype=self.dtype)
        return tuple((letter, make) for letter in letters)

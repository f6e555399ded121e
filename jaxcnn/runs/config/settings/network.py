"""The network, and the weights that it starts from."""

import dataclasses

from jaxcnn.runs.config.settings.fields import model_option, open_setting, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """The network, and the weights that it starts from."""

    model: str = open_setting(
        "name of the network; default six_conv, with `pretrained` efficientnet_lite0."
    )
    head: str | None = open_setting(
        "softmax: one label per photo; sigmoid: a single output, for two classes; multi_label: any "
        "number of labels per photo. Default multi_label where photos have several labels, else "
        "softmax."
    )
    dropout_rate: float | None = model_option("share of units dropped in training, in [0, 1).")
    width_multiplier: float | None = model_option(
        "factor on the number of channels of each layer; below 1 is a smaller network."
    )
    depth: int | None = model_option("number of convolution blocks; fewer is a smaller network.")
    batch_norm: bool | None = model_option("BatchNorm after each convolution.")
    global_pooling: str | None = model_option(
        "none (flatten) or average, before the fully connected layers."
    )
    dense_widths: tuple[int, ...] | None = model_option(
        "units of the fully connected layers before the last, comma-separated; '' is none."
    )
    padding: str | None = model_option(
        "padding of the convolutions: same or valid; for some networks same or symmetric."
    )
    drop_path_rate: float | None = model_option(
        "share of residual branches dropped in training (stochastic depth), in [0, 1)."
    )
    pooling: str | None = model_option("kind of pooling: max or avg.")
    pool_padding: str | None = model_option(
        "last row and column that fill no pooling window: valid drops them, same pools them too."
    )
    activation: str | None = model_option("activation function, e.g. relu, sigmoid, tanh, gelu.")
    model_options: str | None = open_setting(
        "further options of the network: name=value, comma-separated; an unknown name is refused "
        "with a list of those that the network has.",
    )
    compute_dtype: str = setting(
        "auto",
        "precision of the layers: float32, bfloat16, or auto: bfloat16 where a trial shows that it "
        "is faster on this machine and right, else float32. A run keeps what it began with. "
        "Parameters, loss and metrics are float32.",
    )
    pretrained: bool = setting(
        False, "start from the network's published weights; see `weights` for others."
    )
    weights: str | None = open_setting(
        "published weights to start from: their name, or the path of a file; without it, the "
        "network's own. An unknown name is refused with a list.",
    )
    weights_key: str | None = open_setting(
        "which part of the file of `weights` to start from: an entry of a PyTorch checkpoint, such "
        "as state_dict, or what stands before the names of the arrays; default the EMA of the "
        "weights where the file has one, else the only entry.",
    )
    init_from: str | None = open_setting(
        "start from the best checkpoint of another run: its folder, for the same `model`; the last "
        "layer is kept where the classes are the same."
    )
    freeze: str | None = open_setting(
        "layers that keep the weights they start from: backbone (all but the last), a number of "
        "stages, or none; default backbone with `pretrained`, none with `fine_tune`.",
    )
    freeze_batch_norm: bool | None = model_option(
        "BatchNorm keeps the running averages that it starts from, in training too."
    )
    head_init: str = setting(
        "zero", "how a new last layer starts: zero, or scaled (random, variance 1 / inputs)."
    )


MODEL_OPTIONS = tuple(
    f.name for f in dataclasses.fields(NetworkSettings) if f.metadata["model_option"]
)
"""Settings that only some networks have; they are passed on where given."""

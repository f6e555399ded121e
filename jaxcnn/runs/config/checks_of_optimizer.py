"""Checks of the settings of optimizers and of private gradients."""

from jaxcnn.optim import is_schedule_free, needs_more_than_gradients
from jaxcnn.runs.config.settings import TrainingSettings
from jaxcnn.runs.config.train_config import TrainConfig, starts_from_weights


def check_optimizer(config: TrainConfig) -> None:
    """Refuse what contradicts an optimizer, or learning rates by parameter."""
    training, name = config.training, config.training.optimizer
    if is_schedule_free(name) and training.ema_decay:
        raise ValueError(
            f"optimizer={name} averages the parameters by itself, and ema_decay "
            f"(={training.ema_decay}) would average them again; leave ema_decay out."
        )
    if is_schedule_free(name) and training.schedule != "constant":
        raise ValueError(
            f"optimizer={name} takes a constant learning rate, and schedule is "
            f"{training.schedule}; leave schedule out."
        )
    if name == "lbfgs" and training.accumulate_steps > 1:
        raise ValueError(
            f"optimizer=lbfgs computes the loss of the whole batch again and again, and "
            f"accumulate_steps (={training.accumulate_steps}) cuts the batch; leave it at 1."
        )
    if name == "lbfgs" and config.run.find_learning_rate:
        raise ValueError(
            "optimizer=lbfgs finds its step by a line search; leave find_learning_rate out."
        )
    if training.lr_multipliers and training.layer_decay != 1:
        raise ValueError(
            f"lr_multipliers and layer_decay (={training.layer_decay}) both say the learning rate "
            "of each stage; give one of them."
        )
    count, num_epochs = training.average_checkpoints, training.num_epochs
    if count and not 2 <= count <= num_epochs:
        raise ValueError(
            f"average_checkpoints must be 0 or from 2 to num_epochs (={num_epochs}), got {count}."
        )
    freeze = config.network.freeze
    if training.unfreeze_epochs and (not starts_from_weights(config) or freeze == "backbone"):
        raise ValueError(
            f"unfreeze_epochs (={training.unfreeze_epochs:g}) is for weights to start from whose "
            "stages are trained; give pretrained=True, weights=NAME or init_from=RUN, and "
            "fine_tune=True or freeze=none."
        )


def check_privacy(training: TrainingSettings) -> None:
    """Refuse what private training cannot bound; BatchNorm is found where the network is built."""
    if not training.dp_clip_norm:
        if training.dp_noise_multiplier:
            raise ValueError(
                f"dp_noise_multiplier (={training.dp_noise_multiplier}) is a multiple of "
                "dp_clip_norm, which is off; give both, e.g. dp_clip_norm=1."
            )
        return
    if needs_more_than_gradients(training.optimizer):
        raise ValueError(
            f"optimizer={training.optimizer} goes by the loss, or by a second gradient, which "
            "dp_clip_norm gives no noise; choose another optimizer, such as adamw."
        )
    if training.class_weights == "balanced":
        raise ValueError(
            "class_weights=balanced reads the classes' sizes from the photos that dp_clip_norm is "
            "to protect; give the weights as numbers."
        )
    if training.sampler != "none":
        raise ValueError(
            f"sampler (={training.sampler}) shows photos of rare classes several times in an "
            "epoch, which the epsilon of dp_clip_norm does not cover; leave it at none."
        )
    for name in ("mixup", "cutmix"):
        if getattr(training, name):
            raise ValueError(
                f"{name} mixes photos, so that no gradient is of one alone, as dp_clip_norm needs; "
                "turn one of them off."
            )
    if training.repeated_augmentation > 1:
        raise ValueError(
            f"repeated_augmentation (={training.repeated_augmentation}) shows a photo several "
            "times in a step, which dp_clip_norm does not bound; leave it at 1."
        )
    if training.accumulate_steps > 1:
        raise ValueError(
            f"accumulate_steps (={training.accumulate_steps}) adds up the gradients of "
            "parts, each of which dp_clip_norm would give noise of its own; leave it at 1."
        )

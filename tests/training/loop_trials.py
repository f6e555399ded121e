"""The small network that the tests of the loop train, and a loop around its compiled step."""

import jax

from jaxcnn import losses, optim
from jaxcnn.augment import make_augment
from jaxcnn.data.batches import eval_batches, steps_per_epoch, train_batches
from jaxcnn.metrics.metric import ACCURACY
from jaxcnn.models import create_model
from jaxcnn.training.eval_step import make_eval_step
from jaxcnn.training.evaluation import evaluate
from jaxcnn.training.history import Progress
from jaxcnn.training.loop import Loop
from jaxcnn.training.state import init_state
from jaxcnn.training.step import make_train_step

BATCH, STEPS = 8, 8  # of an epoch of the 66 images
KEY = jax.random.key(3)
TIMINGS = ("images_per_second", "data_wait_share")
MODEL = create_model(
    "six_conv", 2, depth=2, widths=(4, 4), dense_widths=(), batch_norm=True, dropout_rate=0.3
)
OPTIMIZER = optim.make_optimizer("adam", 0.01)
LOSS = losses.make_loss("softmax", num_classes=2)
STEP = make_train_step(MODEL, OPTIMIZER, LOSS, make_augment("flip", image_size_px=12))
TRAIN_STEP = jax.jit(STEP)
EVAL_STEP = jax.jit(make_eval_step(MODEL, LOSS))


def start(key=KEY):
    """Give the state that a network starts from."""
    return init_state(key, MODEL, OPTIMIZER, (12, 12, 3))


def make_loop(split, *, keeper=None, states=None, batch_size=BATCH, callbacks=(), **options):
    """Make a loop that goes on from what `keeper`, a `Checkpoint`, finds in its folder."""
    states = states or [start()]
    progress = Progress.of(len(states))
    batches = options.pop("batches", None) or train_batches(split, batch_size=batch_size, seed=0)
    if keeper is not None:
        keeper.open(len(states), {})
        if found := keeper.restore(states):
            states, progress, position = found
            batches.set_state(position)
        callbacks = [keeper, *callbacks]
    defaults = {
        "train_step": TRAIN_STEP,
        "key": KEY,
        "num_epochs": 3,
        "steps_per_epoch": steps_per_epoch(len(split), batch_size),
        "batch_size": batch_size * len(states),
        "evaluate": lambda variables: evaluate(
            EVAL_STEP, variables, eval_batches(split, batch_size=16)
        ),
        "metrics": {"accuracy": ACCURACY},
        "best": "accuracy",
        "learning_rate": lambda step: 0.01,
    }
    pack = options.pop("pack", lambda networks: networks[0])
    options = {**defaults, **options}
    return Loop(
        state=pack(states), progress=progress, batches=batches, callbacks=callbacks, **options
    )


def stop_at(number, action, step=TRAIN_STEP):
    """Make a training step that does something just before its n-th call."""
    calls = []

    def train_step(*arguments):
        calls.append(1)
        if len(calls) == number:
            action()
        return step(*arguments)

    return train_step


def crash():
    """Fail as nothing in the library does."""
    raise RuntimeError("power cut")


def without_timings(history):
    """Leave out what no two runs have in common."""
    return [{k: v for k, v in row.items() if k not in TIMINGS} for row in history]

import pytest

from jaxcnn.data.preprocessing import Decoding, Preprocessing
from jaxcnn.runs.config import (
    PRESETS,
    TrainConfig,
    from_json,
    load_config,
    make_config,
    resolve,
    setting_fields,
    to_json,
)
from jaxcnn.runs.config.checks import without_effect
from jaxcnn.runs.config.presets import preset_of_preprocessing
from jaxcnn.runs.phases import plan_phases


def test_every_setting_says_what_it_is():
    for field in setting_fields().values():
        assert len(field.metadata["help"]) > 10, field.name


@pytest.mark.parametrize("dataset", [*PRESETS, "folder", "cats_vs_dogs"])
def test_presets_leave_nothing_that_a_run_needs_open(dataset):
    config = resolve(make_config(dataset=dataset))
    for name in ("image_size_px", "stored_size_px", "num_epochs", "augment", "num_channels"):
        assert config.flat()[name] is not None, name


def test_settings_are_made_and_changed_by_name():
    config = make_config(batch_size=8, dataset="mnist")
    assert (config.training.batch_size, config.data.dataset) == (8, "mnist")
    assert config.replace(batch_size=9).flat() == {**config.flat(), "batch_size": 9}
    with pytest.raises(TypeError, match=r"unknown setting 'batchsize'.*nearest first: batch_size"):
        make_config(batchsize=8)
    with pytest.raises(TypeError, match="batchsize"):
        config.replace(batchsize=8)


def test_the_settings_of_photos_are_one_value():
    changes = {"stored_size_px": 80, "image_size_px": 64, "resize_mode": "pad", "decoder": "pillow"}
    more = {
        "interpolation": "lanczos",
        "num_channels": 1,
        "pixel_mean": (0.1,),
        "pixel_std": (0.2,),
    }
    config = resolve(make_config(**changes, **more, flip_average=False))
    assert config.preprocessing == Preprocessing(
        decoding=Decoding(80, "pad", 1, "lanczos", "pillow"),
        image_size_px=64,
        mean=(0.1,),
        std=(0.2,),
        flip_average=False,
    )
    assert config.replace(flip_average=True).preprocessing.flip_average


@pytest.mark.parametrize(
    ("size_px", "num_channels", "changes"),
    [
        (None, None, {}),
        (96, None, {"image_size_px": 96, "stored_size_px": 120}),
        (None, 1, {"num_channels": 1, "pixel_mean": (0.5,), "pixel_std": (0.25,)}),
    ],
)
def test_what_suits_a_network_suits_it_at_another_size_and_in_grey(size_px, num_channels, changes):
    wanted = Preprocessing(
        decoding=Decoding(80, "pad"), image_size_px=64, mean=(0.4, 0.5, 0.6), std=(0.25,)
    )
    as_it_is = {
        **{"image_size_px": 64, "stored_size_px": 80, "resize_mode": "pad", "num_channels": 3},
        **{"interpolation": "bilinear", "pixel_mean": (0.4, 0.5, 0.6), "pixel_std": (0.25,)},
    }
    assert preset_of_preprocessing(wanted, size_px, num_channels) == {**as_it_is, **changes}


def test_what_is_given_wins_over_the_preset():
    config = resolve(make_config(num_epochs=2, dense_widths=(), max_train_examples=0))
    assert (
        config.training.num_epochs,
        config.network.dense_widths,
        config.data.max_train_examples,
    ) == (2, (), 0)


def test_mirror_images_are_averaged_where_training_saw_them():
    assert resolve(TrainConfig()).run.flip_average is True
    assert resolve(make_config(dataset="mnist")).run.flip_average is False
    assert resolve(make_config(augment="none")).run.flip_average is False
    assert resolve(make_config(augment="none", flip_average=True)).run.flip_average is True


def test_decay_suits_the_optimizer():
    assert resolve(make_config(optimizer="adamw")).training.weight_decay == 0.05
    assert resolve(make_config(optimizer="sgd")).training.weight_decay == 0.0005
    assert resolve(make_config(optimizer="sgd", weight_decay=0.0)).training.weight_decay == 0.0


def test_another_network_does_not_get_six_convs_options():
    config = resolve(make_config(model="lenet5"))
    assert config.network.batch_norm is None
    assert (config.data.image_size_px, config.data.num_channels) == (32, 1)


def test_stored_images_leave_room_for_crops_unless_there_are_none():
    assert resolve(make_config(image_size_px=96, augment="standard")).data.stored_size_px == 112
    assert resolve(make_config(image_size_px=96, augment="none")).data.stored_size_px == 96
    assert resolve(make_config(image_size_px=96, eval_size_px=120)).data.stored_size_px == 120


def test_evaluation_may_see_larger_images_than_training():
    config = resolve(make_config(image_size_px=48, eval_size_px=64))
    assert config.preprocessing.image_shape == (64, 64, 3)
    assert config.training_preprocessing.image_shape == (48, 48, 3)
    assert config.data.image_size() == "48 x 48 x 3, 64 x 64 x 3 in evaluation"
    assert resolve(make_config(image_size_px=48)).data.image_size() == "48 x 48 x 3"


def test_photos_from_scratch_have_crops_and_sizes_of_their_own():
    config = resolve(make_config(data_dir="x"))
    assert (config.data.image_size_px, config.data.eval_size_px) == (96, 112)
    assert config.data.stored_size_px == 112
    assert config.training.crop_from == "photo"
    assert config.network.pool_padding == "same"
    assert plan_phases(config)[0].progressive_resizing == {64: 0.3, 80: 0.3}
    frozen = resolve(make_config(data_dir="x", pretrained=True, progressive_resizing="64:0.3"))
    assert plan_phases(frozen)[0].progressive_resizing == {}  # cached features have no size


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"image_size_px": 64}, (75, "photo", "")),
        ({"stored_size_px": 100}, (100, "photo", "64:0.3,80:0.3")),
        ({"global_pooling": "none"}, (None, "photo", "")),
        ({"model": "resnet18"}, (None, "photo", "")),
        ({"augment": "flip"}, (None, "square", "64:0.3,80:0.3")),
        ({"epoch_scan": "on"}, (112, "square", "64:0.3,80:0.3")),
        ({"pretrained": True}, (None, "square", "")),
        ({"dataset": "cats_vs_dogs"}, (None, "square", "")),
    ],
)
def test_the_sizes_of_photos_follow_what_is_given(changes, expected):
    config = resolve(make_config(**({"data_dir": "x"} | changes)))
    found = config.data.eval_size_px, config.training.crop_from
    assert (*found, config.training.progressive_resizing) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dropout_rate": 1.0}, r"dropout_rate must be a share in \[0, 1\), got 1.0"),
        ({"num_epochs": 0}, "num_epochs must be a number above 0, got 0"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"head": "sigmoidal"}, "unknown head 'sigmoidal'; known, nearest first: sigmoid"),
        ({"resize_mode": "sqash"}, "nearest first: squash"),
        ({"num_channels": 2}, "num_channels must be 1 or 3"),
        ({"validation_fraction": 0.6, "test_fraction": 0.5}, "leave nothing to train on"),
        ({"image_size_px": 96, "stored_size_px": 64}, "stored_size_px .* is smaller"),
        ({"eval_size_px": 96, "stored_size_px": 80}, r"80\) is smaller than eval_size_px \(=96\)"),
        ({"crop_from": "photo", "data_dir": "x", "augment": "flip"}, "add zoom"),
        (
            {"crop_from": "photo", "data_dir": "x", "epoch_scan": "on", "augment": "zoom=0.1"},
            "leave one of them out",
        ),
        ({"repeated_augmentation": 33}, "must be at most batch_size"),
        (
            {"repeated_augmentation": 2, "dp_clip_norm": 1.0, "mixup": 0.0},
            "which dp_clip_norm does not bound",
        ),
        ({"head": "sigmoid", "loss": "binary_cross_entropy"}, "head=sigmoid has it already"),
        ({"progressive_resizing": "64"}, "a share of the epochs, such as 64:0.4,80:0.3"),
        (
            {"progressive_resizing": "96:0.5", "image_size_px": 96},
            "smaller than the full size, 96 px",
        ),
        ({"mixup": -0.1}, "mixup must be a number of at least 0, got -0.1"),
        ({"cutmix": float("nan")}, "cutmix must be a number of at least 0, got nan"),
        ({"mixup": float("inf")}, "must be finite"),
        ({"pretrained": True, "mixup": 0.2}, "mixup and cutmix mix photos, .*cache_features=False"),
    ],
)
def test_values_out_of_range_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        resolve(make_config(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"head": "sigmoid"},
        {"pretrained": True, "fine_tune": True},
        {"pretrained": True, "cache_features": False},
        {"pretrained": True, "freeze": "3"},
    ],
)
def test_mixing_goes_wherever_photos_are_trained_on(changes):
    config = resolve(make_config(mixup=0.2, cutmix=1.0, **changes))
    assert (config.training.mixup, config.training.cutmix) == (0.2, 1.0)


def test_json_round_trip(tmp_path):
    config = resolve(make_config(dense_widths=(64, 32)))
    assert from_json(to_json(config)) == config
    (tmp_path / "config.json").write_text('{"no_such_setting": 1, "num_epochs": 3}')
    with pytest.raises(ValueError, match="does not hold the settings"):
        load_config(tmp_path / "config.json")


def test_a_folder_of_photos_is_the_data_set_and_is_never_left_unused():
    assert resolve(make_config(data_dir="photos")).data.dataset == "folder"
    assert resolve(make_config(data_dir="sets", dataset="mnist")).data.dataset == "mnist"
    with pytest.raises(ValueError, match=r"data_dir \(=photos\).*dataset=drawn_pets"):
        resolve(make_config(data_dir="photos", dataset="drawn_pets"))


def test_a_run_of_an_older_version_keeps_the_split_of_its_seed():
    older = {k: v for k, v in to_json(make_config(seed=7)).items() if k != "split_seed"}
    assert from_json(older).data.split_seed == 7


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, []),
        ({"num_seeds": 2, "member_order": "shared", "dataset": "mnist"}, []),
        ({"test_fraction": 0.3, "max_bad_share": 0.5}, ["test_fraction", "max_bad_share"]),
        ({"test_fraction": 0.3, "data_dir": "photos"}, []),
        ({"target_threshold": 0.2}, ["target_threshold"]),
        ({"crop_from": "photo"}, ["crop_from"]),
        ({"target_threshold": 0.2, "loss": "binary_cross_entropy"}, []),
        ({"head_epochs": 3, "layer_decay": 0.5}, ["head_epochs", "layer_decay"]),
        ({"cache_features": True, "feature_views": 2}, ["cache_features", "feature_views"]),
        ({"sweep_epochs": 2, "members_mode": "vmap"}, ["sweep_epochs", "members_mode"]),
        ({"pretrained": True, "freeze": "backbone", "rematerialize": True}, ["rematerialize"]),
        (
            {"pretrained": True, "data_dir": "x", "crop_from": "photo", "augment": "zoom=0.3"},
            ["crop_from"],
        ),
        ({"pretrained": True, "fine_tune": True, "head_epochs": 3, "layer_decay": 0.5}, []),
    ],
)
def test_a_setting_that_decides_nothing_is_named(settings, named):
    given = make_config(**settings)
    lines = without_effect(given, resolve(given))
    assert sorted(line.split()[0] for line in lines) == sorted(named)
    assert all("has no effect: " in line for line in lines)


def test_views_of_evaluation():
    given = resolve(make_config(dataset="mnist", eval_views="flip,scales"))
    assert given.run.flip_average is True
    assert given.preprocessing.views == ("scales",)
    assert resolve(make_config(eval_views="none")).run.flip_average is False
    both = resolve(make_config(dataset="mnist", eval_views="flip", flip_average=True))
    assert both.preprocessing.views == ()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eval_views": "flop"}, "unknown view in eval_views 'flop'; known, nearest first: flip"),
        ({"eval_views": "none,flip"}, "says none and others; leave none out"),
        ({"eval_views": "scales", "flip_average": True}, "contradict each other"),
        ({"eval_views": "five_crop", "augment": "none"}, "needs stored_size_px .=32. above the 32"),
    ],
)
def test_views_that_do_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        resolve(make_config(dataset="mnist", **settings))

"""Each package hands out its public names, so that deeper paths may change."""

import ast
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "jaxcnn"
ROOMS = ("models", "augment", "pretrained", "interpret", "plots", "data", "metrics", "optim")
# Documented with an example, but parts of what is handed out: module and name.
INTERNAL = {
    "augment": {
        "augmix.draw_chain",
        "checks.as_height_width",
        "checks.check_range",
        "erasing.inside_box",
        "randaugment.change_colors",
        "randaugment.draw_operations",
        "randaugment.operations_matrix",
        "resampling.composed",
        "resampling.resample",
        "trivialaugment.draw_operation",
    },
    "data": {
        "cats_vs_dogs.recode_jpeg",
        "class_labels.label_array",
        "class_labels.label_text",
        "class_labels.settle_classes",
        "class_labels.spelling_key",
        "decision_table.current",
        "applying.describe_counts",
        "fast_jpeg.reduction",
        "groups.GroupedSource",
        "groups.describe_groups",
        "groups.example_groups",
        "groups.groups_by_name",
        "image_size.as_size",
        "image_size.covers",
        "image_size.largest",
        "image_size.scaled",
        "image_size.sides",
        "image_size.size_text",
        "image_size.smallest",
        "joined_split.JoinedSource",
        "near_duplicates.merge_groups",
        "joined_split.PartOfSplit",
        "joined_split.JoinedSplit",
        "label_sets.are_several",
        "label_sets.as_labels",
        "label_sets.class_counts",
        "label_sets.label_sets",
        "label_sets.names_of_label",
        "odd_photos.odd_reasons",
        "opening.turn_array",
        "preprocessing.parse_views",
        "packed.by_split",
        "resize.placement",
        "row_labels.row_labels",
        "source.check_same_classes",
        "source.describe_sizes",
        "source.digest_of",
        "source.label_at",
        "table_columns.as_flag",
        "table_columns.split_words",
        "table_images.as_path",
        "sampling.class_shares",
        "sampling.epoch_order",
        "sampling.sampled_order",
        "stratified.assign_parts",
        "tfds_prepare.preparation_command",
        "without_tensorflow.Namespace",
        "workers.usable_cores",
    },
    "interpret": {"place.locate", "place.name_place", "receptive_field.interpolation_weights"},
    "metrics": {"logistic_regression.standardise", "registry.check_for_several_labels"},
    "models": {
        "convolution.conv_padding",
        "inverted_residual.scale_depth",
        "regnet.stage_shapes",
        "residual.drop_path_rates",
        "shufflenet_v2.shuffle",
        "squeeze_excite.make_divisible",
    },
    "optim": {
        "directions.muon_labels",
        "factories.check_options",
        "optax_schedules.check_schedule_options",
        "parameter_groups.check_patterns",
        "parameter_groups.factor_of",
        "parameter_groups.name_mask",
    },
    "pretrained": {
        "class_names.name_classes",
        "connection.public_address",
        "groups.behind",
        "groups.groups_of",
        "keras_layers.snake_case",
        "last_layer.find_last_layer",
        "mapping.by_rules",
        "raw_numbers.decode",
        "transfer.format_bytes",
        "unlisted.for_channels",
        "unlisted.half_precision",
    },
}


def documented(room: str) -> set[str]:
    """List the public functions and classes of a room that show how they are used."""
    return {
        f"{path.stem}.{node.name}"
        for path in (PACKAGE / room).rglob("[!_]*.py")
        if "drawn_pets" not in path.parts  # a program of its own
        for node in ast.parse(path.read_text()).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
        if "Example:" in (ast.get_docstring(node) or "")
    }


@pytest.mark.parametrize("room", ["training", *ROOMS])
def test_what_a_package_hands_out_is_there_and_is_its_own(room):
    package = importlib.import_module(f"jaxcnn.{room}")
    assert package.__all__
    for name in package.__all__:
        value = getattr(package, name)
        if callable(value):
            assert value.__module__.startswith("jaxcnn."), name
            assert value.__doc__, name
    assert set(package.__all__) <= set(dir(package))
    # Once imported, a module stands in its package's namespace and would hide the name.
    assert not set(package.__all__) & {path.stem for path in (PACKAGE / room).iterdir()}


@pytest.mark.parametrize("room", ROOMS)
def test_every_function_with_an_example_is_importable_from_its_package(room):
    handed_out = set(importlib.import_module(f"jaxcnn.{room}").__all__)
    left_out = {name for name in documented(room) if name.split(".")[1] not in handed_out}
    assert left_out == INTERNAL.get(room, set())


@pytest.mark.parametrize("room", ROOMS)
def test_every_package_says_what_lives_in_it(room):
    assert "\n\n" in importlib.import_module(f"jaxcnn.{room}").__doc__

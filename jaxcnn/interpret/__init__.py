"""Look inside a network: functions from variables and images to what can be drawn.

Those that run a network work on each one of `jaxcnn.models` by its named stages, are pure, take
images as the network does, (B, H, W, C) float32 normalised, and leave compiling to the caller. The
pictures are drawn by `jaxcnn.plots`.
"""

from jaxcnn.interpret.attribution import Attribution, integrated_gradients
from jaxcnn.interpret.class_activation import class_activation_maps, resize_maps, to_unit_range
from jaxcnn.interpret.evidence import evidence_maps
from jaxcnn.interpret.excitation import (
    Excitation,
    cut_field,
    excitations,
    most_selective_channels,
    top_images,
)
from jaxcnn.interpret.feature_maps import feature_maps, first_layer_filters, strongest_channels
from jaxcnn.interpret.nearest import Neighbours, nearest_photos
from jaxcnn.interpret.occlusion import occlusion_maps
from jaxcnn.interpret.photo_map import PhotoMap, map_photos
from jaxcnn.interpret.receptive_field import ReceptiveField, Span, receptive_fields
from jaxcnn.interpret.scores import class_log_odds, class_scores

__all__ = [
    "Attribution",
    "Excitation",
    "Neighbours",
    "PhotoMap",
    "ReceptiveField",
    "Span",
    "class_activation_maps",
    "class_log_odds",
    "class_scores",
    "cut_field",
    "evidence_maps",
    "excitations",
    "feature_maps",
    "first_layer_filters",
    "integrated_gradients",
    "map_photos",
    "most_selective_channels",
    "nearest_photos",
    "occlusion_maps",
    "receptive_fields",
    "resize_maps",
    "strongest_channels",
    "to_unit_range",
    "top_images",
]

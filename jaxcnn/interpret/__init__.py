"""Look inside a network: functions from variables and images to what can be drawn.

Those that run a network work on each one of `jaxcnn.models` by its named stages, are pure, take
images as the network does, (B, H, W, C) float32 normalised, and leave compiling to the caller. The
pictures are drawn by `jaxcnn.plots`.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.interpret.attribution import (
        Attribution as Attribution,
        integrated_gradients as integrated_gradients,
    )
    from jaxcnn.interpret.class_activation import (
        class_activation_maps as class_activation_maps,
        resize_maps as resize_maps,
        to_unit_range as to_unit_range,
    )
    from jaxcnn.interpret.evidence import evidence_maps as evidence_maps
    from jaxcnn.interpret.excitation import (
        Excitation as Excitation,
        cut_field as cut_field,
        excitations as excitations,
        most_selective_channels as most_selective_channels,
        top_images as top_images,
    )
    from jaxcnn.interpret.feature_maps import (
        feature_maps as feature_maps,
        first_layer_filters as first_layer_filters,
        strongest_channels as strongest_channels,
    )
    from jaxcnn.interpret.nearest import Neighbours as Neighbours, nearest_photos as nearest_photos
    from jaxcnn.interpret.occlusion import occlusion_maps as occlusion_maps
    from jaxcnn.interpret.photo_map import PhotoMap as PhotoMap, map_photos as map_photos
    from jaxcnn.interpret.receptive_field import (
        ReceptiveField as ReceptiveField,
        Span as Span,
        receptive_fields as receptive_fields,
    )
    from jaxcnn.interpret.scores import (
        class_log_odds as class_log_odds,
        class_scores as class_scores,
    )
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)

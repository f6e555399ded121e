"""Look inside a network: functions from variables and images to what can be drawn.

Those that run a network work on each one of `jaxcnn.models` by its named stages, are pure, take
images as the network does, (B, H, W, C) float32 normalised, and leave compiling to the caller. The
pictures are drawn by `jaxcnn.plots`.

`class_activation.py` maps where a class is seen, `occlusion.py` what covering costs, and
`attribution.py` what each pixel brings, all of the numbers in `scores.py`; `place.py` says a map in
words. `channels.py` holds feature maps, filters and what excites channels, `receptive_field.py`
which pixels they see, and `likeness.py` photos whose features are alike.
"""

from typing import TYPE_CHECKING

from jaxcnn.host.lazy import hand_out

if TYPE_CHECKING:
    from jaxcnn.interpret.attribution import (
        Attribution as Attribution,
        integrated_gradients as integrated_gradients,
    )
    from jaxcnn.interpret.channels import (
        Excitation as Excitation,
        cut_field as cut_field,
        excitations as excitations,
        feature_maps as feature_maps,
        first_layer_filters as first_layer_filters,
        most_selective_channels as most_selective_channels,
        strongest_channels as strongest_channels,
        top_images as top_images,
    )
    from jaxcnn.interpret.class_activation import (
        class_activation_maps as class_activation_maps,
        evidence_maps as evidence_maps,
        resize_maps as resize_maps,
        to_unit_range as to_unit_range,
    )
    from jaxcnn.interpret.likeness import (
        Neighbours as Neighbours,
        PhotoMap as PhotoMap,
        map_photos as map_photos,
        nearest_photos as nearest_photos,
    )
    from jaxcnn.interpret.occlusion import occlusion_maps as occlusion_maps
    from jaxcnn.interpret.receptive_field import (
        ReceptiveField as ReceptiveField,
        Span as Span,
        UnknownOperationError as UnknownOperationError,
        receptive_fields as receptive_fields,
    )
    from jaxcnn.interpret.scores import (
        class_log_odds as class_log_odds,
        class_scores as class_scores,
    )
else:
    __getattr__, __dir__, __all__ = hand_out(__name__, __file__)

"""Let mmdet's Grounding DINO predict.

Reason: onedl-mmdetection 3.5.1 doubled the position encoding in DINO's decoder, and the width of the layer that reads
it. Grounding DINO inherits the decoder's ``forward``, but its layer kept the old width, as published weights did, so
inference raises "mat1 and mat2 shapes cannot be multiplied". Delete when its decoder encodes positions by itself.
"""

from __future__ import annotations

import sys
from types import FunctionType
from typing import Any

from mmlens.compat.import_hooks import after_import

MODULE = 'mmdet.models.layers.transformer.grounding_dino_layers'


def install() -> None:
    """Let the decoder encode positions as wide as its layer reads them, now or when it is imported. Idempotent."""
    after_import(MODULE, _give_own_width)


def _give_own_width() -> None:
    decoder = sys.modules[MODULE].GroundingDinoTransformerDecoder
    inherited: Any = decoder.forward
    names = getattr(inherited, '__globals__', {})
    encode = names.get('coordinate_to_encoding')
    if 'forward' in vars(decoder) or encode is None:
        return

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        def encode_to_width(positions: Any, **options: Any) -> Any:
            width = self.ref_point_head.layers[0].in_features
            return encode(positions, **{**options, 'num_feats': width // positions.shape[-1]})

        run = FunctionType(inherited.__code__, {**names, 'coordinate_to_encoding': encode_to_width})
        run.__defaults__, run.__kwdefaults__ = inherited.__defaults__, inherited.__kwdefaults__
        return run(self, *args, **kwargs)

    decoder.forward = forward

"""Grounding DINO's decoder reads positions at the width that it and published weights have."""

import torch


def test_positions_are_encoded_as_wide_as_they_are_read():
    from mmengine.registry import DefaultScope

    from mmlens import compat

    compat.prepare()
    from mmdet.models.layers import coordinate_to_encoding
    from mmdet.models.layers.transformer.grounding_dino_layers import GroundingDinoTransformerDecoder

    attention = dict(embed_dims=16, num_heads=2, batch_first=True, dropout=0.0)
    layer = dict(
        self_attn_cfg=attention,
        cross_attn_text_cfg=attention,
        cross_attn_cfg=dict(embed_dims=16, num_heads=2, num_levels=1),
        ffn_cfg=dict(embed_dims=16, feedforward_channels=16),
    )
    with DefaultScope.overwrite_default_scope('mmdet'):
        decoder = GroundingDinoTransformerDecoder(
            num_layers=1, layer_cfg=layer, post_norm_cfg=None, return_intermediate=False
        )
    decoder = decoder.eval()
    assert decoder.ref_point_head.layers[0].in_features == 32  # four numbers a box, 8 features each
    read = []
    decoder.ref_point_head.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    boxes = torch.rand(1, 5, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        decoder(
            query=torch.zeros(1, 5, 16),
            value=torch.rand(1, 64, 16),
            key_padding_mask=None,
            self_attn_mask=None,
            reference_points=boxes,
            spatial_shapes=torch.tensor([[8, 8]]),
            level_start_index=torch.tensor([0]),
            valid_ratios=torch.ones(1, 1, 2),
            reg_branches=None,
            memory_text=torch.rand(1, 3, 16),
            text_attention_mask=torch.zeros(1, 3, dtype=torch.bool),
        )
    torch.testing.assert_close(read[0], coordinate_to_encoding(boxes, num_feats=8))

"""A tracker around the two-stage detector: its pipeline and its preprocessor take the frames of a video."""

_base_ = ['faster_rcnn.py']
detector = _base_.model
detector.pop('data_preprocessor')
model = dict(
    _delete_=True,
    type='QDTrack',
    data_preprocessor=dict(
        type='TrackDataPreprocessor', mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4], pad_size_divisor=32
    ),
    detector=detector,
    track_head=dict(
        type='QuasiDenseTrackHead',
        roi_extractor=dict(
            type='SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
            out_channels=16,
            featmap_strides=[4, 8, 16, 32],
        ),
        embed_head=dict(
            type='QuasiDenseEmbedHead',
            num_convs=1,
            num_fcs=1,
            in_channels=16,
            conv_out_channels=16,
            fc_out_channels=16,
            embed_channels=16,
            norm_cfg=dict(type='GN', num_groups=4),
            loss_track_aux=dict(type='MarginL2Loss', hard_mining=True),
        ),
    ),
    tracker=dict(type='QuasiDenseTracker'),
)
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(
                type='TransformBroadcaster',
                transforms=[
                    dict(type='LoadImageFromFile'),
                    dict(type='Resize', scale=(128, 128), keep_ratio=True),
                    dict(type='Pad', pad_to_square=True, pad_val=dict(img=(114.0, 114.0, 114.0))),
                    dict(type='LoadTrackAnnotations'),
                ],
            ),
            dict(type='PackTrackInputs'),
        ],
    )
)

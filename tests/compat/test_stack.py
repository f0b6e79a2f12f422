"""Real models of mmdet, mmyolo and mmpretrain, narrow, on small pictures and with random weights, over the shims."""

from __future__ import annotations

import numpy as np
import pytest

from mmlens import compat

SMALL = {'test_dataloader.dataset.pipeline.1.scale': (160, 120)}
NARROW = {**SMALL, 'model.backbone.base_channels': 8, 'model.neck.in_channels': [32, 64, 128, 256]}
DETECTORS = {
    'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py': NARROW,  # nms, roi_align
    'mmdet::tood/tood_r50_fpn_1x_coco.py': NARROW,  # deform_conv
    'mmdet::dcnv2/faster-rcnn_r50-mdconv-c3-c5_fpn_1x_coco.py': NARROW,  # modulated_deform_conv
    'mmdet::deformable_detr/deformable-detr_r50_16xb2-50e_coco.py': {  # ms_deform_attn
        **SMALL,
        'model.backbone.base_channels': 8,
        'model.neck.in_channels': [64, 128, 256],
        'model.encoder.num_layers': 1,
        'model.decoder.num_layers': 1,
    },
    'mmdet::ssd/ssd300_coco.py': {},
    'mmyolo::yolov5/yolov5_n-v61_syncbn_fast_8xb16-300e_coco.py': {},
}


@pytest.fixture(autouse=True)
def _scope_as_before(request):
    """OpenMMLab's own loaders leave the scope of their package behind, and mmpretrain's needs its own."""
    compat.prepare()
    import torch
    from mmengine.registry import DefaultScope

    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain' if 'classifier' in request.node.name else 'mmdet'):
        yield


@pytest.mark.parametrize('name', DETECTORS)
def test_a_detector_runs(name):
    compat.prepare(*(['mmyolo'] if name.startswith('mmyolo') else []))
    from mmdet.apis import inference_detector, init_detector
    from mmengine.hub import get_config

    config = get_config(name)
    config.merge_from_dict({'model.backbone.init_cfg': None, **DETECTORS[name]})
    model = init_detector(config, None, device='cpu', palette='coco')
    model.init_weights()  # some parameters of the DETR family are uninitialised memory until then
    picture = np.random.RandomState(0).randint(0, 255, (60, 80, 3), np.uint8)
    found = inference_detector(model, picture).pred_instances
    assert found.bboxes.shape == (len(found), 4)
    assert found.scores.isfinite().all()


def test_a_classifier_runs():
    compat.prepare('mmpretrain')
    from mmpretrain import get_model, inference_model

    model = get_model('mobilenet-v2_8xb32_in1k', pretrained=False, device='cpu')
    picture = np.random.RandomState(0).randint(0, 255, (60, 80, 3), np.uint8)
    result = inference_model(model, picture)
    assert 0 <= result['pred_label'] < 1000

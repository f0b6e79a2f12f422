"""One picture, one method, N targets: methods of every kind, on boxes and classes alike."""

import numpy as np
import pytest
import torch

from mmlens import explain_boxes, explain_classes, open_network, register_pass_method
from mmlens.attribution.methods import registry
from mmlens.attribution.passes.altering import with_cells
from mmlens.errors import LayerError, MethodError


@pytest.fixture(scope='module')
def classifier():
    from mmengine.config import Config

    head = dict(type='LinearClsHead', num_classes=3, in_channels=64)
    model = dict(
        type='ImageClassifier',
        backbone=dict(type='ResNet', depth=18, stem_channels=8, base_channels=8),
        neck=dict(type='GlobalAveragePooling'),
        head=head,
    )
    steps = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(64, 64)), dict(type='PackInputs')]
    data = dict(dataset=dict(type='CustomDataset', metainfo=dict(classes=('a', 'b', 'c')), pipeline=steps))
    return open_network(Config(dict(default_scope='mmpretrain', model=model, test_dataloader=data)), device='cpu')


@pytest.fixture
def occlusion(monkeypatch):
    """A method of many passes of a user's own: what of each target goes with each cell."""
    monkeypatch.setattr(registry, '_METHODS', dict(registry._METHODS))

    @register_pass_method('Occlusion', uses_gradients=False, logits=True, shows='what goes with each cell')
    def occlusion(job):
        job.total = sum(level.activation[0, 0].numel() for level in job.levels)
        maps = [[] for _ in job.runs.reference]
        for level in job.levels:
            height, width = level.activation.shape[2:]
            cells = 1 - torch.eye(height * width).reshape(-1, height, width)
            left = [
                job.runs.at_level(level, with_cells(level, torch.stack(list(batch))))
                for batch in job.batches(list(cells), level)
            ]
            lost = (job.runs.reference - torch.cat(left)).T
            for of_target, values in zip(maps, lost):
                of_target.append(values.reshape(height, width))
        return maps


def logits_without(classifier, prepared, row, column):
    """Logits with one cell of the last stage set to zero, by a plain hook."""

    def hide(module, inputs, output):
        (features,) = output
        features = features.clone()
        features[:, :, row, column] = 0
        return (features,)

    handle = classifier.model.backbone.register_forward_hook(hide)
    try:
        with torch.no_grad():
            return classifier.logits(prepared)[0]
    finally:
        handle.remove()


def test_a_method_of_ones_own_explains_classes(classifier, picture, occlusion):
    found = explain_classes(classifier, picture, method='occlusion', layers=['backbone'], classes=[2, 0])
    prepared = classifier.prepare(picture)
    with torch.no_grad():
        plain = classifier.logits(prepared)[0]
    for each in found:
        lost = torch.zeros(2, 2)
        for row in range(2):
            for column in range(2):
                lost[row, column] = (plain - logits_without(classifier, prepared, row, column))[each.category]
        grid = torch.nn.functional.interpolate(
            lost.clamp_min(0)[None, None], (64, 64), mode='bilinear', align_corners=False
        )
        np.testing.assert_allclose(each.raw, prepared.geometry.map_to_picture(grid[0, 0].numpy()), atol=1e-4)


def test_a_method_of_ones_own_explains_boxes_in_the_same_passes(yolox, picture, occlusion):
    one = explain_boxes(yolox, picture, method='occlusion', layers=['neck'], score_thr=0.14, topk=1)
    two = explain_boxes(yolox, picture, method='OCCLUSION', layers=['neck'], score_thr=0.14, topk=2)
    assert len(one) == 1 and len(two) == 2
    assert one.passes == two.passes > 0  # boxes share the passes
    np.testing.assert_array_equal(one[0].raw, two[0].raw)
    assert two[0].raw.any() and two.method == 'occlusion'


def test_its_options_and_layers_are_checked_like_those_of_any_other(yolox, picture, occlusion):
    with pytest.raises(MethodError, match="'occlusion' has no option 'masks'"):
        explain_boxes(yolox, picture, method='occlusion', method_options=dict(masks=3))
    with pytest.raises(LayerError, match='No layer'):
        explain_boxes(yolox, picture, method='occlusion', layers=['nek'])


@pytest.mark.parametrize('name', ['FullGrad', 'ShapleyCAM'])
def test_boxes_are_not_explained_by_another_packages_engine(yolox, picture, name):
    from mmlens.compat.gradcam import cam_classes

    if name.lower() not in cam_classes():
        pytest.skip(f'this grad-cam has no {name}')
    with pytest.raises(MethodError) as error:
        explain_boxes(yolox, picture, method=name)
    assert str(error.value).startswith(
        f"Method '{name}' needs more than the activations and gradients of one pass and is not built in: choose one of "
    )


@pytest.mark.parametrize(
    ('method', 'sentence'),
    [('drise', 'takes the network as a black box'), ('FullGrad', 'FullGrad finds its layers by itself')],
)
def test_layers_are_refused_where_none_is_looked_at(classifier, picture, method, sentence):
    with pytest.raises(LayerError, match=sentence):
        explain_classes(classifier, picture, method=method, layers=['backbone'])

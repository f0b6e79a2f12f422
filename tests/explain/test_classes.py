"""Class maps against pytorch-grad-cam's own classes, run by their own engine on the same model and input."""

import copy
import re

import numpy as np
import pytest
import torch
from torch import nn

from mmlens import explain_classes, load_classifier
from mmlens.attribution.fusion import LevelMap, average_layers
from mmlens.attribution.layers import resolve_layer
from mmlens.attribution.methods import get_method
from mmlens.compat.gradcam import cam_classes
from mmlens.errors import LayerError, MethodError, MmlensError, ModelError
from mmlens.explain.class_targets import ClassTargets
from mmlens.explain.job import Job
from mmlens.explain.normalise import stretch

SIDE = 64
CLASSES = ('cup', 'fork', 'knife', 'plate', 'spoon')


def linear(channels):
    return dict(type='LinearClsHead', num_classes=5, in_channels=channels)


GAP = dict(type='GlobalAveragePooling')
ARCH = dict(embed_dims=48, num_layers=3, num_heads=3, feedforward_channels=96)
SWIN = dict(embed_dims=24, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8])
VIT = dict(arch=ARCH, img_size=SIDE, patch_size=16)
MODELS = {
    'resnet': dict(
        backbone=dict(type='ResNet', depth=18, stem_channels=16, base_channels=16), neck=GAP, head=linear(128)
    ),
    'mobilenet_v3': dict(
        backbone=dict(type='MobileNetV3', arch='small'),
        neck=GAP,
        head=dict(
            type='StackedLinearClsHead',
            num_classes=5,
            in_channels=576,
            mid_channels=[64],
            act_cfg=dict(type='HSwish'),
        ),
    ),
    'vit': dict(
        backbone=dict(type='VisionTransformer', **VIT),
        head=dict(type='VisionTransformerClsHead', num_classes=5, in_channels=48),
    ),
    'vit_mean': dict(
        backbone=dict(type='VisionTransformer', out_type='avg_featmap', with_cls_token=False, **VIT), head=linear(48)
    ),
    'deit': dict(
        backbone=dict(type='DistilledVisionTransformer', **VIT),
        head=dict(type='DeiTClsHead', num_classes=5, in_channels=48),
    ),
    'swin': dict(
        backbone=dict(type='SwinTransformer', arch=SWIN, img_size=SIDE, window_size=2, drop_path_rate=0.0),
        neck=GAP,
        head=linear(192),
    ),
    't2t': dict(
        backbone=dict(
            type='T2T_ViT',
            img_size=SIDE,
            embed_dims=48,
            num_layers=2,
            t2t_cfg=dict(token_dims=16, use_performer=False),
            layer_cfgs=dict(num_heads=3, feedforward_channels=96),
        ),
        head=dict(type='VisionTransformerClsHead', num_classes=5, in_channels=48),
    ),
}
# Layer, tokens before the picture's, and the grid; written down by hand from the networks' definitions.
DEFAULTS = {
    'resnet': ('backbone.layer4[1]', None),
    'mobilenet_v3': ('backbone.layer12.bn', None),
    'vit': ('backbone.layers[2].ln1', (1, 4)),
    'vit_mean': ('backbone.ln1', (0, 4)),
    'deit': ('backbone.layers[2].ln1', (2, 4)),
    'swin': ('backbone.norm3', (0, 2)),
    't2t': ('backbone.encoder[1].ln1', (1, 4)),
}
SINGLE = [
    'GradCAM',
    'GradCAMPlusPlus',
    'XGradCAM',
    'EigenCAM',
    'EigenGradCAM',
    'LayerCAM',
    'HiResCAM',
    'GradCAMElementWise',
]
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
CROPPED = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=72, edge='short'),
    dict(type='CenterCrop', crop_size=SIDE),
    dict(type='PackInputs'),
]


def build(kind, pipeline=PIPELINE, **changes):
    from mmengine.config import Config

    model = dict(type='ImageClassifier', **copy.deepcopy(MODELS[kind]), **changes)
    model['data_preprocessor'] = dict(mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4], to_rgb=True)
    dataset = dict(type='CustomDataset', metainfo=dict(classes=CLASSES), pipeline=pipeline)
    cfg = Config(dict(default_scope='mmpretrain', model=model, test_dataloader=dict(dataset=dataset)))
    classifier = load_classifier(cfg, device='cpu')
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in classifier.model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
        for module in classifier.model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.weight.fill_(1)
                module.bias.normal_(0, 0.1, generator=generator)
    return classifier


@pytest.fixture(scope='module')
def classifiers():
    """Each classifier, built when it is first asked for."""
    built = {}

    def get(kind):
        if kind not in built:
            built[kind] = build(kind)
        return built[kind]

    return get


@pytest.fixture(scope='module')
def square():
    """A picture that the network sees as it is."""
    import cv2

    noise = np.random.default_rng(1).integers(0, 255, (5, 5, 3), np.uint8)
    return cv2.resize(noise, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


class Plain(nn.Module):
    """The model as a user of pytorch-grad-cam would wrap it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, inputs):
        return self.model(inputs, mode='tensor')


def published(kind, cam_name, classifier, picture, category, layer=None, ablation=None, **smooth):
    """The figures of pytorch-grad-cam itself."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model = copy.deepcopy(classifier.model)
    name, tokens = DEFAULTS[kind]
    parts = (layer or name).replace('[', '.').replace(']', '').split('.')

    def reshape(output):
        extra, side = tokens
        return output[:, extra:].reshape(len(output), side, side, -1).permute(0, 3, 1, 2)

    options = dict(reshape_transform=reshape if tokens else None)
    if ablation:
        options['ablation_layer'] = ablation
    wrapped = Plain(model)
    layer = wrapped.model.get_submodule('.'.join(parts))
    cam = getattr(pytorch_grad_cam, cam_name)(wrapped, [layer], **options)
    # The engine keeps a reference to what the layer returns; what follows a norm layer works in place on it.
    layer.register_forward_hook(lambda module, args, output: output.clone())
    if hasattr(cam, 'save_activation'):  # AblationCAM's own reference
        cam.save_activation = lambda module, args, output: setattr(cam, 'activations', output.clone())
    inputs = classifier.prepare(picture).batch['inputs']
    return cam(inputs, [ClassifierOutputTarget(category)], **smooth)[0]


@pytest.mark.parametrize('kind', MODELS)
def test_the_default_layer_comes_from_the_structure(classifiers, square, kind):
    assert explain_classes(classifiers(kind), square).layers == (DEFAULTS[kind][0],)


@pytest.mark.parametrize('method', SINGLE)
@pytest.mark.parametrize('kind', MODELS)
def test_single_pass_methods_equal_the_published(classifiers, square, kind, method):
    classifier = classifiers(kind)
    name = {'GradCAMPlusPlus': 'GradCAM++'}.get(method, method)
    for category in (0, 3):
        expected = published(kind, method, classifier, square, category)
        found = explain_classes(classifier, square, method=name, classes=[category])[0]
        np.testing.assert_allclose(found.normalised, expected, rtol=1e-4, atol=1e-5)
        assert found.blank is None or not expected.any()


@pytest.mark.parametrize('kind', MODELS)
@pytest.mark.parametrize('method', ['GradCAM', 'LayerCAM', 'EigenCAM', 'GradCAMElementWise'])
@pytest.mark.parametrize('smooth', [dict(eigen_smooth=True), dict(aug_smooth=True)], ids=['eigen', 'aug'])
def test_smoothing_equals_the_published(classifiers, square, kind, method, smooth):
    expected = published(kind, method, classifiers(kind), square, 2, **smooth)
    found = explain_classes(classifiers(kind), square, method=method, classes=2, **smooth)[0]
    np.testing.assert_allclose(found.normalised, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('kind', ['resnet', 'vit', 'swin'])
def test_both_smoothings_go_together(classifiers, square, kind):
    both = dict(eigen_smooth=True, aug_smooth=True)
    expected = published(kind, 'GradCAM', classifiers(kind), square, 1, **both)
    found = explain_classes(classifiers(kind), square, classes=1, **both)[0]
    np.testing.assert_allclose(found.normalised, expected, rtol=1e-4, atol=1e-5)


def finer(kind, classifier, picture, category, comparisons, cam_name='FinerCAM', **smooth):
    """FinerCAM's figures, and the classes that it compared with: those of these ranks by nearness of the logit."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import FinerWeightedTarget

    wrapped = Plain(copy.deepcopy(classifier.model))
    name, tokens = DEFAULTS[kind]
    layer = wrapped.model.get_submodule(name.replace('[', '.').replace(']', ''))

    def reshape(output):
        extra, side = tokens
        return output[:, extra:].reshape(len(output), side, side, -1).permute(0, 3, 1, 2)

    cam = getattr(pytorch_grad_cam, cam_name)(wrapped, [layer], reshape_transform=reshape if tokens else None)
    layer.register_forward_hook(lambda module, args, output: output.clone())
    inputs = classifier.prepare(picture).batch['inputs']
    with torch.no_grad():
        logits = wrapped(inputs)[0]
    nearest = (logits - logits[category]).abs().argsort().tolist()
    others = [nearest[rank] for rank in comparisons]
    if cam_name == 'FinerCAM':
        return cam(inputs, target_idx=category, comparison_categories=comparisons, alpha=1)[0], others
    return cam(inputs, [FinerWeightedTarget(category, others, 1)], **smooth)[0], others


@pytest.fixture
def unsure():
    """Let a classifier be of two minds while a test runs: the package divides by a likelihood plus 1e-9."""
    changed = []

    def calm(classifier):
        last = [module for module in classifier.model.head.modules() if isinstance(module, nn.Linear)]
        changed.extend(last)
        with torch.no_grad():
            for module in last:
                module.weight.mul_(0.125)

    yield calm
    with torch.no_grad():
        for module in changed:
            module.weight.mul_(8)


@pytest.mark.skipif('finercam' not in cam_classes(), reason='this grad-cam has no FinerCAM')
@pytest.mark.parametrize('kind', ['resnet', 'mobilenet_v3', 'vit', 'swin'])
@pytest.mark.parametrize('comparisons', [[1], [1, 2, 3], [4]])
def test_contrast_equals_finercam(classifiers, square, kind, comparisons, unsure):
    unsure(classifiers(kind))
    for category in range(0, 5, 2):
        expected, others = finer(kind, classifiers(kind), square, category, comparisons)
        found = explain_classes(classifiers(kind), square, classes=[category], against=others)[0]
        np.testing.assert_allclose(found.normalised, expected, rtol=1e-4, atol=1e-5)
        assert found.against == ' or '.join(CLASSES[label] for label in sorted(others, key=others.index))
        # Its own engine is asked for the same classes.
        engine = explain_classes(classifiers(kind), square, classes=[category], against=others, method='FinerCAM')[0]
        np.testing.assert_allclose(engine.normalised, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif('finercam' not in cam_classes(), reason='this grad-cam has no FinerCAM')
@pytest.mark.parametrize('smooth', [dict(eigen_smooth=True), dict(aug_smooth=True)], ids=['eigen', 'aug'])
def test_smoothed_contrast_equals_the_published(classifiers, square, smooth, unsure):
    unsure(classifiers('resnet'))
    expected, others = finer('resnet', classifiers('resnet'), square, 2, [1, 2], 'GradCAM', **smooth)
    found = explain_classes(classifiers('resnet'), square, classes=2, against=others, **smooth)[0]
    np.testing.assert_allclose(found.normalised, expected, rtol=1e-4, atol=1e-5)


def test_both_directions_are_each_others_counter(classifiers, square):
    cup, fork = explain_classes(classifiers('resnet'), square, classes=['cup', 'fork'], against=['cup', 'fork'])
    assert (cup.against, fork.against) == ('fork', 'cup')
    np.testing.assert_allclose(cup.counter, fork.normalised, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(fork.counter, cup.normalised, rtol=1e-4, atol=1e-6)
    smooth = dict(classes=['cup', 'fork'], against=['cup', 'fork'], aug_smooth=True)
    cup, fork = explain_classes(classifiers('resnet'), square, **smooth)
    np.testing.assert_allclose(cup.counter, fork.normalised, rtol=1e-4, atol=1e-6)


def test_what_speaks_against_a_class_is_the_map_of_the_negative(classifiers, square):
    classifier = classifiers('resnet')
    found = explain_classes(classifier, square, classes='cup', signed=True, layers=['backbone.layer3'])[0]
    inputs, layer = classifier.prepare(square).batch['inputs'], classifier.model.backbone.layer3
    kept = []
    handle = layer.register_forward_hook(lambda module, args, output: kept.append(output) or output)
    try:
        (gradient,) = torch.autograd.grad(-classifier.logits_of(inputs)[0, 0], kept)
    finally:
        handle.remove()
    cells = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1).relu().detach()
    expected = stretch(average_layers([LevelMap('', cells[0])], (SIDE, SIDE)))
    np.testing.assert_allclose(found.counter, expected, rtol=1e-4, atol=1e-5)
    assert found.against == '' and explain_classes(classifier, square, classes='cup')[0].counter is None


@pytest.mark.parametrize('method', ['AblationCAM', 'ScoreCAM', 'ReciproCAM', 'DRISE'])
def test_methods_of_many_passes_contrast_too(classifiers, square, method):
    """Which of two classes is explained changes the map; several at once give what each gives alone."""
    options = dict(method=method, layers=None if method == 'DRISE' else ['backbone.layer4'])
    options['method_options'] = dict(num_masks=40) if method == 'DRISE' else None
    both = explain_classes(classifiers('resnet'), square, classes=[0, 1], against=[0, 1], **options)
    alone = explain_classes(classifiers('resnet'), square, classes=[1], against=[0], **options)
    np.testing.assert_allclose(both[1].raw, alone[0].raw, rtol=1e-3, atol=1e-5)
    assert both[0].counter is None and not np.allclose(both[0].normalised, both[1].normalised, atol=1e-2)


def test_ablation_takes_shares_of_the_class_against_the_other(classifiers, square):
    """Slow reference, for a class that is the likelier one and for one that is not: whose contrast is below 0."""
    classifier, layer = classifiers('resnet'), classifiers('resnet').model.backbone.layer4
    inputs, off, kept = classifier.prepare(square).batch['inputs'], [], []

    def alter(module, args, output):
        kept.append(output)
        return output * torch.tensor([channel not in off for channel in range(128)]).reshape(1, -1, 1, 1)

    def difference():
        logits = classifier.logits_of(inputs)[0]
        return float(logits[1] - logits[0])

    handle, differences = layer.register_forward_hook(alter), []
    try:
        with torch.no_grad():
            whole = difference()
            for channel in range(128):
                off[:] = [channel]
                differences.append(difference())
    finally:
        handle.remove()
    assert whole > 0
    options = dict(method='AblationCAM', layers=['backbone.layer4'], method_options=dict(ablated='zero'))
    found = explain_classes(classifier, square, classes=[1, 0], against=[0, 1], **options)
    for each, sign in zip(found, (1, -1)):
        weights = sign * (whole - torch.tensor(differences)) / whole
        cells = (weights[:, None, None] * kept[0][0]).sum(0).relu()
        expected = stretch(average_layers([LevelMap('', cells)], (SIDE, SIDE)))
        assert expected.max() == 1 and each.blank is None
        np.testing.assert_allclose(each.normalised, expected, rtol=1e-3, atol=1e-3)


def test_contrasts_that_cannot_be_had_are_refused_or_explained(classifiers, square):
    classifier = classifiers('resnet')
    with pytest.raises(MethodError, match="^Method 'scorecam' shows only what speaks for a target: leave out `signed`"):
        explain_classes(classifier, square, method='scorecam', signed=True)
    with pytest.raises(MmlensError, match='^`guided_backprop` follows the logit of one class: leave out `against`.$'):
        explain_classes(classifier, square, against='auto', guided_backprop=True)
    predicted = explain_classes(classifier, square)[0].category
    for method in ('gradcam', 'scorecam', 'fullgrad'):
        found = explain_classes(classifier, square, against=predicted, method=method)
        assert found[0].blank == 'it is of the only class that it would be contrasted with'
        assert not found[0].normalised.any() and found.draw().any()


def test_the_fusion_is_recorded(classifiers, square):
    classifier = classifiers('resnet')
    assert explain_classes(classifier, square).fusion == 'mean'
    layers = ['backbone.layer3', 'backbone.layer4']
    assert explain_classes(classifier, square, layers=layers, fusion='Product').fusion == 'product'
    assert explain_classes(classifier, square, method='fullgrad').fusion == ''


def test_several_layers_are_averaged_as_published(classifiers, square):
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    classifier = classifiers('resnet')
    wrapped = Plain(copy.deepcopy(classifier.model))
    blocks = [wrapped.model.backbone.layer3, wrapped.model.backbone.layer4]
    inputs = classifier.prepare(square).batch['inputs']
    expected = pytorch_grad_cam.GradCAM(wrapped, blocks)(inputs, [ClassifierOutputTarget(0)])[0]
    found = explain_classes(classifier, square, layers=['backbone.layer3', 'backbone.layer4'], classes=0)[0]
    np.testing.assert_allclose(found.normalised, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('kind', ['mobilenet_v3', 'resnet', 't2t', 'vit', 'deit', 'swin'])
@pytest.mark.parametrize('method', ['AblationCAM', 'ScoreCAM'])
def test_multi_pass_methods_equal_the_published(classifiers, square, kind, method):
    from pytorch_grad_cam.ablation_layer import AblationLayer, AblationLayerVit

    classifier = classifiers(kind)
    tokens = DEFAULTS[kind][1]
    ablation = None if method != 'AblationCAM' else AblationLayerVit() if tokens else AblationLayer()
    before = {name: value.clone() for name, value in classifier.model.state_dict().items()}
    modules = dict(classifier.model.named_modules())
    expected = published(kind, method, classifier, square, 2, ablation=ablation)
    found = explain_classes(classifier, square, method=method, classes=2)[0]
    np.testing.assert_allclose(found.normalised, expected, rtol=1e-3, atol=1e-4)
    assert dict(classifier.model.named_modules()) == modules
    assert not any(module._forward_hooks for module in modules.values())
    assert all(torch.equal(value, before[name]) for name, value in classifier.model.state_dict().items())


@pytest.mark.parametrize('kind', ['resnet', 'vit'])
def test_every_other_method_of_the_package_works_or_says_why(classifiers, square, kind):
    listed = {name.lower() for name in [*SINGLE, 'AblationCAM', 'ScoreCAM']}
    for name in sorted(set(cam_classes()) - listed):
        try:
            found = explain_classes(classifiers(kind), square, method=name, classes=3)
        except MethodError as error:
            assert kind == 'vit' and re.fullmatch(
                r'ShapleyCAM of .* does not work .*; choose another method\.', str(error)
            )
            continue
        assert found[0].normalised.max() > 0.99 or found[0].blank
        assert found.layers == (() if name == 'fullgrad' else (DEFAULTS[kind][0],))
        assert found.draw(layout='sheet').ndim == 3


def test_a_method_that_finds_its_layers_is_given_none(classifiers, square):
    with pytest.raises(LayerError, match=r'^FullGrad finds its layers by itself: leave out `layers`\.$'):
        explain_classes(classifiers('resnet'), square, method='FullGrad', layers=['backbone.layer2'])


def test_the_map_lies_right_through_resize_and_centre_crop(picture):
    classifier = build('resnet', CROPPED)
    found = explain_classes(classifier, picture, layers=['backbone.layer2'], method='eigencam')
    height, width = picture.shape[:2]
    scale = 72 / min(height, width)
    # Worked by hand: the short side becomes 72, and 64 x 64 pixels are cut from the middle.
    size = np.array([round(width * scale), round(height * scale)])
    offset = np.round((size - SIDE) / 2.0)
    corners = (np.array([[0, 0], [SIDE, SIDE]]) + offset) / (size / [width, height])
    rows, columns = np.nonzero(found.covered)
    assert np.abs([columns.min(), rows.min()] - corners[0]).max() <= 1
    assert np.abs([columns.max() + 1, rows.max() + 1] - corners[1]).max() <= 1
    assert not found[0].normalised[~found.covered].any() and not found[0].raw[~found.covered].any()

    # The input that is cut out by hand has the same map.
    same = build('resnet')
    same.model.load_state_dict(classifier.model.state_dict())
    drawing = found.drawing(on='input', alpha=0.0)
    left, top, right, bottom = drawing.main.rect
    inner = drawing.image[top:bottom, left:right]
    assert inner.shape[:2] == (SIDE, SIDE)
    seen = classifier.prepare(picture)
    mean, std = classifier.model.data_preprocessor.mean, classifier.model.data_preprocessor.std
    pixels = (seen.batch['inputs'][0] * std + mean).flip(0).permute(1, 2, 0).numpy()
    assert np.abs(pixels - inner).mean() < 3  # two interpolations of the same pixels
    direct = explain_classes(same, np.ascontiguousarray(pixels.round().astype(np.uint8)), layers=['backbone.layer2'])
    assert direct.covered.all()
    laid = explain_classes(classifier, picture, layers=['backbone.layer2'])
    for point in ([20.5, 40.5], [50.5, 10.5], [32.5, 32.5]):
        there = np.linalg.inv(laid.to_input) @ [*point, 1]
        at_picture = laid[0].normalised[int(there[1]), int(there[0])]
        assert at_picture == pytest.approx(direct[0].normalised[int(point[1]), int(point[0])], abs=0.08)


def test_a_class_is_explained_by_its_own_logit(classifiers, square):
    classifier = classifiers('vit')
    found = explain_classes(classifier, square, classes=['knife', 4])
    assert [(each.category, each.class_name) for each in found] == [(2, 'knife'), (4, 'spoon')]
    with torch.no_grad():
        logits = classifier.model(classifier.prepare(square).batch['inputs'])[0]
    for each in found:
        assert each.logit == pytest.approx(float(logits[each.category]), rel=1e-5)
        assert each.score == pytest.approx(float(logits.softmax(0)[each.category]), rel=1e-5)
        assert each.rank == int((logits > logits[each.category]).sum())
    predicted = explain_classes(classifier, square)
    assert predicted[0].category == int(logits.argmax()) and predicted[0].rank == 0


def test_a_synonym_names_a_class_if_it_is_the_only_one_of_that_name(classifiers):
    classifier = copy.copy(classifiers('vit'))
    classifier.class_names = ['tabby, tabby cat', 'crane', 'crane, machine', 'hen', 'cock, rooster']
    assert classifier.class_indexes(['tabby cat', 'rooster', 'hen', 2]) == [0, 4, 3, 2]
    assert classifier.class_indexes('crane') == [1]
    classifier.class_names[1] = 'crane, bird'
    for names in (['crane, bird', 'crane, machine'], ['crane', 'crane']):
        classifier.class_names[1:3] = names
        with pytest.raises(MmlensError, match=rf"are called 'crane': 1 \({names[0]}\), 2 \({names[1]}\); name one by"):
            classifier.class_indexes('crane')
    assert classifier.class_indexes(2) == classifier.class_indexes(np.int64(2)) == [2]
    for no_class in (2.5, '²'):
        with pytest.raises(MmlensError, match=f"^The model knows no class '{no_class}': "):
            classifier.class_indexes(no_class)


def test_the_default_layer_is_looked_for_again_once_a_head_of_zeros_has_learned(classifiers, square):
    classifier = copy.deepcopy(classifiers('vit'))
    classifier.default_layer = None
    learned = copy.deepcopy(classifier.model.head.state_dict())
    for parameter in classifier.model.head.parameters():
        nn.init.zeros_(parameter)
    found = explain_classes(classifier, square)
    assert found.layers == ('backbone.ln1',)
    assert found[0].blank == 'all classes score the same, as before a training whose head begins with zeros'
    classifier.model.head.load_state_dict(learned)
    assert explain_classes(classifier, square).layers == (DEFAULTS['vit'][0],)


@pytest.mark.parametrize('kind', ['vit', 'deit', 't2t'])
def test_behind_the_last_attention_a_class_token_is_all_that_counts(classifiers, square, kind):
    last = {'vit': 'backbone.layers[-1]', 'deit': 'backbone.ln1', 't2t': 'backbone.norm'}[kind]
    found = explain_classes(classifiers(kind), square, layers=[last])
    assert not found[0].normalised.any()
    assert 'class token alone' in found[0].blank and DEFAULTS[kind][0] in found[0].blank
    assert found[0].blank in found.notes[0]


def test_non_square_grids_come_from_the_inputs_size():
    from mmengine.config import Config

    changed = copy.deepcopy(MODELS['vit'])
    changed['backbone']['img_size'] = (48, 80)
    cfg = Config(
        dict(
            default_scope='mmpretrain',
            model=dict(type='ImageClassifier', data_preprocessor=dict(mean=[127.5] * 3, std=[73.5] * 3), **changed),
            test_pipeline=PIPELINE,
        )
    )
    classifier = load_classifier(cfg, device='cpu')
    nn.init.normal_(classifier.model.head.layers.head.weight)
    flat = np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8)
    found = explain_classes(classifier, flat, classes=1)
    said = explain_classes(classifier, flat, classes=1, num_extra_tokens=1)
    np.testing.assert_array_equal(found[0].normalised, said[0].normalised)
    # 3 x 5 patches: the published reshape, written out.
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    wrapped = Plain(copy.deepcopy(classifier.model))
    layer = wrapped.model.backbone.layers[-1].ln1
    cam = GradCAM(wrapped, [layer], reshape_transform=lambda out: out[:, 1:].reshape(-1, 3, 5, 48).permute(0, 3, 1, 2))
    expected = cam(classifier.prepare(flat).batch['inputs'], [ClassifierOutputTarget(1)])[0]
    np.testing.assert_allclose(found[0].normalised, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(LayerError, match='with 3 extra tokens 13 tokens are left'):
        explain_classes(classifier, flat, layers=['backbone.layers[-1].ln1'], num_extra_tokens=3)


def test_the_model_is_given_back_as_it_was(classifiers, square):
    model = classifiers('resnet').model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    try:
        explain_classes(model, square, aug_smooth=True)
        with pytest.raises(MmlensError):
            explain_classes(model, square, layers=['head'])
        assert all(module.training for module in model.modules())
    finally:
        model.eval()
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (dict(classes=['Knive']), "no class 'Knive': it knows knife"),
        (dict(classes=[7]), 'no class'),
        (dict(method='gradcan'), "Unknown method 'gradcan': did you mean gradcam"),
        (dict(layers=['backbone.layer9']), "No layer 'backbone.layer9'"),
        (dict(layers=[]), '`layers` names no layer'),
        (dict(num_extra_tokens=-1), '`num_extra_tokens` must be 0 or more'),
        (dict(device='cpu'), 'go with a config'),
    ],
)
def test_bad_input_gives_one_sentence(classifiers, square, options, sentence):
    with pytest.raises(MmlensError, match=sentence):
        explain_classes(classifiers('resnet'), square, **options)


def test_a_detector_is_no_classifier(yolox, square):
    with pytest.raises(ModelError, match='YOLOX is a detector, and class maps need a classifier'):
        explain_classes(yolox.model, square)


def test_guided_gradients_equal_the_published(classifiers, square):
    from pytorch_grad_cam import GuidedBackpropReLUModel

    classifier = classifiers('resnet')
    modules = dict(classifier.model.named_modules())
    found = explain_classes(classifier, square, classes=3, guided_backprop=True)[0]
    wrapped = Plain(copy.deepcopy(classifier.model))
    expected = GuidedBackpropReLUModel(wrapped, device='cpu')(classifier.prepare(square).batch['inputs'], 3)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found.guided[..., ::-1], expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    assert dict(classifier.model.named_modules()) == modules


@pytest.mark.parametrize('kind', ['resnet', 'vit'])
def test_reciprocam_is_the_logit_with_one_cell_left(classifiers, square, kind):
    classifier = classifiers(kind)
    name, tokens = DEFAULTS[kind]
    layers = {'resnet': 'backbone.layer3', 'vit': name}[kind]
    found = explain_classes(
        classifier, square, method='ReciproCAM', layers=[layers], classes=2, method_options=dict(gaussian=False)
    )[0]

    def logit_with(cell):
        def keep(module, args, output):
            kept = output.clone()
            cells = kept[0].flatten(1) if kind == 'resnet' else kept[0, tokens[0] :].T
            cells[:, [other for other in range(cells.shape[1]) if other != cell]] = 0
            count.append(cells.shape[1])
            return kept

        count = []
        handle = resolve_layer(classifier.model, layers).register_forward_hook(keep)
        with torch.no_grad():
            value = classifier.logits_of(classifier.prepare(square).batch['inputs'])[0, 2]
        handle.remove()
        return float(value), count[0]

    nothing, cells = logit_with(None)
    gains = torch.tensor([logit_with(cell)[0] - nothing for cell in range(cells)])
    side = round(cells**0.5)
    expected = stretch(average_layers([LevelMap.of('', gains.reshape(side, side))], (SIDE, SIDE)))
    np.testing.assert_allclose(found.normalised, expected, rtol=1e-3, atol=1e-4)


def test_black_box_masks_explain_classes_too(classifiers, square):
    classifier = classifiers('resnet')
    options = dict(num_masks=20, grid=4)
    found = explain_classes(classifier, square, method='drise', classes=[0, 1], method_options=options)
    assert found.layers == () and len(found) == 2 and found[0].normalised.max() == 1
    assert not np.allclose(found[0].normalised, found[1].normalised)
    with pytest.raises(LayerError, match='without layers: leave out `layers`'):
        explain_classes(classifier, square, method='drise', layers=['backbone'])


def test_passes_may_be_ended_early(classifiers, square):
    told = []

    def progress(done, total):
        told.append((done, total))
        return done < 8

    options = dict(method='AblationCAM', layers=['backbone.layer3'], method_options=dict(batch_size=4))
    whole = explain_classes(classifiers('resnet'), square, **options)
    found = explain_classes(classifiers('resnet'), square, progress=progress, **options)
    assert [done for done, _ in told] == [4, 8] and told[0][1] > 8
    assert found.unfinished and 'Ended early: the maps are those after 8 of 64 passes.' in found.notes
    assert not whole.unfinished and np.abs(whole[0].raw - found[0].raw).max() > 0


def test_what_is_ended_with_its_last_pass_is_finished(classifiers, square):
    options = dict(method='AblationCAM', layers=['backbone.layer3'])
    found = explain_classes(classifiers('resnet'), square, progress=lambda done, total: done < total, **options)
    assert not found.unfinished and not any('Ended early' in note for note in found.notes)


@pytest.mark.parametrize('inputs', [1, 2])
def test_smoothing_that_is_ended_early_leaves_the_unfinished_inputs_out(classifiers, square, inputs):
    calls = []

    def progress(done, total):
        calls.append(done)
        return calls.count(total) < inputs or done == total

    options = dict(method='AblationCAM', layers=['backbone.layer3'], method_options=dict(batch_size=4))
    found = explain_classes(classifiers('resnet'), square, aug_smooth=True, progress=progress, **options)
    assert found.unfinished and calls.count(4) == inputs + 1  # one batch of the next input, and none of the others

    targets = ClassTargets(classifiers('resnet'), square, [found[0].category])
    targets.ask()
    prepared, maps = targets.prepared, []
    for factor in (0.9, 1.0)[:inputs]:
        altered = targets.on(prepared.batch['inputs'] * factor)
        job = Job.settle(altered, get_method('ablationcam'), {}, ['backbone.layer3'])
        maps.append(job.run().maps[0].raw)
    expected = torch.stack([stretch(each) for each in maps]).mean(0)
    np.testing.assert_allclose(
        found[0].normalised, prepared.geometry.map_to_picture(expected.numpy()), rtol=1e-4, atol=1e-5
    )


def test_the_passes_of_several_inputs_are_not_kept_in_one_file(classifiers, square, tmp_path):
    options = dict(num_masks=2, resume=str(tmp_path / 'masks.npz'))
    with pytest.raises(MethodError, match='`resume` keeps the passes over one input, and `aug_smooth` looks at six'):
        explain_classes(classifiers('resnet'), square, method='drise', aug_smooth=True, method_options=options)
    assert not (tmp_path / 'masks.npz').exists()


def test_little_memory_is_said(classifiers, square):
    options = dict(method='AblationCAM', layers=['backbone.layer3'], method_options=dict(memory=0.01))
    found = explain_classes(classifiers('resnet'), square, **options)
    assert any('more than the 0.01 MB allowed' in note for note in found.notes)


@pytest.mark.parametrize('smooth', ['eigen_smooth', 'aug_smooth'])
@pytest.mark.parametrize('method', ['AblationCAM', 'ScoreCAM'])
def test_smoothed_methods_of_many_passes_equal_the_published(classifiers, square, method, smooth):
    from pytorch_grad_cam.ablation_layer import AblationLayer

    ablation = AblationLayer() if method == 'AblationCAM' else None
    layer = 'backbone.layer3'
    options = {smooth: True}
    expected = published('resnet', method, classifiers('resnet'), square, 2, layer=layer, ablation=ablation, **options)
    found = explain_classes(classifiers('resnet'), square, method=method, layers=[layer], classes=2, **options)[0]
    np.testing.assert_allclose(found.normalised, expected, rtol=1e-3, atol=1e-4)

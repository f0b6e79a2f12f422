"""One picture, one method, N targets: methods of every kind, on boxes and classes alike."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from mmlens import explain_boxes, explain_classes, open_network, register_pass_method
from mmlens.attribution import fusion
from mmlens.attribution.methods import OnePassMethod, get_method, registry
from mmlens.attribution.passes import runs
from mmlens.attribution.passes.altering import with_cells
from mmlens.attribution.smoothing import Noise
from mmlens.errors import LayerError, MethodError, MmlensError
from mmlens.explain.box_targets import BoxTargets
from mmlens.explain.class_targets import ClassTargets
from mmlens.explain.job import Job


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


def boxes(yolox, picture, ranks=(0, 1)):
    return BoxTargets(yolox, picture, 'score', lambda found: list(ranks))


def classes(classifier, picture, names=('a', 'c')):
    return ClassTargets(classifier, picture, list(names))


def test_options_are_completed_and_layers_found(yolox, picture):
    job = Job.settle(boxes(yolox, picture), get_method('ablationcam'), dict(batch_size=3), ['neck.out_convs[-1]'])
    assert job.options['batch_size'] == 3 and job.options['ratio_channels_to_ablate'] == 1
    assert list(job.layers) == ['neck.out_convs[-1]']
    assert job.layers['neck.out_convs[-1]'] is yolox.model.neck.out_convs[2]
    assert list(Job.settle(boxes(yolox, picture), get_method('gradcam'), None, None).layers) == ['neck']


@pytest.mark.parametrize(
    ('method', 'options', 'layers', 'error', 'sentence'),
    [
        ('gradcam', dict(batch_size=2), None, MethodError, 'takes no options'),
        ('ablationcam', dict(ratio=1), None, MethodError, "has no option 'ratio'"),
        ('gradcam', None, ['nekc'], LayerError, "No layer 'nekc'"),
        ('gradcam', None, [], MmlensError, '^`layers` names no layer'),
        ('drise', None, ['neck'], LayerError, 'takes the network as a black box, without layers'),
        ('fullgrad', None, None, MethodError, 'FullGrad'),
    ],
)
def test_what_cannot_be_is_refused_before_the_network_runs(yolox, picture, method, options, layers, error, sentence):
    targets = boxes(yolox, picture)
    with pytest.raises(error, match=sentence):
        Job.settle(targets, get_method(method), options, layers)
    assert targets._prepared is None


def test_a_map_for_each_target_in_their_order(yolox, picture):
    both = Job.settle(boxes(yolox, picture, [0, 3]), get_method('gradcam'), None, None).run()
    (third,) = Job.settle(boxes(yolox, picture, [3]), get_method('gradcam'), None, None).run().maps
    assert len(both.maps) == 2 and not torch.equal(both.maps[0].raw, both.maps[1].raw)
    torch.testing.assert_close(both.maps[1].raw, third.raw)
    assert (both.passes, both.unfinished, both.notes) == (0, False, [])


def test_the_formula_is_told_whether_targets_lie_at_places(yolox, classifier, picture):
    told = []

    def note(activation, gradient, spatial):
        told.append((spatial, tuple(activation.shape[:2])))
        return (activation * gradient).sum(1)

    method = OnePassMethod('note', note)
    Job.settle(boxes(yolox, picture, [0]), method, None, ['neck']).run()
    assert set(told) == {(True, (1, 16))}
    told.clear()
    Job.settle(classes(classifier, picture), method, None, ['backbone.layer4']).run()
    assert told == [(False, (1, 64))] * 2


@pytest.mark.parametrize('family', ['boxes', 'classes'])
def test_passes_are_counted_told_and_may_be_ended(yolox, classifier, picture, family):
    make, layer = dict(
        boxes=(lambda: boxes(yolox, picture), 'neck'), classes=(lambda: classes(classifier, picture), 'backbone.layer4')
    )[family]
    seen = []
    asked = get_method('ablationcam'), dict(batch_size=4), [layer]
    whole = Job.settle(make(), *asked, progress=lambda *at: seen.append(at) or True).run()
    total = seen[-1][1]
    assert [done for done, _ in seen] == sorted({done for done, _ in seen}) and seen[-1][0] == total
    assert not whole.unfinished and whole.passes >= total
    stopped = Job.settle(make(), *asked, progress=lambda done, total: done < 8).run()
    assert stopped.unfinished and len(stopped.maps) == len(whole.maps) == 2
    assert stopped.notes[-1] == f'Ended early: the maps are those after 8 of {total} passes.'


def test_nothing_to_explain_is_no_map_and_no_error(yolox, picture):
    for method in ('gradcam', 'ablationcam', 'drise'):
        options = dict(num_masks=2) if method == 'drise' else None
        assert Job.settle(boxes(yolox, picture, []), get_method(method), options, None).run().maps == []


def test_a_map_that_was_ended_at_once_says_why_it_is_blank(yolox, picture):
    options = dict(num_masks=64, batch_size=1)
    job = Job.settle(boxes(yolox, picture, [0]), get_method('drise'), options, None, progress=lambda *_: False)
    found = job.run()
    assert found.unfinished and found.notes == ['Ended early: the maps are those after 1 of 64 passes.']
    assert not bool((found.maps[0].raw > 0).any())  # of one mask alone nothing can be told
    assert found.maps[0].blank == 'it was stopped before anything was found; let it run longer'


# ---------------------------------------------------------------- SmoothGrad


@pytest.mark.parametrize('method', ['gradcam', 'layercam'])
def test_smoothed_maps_are_the_mean_of_those_of_noisy_inputs(classifier, picture, method):
    """Each copy explained by itself, as a picture of its own."""
    targets, noise = ClassTargets(classifier, picture, ['c', 'a']), Noise(3, 0.3)
    job = Job.settle(targets, get_method(method), None, ['backbone.layer3'], noise=noise)
    found = job.run()
    targets.ask()
    copies = [noise.added(targets.prepared.batch['inputs'], number) for number in range(3)]
    alone = [replace(job, targets=targets.on(copy), noise=None).run().maps for copy in copies]
    for position, one in enumerate(found.maps):
        expected = torch.stack([maps[position].raw for maps in alone]).mean(0)
        torch.testing.assert_close(one.raw, expected, rtol=1e-4, atol=1e-6)
        assert expected.any() and not torch.allclose(expected, alone[0][position].raw, rtol=0.1)
    assert found.passes == 3 and not found.notes and not found.unfinished


def test_smoothed_boxes_stay_the_same_boxes(yolox, picture):
    options = dict(score_thr=0.4, topk=3, method='evidencecam')
    plain = explain_boxes(yolox, picture, **options)
    barely = explain_boxes(yolox, picture, smooth_grad=2, smooth_noise=1e-6, **options)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    smooth = explain_boxes(yolox, picture, smooth_grad=2, smooth_noise=0.3, signed=True, **options)
    again = explain_boxes(yolox, picture, smooth_grad=2, smooth_noise=0.3, signed=True, **options)
    assert torch.equal(torch.get_rng_state(), states[0]) and np.array_equal(np.random.get_state()[1], states[1])
    for one, same, noisy, repeated in zip(plain, barely, smooth, again):
        np.testing.assert_array_equal(one.box, noisy.box)
        np.testing.assert_allclose(same.raw, one.raw, atol=0.01 * one.raw.max())
        np.testing.assert_array_equal(noisy.raw, repeated.raw)
        assert noisy.score == one.score and abs(noisy.raw - one.raw).max() > 0.01 * one.raw.max()
    assert len(smooth) == 3 and smooth.passes == 2


def test_smoothing_ends_early_with_the_mean_so_far(yolox, picture, monkeypatch):
    monkeypatch.setattr(runs, '_MOST_INPUTS_ON_CPU', 1)
    options = dict(score_thr=0.4, topk=1, method='gradcam')
    told = []
    found = explain_boxes(
        yolox, picture, smooth_grad=5, progress=lambda *now: told.append(now) or now[0] < 2, **options
    )
    assert told == [(1, 5), (2, 5)] and found.unfinished
    assert found.notes == ['Ended early: the maps are those of 2 of 5 noisy copies.']
    np.testing.assert_array_equal(found[0].raw, explain_boxes(yolox, picture, smooth_grad=2, **options)[0].raw)


@pytest.mark.parametrize('method', ['eigencam', 'drise', 'ablationcam', 'integratedgradients'])
def test_what_has_no_gradients_in_one_pass_is_not_smoothed(yolox, picture, method):
    with pytest.raises(MethodError) as error:
        explain_boxes(yolox, picture, method=method, smooth_grad=2)
    assert str(error.value) == (
        f"Method '{method}' is none of one pass with gradients, which noise could smooth: leave out `smooth_grad`."
    )


def test_nothing_found_is_nothing_smoothed(yolox, picture):
    assert len(explain_boxes(yolox, picture, method='gradcam', smooth_grad=2, score_thr=1.1)) == 0


@pytest.mark.parametrize('method', ['layercam', 'eigencam', 'ablationcam'])
def test_fusions_are_told_that_a_contrast_is_asked_for(monkeypatch, yolox, classifier, picture, method):
    monkeypatch.setattr(fusion, '_FUSIONS', dict(fusion._FUSIONS))
    told = set()

    @fusion.register_fusion('telling')
    def telling(maps, size):
        told.update(level.contrast for level in maps)
        return fusion.add_levels(maps, size)

    for against in (None, 'auto'):
        options = dict(method=method, fusion='telling', against=against)
        for explain in (
            partial(explain_boxes, yolox, score_thr=0, instances=[0], layers=['neck']),
            partial(explain_classes, classifier, layers=['backbone.layer4']),
        ):
            told.clear()
            explain(picture, **options)
            assert told == {against is not None}

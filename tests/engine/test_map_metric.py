"""Maps measured in real validations and tests, next to the library's own metric."""

from __future__ import annotations

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import METRICS
from trainings import map_metric

from mmlens.errors import MmlensError


@pytest.fixture
def runner_with(make_runner, pictures):
    """A Runner of a detector whose test has the library's metric and ours."""

    def make(library='mmdet', **options):
        own = dict(type='mmdet.CocoMetric', ann_file=str(pictures / 'val' / 'boxes.json'), metric='bbox')
        evaluator = [own, map_metric(**options)]
        return make_runner(library, test_evaluator=evaluator, val_evaluator=evaluator, test_dataloader__batch_size=2)

    return make


@pytest.mark.parametrize('library', ['mmdet', 'mmyolo'])
def test_a_test_reports_both_metrics(runner_with, library):
    runner = runner_with(library, method='gradcam', layers=['neck'])
    weights = {name: tensor.clone() for name, tensor in runner.model.state_dict().items()}
    found = runner.test()
    assert 'coco/bbox_mAP' in found and found['maps/boxes'] == 3  # of five pictures, the first, third and fifth
    for name in ('deletion', 'insertion', 'pointing', 'epg'):
        assert {f'maps/{name}', f'maps/gaussian/{name}'} <= set(found)
    assert 0 <= found['maps/epg'] <= 1
    assert all(torch.equal(tensor, weights[name]) for name, tensor in runner.model.state_dict().items())


def test_the_figures_are_those_of_the_pictures_by_themselves(runner_with, pictures):
    from mmlens.evaluation import CocoFile, Row, evaluate_cases
    from mmlens.models.families import as_network

    runner = runner_with(method='layercam', metrics=['epg', 'compactness'], every_n=1)
    found = runner.test()
    runner.model.eval()
    meta = dict(classes=runner.test_dataloader.dataset.metainfo['classes'])
    detector = as_network(runner.model, runner.cfg, meta)
    cases = CocoFile(pictures / 'val' / 'boxes.json', pictures / 'val' / 'pictures').cases(detector.class_names)
    row = Row.of_method('layercam', method='layercam')
    table = evaluate_cases(detector, cases, [row], score_thr=0.0, maps_only=True, max_boxes=1)
    assert len(table) == found['maps/boxes'] == 5
    for name in ('epg', 'compactness'):
        assert found[f'maps/{name}'] == pytest.approx(table.figures('layercam', name).mean(), abs=1e-5)
    assert 'maps/deletion' not in found


def test_no_box_is_reported_as_none(runner_with):
    assert runner_with(score_thr=1.0).test()['maps/boxes'] == 0


def test_a_training_goes_on_as_without(make_runner, runner_with):
    one = runner_with(metrics=['epg'], method='gradcam')
    one.train()
    other = make_runner('mmdet', work='other')  # built after the training: building a Runner seeds it
    other.train()
    for name, tensor in one.model.state_dict().items():
        assert torch.equal(tensor, other.model.state_dict()[name]), name


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (dict(metrics=['depletion']), "no figure 'depletion': choose metrics from deletion, insertion"),
        (dict(every_n=0), 'every_n must be at least 1, not 0'),
        (dict(max_boxes=0), 'max_boxes must be -1 or at least 1, not 0'),
        (dict(score_thr='0.3'), "score_thr must be a number, not '0.3'"),
        (dict(layers=[0]), 'layers must be a layer, or a list of such'),
    ],
)
def test_what_is_wrong_is_said_when_it_is_built(options, sentence):
    with pytest.raises(MmlensError, match=sentence):
        METRICS.build(map_metric(**options))


def test_what_only_a_model_tells_is_said_at_the_first_picture(runner_with):
    for options, sentence in (
        (dict(baselines=['gauss']), "no baseline 'gauss': choose baselines from random, edges"),
        (dict(method='gradcam', layers=['nekc']), "row 'gradcam' cannot be computed: .*nekc"),
    ):
        with pytest.raises(MmlensError, match=sentence):
            runner_with(**options).test()


def test_saved_predictions_have_no_model():
    evaluator = Evaluator([map_metric()])
    with pytest.raises(MmlensError, match='works while a Runner validates or tests, not on saved predictions'):
        evaluator.offline_evaluate([dict(img_path='a.png')])


def test_a_classifier_is_measured_by_its_own_probability(make_runner):
    options = dict(metrics=['deletion', 'insertion', 'sanity'], every_n=2, baselines=['random', 'plain gradcam'])
    runner = make_runner('mmpretrain', test_evaluator=[dict(type='Accuracy'), dict(type='mmlens.MapMetric', **options)])
    with torch.no_grad():
        runner.model.head.fc.weight.abs_()  # else no cell speaks for the class
    weights = {name: tensor.clone() for name, tensor in runner.model.state_dict().items()}
    found = runner.test()
    assert 'accuracy/top1' in found and found['maps/boxes'] == 3
    assert found['maps/random/sanity'] == 1 and -1 <= found['maps/sanity'] < 1
    for name in ('deletion', 'insertion'):
        assert found[f'maps/{name}'] == found[f'maps/plain_gradcam/{name}'] > 0  # gradcam is the default
    assert not [name for name in found if 'epg' in name or 'pointing' in name]
    assert all(torch.equal(tensor, weights[name]) for name, tensor in runner.model.state_dict().items())


def test_the_usual_figures_of_a_classifier(make_runner):
    found = make_runner('mmpretrain', test_evaluator=[map_metric(every_n=4)]).test()
    assert {name for name in found if name.count('/') == 1} == {'maps/boxes', 'maps/deletion', 'maps/insertion'}


def test_a_classifier_has_no_figures_of_boxes(make_runner):
    runner = make_runner('mmpretrain', test_evaluator=[map_metric(metrics=['epg'])])
    with pytest.raises(
        MmlensError, match="no figure 'epg': choose metrics from deletion, insertion, oa, sanity, blank"
    ):
        runner.test()


def test_options_of_a_method_of_many_passes(runner_with):
    options = dict(method='drise', method_options=dict(num_masks=4), metrics=['epg'], every_n=4)
    assert 0 <= runner_with(**options).test()['maps/epg'] <= 1
    with pytest.raises(MmlensError, match="no option 'masks'"):
        runner_with(method='drise', method_options=dict(masks=4)).test()

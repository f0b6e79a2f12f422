"""Wrappers are explained through the part that predicts, which sees what it sees within the wrapper."""

import copy

import pytest
import torch
from mmengine.model import BaseModel, BaseTTAModel, ExponentialMovingAverage, MMDistributedDataParallel

from mmlens.models.families import as_network
from mmlens.models.loading import load_model, read_config
from mmlens.models.wrappers import predicting_part


@pytest.fixture(scope='module')
def load(config_of):
    def load(name, **options):
        model = load_model(read_config(config_of(name), options), None, 'cpu')
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
        return model

    return load


@pytest.fixture(scope='module')
def tracker(load):
    return load('qdtrack')


@pytest.fixture(scope='module')
def semi(load):
    return load('soft_teacher')


def state(model):
    return {name: id(module) for name, module in model.named_modules()}


def test_a_tracker_is_explained_through_its_detector(tracker, load, picture):
    before = state(tracker)
    network = as_network(tracker)
    assert (network.family, network.name, network.part) == ('detector', 'FasterRCNN', 'detector')
    assert network.default_layers == ('neck',) and network.model.neck is tracker.detector.neck
    assert network.class_names == ['cup', 'fork', 'knife'] and network.num_classes == 3
    assert network.notes == ['QDTrack predicts with its detector, FasterRCNN: layers are named as in there.']
    assert network.own_layer('detector.neck') == 'neck' == network.own_layer('neck')
    assert state(tracker) == before and not hasattr(tracker.detector, 'cfg')
    # The same weights in a detector that stands alone, with the same pipeline, preprocessor and classes.
    alone = load('faster_rcnn')
    alone.load_state_dict(tracker.detector.state_dict())
    theirs, ours = as_network(alone), network
    prepared = ours.prepare(picture)
    assert torch.equal(prepared.batch['inputs'], theirs.prepare(picture).batch['inputs'])
    with torch.no_grad():
        expected, found = theirs.predict(theirs.prepare(picture)), ours.predict(prepared)
    assert len(found) and torch.equal(found.boxes, expected.boxes) and torch.equal(found.scores, expected.scores)


def test_the_detector_finds_what_the_tracker_finds(tracker, picture):
    """A video of one frame through the tracker's own pipeline and preprocessor."""
    from mmdet.structures import TrackDataSample
    from mmengine.dataset import Compose
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope('mmdet'):
        spread, pack = tracker.cfg.test_dataloader.dataset.pipeline
        steps = [dict(type='mmdet.LoadImageFromNDArray'), *spread['transforms'][1:-1]]
        run = Compose([dict(spread, transforms=steps), pack])
        frames = dict(img=[picture], img_id=[0], frame_id=[0], video_length=[1], key_frame_flags=[True])
        packed = run(dict(frames, ori_video_length=[1]))
    batch = tracker.data_preprocessor({key: [value] for key, value in packed.items()}, False)
    assert batch['inputs'].ndim == 5 and isinstance(batch['data_samples'][0], TrackDataSample)
    network = as_network(tracker)
    prepared = network.prepare(picture)
    assert torch.equal(prepared.batch['inputs'], batch['inputs'][:, 0])
    with torch.no_grad():
        expected = tracker.detector.predict(batch['inputs'][:, 0], [batch['data_samples'][0][0]])[0].pred_instances
        found = network.predict(prepared)
    assert torch.equal(found.scores, expected.scores[found.positions])
    assert torch.equal(found.boxes, expected.bboxes[found.positions])


def test_what_follows_objects_between_frames_is_not_built(config_of):
    """Trackers ask for packages (lap) and weights that no picture needs."""
    cfg = config_of('qdtrack')
    cfg.model.tracker = dict(type='NoSuchTracker')
    assert not hasattr(load_model(read_config(cfg), None, 'cpu'), 'tracker')


def test_resize_only_reaches_the_frames_of_a_tracker(config_of, picture):
    from mmlens.pipelines import resize_only

    stretched = as_network(load_model(resize_only(read_config(config_of('qdtrack'))), None, 'cpu')).prepare(picture)
    assert stretched.input_size == (128, 128) and stretched.geometry.matrix[1, 1] == pytest.approx(128 / 90)


def test_a_tracker_that_names_its_classes_for_training_only(config_of):
    cfg = config_of('qdtrack')
    cfg.train_dataloader = dict(dataset=dict(type='MOTChallengeDataset', metainfo=dict(classes=('a', 'b', 'c'))))
    cfg.test_dataloader.dataset.pop('metainfo')
    cfg.test_dataloader.dataset.type = 'MOTChallengeDataset'  # of 13 classes
    assert as_network(load_model(read_config(cfg), None, 'cpu')).class_names == ['a', 'b', 'c']


@pytest.mark.parametrize('name', ['teacher', 'student'])
def test_a_semi_supervised_detector_is_explained_through_the_one_that_predicts(name, semi, picture):
    semi.semi_test_cfg = dict(predict_on=name)
    network = as_network(semi)
    assert network.part == name and network.model.neck is getattr(semi, name).neck
    assert network.notes[0].startswith(f'SoftTeacher predicts with its {name}, FasterRCNN: ')
    prepared = network.prepare(picture)
    with torch.no_grad():
        (expected,) = semi._run_forward(
            {**prepared.batch, 'data_samples': [prepared.batch['data_samples'][0].new()]}, 'predict'
        )
        found = network.predict(prepared)
    assert len(found) and torch.equal(found.scores, expected.pred_instances.scores[found.positions])
    # The inner detectors were given no mean and no standard deviation.
    assert not hasattr(semi.teacher.data_preprocessor, 'mean') and prepared.batch['inputs'].abs().max() < 10


def test_gradients_reach_the_teachers_layers(semi, picture):
    semi.semi_test_cfg = dict(predict_on='teacher')
    network = as_network(semi)
    prepared = network.prepare(picture)
    prepared.batch['inputs'].requires_grad_()
    scores = network.predict(prepared).scores
    (gradient,) = torch.autograd.grad(scores.max(), prepared.batch['inputs'])
    assert gradient.abs().sum() > 0


# Wrappers that only run another model: layers keep their names


class FlippedAndNot(BaseTTAModel):
    def merge_preds(self, data_samples_list):
        return data_samples_list


def test_what_only_runs_a_model_is_taken_off_without_a_note(yolox):
    model = yolox.model
    averaged = ExponentialMovingAverage(model)
    for wrapper, inner in [
        (torch.nn.DataParallel(model), model),
        (torch.nn.DataParallel(torch.nn.DataParallel(model)), model),
        (torch.compile(model), model),
        (torch.nn.DataParallel(torch.compile(model)), model),
        (averaged, averaged.module),
    ]:
        part = predicting_part(wrapper)
        assert part.model is inner and part.cfg is inner.cfg and (part.note, part.path) == ('', '')
        assert as_network(wrapper).model is inner


def test_distributed_models(yolox, tmp_path):
    import torch.distributed as dist

    dist.init_process_group('gloo', init_method=f'file://{tmp_path}/init', rank=0, world_size=1)
    try:
        assert as_network(MMDistributedDataParallel(yolox.model)).model is yolox.model
    finally:
        dist.destroy_process_group()


def test_test_time_augmentation_is_left_out(yolox):
    part = predicting_part(FlippedAndNot(yolox.model))
    assert part.model is yolox.model and part.path == 'module' and part.note.startswith('FlippedAndNot predicts with')


def test_wrappers_in_wrappers(tracker, semi):
    both = as_network(torch.nn.DataParallel(tracker))
    assert both.part == 'detector' and both.notes[0].startswith('QDTrack predicts')
    assert both.model.neck is tracker.detector.neck
    semi.semi_test_cfg = dict(predict_on='teacher')
    outer = copy.copy(tracker)
    outer._modules = {**tracker._modules, 'detector': semi}
    network = as_network(outer)
    assert network.part == 'detector.teacher' and network.model.neck is semi.teacher.neck
    assert network.own_layer('detector.teacher.neck') == 'neck'


class Distiller(BaseModel):
    """A student and its teacher, told apart by nothing but their names; the student prepares its inputs itself."""

    def __init__(self, **models):
        super().__init__()
        for name, model in models.items():
            setattr(self, name, model)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return data_samples


def test_a_distiller_is_explained_through_its_student(yolox, faster_rcnn):
    distiller = Distiller(teacher=faster_rcnn.model, student=yolox.model)
    part = predicting_part(distiller, yolox.cfg)
    assert part.model is yolox.model and part.path == 'student'
    assert predicting_part(Distiller(teacher=faster_rcnn.model, architecture=yolox.model)).path == 'architecture'


def test_models_that_are_no_wrappers_stay_as_they_are(yolox, faster_rcnn):
    assert predicting_part(yolox.model).model is yolox.model
    several = Distiller(first=yolox.model, second=faster_rcnn.model)
    assert predicting_part(several, yolox.cfg).model is several
    with_backbone = Distiller(backbone=torch.nn.Conv2d(3, 3, 1), language_model=yolox.model)
    assert predicting_part(with_backbone, yolox.cfg).model is with_backbone

"""Semantic segmentors of mmseg, real and small."""

import warnings

import numpy as np
import pytest
import torch

from mmlens.errors import MmlensWarning
from mmlens.models.families import as_network
from mmlens.models.loading import load_model, read_config
from mmlens.models.segmentor import Segmentor


@pytest.fixture(scope='module')
def segmentor_of(config_of):
    pytest.importorskip('mmseg', reason='mmsegmentation is not installed')

    def build(steps=None, size=None, **options):
        cfg = read_config(config_of('fcn'), options)
        if size is not None:
            cfg.model.data_preprocessor.test_cfg = dict(size=size)
        if steps is not None:
            cfg.test_dataloader.dataset.pipeline = [dict(type='LoadImageFromFile'), *steps, dict(type='PackSegInputs')]
        model = load_model(cfg, None, 'cpu')
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
        return as_network(model)

    return build


def segments(network, picture):
    prepared = network.prepare(picture)
    with torch.no_grad():
        return network.predictions(prepared), prepared


def test_segments_are_what_mmseg_returns(segmentor_of, picture):
    with warnings.catch_warnings():
        warnings.simplefilter('error', MmlensWarning)
        network = segmentor_of()
    assert type(network) is Segmentor and network.described == 'a semantic segmentor' and network.num_classes == 4
    found, prepared = segments(network, picture)
    with torch.no_grad():
        (plain,) = network.model.test_step(
            dict(inputs=[prepared_tensor(network, picture)], data_samples=sample_of(network, picture))
        )
    assert prepared.input_size == (96, 128)
    assert len(found.seg_map.unique()) > 1 and torch.equal(found.seg_map, plain.pred_sem_seg.data[0])
    assert found.seg_names == ['road', 'tree', 'sky', 'car'] and not found.notes and not found.instances


def prepared_tensor(network, picture):
    return network.pipeline(picture).packed['inputs']


def sample_of(network, picture):
    return [network.pipeline(picture).packed['data_samples']]


@pytest.mark.parametrize('direction', ['horizontal', 'vertical'])
def test_mmseg_undoes_flips_by_itself(direction, segmentor_of, picture):
    """The network sees the same as with the plain pipeline on a mirrored picture."""
    resize = dict(type='Resize', scale=(128, 96))
    flipping = segmentor_of([resize, dict(type='RandomFlip', prob=1.0, direction=direction)])
    axis = {'horizontal': 1, 'vertical': 0}[direction]
    theirs, _ = segments(segmentor_of([resize]), np.ascontiguousarray(np.flip(picture, axis)))
    ours, _ = segments(flipping, picture)
    assert len(theirs.seg_map.unique()) > 1
    # Scaling after the flip or before it rounds a pixel here and there to another class.
    assert (ours.seg_map == theirs.seg_map.flip(axis)).float().mean() > 0.999


def test_segments_of_a_cropped_picture_lie_in_the_whole(segmentor_of, picture):
    whole, _ = segments(segmentor_of([dict(type='mmcv.CenterCrop', crop_size=(96, 64))]), picture)
    cut, _ = segments(segmentor_of([]), np.ascontiguousarray(picture[13:77, 16:112]))
    outside = whole.seg_map.clone()
    outside[13:77, 16:112] = -1
    assert (outside == -1).all()
    assert (whole.seg_map[13:77, 16:112] == cut.seg_map).float().mean() > 0.95  # stretched to 128 x 90 and back


def test_padding_of_the_preprocessor_is_no_part_of_the_picture(segmentor_of, picture):
    found, prepared = segments(segmentor_of(size=(128, 160)), picture)
    assert prepared.input_size == (128, 160) and found.seg_map.shape == (90, 128)
    assert prepared.geometry.matrix[0, 0] == 1.0 and not found.notes


def test_a_window_that_slides_is_replaced_by_the_whole_picture(segmentor_of, picture):
    """Else a layer would run once for each window, and the last one's map would be laid over the picture."""
    sliding = segmentor_of(**{'model.test_cfg': dict(mode='slide', crop_size=(64, 64), stride=(32, 32))})
    assert sliding.notes == [
        'EncoderDecoder slides a window over the picture when it is tested; here it sees the whole picture at once.'
    ]
    calls = []
    sliding.model.backbone.register_forward_hook(lambda module, inputs, output: calls.append(inputs[0].shape))
    settings = sliding.model.test_cfg
    found, prepared = segments(sliding, picture)
    assert calls == [prepared.batch['inputs'].shape]
    assert sliding.model.test_cfg is settings and settings['mode'] == 'slide'
    assert torch.equal(found.seg_map, segments(segmentor_of(), picture)[0].seg_map)


def test_the_settings_come_back_after_an_error(segmentor_of, picture):
    network = segmentor_of(**{'model.test_cfg': dict(mode='slide', crop_size=(64, 64), stride=(32, 32))})
    prepared, settings = network.prepare(picture), network.model.test_cfg

    def fail(module, inputs):
        raise ValueError('no')

    network.model.backbone.register_forward_pre_hook(fail)
    with pytest.raises(ValueError, match='no'):
        network.run(prepared)
    assert network.model.test_cfg is settings

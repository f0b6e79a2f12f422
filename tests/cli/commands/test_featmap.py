import os

import cv2
import pytest

from mmlens.cli.commands.featmap import main, settle_channels
from mmlens.cli.video import VideoReader
from mmlens.errors import MmlensError


@pytest.mark.parametrize(
    ('reduction', 'topk', 'settled'),
    [
        (None, None, ('select_max', 4)),
        ('squeeze_mean', None, ('squeeze_mean', 4)),
        ('select_max', None, ('select_max', 4)),
        ('None', None, (None, 4)),
        (None, 3, (None, 3)),
        ('None', 3, (None, 3)),
        (None, -1, (None, -1)),
    ],
)
def test_reduction_and_topk(reduction, topk, settled):
    assert settle_channels(reduction, topk, (2, 2)) == settled


@pytest.mark.parametrize('topk', [5, -1])
@pytest.mark.parametrize('reduction', ['select_max', 'squeeze_mean'])
def test_a_reduction_and_topk_exclude_each_other(reduction, topk):
    with pytest.raises(MmlensError, match=f'--topk {topk} and --channel-reduction {reduction} exclude each other'):
        settle_channels(reduction, topk, (2, 3))


def test_an_arrangement_too_small_is_told():
    with pytest.raises(MmlensError, match='2 x 2 has 4 places for 5'):
        settle_channels(None, 5, (2, 2))
    assert settle_channels(None, 5, (1, 5)) == (None, 5)


def test_every_level_is_told_and_drawn(model, pictures, capsys):
    assert main(['pics/a.png', *model, '--target-layers', 'backbone', 'neck.out_convs[1]', '--score-thr', '1']) == 0
    out, err = capsys.readouterr()
    names = 'backbone[0] 32x12x12, backbone[1] 64x6x6, backbone[2] 128x3x3, neck.out_convs[1] 32x6x6'
    assert out == f'pics/a.png: 0 boxes; {names} -> output/a.png\n'
    assert err == ''
    assert cv2.imread('output/a.png').size > 5 * 60 * 80 * 3


def test_options_reach_the_drawing(model, pictures):
    def drawn(*words):
        assert main(['pics/a.png', *model, '--target-layers', 'neck', '--out-file', 'o.png', *words]) == 0
        return cv2.imread('o.png')

    pictures = [
        drawn(),
        drawn('--channel-reduction', 'squeeze_mean'),
        drawn('--topk', '4'),
        drawn('--topk', '4', '--arrangement', '1', '4'),
        drawn('--score-thr', '1'),
        drawn('--alpha', '1'),
        drawn('--resize-only'),
        drawn('--cfg-options', 'test_dataloader.dataset.pipeline.1.scale=(160,160)'),
    ]
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


def test_topk_alone_shows_channels_apart(model, pictures):
    def drawn(*words):
        assert main(['pics/a.png', *model, '--out-file', 'o.png', *words]) == 0
        return cv2.imread('o.png')

    assert drawn('--topk', '4').tobytes() == drawn('--channel-reduction', 'None').tobytes()


def test_all_channels_of_a_layer_with_many_are_told(model, pictures, capsys):
    assert main(['pics/a.png', *model, '--topk', '-1']) == 2
    err = capsys.readouterr().err
    assert err.startswith("mmlens: error: Layer 'backbone' has 32 channels") and 'reduction' in err


def test_all_channels_of_a_layer_with_three(model, pictures, capsys):
    assert main(['pics/a.png', *model, '--topk', '-1', '--target-layers', 'bbox_head.multi_level_conv_cls[0]']) == 0
    assert 'bbox_head.multi_level_conv_cls[0] 3x12x12' in capsys.readouterr().out


def test_a_video_has_the_size_of_its_drawings(model, pictures, capsys):
    assert main(['street.mp4', *model, '--target-layers', 'neck.out_convs[0]']) == 0
    assert capsys.readouterr().out.startswith('street.mp4: 5 frames, ')
    read = VideoReader(pictures / 'output' / 'street.mp4')
    assert read.rate == 7 and len(list(read)) == 5
    assert read.size[0] > 64 and read.size[1] > 48


def test_preview_model(model, pictures, capsys):
    assert main(['street.mp4', *model, '--preview-model']) == 0
    assert 'backbone.stage2' in capsys.readouterr().out
    assert not os.path.exists('output')


def test_maps_are_saved_beside_the_drawing(model, pictures, capsys):
    import mmlens

    assert main(['pics/a.png', *model, '--target-layers', 'neck', '--save-maps']) == 0
    saved = mmlens.load('output/a.npz')
    assert saved.layers == ('neck',) and len(saved) == 3
    assert main(['street.mp4', *model, '--save-maps']) == 2
    assert '--save-maps works on pictures only' in capsys.readouterr().err


def test_the_colour_map_can_be_chosen(model, pictures, capsys):
    drawn = []
    for number, name in enumerate(('viridis', 'bone')):
        words = ['pics/a.png', *model, '--colormap', name, '--alpha', '1', '--out-file', f'{number}.png']
        assert main(words) == 0
        drawn.append(cv2.imread(f'{number}.png'))
    assert drawn[0].shape == drawn[1].shape and (drawn[0] != drawn[1]).any()
    assert main(['pics/a.png', *model, '--colormap', 'nothing']) == 2
    assert "'nothing'" in capsys.readouterr().err

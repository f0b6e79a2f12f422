import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmlens.cli.commands.boxam import describe, drawn_frame, main, settle_shape
from mmlens.cli.video import VideoReader
from mmlens.errors import MmlensError
from mmlens.results.boxes import BoxExplanation, BoxMap


def lines_of_boxes(text):
    return re.findall(r'^ +(\d+)  (\w+) +(0\.\d\d)  \[', text, re.MULTILINE)


def test_a_picture_with_its_boxes_and_maps(model, pictures, capsys):
    assert main(['pics/a.png', *model, '--topk', '3', '--save-maps', '--device', 'cpu']) == 0
    out, err = capsys.readouterr()
    assert out.startswith('pics/a.png: 3 boxes -> output/a.png\n')
    assert err == ''
    boxes = lines_of_boxes(out)
    with np.load('output/a.npz') as maps:
        assert maps['raw'].shape == maps['normalised'].shape == (3, 60, 80)
        assert maps['raw'].max() > 0
        told = [(str(i), c, f'{s:.2f}') for i, c, s in zip(maps['indices'], maps['classes'], maps['scores'])]
        assert boxes == told
        assert [str(maps[name]) for name in ('method', 'target', 'fusion')] == ['evidencecam', 'score', 'product']
        assert maps['layers'].tolist() == ['backbone.stem', *(f'backbone.stage{n}' for n in (1, 2, 3)), 'neck']
    drawn, plain = cv2.imread('output/a.png'), cv2.imread('pics/a.png')
    assert drawn.shape[0] >= 60 and drawn.shape[1] >= 80
    assert drawn.tobytes() != plain.tobytes()


def test_options_reach_the_maps(model, pictures):
    words = ['--method', 'HiResCAM', '--target', 'box', '--instance', '1']
    words += ['--target-layers', 'neck.out_convs[0]', 'backbone.stage4']
    assert main(['pics/a.png', *model, '--save-maps', *words]) == 0
    with np.load('output/a.npz') as maps:
        assert (str(maps['method']), str(maps['target'])) == ('hirescam', 'box')
        assert maps['layers'].tolist() == ['neck.out_convs[0]', 'backbone.stage4']
        assert maps['indices'].tolist() == [1]


def saved(folder, words, model):
    assert main(['pics/a.png', *model, '--save-maps', '--topk', '2', '--out-dir', folder, *words]) == 0
    with np.load(f'{folder}/a.npz') as maps:
        return dict(maps)


def test_config_options_and_resize_only_take_effect(model, pictures):
    plain = saved('plain', [], model)
    larger = saved('larger', ['--cfg-options', 'test_dataloader.dataset.pipeline.1.scale=(160,160)'], model)
    stretched = saved('stretched', ['--resize-only'], model)
    assert not np.allclose(plain['boxes'], larger['boxes'], atol=0.5)
    assert not np.allclose(plain['boxes'], stretched['boxes'], atol=0.5)


def test_norm_in_bbox_clears_the_rest(model, pictures):
    maps = saved('out', ['--norm-in-bbox'], model)
    for box, normalised in zip(maps['boxes'], maps['normalised']):
        x1, y1, x2, y2 = box
        rows, columns = np.nonzero(normalised)
        assert rows.min() + 1 >= y1 and rows.max() <= y2 and columns.min() + 1 >= x1 and columns.max() <= x2


def test_max_shape_coarsens_the_maps(model, pictures):
    fine, coarse = saved('fine', [], model), saved('coarse', ['--max-shape', '3'], model)
    roughness = [np.abs(np.diff(maps['normalised'], axis=2)).max() for maps in (fine, coarse)]
    assert roughness[1] < roughness[0]


def test_classes(model, pictures, capsys):
    assert main(['pics/a.png', *model, '--score-thr', '0.01', '--class', 'bee', 'cow']) == 0
    boxes = lines_of_boxes(capsys.readouterr().out)
    assert boxes and {name for _, name, _ in boxes} <= {'bee', 'cow'}


def test_panels_and_look(model, pictures):
    assert main(['pics/a.png', *model, '--topk', '2', '--layout', 'panels', '--out-file', 'x/panels.png']) == 0
    assert os.listdir('x') == ['panels.png']
    overlay = ['pics/a.png', *model, '--topk', '2']
    main([*overlay, '--out-file', 'x/1.png'])
    main([*overlay, '--out-file', 'x/2.png', '--colormap', 'magma'])
    main([*overlay, '--out-file', 'x/3.png', '--alpha', '1'])
    panels, *others = [cv2.imread(f'x/{name}.png').tobytes() for name in ('panels', '1', '2', '3')]
    assert len(panels) > 3 * len(others[0])
    assert len(set(others)) == 3


def test_nothing_found_is_told_and_drawn_plain(model, pictures, capsys):
    assert main(['pics/a.png', *model, '--score-thr', '1']) == 0
    out = capsys.readouterr().out
    assert out.startswith('pics/a.png: no detection, drawn plain -> output/a.png\nnote: No detection')
    drawn, plain = cv2.imread('output/a.png'), cv2.imread('pics/a.png')
    assert (drawn[: plain.shape[0], : plain.shape[1]] == plain).all()


def test_a_folder_goes_on_past_a_broken_picture(model, pictures, capsys):
    assert main(['pics', *model, '--topk', '1', '--out-dir', 'out']) == 1
    out, err = capsys.readouterr()
    assert sorted(os.listdir('out')) == ['a.png', 'c.jpg', 'index.html']
    assert 'pics/a.png: 1 box -> out/a.png' in out and 'pics/c.jpg: 1 box -> out/c.jpg' in out
    assert err.startswith('mmlens: error: 1 of 3 pictures could not be drawn:\n') and 'pics/b.jpg' in err


def test_a_method_that_sees_no_boxes_says_so_once(model, pictures, capsys):
    os.remove('pics/b.jpg')
    assert main(['pics', *model, '--topk', '1', '--method', 'eigencam']) == 0
    assert capsys.readouterr().out.count('note: eigencam') == 1


def test_a_video(model, pictures, capsys):
    assert main(['street.mp4', *model, '--topk', '2']) == 0
    out = capsys.readouterr().out
    assert out.startswith('street.mp4: 5 frames, 10 boxes -> output/street.mp4\n')
    read = VideoReader(pictures / 'output' / 'street.mp4')
    assert (read.rate, read.size, len(list(read))) == (7, (64, 48), 5)


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--save-maps'], '--save-maps works on pictures only'),
        (['--layout', 'panels'], '--layout panels works on pictures only'),
        (['--instance', '0'], '--instance works on pictures only'),
    ],
)
def test_what_only_pictures_have_is_told_of_a_video(words, said, pictures, capsys):
    assert main(['street.mp4', 'never-loaded.py', 'never-loaded.pth', *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'warned'),
    [
        (['--batch-size', '4'], None),
        (
            ['--batch-size', '4', '--ratio-channels-to-ablate', '0.1', '--method', 'LayerCAM'],
            '--ratio-channels-to-ablate has no effect on layercam.',
        ),
        (['--num-masks', '4', '--method', 'ScoreCAM'], '--num-masks has no effect on scorecam.'),
        (['--num-masks', '4', '--memory', '9'], '--memory and --num-masks have no effect on evidencecam.'),
        (['--batch-size', '4', '--method', 'ablationcam'], None),
        ([], None),
    ],
)
def test_options_of_other_methods(words, warned, pictures, capsys):
    assert main(['missing.jpg', 'config.py', 'weights.pth', *words]) == 2
    err = capsys.readouterr().err.splitlines()
    assert err[:-1] == ([f'mmlens: warning: {warned}'] if warned else [])


@pytest.mark.parametrize(
    ('given', 'limit'),
    [(None, None), ([-1], None), ([-1, -1], None), ([20], (20, 20)), ([20, 30], (20, 30)), ([-1, 30], (-1, 30))],
)
def test_max_shape(given, limit):
    assert settle_shape(given) == limit


def test_max_shape_of_three_numbers_is_told():
    with pytest.raises(MmlensError, match='one number or two'):
        settle_shape([1, 2, 3])


def test_preview_model_lists_layers_and_draws_nothing(model, pictures, capsys):
    assert main(['pics/a.png', *model, '--preview-model']) == 0
    out = capsys.readouterr().out
    assert re.search(r'^neck.out_convs\[2\] +ConvModule +1x32x3x3$', out, re.MULTILINE)
    assert not os.path.exists('output')


def box_map(**changes):
    blank = np.zeros((6, 8), np.float32)
    values = dict(index=2, box=np.array([1.4, 2.6, 30, 4]), label=0, class_name='dog', score=0.876, raw=blank)
    return BoxMap(**{**values, 'normalised': blank, **changes})


def test_line_about_a_box():
    assert describe(box_map()) == '  2  dog              0.88  [1, 3, 30, 4]'
    assert describe(box_map(blank='all negative')).endswith('[1, 3, 30, 4]  blank: all negative')
    assert describe(box_map(against='cat or cow')).endswith('[1, 3, 30, 4]  not cat or cow')


def test_a_frame_without_a_box_stays_as_it_is():
    picture = np.full((6, 8, 3), 7, np.uint8)
    drawn = drawn_frame(BoxExplanation(picture, [], ('neck',), 'gradcam', 'score', notes=['No detection.']))
    assert (drawn.picture == picture).all() and drawn.picture.shape == (6, 8, 3)
    assert (drawn.boxes, drawn.notes) == (0, [])


def test_ablationcam(model, pictures, capsys):
    words = [
        '--method',
        'AblationCAM',
        '--ratio-channels-to-ablate',
        '0.25',
        '--batch-size',
        '3',
        '--score-thr',
        '0.01',
    ]
    assert main(['pics/a.png', *model, *words, '--score-thr', '0.01', '--topk', '2', '--save-maps']) == 0
    assert len(lines_of_boxes(capsys.readouterr().out)) == 2
    with np.load('output/a.npz') as maps:
        assert str(maps['method']) == 'ablationcam'
        assert maps['normalised'].max() == 1


def test_drise_goes_on_where_it_was(model, pictures, capsys):
    words = ['pics/a.png', *model, '--method', 'drise', '--score-thr', '0.01', '--topk', '1', '--save-maps']
    assert main([*words, '--num-masks', '6', '--out-dir', 'whole']) == 0
    assert main([*words, '--num-masks', '3', '--batch-size', '1', '--out-dir', 'half', '--resume', 'masks.npz']) == 0
    assert main([*words, '--num-masks', '6', '--batch-size', '1', '--out-dir', 'both', '--resume', 'masks.npz']) == 0
    whole, half, both = [np.load(f'{folder}/a.npz')['raw'] for folder in ('whole', 'half', 'both')]
    np.testing.assert_allclose(both, whole, atol=1e-5)
    assert np.abs(half - whole).max() > 1e-3


def test_precision_search_goes_on_where_it_was(model, pictures, capsys):
    words = ['pics/a.png', *model, '--method', 'precisionsearch', '--score-thr', '0.01', '--topk', '2', '--save-maps']
    words += ['--passes', '24', '--regions', '50', '--resume', 'search.npz']
    assert main([*words, '--out-dir', 'whole']) == 0
    assert main([*words, '--out-dir', 'again']) == 0
    whole, again = [np.load(f'{folder}/a.npz') for folder in ('whole', 'again')]
    assert np.array_equal(whole['raw'], again['raw']) and whole['raw'].shape[0] == 2
    assert 2 < whole['passes'] <= 2 * 24 + 2 == again['passes'] + 2 * 24


def test_the_marks_of_shapes_are_contrasted(tmp_path, capsys):
    shapes = Path(__file__).resolve().parents[3] / 'projects' / 'shapes'
    model = [str(shapes / name) for name in ('configs/shapes_rtmdet.py', 'checkpoints/shapes_rtmdet.pth')]
    picture = str(shapes / 'pictures' / '000020.jpg')
    options = ['--against', 'auto', '--signed', '--layout', 'panels', '--save-maps', '--device', 'cpu']
    assert main([picture, *model, *options, '--topk', '2', '--out-dir', str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.search(r'^ +0  coin_cross +0\.\d\d  \[.*\]  not coin_dot$', lines[1])
    assert re.search(r'^ +1  coin_dot +0\.\d\d  \[.*\]  not coin_cross$', lines[2])
    with np.load(tmp_path / '000020.npz') as maps:
        assert maps['against'].tolist() == ['coin_dot', 'coin_cross'] and str(maps['fusion']) == 'product'
        assert maps['counters'].shape == maps['normalised'].shape and maps['counters'].max() == 1
    assert cv2.imread(str(tmp_path / '000020.jpg')) is not None
    assert main([picture, *model, '--against', 'coin', '--device', 'cpu', '--out-dir', str(tmp_path)]) == 2
    assert "The model knows no class 'coin': it knows coin_dot" in capsys.readouterr().err


def test_given_boxes_found_or_missed(model, pictures, capsys):
    words = ['--boxes', '5', '5', '60', '50', 'bee', '--boxes', '10', '8', '40', '40', 'cow']
    assert main(['pics/a.png', *model, '--save-maps', *words]) == 0
    out = capsys.readouterr()
    lines = (out.out + out.err).splitlines()
    assert lines[0] == 'pics/a.png: 2 boxes -> output/a.png'
    assert re.fullmatch(
        r' +(-|\d+)  bee +0\.\d\d  \[5, 5, 60, 50\]  candidate rank \d+ \[.*\], IoU 0\.\d\d.*', lines[1]
    )
    with np.load('output/a.npz') as maps:
        assert maps['boxes'].tolist() == [[5, 5, 60, 50], [10, 8, 40, 40]] and maps['labels'].tolist() == [1, 2]
        assert maps['candidates'].shape == (2, 4) and (maps['overlaps'] > 0).all()


def test_annotated_objects(model, pictures, capsys):
    content = dict(
        images=[dict(id=1, file_name='a.png')],
        categories=[dict(id=1, name='cow')],
        annotations=[dict(image_id=1, category_id=1, bbox=[10, 8, 30, 32])],
    )
    Path('coco.json').write_text(json.dumps(content))
    assert main(['pics/a.png', *model, '--ann', 'coco.json', '--save-maps']) == 0
    with np.load('output/a.npz') as maps:
        assert maps['boxes'].tolist() == [[10, 8, 40, 40]] and maps['classes'].tolist() == ['cow']


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (['--boxes', '500', '0', '600', '9', 'cow'], 'lies outside the picture, which has 80 x 60 pixels'),
        (['--boxes', '5', '5', '5', '9', 'cow'], '--boxes 5 5 5 9 cow: it has no area'),
        (['--boxes', 'nan', '5', '5', '9', 'cow'], '--boxes nan 5 5 9 cow: its edges must be finite numbers'),
        (['--boxes', '5', '5', '9', '9', 'dog'], "knows no class 'dog'"),
        (['--boxes', '5', '5', '9', '9', 'cow', '--topk', '3'], '--topk chooses among detections'),
    ],
)
def test_boxes_that_cannot_be_explained(model, pictures, capsys, words, sentence):
    assert main(['pics/a.png', *model, *words]) == 2
    err = capsys.readouterr().err
    assert sentence in err and len(err.strip().splitlines()) == 1


def coco_file(file_name='a.png', name='cow', box=(10, 8, 30, 32)):
    content = dict(
        images=[dict(id=1, file_name=file_name)],
        categories=[dict(id=1, name=name)],
        annotations=[dict(image_id=1, category_id=1, bbox=list(box))],
    )
    Path('coco.json').write_text(json.dumps(content))


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (dict(file_name='other.png'), 'coco.json knows no picture a.png: its pictures are of other names'),
        (dict(box=(1, 2, 3)), 'coco.json is no annotation file of COCO'),
        (dict(box=(1, 2, None, 4)), 'coco.json is no annotation file of COCO'),
    ],
)
def test_wrong_annotations_are_told_before_a_model_is_loaded(pictures, capsys, content, sentence):
    coco_file(**content)
    assert main(['pics/a.png', 'none.py', 'none.pth', '--ann', 'coco.json']) == 2
    err = capsys.readouterr().err
    assert sentence in err and len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (dict(name='dog'), 'The detector knows none of the classes of coco.json (dog): it knows ant, bee, cow.'),
        (dict(box=(500, 0, 10, 10)), 'lies outside the picture, which has 80 x 60 pixels'),
    ],
)
def test_annotations_that_do_not_fit_the_model_or_the_picture(model, pictures, capsys, content, sentence):
    coco_file(**content)
    assert main(['pics/a.png', *model, '--ann', 'coco.json']) == 2
    err = capsys.readouterr().err
    assert sentence in err and len(err.strip().splitlines()) == 1
    assert not Path('output').exists()


# ---------------------------------------------------------------- several pictures at once


@pytest.fixture
def together(monkeypatch):
    """How many pictures went through the network together, each time."""
    from mmlens.explain import together

    sizes, original = [], together._attributed
    monkeypatch.setattr(together, '_attributed', lambda jobs, *rest: sizes.append(len(jobs)) or original(jobs, *rest))
    return sizes


def test_pictures_that_go_through_together_are_told_and_saved_as_one_by_one(model, pictures, together, capsys):
    for n in range(3):
        cv2.imwrite(f'pics/d{n}.png', cv2.imread('pics/a.png')[:, ::-1].copy() if n else cv2.imread('pics/a.png'))
    told, found = [], []
    for size in '13':
        words = ['--batch-size', size, '--workers', '1', '--save-maps', '--topk', '2', '--out-dir', size]
        assert main(['pics', *model, '--method', 'gradcam', *words]) == 1  # one picture is broken
        out, err = capsys.readouterr()
        assert 'no effect' not in err
        told.append(out.replace(f'-> {size}/', '-> '))
        found.append({path.name: dict(np.load(path)) for path in Path(size).glob('*.npz')})
    assert told[0] == told[1] and len(found[0]) == len(found[1]) == 5
    assert together == [3]  # the first group holds the broken picture, and went one by one
    for name, maps in found[0].items():
        np.testing.assert_allclose(maps['normalised'], found[1][name]['normalised'], atol=1e-4)


def test_frames_of_a_video_go_through_together(model, pictures, together):
    frames = []
    for size in '12':
        words = ['--batch-size', size, '--workers', '1', '--out-dir', size, '--method', 'gradcam']
        assert main(['street.mp4', *model, *words]) == 0
        frames.append(np.array(list(VideoReader(Path(size) / 'street.mp4')), int))
    assert together == [2, 2] and len(frames[0]) == len(frames[1]) == 5
    assert np.abs(frames[0] - frames[1]).max() <= 8  # what is drawn differs by rounding, which the encoder enlarges


def test_small_frames_go_through_together_unless_they_are_to_be_kept_apart(model, pictures, together):
    for words in ([], ['--batch-size', '1']):
        assert main(['street.mp4', *model, '--workers', '1', '--method', 'gradcam', *words]) == 0
    assert together == [5]

"""What is wrong is told in parameters to users of Python, and in options to users of the command line."""

import re
import warnings

import pytest

import mmlens
from mmlens.cli.main import main
from mmlens.errors import MmlensError

PICTURE = 'pics/a.png'

# Function, its arguments and its sentence; command, its words and its sentence.
TABLE = [
    (
        'explain_boxes',
        dict(layers=['nek']),
        "No layer 'nek': did you mean 'neck'? (`list_layers(model)` lists all.)",
        'boxam',
        ['--target-layers', 'nek'],
        "No layer 'nek': did you mean 'neck'? (`mmlens layers` lists all.)",
    ),
    (
        'explain_boxes',
        dict(method='drise', layers=['neck']),
        "Method 'drise' takes the network as a black box, without layers: leave out `layers`.",
        'boxam',
        ['--method', 'drise', '--target-layers', 'neck'],
        "Method 'drise' takes the network as a black box, without layers: leave out --target-layers.",
    ),
    (
        'explain_boxes',
        dict(method='drise', target='box'),
        "Method 'drise' knows scores and overlaps only: leave `target` at 'score'.",
        'boxam',
        ['--method', 'drise', '--target', 'box'],
        "Method 'drise' knows scores and overlaps only: leave --target at 'score'.",
    ),
    (
        'explain_boxes',
        dict(device='tpu:0'),
        "No device 'tpu:0' here: use `device='cpu'`.",
        'boxam',
        ['--device', 'tpu:0'],
        "No device 'tpu:0' here: use --device cpu.",
    ),
    (
        'feature_maps',
        dict(layers=['neck'], reduction=None, topk=-1),
        "Layer 'neck' has 32 channels, which do not make a picture: set `reduction` (squeeze_mean or select_max), or a "
        '`topk` of at least 1.',
        'featmap',
        ['--target-layers', 'neck', '--topk', '-1'],
        "Layer 'neck' has 32 channels, which do not make a picture: set --channel-reduction (squeeze_mean or "
        'select_max), or a --topk of at least 1.',
    ),
    (
        'feature_maps',
        dict(cfg_options={'test_cfg': 3}),
        "The config's test_cfg is 3, not a section: write it as a dict; `cfg_options={'test_cfg.KEY': VALUE}` changes "
        'one of its settings.',
        'featmap',
        ['--cfg-options', 'test_cfg=3'],
        "The config's test_cfg is 3, not a section: write it as a dict; --cfg-options test_cfg.KEY=VALUE changes one "
        'of its settings.',
    ),
]


@pytest.mark.parametrize(('function', 'arguments', 'sentence', 'command', 'words', 'in_options'), TABLE)
def test_each_user_is_told_in_their_own_words(
    function, arguments, sentence, command, words, in_options, model, pictures, capsys
):
    device = {} if 'device' in arguments else dict(device='cpu')
    with pytest.raises(MmlensError) as raised:
        getattr(mmlens, function)(model[0], PICTURE, checkpoint=model[1], **device, **arguments)
    assert str(raised.value) == sentence
    status = main([command, PICTURE, *model, *words, *([] if '--device' in words else ['--device', 'cpu'])])
    assert status == 2
    assert capsys.readouterr().err == f'mmlens: error: {in_options}\n'


def test_a_warning_and_the_reason_of_a_blank_map(model, pictures, capsys):
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter('always')
        found = mmlens.explain_boxes(
            model[0],
            PICTURE,
            checkpoint=model[1],
            device='cpu',
            norm_in_bbox=True,
            layers=['backbone.stem'],
            cfg_options={'modell.a': 1},
        )
    told = [str(each.message) for each in given if 'modell' in str(each.message)]
    assert told == ['`cfg_options`: the config has no modell; did you mean model?']
    words = ['--norm-in-bbox', '--target-layers', 'backbone.stem', '--cfg-options', 'modell.a=1', '--device', 'cpu']
    assert main(['boxam', PICTURE, *model, *words]) == 0
    printed = capsys.readouterr()
    assert printed.err == 'mmlens: warning: --cfg-options: the config has no modell; did you mean model?\n'
    blank = [box.blank for box in found if box.blank]
    assert [re.sub('.*blank: ', '', line) for line in printed.out.splitlines() if 'blank: ' in line] == [
        reason.replace('`norm_in_bbox`', '--norm-in-bbox') for reason in blank
    ]

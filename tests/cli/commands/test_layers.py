import pytest

from mmlens.cli.commands.layers import format_layers, main, steps


@pytest.mark.parametrize(
    ('name', 'number'),
    [
        ('neck', 1),
        ('backbone.stage1', 2),
        ('neck.out_convs[2]', 3),
        ('neck.out_convs[2].conv', 4),
        ('[0]', 1),
        ('[0].a', 2),
    ],
)
def test_steps_of_a_name(name, number):
    assert steps(name) == number


def test_table():
    from mmlens.attribution.layers import LayerInfo

    layers = [
        LayerInfo('neck', 'FPN', ((1, 8, 4, 4), (1, 8, 2, 2))),
        LayerInfo('neck.out_convs', 'ModuleList', ()),
        LayerInfo('neck.out_convs[0]', 'Conv2d', ((1, 8, 4, 4),)),
    ]
    assert format_layers(layers, depth=2) == (
        'neck            FPN         1x8x4x4, 1x8x2x2\nneck.out_convs  ModuleList  not run'
    )
    assert format_layers(layers).splitlines()[2] == 'neck.out_convs[0]  Conv2d      1x8x4x4'
    assert format_layers([LayerInfo('neck', 'FPN')]) == 'neck  FPN'
    assert format_layers([]) == ''


def test_without_a_checkpoint_and_a_picture(model, capsys):
    assert main([model[0], '--depth', '1']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ['data_preprocessor', 'DetDataPreprocessor'],
        ['backbone', 'CSPDarknet'],
        ['neck', 'YOLOXPAFPN'],
        ['bbox_head', 'YOLOXHead'],
    ]


@pytest.mark.parametrize('img', ['pics/a.png', 'street.mp4'])
def test_with_a_picture(img, model, pictures, capsys):
    assert main([*model, '--img', img, '--depth', '1']) == 0
    assert 'YOLOXPAFPN           1x32x12x12, 1x32x6x6, 1x32x3x3' in capsys.readouterr().out


def test_config_options_take_effect(model, pictures, capsys):
    assert main([model[0], '--img', 'pics/a.png', '--cfg-options', 'model.bbox_head.num_classes=7']) == 0
    assert '1x7x12x12' in capsys.readouterr().out

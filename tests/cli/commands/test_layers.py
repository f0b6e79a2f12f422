import pytest

from mmlens.cli.commands.layers import main


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

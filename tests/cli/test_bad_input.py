"""Everything a user can get wrong: one sentence on stderr, status 2, no traceback, nothing written."""

import os

import pytest
import torch

from mmlens.cli.commands import boxam, cam, featmap, layers

COMMANDS = {'featmap': featmap.main, 'boxam': boxam.main}


def fails(main, words, capsys):
    """Run a command that has to fail, and give its sentence."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ''
    assert err.startswith('mmlens: error: ') and err.count('\n') == 1, err
    return err[len('mmlens: error: ') :]


@pytest.mark.parametrize('command', COMMANDS)
class TestOfBothCommands:
    def test_missing_picture(self, command, pictures, capsys):
        said = fails(COMMANDS[command], ['none.jpg', 'unused.py', 'unused.pth'], capsys)
        assert said.startswith('none.jpg does not exist')

    def test_unreadable_picture(self, command, model, pictures, capsys):
        assert 'pics/b.jpg' in fails(COMMANDS[command], ['pics/b.jpg', *model], capsys)
        assert not os.path.exists('output')

    def test_unreadable_video(self, command, model, pictures, capsys):
        (pictures / 'broken.mp4').write_bytes(b'no video')
        assert 'broken.mp4 cannot be read' in fails(COMMANDS[command], ['broken.mp4', *model], capsys)

    def test_missing_config(self, command, pictures, capsys):
        assert 'none.py' in fails(COMMANDS[command], ['pics/a.png', 'none.py', 'unused.pth'], capsys)

    def test_missing_checkpoint(self, command, model, pictures, capsys):
        assert 'none.pth' in fails(COMMANDS[command], ['pics/a.png', model[0], 'none.pth'], capsys)

    def test_no_checkpoint_at_all(self, command, model, pictures, capsys):
        assert 'No checkpoint was given' in fails(COMMANDS[command], ['pics/a.png', model[0]], capsys)

    def test_checkpoint_of_another_model(self, command, model, pictures, capsys):
        torch.save({'state_dict': {'fc.weight': torch.zeros(3, 4)}}, 'other.pth')
        assert 'other.pth' in fails(COMMANDS[command], ['pics/a.png', model[0], 'other.pth'], capsys)

    def test_unknown_layer(self, command, model, pictures, capsys):
        words = ['pics/a.png', *model, '--target-layers', 'neck.out_conv[0]']
        assert 'neck.out_convs' in fails(COMMANDS[command], words, capsys)

    def test_unwritable_folder(self, command, pictures, capsys):
        words = ['pics/a.png', 'unused.py', 'unused.pth', '--out-dir', 'street.mp4/out']
        assert 'street.mp4 is a file, not a folder' in fails(COMMANDS[command], words, capsys)

    def test_bad_device(self, command, model, pictures, capsys):
        assert 'gpu7' in fails(COMMANDS[command], ['pics/a.png', *model, '--device', 'gpu7'], capsys)

    def test_config_option_that_fits_nothing(self, command, model, pictures, capsys):
        words = ['pics/a.png', *model, '--cfg-options', 'model.neck.type=NoSuchNeck']
        assert 'NoSuchNeck' in fails(COMMANDS[command], words, capsys)

    def test_no_display(self, command, pictures, capsys, monkeypatch):
        from matplotlib import pyplot

        pyplot.switch_backend('agg')
        said = fails(COMMANDS[command], ['pics/a.png', 'unused.py', 'unused.pth', '--show'], capsys)
        assert said.startswith('--show needs a display')


def test_unknown_method(model, pictures, capsys):
    assert 'gradcam' in fails(boxam.main, ['pics/a.png', *model, '--method', 'gradcan'], capsys)


def test_method_of_the_package_that_needs_more(model, pictures, capsys):
    assert 'not built in' in fails(boxam.main, ['pics/a.png', *model, '--method', 'FullGrad'], capsys)


def test_black_box_with_layers(model, pictures, capsys):
    words = ['pics/a.png', *model, '--method', 'drise', '--target-layers', 'neck']
    assert 'without layers: leave out --target-layers.' in fails(boxam.main, words, capsys)


def test_sums_of_another_picture(model, pictures, capsys):
    words = ['--method', 'drise', '--num-masks', '2', '--score-thr', '0.01', '--resume', 'masks.npz']
    assert boxam.main(['pics/a.png', *model, *words]) == 0
    capsys.readouterr()
    assert 'masks.npz was started with another picture' in fails(boxam.main, ['pics/c.jpg', *model, *words], capsys)


def test_sums_of_several_pictures(pictures, capsys):
    words = ['pics', 'unused.py', 'unused.pth', '--method', 'drise', '--resume', 'masks.npz']
    assert '--resume works on a single picture, but there are 3' in fails(boxam.main, words, capsys)


@pytest.mark.parametrize('name', ['out/a.png', 'out/../out/a.npz'])
@pytest.mark.parametrize('command', [boxam, cam])
def test_the_file_to_resume_is_no_result(pictures, capsys, command, name):
    os.mkdir('out')
    words = ['pics/a.png', 'unused.py', 'unused.pth', '--method', 'drise', '--resume', name, '--out-dir', 'out']
    assert f'--resume {name} would be overwritten by a result: choose another file.' in fails(
        command.main, words, capsys
    )


def test_unknown_class(model, pictures, capsys):
    assert "'dog'" in fails(boxam.main, ['pics/a.png', *model, '--class', 'dog'], capsys)


def test_unknown_colormap(model, pictures, capsys):
    assert "'turbi'" in fails(boxam.main, ['pics/a.png', *model, '--colormap', 'turbi'], capsys)


def test_topk_with_a_reduction(pictures, capsys):
    words = ['pics/a.png', 'unused.py', 'unused.pth', '--topk', '5', '--channel-reduction', 'select_max']
    assert 'exclude each other' in fails(featmap.main, words, capsys)


def test_arrangement_too_small(pictures, capsys):
    words = ['pics/a.png', 'unused.py', 'unused.pth', '--topk', '5']
    assert '2 x 2' in fails(featmap.main, words, capsys)


def test_layers_of_no_config(capsys):
    assert 'none.py' in fails(layers.main, ['none.py'], capsys)

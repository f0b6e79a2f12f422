"""A package that is not there costs a user one sentence, whichever command meets it first."""

import subprocess
import sys

import pytest

COMMANDS = {
    'boxam': ['pic.png', 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py', 'w.pth'],
    'featmap': ['pic.png', 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py', 'w.pth'],
    'cam': ['pic.png', 'mmpretrain::resnet/resnet18_8xb32_in1k.py', 'w.pth'],
    'layers': ['mmdet::yolox/yolox_nano_8xb8-300e_coco.py'],
    'lr': ['mmdet::yolox/yolox_nano_8xb8-300e_coco.py', '--dataset-size', '8'],
    'pipeline': ['mmdet::yolox/yolox_nano_8xb8-300e_coco.py'],
}


def run(command, missing, folder):
    for name in ('pic.png', 'w.pth'):
        (folder / name).write_bytes(b'')
    code = f'import sys; sys.modules[{missing!r}] = None; from mmlens.cli.main import main; sys.exit(main({command!r}))'
    return subprocess.run([sys.executable, '-c', code], cwd=str(folder), capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize('command', COMMANDS)
def test_missing_torch_is_told_in_one_sentence(command, tmp_path):
    done = run([command, *COMMANDS[command]], 'torch', tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith('mmlens: error: torch ')
    assert 'pip install' in done.stderr
    assert done.stderr.count('\n') == 1


@pytest.mark.parametrize(('missing', 'told'), [('cv2', 'opencv-python-headless'), ('mmengine', 'pip install')])
def test_other_missing_packages(missing, told, tmp_path):
    done = run(['featmap', *COMMANDS['featmap'], '--topk', '2'], missing, tmp_path)
    assert (done.returncode, done.stderr.count('\n')) == (2, 1), done.stderr
    assert told in done.stderr


def test_python_users_get_the_sentence_too():
    code = 'import sys; sys.modules["torch"] = None; import mmlens; mmlens.explain_boxes'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    assert 'DependencyError: torch ' in done.stderr
    assert 'pip install' in done.stderr

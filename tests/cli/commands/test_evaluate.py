"""`mmlens evaluate`: files, tables, going on, and one sentence for whatever is wrong."""

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmlens.cli.commands.evaluate import build_parser, main, rows_of
from mmlens.cli.main import main as run

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ('boxes.csv', 'summary.csv', 'pairs.csv', 'tables.md', 'figures.png')


@pytest.fixture(scope='module')
def model(yolox, tmp_path_factory):
    """The words CONFIG and CHECKPOINT of a detector that finds few boxes: two in the first of the pictures below."""
    folder = tmp_path_factory.mktemp('model')
    yolox.cfg.dump(str(folder / 'tiny.py'))
    meta = dict(dataset_meta=dict(classes=('ant', 'bee', 'cow')))
    torch.save(dict(state_dict=yolox.model.state_dict(), meta=meta), str(folder / 'tiny.pth'))
    return [str(folder / 'tiny.py'), str(folder / 'tiny.pth')]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The working folder, with three annotated pictures; words of a command line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'pics').mkdir()
    images, objects = [], []
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 255, (9, 13, 3), np.uint8)
        cv2.imwrite(f'pics/{number}.png', cv2.resize(noise, (128, 90), interpolation=cv2.INTER_CUBIC))
        images.append(dict(id=number, file_name=f'{number}.png', height=90, width=128))
        objects.append(dict(id=number, image_id=number, category_id=5, bbox=[5, 5, 30, 30], area=900, iscrowd=0))
    write(tmp_path / 'ann.json', images, objects, 'bee')
    return ['--ann', 'ann.json', '--images', 'pics', '--out-dir', 'out']


def write(path, images, objects, name):
    content = dict(images=images, annotations=objects, categories=[dict(id=5, name=name)])
    path.write_text(json.dumps(content))


def said(capfd):
    out, err = capfd.readouterr()
    return out, err.strip().splitlines()


def test_all_files_and_the_table(model, data, capfd, tmp_path):
    words = [*model, *data, '--score-thr', '0.54', '--methods', 'gradcam', 'mine: gradcam/neck']
    assert main([*words, '--batch-size', '4', '--report', 'r.html']) == 0
    page = (tmp_path / 'r.html').read_text(encoding='utf-8')
    assert '"name":"mine"' in page and '"curves":{"deletion":[1.0,' in page and '<th scope="row">gaussian</th>' in page
    out, err = said(capfd)
    assert '3 pictures, about 2 boxes, ' in out and 'passes on altered pictures' in out
    assert '| gradcam | ' in out and '| mine | ' in out and '| *gaussian* | ' in out and 'deletion' in out
    assert all((tmp_path / 'out' / name).stat().st_size for name in RESULTS)
    with open('out/boxes.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert {'gradcam', 'mine', 'random', 'edges', 'gaussian'} < {row['method'] for row in rows}
    assert all(0 <= float(row['epg']) <= 1 and row['deletion'] and row['error'] for row in rows)
    assert '## class: ' in (tmp_path / 'out' / 'tables.md').read_text()


def test_killed_and_taken_up_again_gives_the_same_bytes(model, data, tmp_path):
    words = ['evaluate', *model, *data, '--maps-only', '--score-thr', '0.45']
    assert run(words) == 0
    whole = {name: (tmp_path / 'out' / name).read_bytes() for name in RESULTS}
    words[words.index('out')] = 'again'
    running = subprocess.Popen([sys.executable, '-m', 'mmlens', *words], stdout=subprocess.DEVNULL)
    progress = tmp_path / 'again' / 'progress.jsonl'
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and running.poll() is None:
        if progress.is_file() and progress.read_bytes().count(b'\n') >= 2:
            break
        time.sleep(0.005)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert progress.read_bytes().count(b'\n') >= 2
    assert run([*words, '--resume']) == 0
    for name, content in whole.items():
        assert (tmp_path / 'again' / name).read_bytes() == content, name


def launched(words):
    """Two processes, started by torchrun."""
    command = [sys.executable, '-W', 'ignore', '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '2']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    return subprocess.Popen([*command, '-m', 'mmlens', *words, '--launcher', 'pytorch'], env=environment)


def started(words, **options):
    """Two processes as torchrun starts them, without torchrun, which imports torch once more."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        meeting = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(free.getsockname()[1]), WORLD_SIZE='2')
    command = [sys.executable, '-W', 'ignore', '-m', 'mmlens', *words, '--launcher', 'pytorch']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT), **meeting}
    return [
        subprocess.Popen(command, env={**environment, 'RANK': rank, 'LOCAL_RANK': rank}, **options) for rank in '01'
    ]


def test_two_processes_killed_and_gone_on_with_by_one_or_two_give_the_bytes_of_one(model, data, tmp_path):
    words = ['evaluate', *model, *data, '--maps-only', '--score-thr', '0.45']
    assert run(words) == 0
    words[words.index('out')] = 'two'
    running = started(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and all(process.poll() is None for process in running):
        kept = [path.read_bytes() for path in (tmp_path / 'two').glob('progress*.jsonl')]
        if sum(each.count(b'{"number"') for each in kept):
            break
        time.sleep(0.005)
    for process in running:
        process.kill()
        process.wait()
    assert list((tmp_path / 'two').glob('progress*.jsonl')) and not list((tmp_path / 'two').glob('*.csv'))
    shutil.copytree(tmp_path / 'two', tmp_path / 'one')
    assert launched([*words, '--resume']).wait(timeout=240) == 0
    words[words.index('two')] = 'one'
    assert run([*words, '--resume']) == 0
    for name in RESULTS:
        whole = (tmp_path / 'out' / name).read_bytes()
        assert (tmp_path / 'one' / name).read_bytes() == whole == (tmp_path / 'two' / name).read_bytes(), name


def test_what_is_wrong_is_said_by_one_of_two_processes(model, data, tmp_path):
    words = ['evaluate', *model, *data, '--maps-only', '--score-thr', '1']
    running = started(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out = ''.join(process.communicate(timeout=240)[0] for process in running)
    assert all(process.returncode for process in running)
    said = [line for line in out.splitlines() if line.startswith('mmlens: ')]
    assert said == ['mmlens: error: No detection on 3 pictures scores at least 1: lower --score-thr.']


def test_a_launcher_that_started_nothing(model, data, capfd, monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    assert main([*model, *data, '--launcher', 'pytorch']) == 2
    assert said(capfd)[1] == [
        'mmlens: error: No pytorch launcher started this process (RANK is not set): '
        'start it by `torchrun --nproc_per_node N -m mmlens ...`.'
    ]


def test_a_dry_run_writes_nothing(model, data, capfd, tmp_path):
    assert main([*model, *data, '--dry-run', '--score-thr', '0.45']) == 0
    out, _ = said(capfd)
    assert out.startswith('3 pictures, about ') and ' a box, ' in out and not (tmp_path / 'out').exists()


def test_pictures_that_nothing_is_known_about(model, data, capfd):
    words = [*model, '--images', 'pics', '--number', '1', '--maps-only', '--out-dir', 'out', '--score-thr', '0.45']
    assert main(words) == 0
    out, _ = said(capfd)
    assert '| EPG |' in out and 'mask' not in out and 'deletion' not in out


def test_options_of_methods_that_stand_alone():
    args = build_parser().parse_args(
        ['c', 'w', '--methods', 'gradcam', 'a: layercam/neck', '--target-layers', 'x', 'y', '--fusion', 'max']
    )

    class WithNeck:
        class model:
            neck = object()

    first, second, *rest = rows_of(args, WithNeck())
    assert first.settings == dict(method='gradcam', layers=['x', 'y'], fusion='max')
    assert second.settings == dict(method='layercam', layers=['neck']) and all(row.baseline for row in rest)


@pytest.mark.parametrize(
    ('extra', 'sentence'),
    [
        (['--ann', 'none.json'], 'none.json is no annotation file of COCO: there is no none.json.'),
        (['--images', 'out'], 'ann.json is not of the pictures in out: 3 of its 3 pictures are not there, such as 0.'),
        (['--methods', 'nocam'], "The row 'nocam' cannot be computed: "),
        (['--methods', 'a: layercam/backbone.stage9'], "The row 'a' cannot be computed: "),
        (['--methods', 'drise', '--target-layers', 'neck'], "The row 'drise' cannot be computed: "),
        (['--methods', 'random: gradcam'], "Two rows are called 'random'"),
        (['--score-thr', '1'], 'No detection on 3 pictures scores at least 1: lower --score-thr.'),
    ],
)
def test_what_is_wrong_is_one_sentence(model, data, capfd, extra, sentence):
    assert main([*model, *data, *extra]) == 2
    _, err = said(capfd)
    assert len(err) == 1 and err[0].startswith('mmlens: error: ') and sentence in err[0]


def test_other_classes_settings_and_folders_are_one_sentence(model, data, capfd, tmp_path):
    assert main([*model, '--ann', 'ann.json']) == 2
    assert said(capfd)[1] == ['mmlens: error: --ann needs --images, the folder of its pictures.']
    fast = ['--maps-only', '--score-thr', '0.45', '--number', '1']
    assert main([*model, *data, *fast]) == 0
    said(capfd)
    assert main([*model, *data, *fast]) == 2
    assert said(capfd)[1] == [
        'mmlens: error: out holds an evaluation already: go on with it by --resume, or name another.'
    ]
    assert main([*model, *data, *fast, '--resume', '--number', '2']) == 2
    assert 'was started with other settings (pictures): use the same, or another folder.' in said(capfd)[1][0]
    content = json.loads((tmp_path / 'ann.json').read_text())
    write(tmp_path / 'ann.json', content['images'], content['annotations'], 'dragon')
    assert main([*model, *data, '--dry-run']) == 2
    assert 'knows none of the classes of ann.json (dragon): it knows ant, bee, cow.' in said(capfd)[1][0]
    assert main([*model, '--out-dir', 'other']) == 2
    assert 'The test dataset of the config cannot be built' in said(capfd)[1][0]

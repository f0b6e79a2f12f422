import functools
import os
import signal
import subprocess
import sys
import time

import cv2
import pytest

MESSAGE = 'mmlens: interrupted: '


def interrupt(words, started):
    """Run a command, press Ctrl-C as soon as ``started()``, and give its status and stderr."""
    command = [sys.executable, '-m', 'mmlens', *words]
    # Shells let what runs in their background ignore Ctrl-C, and its children with it.
    heeding = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heeding, start_new_session=True)
    end = time.monotonic() + 120
    while not started() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as terminals do: to the processes that it forked, too
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def results(folder):
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return [name for name in names if not name.startswith('.') and name != 'index.html']


@pytest.mark.parametrize('workers', ['1', '2'])
def test_a_folder_keeps_what_is_done(workers, model, pictures):
    picture = cv2.imread('pics/a.png')
    os.makedirs('many')
    for number in range(300):
        cv2.imwrite(f'many/{number:03}.png', picture)
    words = ['featmap', 'many', *model, '--out-dir', 'out', '--workers', workers]
    status, err = interrupt(words, lambda: len(results('out')) > 1)
    assert status == 130
    told = [f'{MESSAGE}{len(results("out")) - late} of 300 pictures were done.\n' for late in (0, 1)]
    assert err in told  # Ctrl-C may come between the last picture and its line
    assert all(cv2.imread(f'out/{name}') is not None for name in results('out'))
    assert {*os.listdir('out')} == {*results('out'), 'index.html'}  # no temporary file is left


def test_many_passes_leave_the_maps_so_far(model, pictures):
    words = ['pics/a.png', *model, '--method', 'drise', '--num-masks', '100000', '--score-thr', '0.01', '--topk', '1']
    words += ['--resume', 'masks.npz', '--out-file', 'out/a.png']
    status, err = interrupt(['boxam', *words], lambda: os.path.exists('masks.npz'))
    assert status == 130
    assert err == f'{MESSAGE}0 of 1 pictures were done; out/a.png holds what was found so far.\n'
    assert cv2.imread('out/a.png') is not None


def test_before_any_command_begins():
    """While the first modules are imported."""
    code = (
        'import os, signal, sys\nimport mmlens.__main__ as program\n'
        'class Pressing:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        "        if name == 'mmlens.cli.main':\n"
        '            os.kill(os.getpid(), signal.SIGINT)\n'
        'sys.meta_path.insert(0, Pressing())\nprogram.run()'
    )
    heeding = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    done = subprocess.run([sys.executable, '-c', code], stderr=subprocess.PIPE, text=True, preexec_fn=heeding)
    assert (done.returncode, done.stderr) == (130, f'{MESSAGE}nothing was written.\n')


def test_an_interrupt_within_the_text_of_exec_has_the_same_status():
    """Python would end by the signal; libraries run texts while they are imported, dataclasses among them."""
    code = """
from mmlens.cli import main
def command(argv):
    try:
        exec('raise KeyboardInterrupt')
    except KeyboardInterrupt:
        return 130
main.main = command
main.run()
"""
    assert subprocess.run([sys.executable, '-c', code]).returncode == 130

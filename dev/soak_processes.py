"""The soak's processes: interrupted at random moments, two that write into one folder, and thousands of pictures."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

import cv2
from soak_ground import Ground, say, unreadable

MB = 1 << 20


def start(ground: Ground, words: List[str]) -> subprocess.Popen:
    """Start a command as users do."""
    return subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-m', 'mmlens', *words],
        cwd=ground.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'TMPDIR': str(ground.folder / 'tmp'), 'PYTHONPATH': os.pathsep.join(sys.path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def fork(ground: Ground, words: List[str], errors: Path) -> int:
    """Start a command in a copy of this process, in which everything is imported; returns its id."""
    process = os.fork()
    if process:
        return process
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(ground.folder)
        tempfile.tempdir = str(ground.folder / 'tmp')
        for number, name in ((1, os.devnull), (2, str(errors))):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        from mmlens.cli.main import main

        os._exit(main(words))
    except SystemExit as error:
        os._exit(error.code if isinstance(error.code, int) else 1)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(70)


def faults_of(ground: Ground, status: int, told: str, wanted: Tuple[int, ...]) -> List[str]:
    """What is wrong with how a process ended."""
    faults = [] if status in wanted else [f'status {status}']
    if 'Traceback' in told or 'KeyboardInterrupt' in told:
        faults.append('traceback')
    left = [*(ground.folder / 'tmp').iterdir(), *ground.folder.rglob('.mmlens-*')]
    if left:
        faults.append(f'left {left[0].name}')
        shutil.rmtree(ground.folder / 'tmp')
        (ground.folder / 'tmp').mkdir()
        for path in ground.folder.rglob('.mmlens-*'):
            path.unlink()
    return faults + [f'unreadable {path.name}' for path in unreadable(ground.folder / 'out')]


def soak_interrupts(rounds: int, seed: int = 0) -> Dict[str, Any]:
    """Press Ctrl-C at random moments: of whole processes, and of such in which everything is imported.

    Args:
        rounds: How often; every fourth time it is a whole process.
        seed: Same seed, same moments.
    """
    rng = random.Random(seed)
    bad: List[Dict[str, Any]] = []
    statuses: Dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder) / 'ground')
        words = ['boxam', 'pics', *ground.detector, '--topk', '2', '--save-maps', '--out-dir', 'out']
        begin = time.monotonic()
        start(ground, words).communicate()
        whole = time.monotonic() - begin
        ground.run(words)
        errors = ground.folder.parent / 'errors'
        begin = time.monotonic()
        os.waitpid(fork(ground, words, errors), 0)
        warm = time.monotonic() - begin
        for number in range(rounds):
            shutil.rmtree(ground.folder / 'out', ignore_errors=True)
            if number % 4 == 0:
                moment = rng.uniform(0.1, whole)
                process = start(ground, words)
                time.sleep(moment)
                process.send_signal(signal.SIGINT)
                told, status = process.communicate()[1], process.returncode
            else:
                moment = rng.uniform(0, warm)
                child = fork(ground, words, errors)
                time.sleep(moment)
                os.kill(child, signal.SIGINT)
                status = os.WEXITSTATUS(os.waitpid(child, 0)[1])
                told = errors.read_text()
            begun = not told or 'mmlens/' in told or 'mmlens:' in told
            ended = f'with {status}' if begun else "before Python had begun the command's first line"
            statuses[ended] = statuses.get(ended, 0) + 1
            faults = faults_of(ground, status, told, (0, 130)) if begun else []
            if faults:
                bad.append(dict(number=number, moment=moment, faults=faults, told=told[-3000:]))
                say(f'{number}: after {moment:.2f} s {faults}')
    return dict(cases=rounds, statuses=statuses, whole=round(whole, 1), warm=round(warm, 1), bad=bad)


def soak_one_folder(rounds: int, seed: int = 0) -> Dict[str, Any]:
    """Let two processes write the same results into one folder at the same time."""
    bad: List[Dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder) / 'ground')
        words = ['boxam', 'pics', *ground.detector, '--topk', '1', '--save-maps', '--out-dir', 'out']
        ground.run(words)
        expected = {path.name: path.read_bytes() for path in (ground.folder / 'out').iterdir() if path.suffix == '.png'}
        for number in range(rounds):
            shutil.rmtree(ground.folder / 'out', ignore_errors=True)
            errors = [ground.folder.parent / f'errors{n}' for n in range(2)]
            children = [fork(ground, words, each) for each in errors]
            statuses = [os.WEXITSTATUS(os.waitpid(child, 0)[1]) for child in children]
            told = ''.join(each.read_text() for each in errors)
            faults = faults_of(ground, max(statuses), told, (0,))
            found = {
                path.name: path.read_bytes() for path in (ground.folder / 'out').iterdir() if path.suffix == '.png'
            }
            if found != expected:
                faults.append('other pictures')
            if faults:
                bad.append(dict(number=number, faults=faults, told=told[-3000:]))
    return dict(cases=rounds, bad=bad)


def soak_pictures(pictures: int, seed: int = 0) -> Dict[str, Any]:
    """Draw thousands of tiny pictures in one process, and watch its memory."""
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder) / 'ground')
        picture = cv2.resize(cv2.imread(str(ground.folder / 'pics' / '0.png')), (48, 40))
        many = ground.folder / 'many'
        many.mkdir()
        for number in range(pictures):
            cv2.imwrite(str(many / f'{number:05d}.png'), picture)
        small = ground.changed(['test_pipeline', 1, 'scale'], (64, 64))
        small['test_dataloader']['dataset']['pipeline'] = small['test_pipeline']
        words = ['boxam', 'many', ground.config('small.py', small), ground.detector[1], '--topk', '1']
        process = start(ground, [*words, '--score-thr', '0.01', '--method', 'gradcam', '--out-dir', 'out'])
        begin, samples = time.monotonic(), []
        while process.poll() is None:
            time.sleep(2)
            try:
                resident = int(Path(f'/proc/{process.pid}/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')
            except (OSError, IndexError, ValueError):
                break
            done = len(os.listdir(ground.folder / 'out')) if (ground.folder / 'out').exists() else 0
            samples.append((done, resident / MB))
        told = process.communicate()[1]
        faults = faults_of(ground, process.returncode, told, (0,))
        if len(list((ground.folder / 'out').glob('*.png'))) != pictures:
            faults.append('pictures missing')
    early = [memory for done, memory in samples if 0.05 * pictures <= done <= 0.15 * pictures] or [0.0]
    late = [memory for done, memory in samples if done >= 0.9 * pictures] or [0.0]
    first, last = sum(early) / len(early), sum(late) / len(late)
    if last > 1.05 * first:
        faults.append('memory grows')
    bad = [dict(faults=faults, told=told[-3000:])] if faults else []
    seconds = round(time.monotonic() - begin)
    return dict(cases=pictures, first=round(first), last=round(last), seconds=seconds, bad=bad)

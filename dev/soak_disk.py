"""The soak's disk that is full at random bytes, for every kind of file that mmlens writes."""

from __future__ import annotations

import contextlib
import random
import resource
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List

from soak_ground import Ground, say


def writers(ground: Ground) -> Dict[str, List[str]]:
    """A command for every kind of file, by its endings; all write into ``out``."""
    boxam = ['boxam', 'pics/0.png', *ground.detector, '--topk', '1', '--method', 'gradcam']
    pictures = ('png', 'jpg', 'bmp', 'webp', 'tif')
    found = {ending: [*boxam, '--out-file', f'out/a.{ending}'] for ending in pictures}
    resumed = ['--method', 'drise', '--num-masks', '4', '--resume', 'out/masks.npz', '--out-file', 'out/a.png']
    found['npz'] = [*boxam, '--save-maps', '--out-dir', 'out']
    found['npz to resume'] = [*boxam, *resumed]
    found['mp4'] = ['boxam', 'v.mp4', *boxam[2:], '--out-dir', 'out']
    for ending in ('png', 'svg', 'pdf'):
        found[f'{ending} and csv of lr'] = ['lr', ground.detector[0], '-d', '20', '--save-path', f'out/a.{ending}']
    found['png and gif of history'] = ['history', 'drawn', '--out-dir', 'out']
    found['png of pipeline'] = ['pipeline', ground.detector[0], '-n', '1', '--seed', '1', '--out-dir', 'out']
    ann = ['--ann', 'ann.json', '--images', 'pics']
    found['csv, json and png of errors'] = ['errors', *ground.detector, *ann, '--worst', '1', '--out-dir', 'out']
    found['tables of evaluate'] = ['evaluate', *ground.detector, *ann, '--maps-only', '--methods', 'gradcam']
    found['tables of evaluate'] += ['--number', '1', '--score-thr', '0.1', '--out-dir', 'out']
    return found


@contextlib.contextmanager
def full_after(size: int) -> Iterator[None]:
    """No file grows beyond so many bytes."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def soak_disk(rounds: int, seed: int = 0) -> Dict[str, Any]:
    """Fill the disk at random bytes.

    Args:
        rounds: How often for each kind of file.
        seed: Same seed, same bytes.
    """
    rng = random.Random(seed)
    kinds: Dict[str, Dict[str, int]] = {}
    bad: List[Dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder) / 'ground')
        (ground.folder / 'drawn' / 'boxam' / 'a').mkdir(parents=True)
        for epoch in range(3):
            shutil.copy(
                ground.folder / 'pics' / '0.png', ground.folder / 'drawn' / 'boxam' / 'a' / f'epoch_{epoch:04d}.png'
            )
        for name, words in writers(ground).items():
            whole = ground.run(words)
            sizes = {path.name: path.stat().st_size for path in (ground.folder / 'out').rglob('*') if path.is_file()}
            figures = kinds[name] = dict(rounds=0, refused=0, faults=0)
            if whole.status or whole.faults or not sizes:
                bad.append(
                    dict(kind=name, words=words, faults=['fails on an empty disk', *whole.faults], told=whole.told)
                )
                continue
            for _ in range(rounds):
                size = rng.randrange(max(sizes.values()))
                with full_after(size):
                    outcome = ground.run(words)
                faults = list(outcome.faults)
                left = {path.name for path in (ground.folder / 'out').rglob('*') if path.is_file()}
                if outcome.status == 0 and left != set(sizes):
                    faults.append('status 0 without its files')
                figures['rounds'] += 1
                figures['refused'] += outcome.status == 2
                figures['faults'] += bool(faults)
                if faults:
                    bad.append(dict(kind=name, size=size, faults=faults, told=outcome.told[-1500:]))
            say(f'{name}: {figures}')
    return dict(cases=sum(each['rounds'] for each in kinds.values()), kinds=kinds, bad=bad)

"""Bad inputs of single commands and options, one by one: reports, comparisons, histories, views and windows."""

from __future__ import annotations

import json
import random
from typing import Any, Callable, Dict, List, Sequence

import cv2
import numpy as np
from soak_cases import boxam, kind
from soak_ground import Ground

Words = List[str]
HOSTILE = ['</script><script>x</script>', '\x00', '\udcff', 'a\nb', 'x' * 5000, '']


def saved(ground: Ground, **changed: Any) -> str:
    """A file that looks like a saved result, with some of its entries changed; ``None`` takes one away."""
    entries: Dict[str, Any] = dict(
        kind='boxes',
        picture=np.zeros((8, 9, 3), np.uint8),
        boxes=np.array([[1, 1, 5, 5]], np.float32),
        scores=np.array([0.5], np.float32),
        labels=np.array([0]),
        classes=np.array(['star']),
        maps=np.zeros((1, 8, 9), np.float32),
    )
    entries.update(changed)
    np.savez(ground.folder / 'bad.npz', **{key: value for key, value in entries.items() if value is not None})
    return 'bad.npz'


def results(ground: Ground) -> List[Words]:
    """Reports on saved results that are none."""
    (ground.folder / 'text.npz').write_bytes(b'PK\x03\x04 no archive')
    (ground.folder / 'empty.npz').write_bytes(b'')
    (ground.folder / 'none').mkdir(exist_ok=True)
    out = ['-o', 'out/r.html']
    names = ['text.npz', 'empty.npz', 'gone.npz', 'none', 'pics/0.png']
    made = [['report', name, *out] for name in names]
    made += [['report', saved(ground), *out], ['report', 'bad.npz', 'pics/0.png', *out]]
    return [*made, ['report', 'bad.npz', 'bad.npz', '--method', 'x', *out]]


def reports(ground: Ground) -> List[Words]:
    """Reports on models, with options that do not go together or say nothing."""
    model = ['report', *ground.detector, 'pics/0.png', '--topk', '1', '-o', 'out/r.html']
    (ground.folder / 'list.txt').write_text('pics/0.png\ngone.png\n')
    made = [
        [*model, '--method', *methods]
        for methods in (['gradcam', 'gradcam'], ['nosuch'], ['gradcam', 'drise', '--num-masks', '0'], ['', 'gradcam'])
    ]
    made += [[*model, '--method', 'gradcam', '--title', title] for title in HOSTILE]
    made += [
        ['report', *ground.detector, '-o', 'out/r.html'],
        ['report', ground.detector[1], ground.detector[0], 'pics/0.png'],
        ['report', *ground.detector, 'list.txt', '--method', 'gradcam', '--topk', '1', '-o', 'out/r.html'],
        ['report', *ground.detector, 'v.mp4', '--method', 'gradcam', '-o', 'out/r.html'],
        ['report', *ground.classifier, 'pics/0.png', '-o', 'out/r.html'],
        [*model, '--ann', 'none.json'],
        [*model, '--ann', 'pics/0.png'],
        [*model[:-1], 'pics'],
        [*model[:-1], 'pics/0.png'],
        [*model[:-1], 'ann.json'],
        boxam(ground, '--report', 'pics/0.png'),
        boxam(ground, '--report', 'out/0.png'),
        boxam(ground, '--report', 'out'),
        boxam(ground, '--report', 'out/r.html', '--preview-model'),
        boxam(ground, '--report', '/dev/full'),
        boxam(ground, '--report', 'out/r.html', img='v.mp4'),
    ]
    return made


def comparisons(ground: Ground) -> List[Words]:
    """Comparisons of a model with nothing, with itself, or with one of another kind."""
    start, out = ['compare', *ground.detector], ['--out-dir', 'out']
    return [
        [*start, *out],
        [*start, 'pics/0.png', *out],
        [*start, *ground.classifier, 'pics/0.png', *out],
        [*start, *ground.detector, *out],
        [*start, ground.detector[0], 'pics/0.png', *out],
        [*start, 'pics/0.png', '--method-b', 'nosuch', *out],
        [*start, 'pics/0.png', '--layers-b', 'backbone.gone', *out],
        [*start, 'pics/0.png', '--dtype-b', 'int8', *out],
        [*start, 'pics/0.png', '--method-b', 'gradcam', '--most', '0', *out],
        [*start, 'pics/0.png', '--method-b', 'gradcam', '--names', '', 'a/../../b', *out],
        [*start, 'v.mp4', '--method-b', 'gradcam', *out],
        [*start, '--ann', 'ann.json', '--images', 'nosuch', '--method-b', 'gradcam', *out],
    ]


def small_ones(ground: Ground) -> List[Words]:
    """``info``, ``completion``, ``history``, ``errors`` and ``--workers``."""
    (ground.folder / 'h').mkdir(exist_ok=True)
    (ground.folder / 'h' / 'epoch_1.png').write_bytes(b'no picture')
    (ground.folder / 'latin.py').write_bytes(b'# \xe9\nx = 1\n')
    (ground.folder / 'broken.py').write_text('model = (\n')
    made = [['info', '--config', name] for name in ('', 'gone.py', 'pics', 'pics/0.png', 'latin.py', 'broken.py')]
    made += [['completion'], ['completion', 'fish'], ['completion', 'bash', 'zsh']]
    made += [['history', name, '--out-dir', 'out'] for name in ('h', 'none', 'gone', 'pics/0.png', '\udcff')]
    made += [['history', 'h', '--pictures', '../x', '--out-dir', 'out']]
    made += [boxam(ground, '--workers', text, img='pics') for text in ('0', '-1', 'x', '1e9', '99999')]
    errors = ['errors', *ground.detector, '--number', '1', '--out-dir', 'out']
    made += [
        [*errors, '--worst', '0'],
        [*errors, '--ann', 'ann.json', '--images', 'pics/0.png'],
        [*errors, '--rank', 'x'],
    ]
    made += [['errors', *ground.classifier, '--number', '1', '--out-dir', 'out']]
    made += [['cam', 'pics/0.png', *ground.classifier, '--task', text, '--out-dir', 'out'] for text in ('x', '', '0')]
    return made


def readings(ground: Ground) -> List[Words]:
    """``--window``, ``--max-pixels`` and ``--region``."""
    deep = np.full((20, 30), 700, np.uint16)
    cv2.imwrite(str(ground.folder / 'flat.png'), deep)
    cv2.imwrite(str(ground.folder / 'black.png'), np.zeros((80, 96), np.uint8))
    windows = [['5', '5'], ['9', '1'], ['99%', '1%'], ['1', '50%'], ['-1e30', '1e30'], ['x', '1'], ['0%', '100%']]
    made = [boxam(ground, '--window', *each, img='flat.png') for each in windows]
    made += [boxam(ground, '--max-pixels', text) for text in ('0', '1', 'x', '1e99', '-5', 'nan')]
    region = ['--target', 'mask', '--region']
    made += [boxam(ground, *region, name) for name in ('black.png', 'flat.png', 'ann.json', 'gone.png', 'pics', '')]
    made += [boxam(ground, '--region', 'flat.png'), boxam(ground, '--target', 'mask')]
    pipeline = ['pipeline', ground.detector[0], '-n', '1', '-o', 'out']
    return [*made, *([*pipeline, '--window', *each] for each in windows)]


STEPS: Sequence[Any] = (
    None,
    [],
    {},
    'x',
    [dict(type='LoadImageFromFile')],
    [dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=[])],
    [dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=[[]])],
    [dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=5)],
    [dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=[[dict(type='NoSuch')]])],
    [dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=[[dict(type='mmdet.PackDetInputs')]] * 2)],
    [dict(type='TestTimeAug', transforms=[[dict(type='RandomFlip')]])],
    [dict(type='TestTimeAug')],
)


def views(ground: Ground) -> List[Words]:
    """Pipelines of test-time augmentation that are none."""
    made = []
    for number, steps in enumerate(STEPS):
        name = ground.config(f'tta{number}.py', dict(ground.settings, tta_pipeline=steps))
        made.append(['pipeline', name, '--phase', 'tta', '-n', '1', '-o', 'out'])
    text = json.dumps({'default_scope': 'mmdet', 'tta_pipeline': [{'type': 'LoadImageFromFile'}]})
    (ground.folder / 'alone.json').write_text(text)
    skipped = ['--skip-type', 'LoadImageFromFile', 'PackDetInputs', 'TestTimeAug']
    return [*made, ['pipeline', 'alone.json', '--phase', 'tta', '-o', 'out'], [*made[9], *skipped]]


TABLES: Dict[str, Callable[[Ground], List[Words]]] = {
    each.__name__: each for each in (results, reports, comparisons, small_ones, readings, views)
}


@kind(12)
def single_commands(rng: random.Random, ground: Ground) -> Words:
    """One of the cases of this module."""
    return rng.choice(rng.choice(list(TABLES.values()))(ground))

"""A table of everything that can be wrong with what a user gives: each kind makes any number of cases from a seed."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import cv2
import numpy as np
import torch
from soak_ground import Ground

Maker = Callable[[random.Random, Ground], List[str]]

KINDS: Dict[str, Tuple[int, Maker]] = {}
VALUES: List[Any] = [
    None,
    -1,
    0,
    1,
    7,
    0.5,
    1e30,
    10**12,
    True,
    '',
    'x',
    'mmdet',
    [],
    {},
    [1, 'a'],
    {'type': 'x'},
    (3,),
]
TEXTS = [
    '', '-1', '0', '7', '0.5', '1e999', 'nan', 'x', 'x' * 5000, '9' * 400, '\udcff', '../..', 'a\nb', 'None', '--', '*',
    '[', '{}', '/', '/dev/null', '/proc/1', '~', 'ü.png', 'http://[::1', 'neck', 'auto', '1000000000', '-0', '0x10',
]  # fmt: skip


def kind(share: int) -> Callable[[Maker], Maker]:
    """Register a kind of bad inputs.

    Args:
        share: How many of a hundred cases are of it.
    """

    def register(make: Maker) -> Maker:
        KINDS[make.__name__.replace('_', ' ')] = (share, make)
        return make

    return register


def boxam(ground: Ground, *words: str, img: str = 'pics/0.png') -> List[str]:
    """The words of a run that is all right but for these."""
    return ['boxam', img, *ground.detector, '--topk', '1', '--method', 'gradcam', '--out-dir', 'out', *words]


def spoiled(rng: random.Random, data: bytes) -> bytes:
    """Bytes cut, filled or changed somewhere."""
    how = rng.randrange(5)
    at = rng.randrange(len(data))
    if how == 0:
        return data[:at]
    if how == 1:
        return data[:at] + bytes(rng.randrange(256) for _ in range(64)) + data[at + 64 :]
    if how == 2:
        return b'\0' * len(data)
    return rng.choice([b'', b'\xff\xd8', b'<html>', data + data, data[at:], data[::-1]])


@kind(10)
def broken_pictures(rng: random.Random, ground: Ground) -> List[str]:
    """Files that are no pictures or videos, or whose bytes are spoiled."""
    name = f'out/../bad.{rng.choice(["png", "jpg", "bmp", "tif", "webp", "ppm", "mp4", "avi"])}'
    file = ground.folder / Path(name).name
    file.write_bytes(spoiled(rng, (ground.folder / 'pics' / '0.png').read_bytes()))
    return rng.choice([boxam, lambda g, img: ['featmap', img, *g.detector, '--out-dir', 'out']])(ground, img=file.name)


@kind(5)
def odd_pictures(rng: random.Random, ground: Ground) -> List[str]:
    """Pictures of one pixel, of one row, with other channels and depths."""
    shape = rng.choice([(1, 1), (1, 500, 3), (500, 1, 3), (9, 9), (20, 30, 4), (7, 5, 3), (64, 64, 1), (3, 3000)])
    kinds = [np.uint8, np.uint16, np.float32] if len(shape) == 2 or shape[2] in (1, 3) else [np.uint8]
    data = np.random.default_rng(rng.random().__hash__() % 2**31).random(shape)
    cv2.imwrite(str(ground.folder / 'odd.tif'), (data * 255).astype(rng.choice(kinds)))
    return boxam(ground, img='odd.tif')


@kind(6)
def names(rng: random.Random, ground: Ground) -> List[str]:
    """Names that are too long, not UTF-8, or mean something to a shell or pattern."""
    name = rng.choice(
        [
            'a' * 255,
            'b' * 300 + '.png',
            '\udcff\udcfe.png',
            'c\n.png',
            ' .png',
            'ü€😀.png',
            '-dash.png',
            'x' * 250 + '.png',
        ]
        + [
            'd/' * 200 + 'e.png',
            '%s%d{}.png',
            '\'".png',
            '*.png',
            '[a].png',
            '.hidden.png',
            'no.PNG',
            'a.b.c.png',
            '\udcff',
        ]
    )
    place = Path(os.fsdecode(os.fsencode(ground.folder)), 'named', name)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((ground.folder / 'pics' / '0.png').read_bytes())
    except OSError:
        pass
    img = rng.choice([f'named/{name}', 'named', 'named/*'])
    return boxam(ground, *rng.choice([[], ['--save-maps'], ['--out-file', f'out/{name}']]), img=img)


@kind(6)
def lists(rng: random.Random, ground: Ground) -> List[str]:
    """Lists of pictures in other encodings, of names that cannot be, of nothing."""
    good = 'pics/0.png\n'
    content = rng.choice(
        [b'', b'\n\n', b'\xff\xfe' + good.encode('utf-16-le'), b'\xef\xbb\xbf' + good.encode(), b'\0', b'a\0b.png\n']
        + [(good + 'x' * 5000 + '.png').encode(), b'\xff\xfe\xfd.png\n' + good.encode(), good.encode() * 3, b'pics\n']
        + [(good + '/' * 9000).encode(), b'pics/0.png\r\npics/1.png', b'../..\n' + good.encode(), os.urandom(300)]
    )
    (ground.folder / 'list.txt').write_bytes(content)
    return boxam(ground, img='list.txt')


def _paths(value: Any, path: List[Any]) -> List[List[Any]]:
    if isinstance(value, dict):
        return [path, *(each for key in value for each in _paths(value[key], [*path, key]))]
    if isinstance(value, (list, tuple)):
        return [path, *(each for n in range(len(value)) for each in _paths(value[n], [*path, n]))]
    return [path]


def _changed_settings(rng: random.Random, ground: Ground, roots: List[str]) -> str:
    root = rng.choice([name for name in roots if name in ground.settings])
    paths = _paths(ground.settings[root], [root])
    while True:
        try:
            return ground.config('changed.py', ground.changed(rng.choice(paths), rng.choice(VALUES)))
        except TypeError:  # a tuple cannot be changed
            continue


@kind(18)
def values_of_the_model(rng: random.Random, ground: Ground) -> List[str]:
    """A setting of the model or its pipeline with a value that it cannot have."""
    config = _changed_settings(rng, ground, ['model', 'test_pipeline', 'test_dataloader', 'default_scope'])
    return ['boxam', 'pics/0.png', config, ground.detector[1], '--topk', '1', '--method', 'gradcam', '--out-dir', 'out']


@kind(8)
def values_of_the_data(rng: random.Random, ground: Ground) -> List[str]:
    """A setting of the training set with a value that it cannot have."""
    config = _changed_settings(rng, ground, ['train_dataloader', 'train_pipeline'])
    return ['pipeline', config, '--number', '1', '--out-dir', 'out']


@kind(8)
def values_of_the_training(rng: random.Random, ground: Ground) -> List[str]:
    """A setting of optimizer, schedulers or loop with a value that it cannot have."""
    names = ['optim_wrapper', 'param_scheduler', 'train_cfg', 'train_dataloader', 'default_hooks', 'custom_hooks']
    config = _changed_settings(rng, ground, names)
    return ['lr', config, '--dataset-size', '20', '--save-path', f'out/lr.{rng.choice(["png", "svg", "pdf"])}']


CONFIGS: List[Tuple[str, bytes]] = [
    ('c.py', b"\xef\xbb\xbf_base_ = 'detector.py'\n"), ('c.py', b"_base_ = 'c.py'\n"), ('c.py', b'a = 1 / 0\n'),
    ('c.py', b'import sys\nsys.exit(0)\n'), ('c.py', b'raise SystemExit\n'), ('c.py', b'assert 1 == 2\n'),
    ('c.py', b'a = (\n'), ('c.py', b'a = 1\0\n'), ('c.py', b"a = '\xe9'\n"), ('c.py', b'\xff\xfe'), ('c.py', b''),
    ('c.py', b"_base_ = ['nowhere.py']\n"), ('c.py', b'_base_ = 5\n'), ('c.py', b'_base_ = [None]\n'),
    ('c.py', b"custom_imports = dict(imports=['nowhere'])\n"), ('c.py', b'custom_imports = 5\n'),
    ('c.py', b"_base_ = 'detector.py'\nmodel = dict(_delete_=True)\n"), ('c.py', b'model = 5\n'),
    ('c.py', b"_base_ = 'detector.py'\nmodel = None\n"), ('c.py', b'def f(): return f()\nf()\n'),
    ('c.py', b'from mmengine.config import read_base\nwith read_base():\n    from .c import *\n'),
    ('c.py', b"_base_ = 'detector.py'\ndefault_scope = 'nowhere'\n"), ('c.py', b'x' * 100000),
    ('c.py', b'raise Exception\n'),
    ('c.yaml', b'model: !!python/object/apply:os.mkdir [ran]\n'), ('c.yaml', b'a: [\n'), ('c.yaml', b'5\n'),
    ('c.yaml', b''),
    ('c.yaml', b'_base_: c.yaml\n'), ('c.yaml', b'_base_: detector.py\n'), ('c.yaml', b'a: &a [*a]\n'),
    ('c.yaml', b'\t- a'),
    ('c.json', b'[1, 2]'), ('c.json', b'\xef\xbb\xbf{}'), ('c.json', b'{'), ('c.json', b'[' * 90000),
    ('c.json', b'null'),
    ('c.json', b'{"model": {"type": "os.system"}}'), ('c.json', b'{"_base_": 3}'), ('c.txt', b'model = 1'), ('c', b''),
]  # fmt: skip


@kind(9)
def configs(rng: random.Random, ground: Ground) -> List[str]:
    """Configs that are no configs."""
    name, content = rng.choice(CONFIGS)
    (ground.folder / name).write_bytes(content)
    command = rng.choice(['boxam', 'layers', 'lr', 'pipeline'])
    last = {'boxam': ['pics/0.png', name, ground.detector[1], '--out-dir', 'out'], 'layers': [name]}
    return [command, *last.get(command, [name, '--out-dir', 'out'] if command == 'pipeline' else [name])]


@kind(8)
def checkpoints(rng: random.Random, ground: Ground) -> List[str]:
    """Checkpoints that are cut, of another model, or hold anything."""
    file = ground.folder / 'bad.pth'
    if rng.random() < 0.4:
        file.write_bytes(spoiled(rng, (ground.folder / ground.detector[1]).read_bytes()))
    else:
        state = torch.load(str(ground.folder / ground.detector[1]), weights_only=True)['state_dict']
        name = rng.choice(list(state))
        how = rng.randrange(6)
        if how == 0:
            state[name] = rng.choice([torch.zeros(0), torch.full_like(state[name].float(), float('nan')), 'x', None, 5])
        elif how == 1:
            state = dict(rng.sample(list(state.items()), rng.randrange(len(state))))
        elif how == 2:
            state = {rng.choice(['module.', 'a.', '']) + key: value for key, value in state.items()}
        meta = rng.choice([None, 5, 'x', [], {'dataset_meta': rng.choice(VALUES)}, {'CLASSES': rng.choice(VALUES)}])
        meta = rng.choice([meta, {'dataset_meta': {'classes': rng.choice(VALUES), 'palette': rng.choice(VALUES)}}])
        whole = rng.choice([dict(state_dict=state, meta=meta), state, [state], dict(model=state, meta=meta), 7])
        torch.save(whole, str(file))
    return ['boxam', 'pics/0.png', ground.detector[0], 'bad.pth', '--topk', '1', '--out-dir', 'out']


@kind(12)
def options(rng: random.Random, ground: Ground) -> List[str]:
    """Options of every command with any text."""
    import importlib

    name, words = rng.choice(
        [
            ('boxam', boxam(ground)),
            ('featmap', ['featmap', 'pics/0.png', *ground.detector, '--out-dir', 'out']),
            ('cam', ['cam', 'pics/0.png', *ground.classifier, '--out-dir', 'out']),
            ('layers', ['layers', *ground.detector]),
            ('lr', ['lr', ground.detector[0], '-d', '20', '--save-path', 'out/a.png']),
            ('pipeline', ['pipeline', ground.detector[0], '-n', '1', '--out-dir', 'out']),
            ('history', ['history', 'pics', '--out-dir', 'out']),
            ('errors', ['errors', *ground.detector, '--number', '1', '--worst', '1', '--out-dir', 'out']),
        ]
    )
    parser = importlib.import_module(f'mmlens.cli.commands.{name}').build_parser()
    flags = [
        action
        for action in parser._actions
        if action.option_strings and action.dest not in ('help', 'show', 'traceback')
    ]
    for action in rng.sample(flags, rng.randrange(1, 3)):
        flag = max(action.option_strings, key=len)
        number = action.nargs if isinstance(action.nargs, int) else 1
        words += [flag] if number == 0 else [flag, *(rng.choice(TEXTS) for _ in range(number))]
    return words


@kind(5)
def places(rng: random.Random, ground: Ground) -> List[str]:
    """Places where nothing can be written."""
    place = rng.choice(
        ['pics/0.png', 'detector.py/x', 'x' * 300, 'y/' * 3000, '/dev/null/x', '/proc/x', '', '.', '\udcff']
    )
    words = rng.choice([['--out-dir', place], ['--out-file', place], ['--out-file', 'pics/../pics/0.png']])
    return ['boxam', 'pics/0.png', *ground.detector, '--topk', '1', '--method', 'gradcam', *words]


@kind(5)
def annotations(rng: random.Random, ground: Ground) -> List[str]:
    """Annotations of COCO in which one value is another."""
    content: Any = json.loads(json.dumps(ground.annotations))
    path = rng.choice([path for path in _paths(content, []) if path])
    part = content
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = rng.choice(VALUES)
    text = rng.choice([json.dumps(content)] * 6 + ['', '[', '[]', '5', '{}'])
    (ground.folder / 'bad.json').write_text(text)
    if rng.random() < 0.5:
        return boxam(ground, '--ann', 'bad.json')
    words = ['--ann', 'bad.json', '--images', 'pics', '--worst', '1', '--out-dir', 'out']
    return ['errors', *ground.detector, *words]


ADDRESSES = [
    'http://[::1',
    'http://127.0.0.1:1/x.jpg',
    'http:///',
    'ftp://127.0.0.1/x.jpg',
    'file:///etc/passwd',
    'http://',
]
ADDRESSES += [
    'http://127.0.0.1:99999/x',
    'https://a b/c.jpg',
    'HTTP://127.0.0.1:1/',
    'http://\udcff/x.jpg',
    'http://127.0.0.1:1/' + 'x' * 999,
]


@kind(3)
def addresses(rng: random.Random, ground: Ground) -> List[str]:
    """Addresses that are none, or lead nowhere."""
    address = rng.choice(ADDRESSES)
    return rng.choice([boxam(ground, img=address), ['layers', ground.detector[0], address], ['lr', address]])

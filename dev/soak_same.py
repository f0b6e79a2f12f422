"""The soak's last part: what has to be the same bytes twice."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Dict, List

from soak_ground import Ground
from soak_processes import start


def soak_same(rounds: int = 1, seed: int = 0) -> Dict[str, Any]:
    """Compare figures of two runs, and the weights of a training with hooks and of one without."""
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder) / 'ground')
        digests: Dict[str, List[str]] = {}
        for number in range(2):
            for ending in ('svg', 'pdf', 'png'):
                words = ['lr', ground.detector[0], '-d', '20', '--save-path', f'out/{number}.{ending}']
                start(ground, words).communicate()
                content = (ground.folder / 'out' / f'{number}.{ending}').read_bytes()
                digests.setdefault(ending, []).append(hashlib.sha256(content).hexdigest())
        digests['training'] = [_trained(ground.folder, hooks) for hooks in (False, True)]
    told = {name: [text for text in pair if text.startswith('failed')] for name, pair in digests.items()}
    differing = [name for name, (one, two) in digests.items() if one != two]
    return dict(
        cases=len(digests), bad=[dict(kind=name, faults=['other bytes'], told=str(told[name])) for name in differing]
    )


def _trained(folder: Path, hooks: bool) -> str:
    command = [sys.executable, '-W', 'ignore', __file__, str(folder), json.dumps(hooks)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip().splitlines()[-1] if done.returncode == 0 else f'failed {hooks}: {done.stderr[-300:]}'


def train(folder: Path, hooks: bool) -> str:
    """Train a few iterations; returns the digest of the weights."""
    import os

    from mmengine.config import Config
    from mmengine.runner import Runner

    from mmlens import compat

    compat.prepare()
    os.chdir(folder)
    cfg = Config.fromfile('detector.py')
    cfg.work_dir = f'work_{hooks}'
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3)
    for phase in ('val', 'test'):
        cfg[f'{phase}_dataloader'] = cfg[f'{phase}_cfg'] = cfg[f'{phase}_evaluator'] = None
    cfg.train_dataloader.sampler.shuffle = True
    cfg.randomness = dict(seed=0)
    cfg.log_level = 'ERROR'
    cfg.load_from = None
    watched = dict(type='mmlens.BoxAMVisHook', interval=1, pictures=['pics/0.png'], method='gradcam', score_thr=0.0)
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), *([watched] if hooks else [])]
    if hooks:
        cfg.custom_imports = dict(imports=['mmlens.engine'], allow_failed_imports=False)
        import mmlens.engine  # noqa: F401
    runner = Runner.from_cfg(cfg)
    runner.train()
    if hooks and not list(Path(cfg.work_dir).rglob('*.png')):
        raise SystemExit('the hook drew nothing')
    digest = hashlib.sha256()
    for name, value in sorted(runner.model.state_dict().items()):
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()


if __name__ == '__main__':
    warnings.simplefilter('ignore')
    print(train(Path(sys.argv[1]), json.loads(sys.argv[2])))

"""The soak's leak matrix: whatever the model and the method, the model is given back as it was."""

from __future__ import annotations

import copy
import random
from typing import Any, Callable, Dict, List

import numpy as np
import torch
from soak_ground import say
from soak_threads import METHODS, networks, pictures
from torch import nn


def _averaged(model: nn.Module) -> nn.Module:
    from mmengine.model import ExponentialMovingAverage

    wrapped = ExponentialMovingAverage(model)
    wrapped.cfg, wrapped.dataset_meta = model.cfg, model.dataset_meta
    return wrapped


def _parallel(model: nn.Module) -> nn.Module:
    wrapped = nn.DataParallel(model)
    wrapped.cfg, wrapped.dataset_meta = model.cfg, model.dataset_meta
    return wrapped


def _compiled_part(model: nn.Module) -> nn.Module:
    model.backbone = torch.compile(model.backbone, backend='eager')
    return model


def _compiled(model: nn.Module) -> nn.Module:
    model.compile(backend='eager')
    return model


def _lived_in(model: nn.Module) -> nn.Module:
    model.train()
    model.backbone.stem.eval()
    for number, parameter in enumerate(model.parameters()):
        parameter.requires_grad_(number % 3 != 0)
        parameter.grad = torch.full_like(parameter, number) if number % 2 else None
    return model


def _raising(model: nn.Module) -> nn.Module:
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError('in between')

    model.bbox_head.forward = forward
    return model


MODELS: Dict[str, Callable[[nn.Module], nn.Module]] = {
    'as loaded': lambda model: model,
    'in training, partly frozen, with gradients': _lived_in,
    'half': lambda model: model.half(),
    'bfloat16': lambda model: model.bfloat16(),
    'float64': lambda model: model.double(),
    'compiled': _compiled,
    'a compiled part': _compiled_part,
    'in DataParallel': _parallel,
    'averaged': _averaged,
    'a head that raises': _raising,
}


def state_of(model: nn.Module) -> Dict[str, Any]:
    """Everything that a caller could find changed."""
    modules, parameters = dict(model.named_modules()), dict(model.named_parameters())
    return {
        'modules': {name: id(module) for name, module in modules.items()},
        'hooks': {
            (name, kind): list(getattr(module, kind))
            for name, module in modules.items()
            for kind in vars(module)
            if kind.endswith('_hooks') and kind.startswith(('_forward', '_backward'))
        },
        'training': {name: module.training for name, module in modules.items()},
        'forward': {name: id(vars(module).get('forward')) for name, module in modules.items()},
        'values': {name: (id(p), p.detach().double().sum().item(), p.dtype) for name, p in parameters.items()},
        'buffers': {name: (id(b), b.double().sum().item(), b.dtype) for name, b in model.named_buffers()},
        'requires_grad': {name: p.requires_grad for name, p in parameters.items()},
        'grad': {name: None if p.grad is None else id(p.grad) for name, p in parameters.items()},
        'random': (random.getstate(), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()),
        'default type': torch.get_default_dtype(),
    }


def soak_leaks(rounds: int = 1, seed: int = 0) -> Dict[str, Any]:
    """Explain every kind of model by every method, and compare the model before and after."""
    from mmlens import explain_boxes

    picture, bad = pictures()[0], []
    outcomes: Dict[str, Dict[str, int]] = {}
    cases = 0
    for number, plain in enumerate(networks()[:2]):
        for name, change in MODELS.items():
            model = change(copy.deepcopy(plain.model))
            counted = outcomes.setdefault(name, {'explained': 0, 'refused': 0, 'leaks': 0})
            for method, options in METHODS.items():
                before = state_of(model)
                error = ''
                try:
                    explain_boxes(model, picture, method=method, method_options=options, score_thr=0.1, topk=1)
                    counted['explained'] += 1
                except Exception as raised:
                    counted['refused'] += 1
                    error = f'{type(raised).__name__}: {raised}'.split('\n')[0][:200]
                after = state_of(model)
                changed = [key for key in before if after[key] != before[key]]
                counted['leaks'] += bool(changed)
                cases += 1
                faults: List[str] = [f'{key} changed' for key in changed]
                if error and name != 'a head that raises':
                    say(f'{name}, {method}: {error}')
                if faults:
                    bad.append(dict(kind=name, method=method, detector=number, faults=faults, told=error))
                    say(f'{name}, {method}: {faults}')
    return dict(cases=cases, kinds=outcomes, bad=bad)

"""Registries of mmlens below those of mmengine: configs name what is in them ``mmlens.<name>``.

mmengine imports this module as soon as a config names something of the scope ``mmlens``, and the modules of
``locations`` when it looks inside: such configs need no ``custom_imports``.
"""

from __future__ import annotations

from mmengine.registry import HOOKS as _HOOKS
from mmengine.registry import METRICS as _METRICS
from mmengine.registry import VISUALIZERS as _VISUALIZERS
from mmengine.registry import Registry

HOOKS = Registry('hook', parent=_HOOKS, scope='mmlens', locations=['mmlens.engine'])
METRICS = Registry('metric', parent=_METRICS, scope='mmlens', locations=['mmlens.engine'])
VISUALIZERS = Registry('visualizer', parent=_VISUALIZERS, scope='mmlens', locations=['mmlens.engine'])

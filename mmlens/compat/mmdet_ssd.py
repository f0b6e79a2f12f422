"""Let mmdet's SSD predict.

Reason: ``SSDHead`` builds no ``loss_cls`` (its loss is written out), but since mmdet 3.0 the ``predict_by_feat`` that
it inherits reads a setting from it, so inference raises AttributeError. Delete when SSDHead has the attribute.
"""

from __future__ import annotations

import sys

from mmlens.compat.import_hooks import after_import

MODULE = 'mmdet.models.dense_heads.ssd_head'


def install() -> None:
    """Give SSDHead an empty ``loss_cls``, now or when it is imported. Idempotent."""
    after_import(MODULE, _give_loss_cls)


def _give_loss_cls() -> None:
    head = sys.modules[MODULE].SSDHead
    if not hasattr(head, 'loss_cls'):
        head.loss_cls = None

"""mmdet's SSD head, with the attribute that its prediction asks for."""

from __future__ import annotations

PREPARE = 'from mmlens.compat import mmcv_ops, mmdet_ssd\nmmcv_ops.install()\n'
IMPORT = 'from mmdet.models.dense_heads import SSDHead\n'
ASK = "print('loss_cls' in vars(SSDHead))\n"
INSTALL = 'mmdet_ssd.install()\n'


def test_a_head_imported_later_is_helped(fresh):
    done = fresh(PREPARE + INSTALL + INSTALL + IMPORT + ASK)
    assert done.stdout.split()[-1:] == ['True'], done.stderr


def test_a_model_that_was_built_before_is_helped_too_and_a_loss_that_is_there_is_kept(fresh):
    code = """
assert not hasattr(SSDHead, 'loss_cls')
mmdet_ssd.install()
print(SSDHead.loss_cls)
SSDHead.loss_cls = 'its own'
mmdet_ssd.install()
print(SSDHead.loss_cls)
"""
    done = fresh(PREPARE + IMPORT + code)
    assert done.stdout.splitlines()[-2:] == ['None', 'its own'], done.stderr

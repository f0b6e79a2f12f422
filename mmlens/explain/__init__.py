"""The front doors, one a question."""

from __future__ import annotations

from .. import compat

compat.prepare()  # before the first import of mmdet, mmyolo or mmpretrain, all of which happen in here

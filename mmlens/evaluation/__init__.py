"""How true are the maps of a detector on many pictures? Rows of methods beside baselines, box by box.

Example:
    >>> from mmlens import evaluation, load_detector
    >>> detector = load_detector('config.py', 'checkpoint.pth')
    >>> rows = [evaluation.read_row('gradcam'), *evaluation.baselines(detector)]
    >>> case = evaluation.Case('dog', lambda: ('dog.jpg', None))
    >>> table = evaluation.evaluate_cases(detector, [case], rows)
    >>> print(evaluation.markdown(table, evaluation.means_of(table)))
"""

from __future__ import annotations

from .cases import Case, Truth, sample
from .coco import CocoFile, test_set
from .rows import Row, baselines, read_row
from .run import PROGRESS, cost_of, evaluate_cases
from .summary import Mean, grid, markdown, means_of, pairs_of, write_means, write_pairs
from .table import Table

__all__ = [
    'PROGRESS',
    'Case',
    'CocoFile',
    'Mean',
    'Row',
    'Table',
    'Truth',
    'baselines',
    'cost_of',
    'evaluate_cases',
    'grid',
    'markdown',
    'means_of',
    'pairs_of',
    'read_row',
    'sample',
    'test_set',
    'write_means',
    'write_pairs',
]

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

from .cases import Case, Truth, bare_case, sample
from .coco import CocoFile, marks_of, test_set, truth_of_info
from .progress import PROGRESS
from .rows import Row, baselines, class_baselines, read_options, read_row
from .run import check_rows, cost_of, evaluate_cases
from .summary import Mean, draw_means, grid, markdown, means_of, pairs_of, report, write_means, write_pairs
from .table import Table

__all__ = [
    'PROGRESS',
    'Case',
    'CocoFile',
    'Mean',
    'Row',
    'Table',
    'Truth',
    'bare_case',
    'baselines',
    'check_rows',
    'class_baselines',
    'cost_of',
    'draw_means',
    'evaluate_cases',
    'grid',
    'markdown',
    'marks_of',
    'means_of',
    'pairs_of',
    'read_options',
    'read_row',
    'report',
    'sample',
    'test_set',
    'truth_of_info',
    'write_means',
    'write_pairs',
]

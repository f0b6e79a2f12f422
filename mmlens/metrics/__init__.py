"""How true is a map? Figures on arrays, their baselines and intervals; no network, no torch.

A map ``values`` has shape (H, W) and lies on the picture's grid; a box is ``x1, y1, x2, y2`` in picture pixels.
"""

from __future__ import annotations

from .baselines import gaussian_map, random_map, sobel_map
from .correlation import sanity_correlation, spearman
from .detections import box_score, iou
from .error_costs import ErrorCosts, average_precision, error_costs
from .evidence import NEAR, EvidenceHit, evidence_hit
from .intervals import Interval, bootstrap, paired_difference
from .perturbation import (
    ALTERATIONS,
    SHARES,
    altered_pictures,
    area_under_score,
    deletion,
    insertion,
    oa,
    success,
    success_rate,
)
from .ranking import order_of, peak_of
from .regions import compactness, epg, odi, pointing
from .tide import ERROR_TYPES, FOREGROUND, Match, PictureErrors, error_types, match_truths

__all__ = [
    'ALTERATIONS',
    'ERROR_TYPES',
    'NEAR',
    'SHARES',
    'FOREGROUND',
    'ErrorCosts',
    'EvidenceHit',
    'Interval',
    'Match',
    'PictureErrors',
    'altered_pictures',
    'area_under_score',
    'average_precision',
    'bootstrap',
    'box_score',
    'compactness',
    'deletion',
    'epg',
    'error_costs',
    'error_types',
    'evidence_hit',
    'gaussian_map',
    'insertion',
    'iou',
    'match_truths',
    'oa',
    'odi',
    'order_of',
    'paired_difference',
    'peak_of',
    'pointing',
    'random_map',
    'sanity_correlation',
    'sobel_map',
    'spearman',
    'success',
    'success_rate',
]

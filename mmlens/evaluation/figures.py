"""The figures of one box's map."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Dict, List, Optional

import numpy as np

from .. import metrics

# Figure -> how a table heads it.
FIGURES = {
    'deletion': 'deletion',
    'insertion': 'insertion',
    'oa': 'OA',
    'pointing': 'pointing',
    'pointing_mask': 'pointing, mask',
    'epg': 'EPG',
    'epg_mask': 'EPG, mask',
    'compactness': 'compactness',
    'odi': 'ODI',
    'evidence_exact': 'peak on mark',
    'evidence_near': f'within {metrics.NEAR:g}',
    'evidence_share': 'share on mark',
    'success': 'success',
    'sanity': 'sanity',
    'blank': 'blank',
}
MISSED = 'missed'  # a curve: of the object that a wrong detection missed
LOWER_IS_BETTER = ('deletion', 'compactness', 'odi', 'sanity', 'blank')


@dataclass
class Box:
    """A detection, and what its map is compared with.

    Attributes:
        box: Shape (4,): the detected box.
        label: Its class.
        class_name: The name of that.
        score: Its confidence.
        region: Shape (4,): the box of the object that it found, else its own.
        mask: The mask of the object, else its own; ``None`` if there is neither.
        mark: The known evidence, if any.
        others: Shape (M, 4): boxes of the other objects.
        truth: Index of the object that it found, or confuses.
        error: What is wrong with the detection; ``None`` if nothing is known of the picture.
        missed: Shape (4,): the object on which this detection lies, and which no right detection found; ``None`` if
            there is none.
        missed_label: The class of that.
    """

    box: np.ndarray
    label: int
    class_name: str
    score: float
    region: np.ndarray
    mask: Optional[np.ndarray] = None
    mark: Optional[np.ndarray] = None
    others: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    truth: Optional[int] = None
    error: Optional[str] = None
    missed: Optional[np.ndarray] = None
    missed_label: int = -1

    @property
    def area(self) -> float:
        """Area of the region in pixels, which COCO's sizes go by."""
        width, height = self.region[2:] - self.region[:2]
        return float(width * height)


def figures_of(
    values: Optional[np.ndarray], box: Box, curves: Dict[str, List[float]], sanity: float = math.nan
) -> Dict[str, float]:
    """All figures of a map; NaN where one has no meaning for this box.

    Args:
        values: Shape (H, W); ``None`` if there is no map.
        box: The box that it explains.
        curves: Relative scores of the box at each share, by alteration, and under :data:`MISSED` the scores of the
            object that it missed at each share of the insertion; may be empty.
        sanity: Its correlation with the map of a network drawn anew.
    """
    if values is None:
        return dict.fromkeys(FIGURES, math.nan)
    nothing = math.nan
    areas = {name: float(metrics.area_under_score(curves[name], 1.0)) for name in metrics.ALTERATIONS if name in curves}
    removed, inserted = areas.get('deletion', nothing), areas.get('insertion', nothing)
    figures = dict(
        deletion=removed,
        insertion=inserted,
        oa=metrics.oa(inserted, removed),
        pointing=metrics.pointing(values, box.region),
        pointing_mask=nothing if box.mask is None else metrics.pointing(values, box.mask),
        epg=metrics.epg(values, box.region),
        epg_mask=nothing if box.mask is None else metrics.epg(values, box.mask),
        compactness=metrics.compactness(values, box.box),
        odi=metrics.odi(values, list(box.others), [box.region, *box.others]) if len(box.others) else nothing,
        success=metrics.success(curves[MISSED]) if MISSED in curves else nothing,
        sanity=sanity,
        blank=float(not np.any(values)),
    )
    hit = None if box.mark is None else metrics.evidence_hit(values, box.mark, box.region)
    for name in ('exact', 'near', 'share'):
        figures[f'evidence_{name}'] = nothing if hit is None else getattr(hit, name)
    return {name: figures[name] for name in FIGURES}

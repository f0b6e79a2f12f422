"""What ``feature_maps`` returns: plain arrays in picture coordinates, with the words that belong to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Dict, List, Optional, Tuple

import numpy as np

from ..errors import MmlensError
from .explanation import Explanation, Record, rows, shared, texts
from .exports import Objects, OfObjects, Table
from .predicted import Predicted
from .saving import Column

if TYPE_CHECKING:
    from ..rendering import Drawing


@dataclass(eq=False, repr=False)
class FeatureMap(Record):
    """One level of one layer, laid over the picture.

    Attributes:
        layer: The layer's name, as the user wrote it.
        level: Position among the layer's levels, from 0.
        levels: How many levels the layer has.
        shape: ``(C, h, w)`` of the level as the network computed it.
        channels: Shape (k,), int64: the channels shown; empty if they were reduced to one map.
        maps: Shape (k, H, W), float32 on the picture's grid: the reduced map (k = 1), the ``topk``
            strongest channels, or the 1 or 3 channels of the layer. Values are the activations',
            not normalised.
    """

    layer: str
    level: int
    levels: int
    shape: Tuple[int, int, int]
    channels: np.ndarray
    maps: np.ndarray

    @property
    def name(self) -> str:
        """``backbone[1]``: the level's name for people; the bare layer if it has one level."""
        return f'{self.layer}[{self.level}]' if self.levels > 1 else self.layer

    def by_channel(self) -> List[Tuple[int, np.ndarray]]:
        """The maps (H, W), each with its channel; -1 for one that several were reduced to."""
        channels = self.channels.tolist() if len(self.channels) == len(self.maps) else [-1] * len(self.maps)
        return list(zip(channels, self.maps))

    def __repr__(self) -> str:
        maps = f'{len(self.maps)} maps' if len(self.maps) > 1 else '1 map'
        return f'<FeatureMap {self.name}: {maps} of {" x ".join(map(str, self.shape))}>'


@dataclass(eq=False, repr=False)
class FeatureMaps(Explanation[FeatureMap], OfObjects):
    """Every level of every named layer for one picture.

    Attributes:
        picture: Shape (H, W, 3), uint8, BGR, as it was read.
        maps: One entry per level, layers in the order they were named.
        predicted: What the network predicted; ``None`` if that was not asked for.
        reduction: ``'squeeze_mean'``, ``'select_max'`` or ``None``.
        notes: Sentences for the user.
        versions: Versions of the packages that made the maps.
        unfinished: Always ``False``.
    """

    kind: ClassVar[str] = 'feature maps'
    _noun: ClassVar[str] = 'level'
    unfinished: ClassVar[bool] = False  # type: ignore[misc]

    picture: np.ndarray
    maps: List[FeatureMap]
    predicted: Optional[Predicted] = None
    reduction: Optional[str] = None
    notes: List[str] = field(default_factory=list)
    versions: Dict[str, str] = field(default_factory=dict)

    @property
    def layers(self) -> Tuple[str, ...]:  # type: ignore[override]
        """Names of the layers, in the order they were named."""
        return tuple(dict.fromkeys(level.layer for level in self.maps))

    @property
    def method(self) -> str:  # type: ignore[override]
        """The reduction; ``'channels'`` if channels are shown one by one."""
        return self.reduction or 'channels'

    @property
    def detections(self) -> Optional[Predicted]:
        """What was predicted, if the network predicts boxes: a detector that found none has 0 of them."""
        return self.predicted if self.predicted is not None and self.predicted.boxes is not None else None

    def _items(self) -> List[FeatureMap]:
        return self.maps

    def objects(self) -> Objects:
        """What the network predicted, for other tools; see :class:`~mmlens.results.exports.OfObjects`."""
        found = self.detections
        if found is None or found.boxes is None:
            raise MmlensError('These feature maps are of a network that predicts no boxes: use `to_dataframe()`.')
        return Objects(
            self.picture.shape[:2], found.boxes, found.labels, list(found.class_names), found.scores, found.masks
        )

    def table(self) -> Table:
        """See :class:`~mmlens.results.exports.Tabular`.

        Returns:
            A row for each map: ``layer``, ``level``, ``channels``, ``height`` and ``width`` of the level, the
            ``channel`` shown (-1 for a reduced map), and ``mean``, ``lowest`` and ``highest`` of its values.
        """
        shown = [(level, channel, values) for level in self.maps for channel, values in level.by_channel()]
        return {
            'layer': [level.layer for level, _, _ in shown],
            'level': [level.level for level, _, _ in shown],
            'channels': [level.shape[0] for level, _, _ in shown],
            'height': [level.shape[1] for level, _, _ in shown],
            'width': [level.shape[2] for level, _, _ in shown],
            'channel': [channel for _, channel, _ in shown],
            'mean': [float(values.mean()) for _, _, values in shown],
            'lowest': [float(values.min()) for _, _, values in shown],
            'highest': [float(values.max()) for _, _, values in shown],
        }

    def drawing(self, **options: Any) -> Drawing:
        """Draw one panel per level, and say what lies where; see :meth:`draw`."""
        from ..rendering.feature_maps import drawing_of_features

        return drawing_of_features(self, **options)

    def draw(self, **options: Any) -> np.ndarray:
        """Draw one panel per level. See :func:`mmlens.rendering.draw_feature_maps` for the options.

        Returns:
            A new uint8 BGR picture.
        """
        return self.drawing(**options).image

    def columns(self) -> Dict[str, Column]:
        """What :meth:`save` writes, for L levels with K maps in all.

        Returns:
            ``maps`` (K, H, W) float32, level by level; ``map_counts`` (L,) int64: how many maps a level has;
            ``channels`` (M,) int64 and ``channel_counts`` (L,): the channels they show; ``level_layers`` (L,)
            text; ``levels`` (L, 2) int64: position among the layer's levels, and how many it has; ``shapes``
            (L, 3) int64; ``reduction`` text, empty without one; ``predicted_...``: the fields of
            :class:`~mmlens.results.predicted.Predicted` that are set; and what
            :meth:`~mmlens.results.explanation.Explanation.columns` lists.
        """
        height, width = self.picture.shape[:2]
        maps = [np.asarray(level.maps, np.float32).reshape(-1, height, width) for level in self.maps]
        channels = [np.asarray(level.channels, np.int64) for level in self.maps]
        return {
            'maps': np.concatenate([np.zeros((0, height, width), np.float32), *maps]),
            'map_counts': np.array([len(each) for each in maps], np.int64),
            'channels': np.concatenate([np.zeros(0, np.int64), *channels]),
            'channel_counts': np.array([len(each) for each in channels], np.int64),
            'level_layers': texts([level.layer for level in self.maps]),
            'levels': np.array([(level.level, level.levels) for level in self.maps], np.int64).reshape(-1, 2),
            'shapes': np.array([level.shape for level in self.maps], np.int64).reshape(-1, 3),
            'reduction': np.array(self.reduction or ''),
            **({} if self.predicted is None else self.predicted.arrays()),
            **super().columns(),
        }

    @classmethod
    def _from_arrays(cls, saved: Dict[str, np.ndarray]) -> FeatureMaps:
        columns = rows(
            saved['level_layers'].tolist(),
            saved['levels'].tolist(),
            [tuple(shape) for shape in saved['shapes'].tolist()],
            _split(saved['channels'], saved['channel_counts']),
            _split(saved['maps'], saved['map_counts']),
        )
        common = shared(saved)
        return cls(
            picture=common['picture'],
            maps=[
                FeatureMap(layer, level, levels, shape, channels, maps)
                for layer, (level, levels), shape, channels, maps in columns
            ],
            predicted=Predicted.from_arrays(saved),
            reduction=str(saved['reduction']) or None,
            notes=common['notes'],
            versions=common['versions'],
        )


def _split(values: np.ndarray, counts: np.ndarray) -> List[np.ndarray]:
    """Consecutive parts of these lengths."""
    if counts.sum() != len(values):
        raise ValueError('parts that do not add up')
    return np.split(values, np.cumsum(counts)[:-1]) if len(counts) else []

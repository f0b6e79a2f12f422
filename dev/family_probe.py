"""Draws the feature maps of one network and prints what came of it as a line of JSON; run by family_table.py.

python dev/family_probe.py '{"network": "Mask R-CNN", "config": "mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py"}'
"""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, List

from support_probe import reason, scale_pictures, synthetic_picture

SIDE = 256  # pixels: pictures are scaled to this, so that a config takes seconds


@dataclass
class Entry:
    """A config to try.

    Attributes:
        network: What people call it.
        config: Its name, as mmlens takes it.
        layers: The layers whose maps are drawn.
        options: Values of the config to override.
        text: What an open-vocabulary network is to look for.
    """

    network: str
    config: str
    layers: List[str] = field(default_factory=lambda: ['backbone'])
    options: Dict[str, Any] = field(default_factory=dict)
    text: str = ''


@dataclass
class Row:
    """The outcome for one config.

    Attributes:
        network, config: See :class:`Entry`.
        family: What ``open_network`` takes it for.
        maps: How many levels were drawn.
        layers: How many layers ``list_layers`` lists, and how many of them ran.
        drawn: What of the prediction is drawn.
        remark: The notes, or why it failed.
    """

    network: str
    config: str
    family: str = ''
    maps: int = 0
    layers: str = ''
    drawn: str = ''
    remark: str = ''

    @property
    def works(self) -> bool:
        """Whether feature maps were drawn and layers listed."""
        return bool(self.maps and self.layers)


def probe(entry: Entry) -> Row:
    """Draw the feature maps of a network with random weights on a synthetic picture, and list its layers."""
    import mmlens
    from mmlens.models.loading import read_config

    row = Row(entry.network, entry.config)
    cfg = read_config(entry.config)
    cfg.load_from = None
    scale_pictures(cfg, SIDE)
    cfg.merge_from_dict(entry.options)
    network = mmlens.open_network(cfg, device='cpu')
    row.family = network.family
    picture = synthetic_picture()
    words: Dict[str, Any] = dict(text=entry.text, custom_entities=True) if entry.text else {}
    found = mmlens.feature_maps(network, picture, layers=entry.layers, score_thr=0.0, **words)
    image = found.draw()
    assert image.ndim == 3 and image.any()
    row.maps = len(found)
    listed = mmlens.list_layers(network, picture, **words)
    row.layers = f'{len(listed)}, {sum(bool(layer.shapes) for layer in listed)} run'
    row.drawn = ', '.join(drawn(found.predicted))
    row.remark = ' '.join(found.notes)
    return row


def drawn(predicted: Any) -> List[str]:
    """What of a prediction there is to draw."""
    parts = []
    if predicted.polygons is not None:
        parts.append(f'{len(predicted.polygons)} rotated boxes')
    elif predicted.boxes is not None:
        parts.append(f'{len(predicted.boxes)} boxes')
    parts += ['masks'] if predicted.masks is not None else []
    parts += ['keypoints'] if predicted.keypoints is not None else []
    parts += [f'segments of {len(predicted.seg_names)} classes'] if predicted.seg_map is not None else []
    parts += ['class of the picture'] if predicted.classes else []
    return parts


def probe_and_print(entry: Entry) -> None:
    """Write the row of one config as the last line on stdout; a failure becomes its remark."""
    with contextlib.redirect_stdout(sys.stderr):
        try:
            row = probe(entry)
        except Exception as error:  # the table is there to show whatever a network raises
            row = Row(entry.network, entry.config, remark=reason(error))
    print(json.dumps(asdict(row)))


if __name__ == '__main__':
    probe_and_print(Entry(**json.loads(sys.argv[1])))

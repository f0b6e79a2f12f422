"""Draws every picture of README.md and docs/, most of them from the shapes detector, into docs/pictures.

python dev/draw_docs_pictures.py [NAME ...] [--out-dir docs/pictures] [--coco-checkpoint yolox_nano.pth]

The photographs are scikit-image's own. They need weights of YOLOX-Nano, trained on COCO, and are drawn where
--coco-checkpoint names these.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import cv2
import numpy as np

import mmlens
from mmlens.evaluation import Case, CocoFile
from mmlens.rendering import side_by_side
from mmlens.rendering.look import Look
from mmlens.rendering.panels import Panel
from mmlens.rendering.sheets import compose

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'dev'))
import docs_picture_plots as plots  # noqa: E402  a script that is run from anywhere

PICTURES = ROOT / 'projects' / 'shapes' / 'pictures'
CONFIG = ROOT / 'projects' / 'shapes' / 'configs' / 'shapes_rtmdet.py'
CHECKPOINT = ROOT / 'projects' / 'shapes' / 'checkpoints' / 'shapes_rtmdet.pth'
CLASSIFIER = CONFIG.with_name('shapes_classifier.py')
CLASSIFIER_CHECKPOINT = CHECKPOINT.with_name('shapes_classifier.pth')
LANDSCAPE, PORTRAIT, TALL = (PICTURES / f'{name}.jpg' for name in ('000005', '000008', '000021'))

METHODS = (
    *('evidencecam', 'gradcam', 'gradcam++', 'layercam', 'xgradcam', 'eigengradcam', 'eigencam', 'gradnorm'),
    *('ablationcam', 'scorecam', 'reciprocam', 'drise', 'integratedgradients', 'precisionsearch'),
)
COIN = (46, 26, 166)  # left, top and side of a square of PORTRAIT, in pixels
COIN_AND_STAR = (100, 58, 198)  # of LANDSCAPE
MASKS = dict(drise=dict(num_masks=200, exact=True))
MOST_BYTES = 200_000
PADDING = 114  # grey of the shapes detector's Pad

YOLOX_NANO = 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py'


def box_maps(detector: Any) -> np.ndarray:
    """Detections whose classes differ in a mark and, next to them, the map of each box."""
    return mmlens.explain_boxes(detector, TALL, classes=['coin_dot', 'coin_cross']).draw(layout='panels')


def contrast(detector: Any) -> np.ndarray:
    """What speaks for the cross and against the dot, and what the other way round."""
    return mmlens.explain_boxes(detector, LANDSCAPE, against='auto', topk=2, score_thr=0.5).draw(layout='panels')


def beside(detector: Any) -> np.ndarray:
    """What tells huts apart stands beside them: at the neck it is not to be seen, and in the default it is."""
    files = CONFIG.with_name('evidence_rtmdet.py'), CHECKPOINT.with_name('evidence_rtmdet.pth')
    own = mmlens.load_detector(*files, device='cpu')
    picture = scaled(cv2.imread(str(PICTURES.with_name('evidence_pictures') / '000007.jpg')), height=480)
    huts = dict(classes=['hut_flag', 'hut_lamp'], against='auto', score_thr=0.5)
    drawn = [mmlens.explain_boxes(own, picture, method=method, **huts).draw() for method in ('gradcam', 'evidencecam')]
    return side_by_side(drawn, ['gradcam at the neck', 'evidencecam, the default'])


def errors(detector: Any) -> np.ndarray:
    """A coin that is annotated as the other one: what made the class, and what speaks for the annotated one."""
    cases = CocoFile(PICTURES.with_suffix('.json'), PICTURES).cases(plots.CLASSES)
    (case,) = (each for each in cases if each.name == LANDSCAPE.name)
    picture, truth = case.read()
    truth.labels = np.where(truth.labels < 2, 1 - truth.labels, truth.labels)  # the two coins are classes 0 and 1
    report = mmlens.find_errors(detector, cases=[Case(case.name, lambda: (picture, truth))])
    return report.explain(report.worst('classification')[0]).draw()


def compare(detector: Any) -> np.ndarray:
    """The coins by two methods."""
    options = dict(
        classes=['coin_dot', 'coin_cross'], settings_b=dict(method='gradcam'), names=('evidencecam', 'gradcam')
    )
    return mmlens.compare_boxes(detector, None, LANDSCAPE, score_thr=0.5, **options).draw(most=2)


def photographs(checkpoint: Path) -> np.ndarray:
    """A cat, a cup and an astronaut: what the default shows, next to gradient times activation at the neck."""
    from skimage import data

    detector = mmlens.load_detector(YOLOX_NANO, checkpoint, device='cpu')
    # Drawn at the size they are shown at: letters do not shrink.
    pictures = [scaled(picture[..., ::-1], height=380) for picture in (data.chelsea(), data.coffee(), data.astronaut())]
    drawn = [
        mmlens.explain_boxes(detector, picture, method=method, score_thr=0.5).draw(alpha=0.8)
        for method in ('gradcam', 'evidencecam')
        for picture in pictures
    ]
    return rows_of(drawn, [*['gradcam at the neck'] * 3, *['evidencecam, the default'] * 3], columns=3)


def zoomed(array: np.ndarray, square: Tuple[int, int, int], side: int) -> np.ndarray:
    """A square of a picture or map (left, top, side), enlarged to so many pixels."""
    left, top, length = square
    return cv2.resize(array[top : top + length, left : left + length], (side, side), interpolation=cv2.INTER_CUBIC)


def scaled(picture: np.ndarray, height: int) -> np.ndarray:
    """A picture of another height."""
    scale = height / len(picture)
    return cv2.resize(np.ascontiguousarray(picture), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def padding(detector: Any) -> np.ndarray:
    """What the network sees; its maps stretched over the picture with the padding; the maps where they belong."""
    found = mmlens.explain_boxes(detector, TALL, method='gradcam', score_thr=0.8)
    geometry = detector.prepare(TALL).geometry
    stretched = replace(found, boxes=[replace(box, normalised=stretch(box.normalised, geometry)) for box in found])
    return side_by_side(
        [seen_by_the_network(found.picture, geometry), stretched.draw(), found.draw()],
        ['the network sees padding', 'padding ignored', 'mmlens'],
    )


def stretch(values: np.ndarray, geometry: Any) -> np.ndarray:
    """A map (H, W) of the picture, misplaced as if the whole input, padding included, were the picture."""
    on_input = put_on_input(values, geometry, 0)
    return np.clip(cv2.resize(on_input, values.shape[::-1]), 0, 1)


def put_on_input(array: np.ndarray, geometry: Any, empty: int) -> np.ndarray:
    """A picture or map at its place in the network's input, with the padding filled with one value."""
    height, width = array.shape[:2]
    (x1, y1), (x2, y2) = geometry.points_to_input(np.array([[0, 0], [width, height]])).round().astype(int)
    on_input = np.full((*geometry.input_size, *array.shape[2:]), empty, array.dtype)
    on_input[y1:y2, x1:x2] = cv2.resize(array, (int(x2 - x1), int(y2 - y1)), interpolation=cv2.INTER_AREA)
    return on_input


def seen_by_the_network(picture: np.ndarray, geometry: Any) -> np.ndarray:
    """The network's input, enlarged to be looked at."""
    on_input = put_on_input(picture, geometry, PADDING)
    scale = max(picture.shape) / max(on_input.shape)
    return cv2.resize(on_input, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def resize_only(detector: Any) -> np.ndarray:
    """The config's own pipeline against the Resize-only recipe: what the network sees, and the maps."""
    stretching = mmlens.load_detector(CONFIG, CHECKPOINT, resize_only=True, device='cpu')
    pictures: List[np.ndarray] = []
    for each in (detector, stretching):
        found = mmlens.explain_boxes(each, TALL, method='gradcam', score_thr=0.8)
        pictures += [seen_by_the_network(found.picture, each.prepare(TALL).geometry), found.draw()]
    return side_by_side(pictures, ['input: padded', 'its maps', 'input: Resize-only', 'its maps'])


def feature_maps(detector: Any) -> np.ndarray:
    """Every level of the backbone and the neck, one map per level."""
    return mmlens.feature_maps(detector, LANDSCAPE, layers=['backbone', 'neck']).draw()


def channels(detector: Any) -> np.ndarray:
    """The strongest channels of one layer."""
    found = mmlens.feature_maps(detector, LANDSCAPE, layers=['backbone.stage2'], reduction=None, topk=6)
    return found.draw(arrangement=(2, 3))


def methods(detector: Any) -> np.ndarray:
    """One box, explained by each method."""
    panels = [Panel(zoomed(cv2.imread(str(PORTRAIT)), COIN, 270), 'picture')]
    for name in METHODS:
        options = dict(method_options=MASKS.get(name), instances=[0], score_thr=0.5)
        found = mmlens.explain_boxes(detector, PORTRAIT, method=name, **options)
        look = Look.of(found.fusion, None, 0.75)
        heat = zoomed(found[0].normalised, COIN, 270)
        panels.append(Panel(look.lay(panels[0].picture, np.clip(heat, 0, 1)), name, bar=look.bar))
    return compose(panels, columns=5).image


def targets(detector: Any) -> np.ndarray:
    """The same boxes, by their scores, by their edges and by both."""
    names = ('score', 'box', 'both')
    drawn = [mmlens.explain_boxes(detector, LANDSCAPE, target=name, instances=[0, 1]).draw() for name in names]
    return side_by_side(drawn, [f'target: {name}' for name in names])


def layers(detector: Any) -> np.ndarray:
    """The same boxes, explained at the neck and further down."""
    names = ('neck', 'backbone.stage3', 'backbone.stage2', 'backbone.stage1', 'backbone.stem', 'auto')
    plain, panels = zoomed(cv2.imread(str(LANDSCAPE)), COIN_AND_STAR, 360), []
    for name, method in zip(names, [*['layercam'] * 5, 'evidencecam']):
        found = mmlens.explain_boxes(detector, LANDSCAPE, method=method, layers=[name], instances=[0, 2])
        look = Look.of(found.fusion, None, 0.75)
        heat = zoomed(np.maximum(found[0].normalised, found[1].normalised), COIN_AND_STAR, 360)
        panels.append(Panel(look.lay(plain, np.clip(heat, 0, 1)), name, method, bar=look.bar))
    return compose(panels, columns=3).image


def norm_in_bbox(detector: Any) -> np.ndarray:
    """Maps as they are, and normalised within their boxes."""
    options = dict(method='gradcam', layers=['backbone.stage3'], instances=[0, 2])
    both = [mmlens.explain_boxes(detector, LANDSCAPE, norm_in_bbox=on, **options) for on in (False, True)]
    return side_by_side([each.draw() for each in both], ['as they are', 'norm_in_bbox'])


def class_maps(detector: Any) -> np.ndarray:
    """Two classes of a picture with a coin and a star."""
    classifier = mmlens.load_classifier(CLASSIFIER, CLASSIFIER_CHECKPOINT, device='cpu')
    crop = zoomed(cv2.imread(str(LANDSCAPE)), COIN_AND_STAR, 400)
    return mmlens.explain_classes(classifier, crop, classes=['coin_cross', 'star']).draw()


def sanity(detector: Any) -> np.ndarray:
    """What becomes of maps while the shapes detector's weights are drawn anew."""
    return mmlens.check_sanity(detector, LANDSCAPE, methods=['evidencecam', 'eigencam'], topk=3, draws=2).draw()


PICTURES_OF: Dict[str, Callable[[Any], np.ndarray]] = {
    'box_maps': box_maps,
    'contrast': contrast,
    'beside': beside,
    'padding': padding,
    'resize_only': resize_only,
    'feature_maps': feature_maps,
    'channels': channels,
    'methods': methods,
    'targets': targets,
    'layers': layers,
    'norm_in_bbox': norm_in_bbox,
    'class_maps': class_maps,
    'pipeline': plots.pipeline,
    'pipeline_concat': plots.pipeline_concat,
    'history': plots.history,
    'schedule': plots.schedule,
    'layer_decay': plots.layer_decay,
    'benchmark': plots.benchmark,
    'sanity': sanity,
    'errors': errors,
    'compare': compare,
}


def rows_of(pictures: Sequence[np.ndarray], titles: Sequence[str], columns: int) -> np.ndarray:
    """Several rows of titled pictures, one below the other."""
    starts = range(0, len(pictures), columns)
    rows = [side_by_side(pictures[start : start + columns], titles[start : start + columns]) for start in starts]
    width = max(row.shape[1] for row in rows)
    white = (255, 255, 255)
    wide = [cv2.copyMakeBorder(row, 0, 0, 0, width - row.shape[1], cv2.BORDER_CONSTANT, value=white) for row in rows]
    return np.vstack(wide)


def write(path: Path, picture: np.ndarray) -> None:
    """Write a JPEG of at most :data:`MOST_BYTES`, as good as that allows."""
    for quality in (92, 88, 84, 80, 75, 70, 65, 60):
        _, data = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
        if len(data) <= MOST_BYTES:
            break
    else:
        raise SystemExit(f'{path.name} takes {len(data)} bytes: draw it smaller.')
    path.write_bytes(data.tobytes())
    print(f'{path}: {picture.shape[1]} x {picture.shape[0]}, {len(data) // 1000} kB')


def main(arguments: Optional[List[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Draw the pictures of README.md and docs/.')
    parser.add_argument('names', nargs='*', metavar='NAME', help=f'of {", ".join(PICTURES_OF)}; default: all')
    parser.add_argument('--out-dir', type=Path, default=ROOT / 'docs' / 'pictures', help='default: docs/pictures')
    parser.add_argument('--coco-checkpoint', type=Path, help='weights of YOLOX-Nano; draws the photographs too')
    wishes = parser.parse_args(arguments)
    unknown = [name for name in wishes.names if name not in PICTURES_OF]
    if unknown:
        parser.error(f'there is no picture {unknown[0]}; choose from {", ".join(PICTURES_OF)}')
    sys.path.insert(0, str(ROOT / 'projects' / 'own_method'))
    import own_method  # noqa: F401  its import registers gradnorm

    wishes.out_dir.mkdir(parents=True, exist_ok=True)
    detector = mmlens.load_detector(CONFIG, CHECKPOINT, device='cpu')
    for name in wishes.names or PICTURES_OF:
        write(wishes.out_dir / f'{name}.jpg', PICTURES_OF[name](detector))
    if not wishes.coco_checkpoint and not wishes.names:
        print('The photographs were left as they are: --coco-checkpoint names no weights.')
    if wishes.coco_checkpoint:
        write(wishes.out_dir / 'photographs.jpg', photographs(wishes.coco_checkpoint))


if __name__ == '__main__':
    main()

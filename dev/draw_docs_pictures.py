"""Draws every picture of README.md and docs/, most of them from the shapes detector, into docs/pictures.

python dev/draw_docs_pictures.py [NAME ...] [--out-dir docs/pictures] [--coco-checkpoint yolox_nano.pth]

The photographs are scikit-image's own. They need weights of YOLOX-Nano, trained on COCO, and are drawn where
--coco-checkpoint names these.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import cv2
import numpy as np

import mmlens
from mmlens.cli.commands import history as mmlens_history
from mmlens.cli.commands import lr
from mmlens.evaluation import Case, CocoFile
from mmlens.rendering import side_by_side
from mmlens.samples import Samples

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / 'projects' / 'shapes' / 'pictures'
HISTORY = ROOT / 'projects' / 'shapes' / 'history'
CONFIG = ROOT / 'projects' / 'shapes' / 'configs' / 'shapes_rtmdet.py'
CHECKPOINT = ROOT / 'projects' / 'shapes' / 'checkpoints' / 'shapes_rtmdet.pth'
CLASSIFIER = CONFIG.with_name('shapes_classifier.py')
CLASSIFIER_CHECKPOINT = CHECKPOINT.with_name('shapes_classifier.pth')
LANDSCAPE, PORTRAIT, TALL = (PICTURES / f'{name}.jpg' for name in ('000005', '000008', '000021'))

METHODS = (
    *('evidencecam', 'gradcam', 'gradcam++', 'layercam', 'xgradcam', 'eigengradcam', 'eigencam', 'gradnorm'),
    *('ablationcam', 'scorecam', 'reciprocam', 'drise'),
)
MASKS = dict(drise=dict(num_masks=200))
MOST_BYTES = 200_000
COIN_AND_TRIANGLE = (8, 60, 120)  # left, top and side of a square of TALL, in pixels
ENLARGED = 2.5
PADDING = 114  # grey of the shapes detector's Pad

YOLOX_NANO = 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py'
YOLOV5 = 'mmyolo::yolov5/yolov5_s-v61_syncbn_fast_8xb16-300e_coco.py'
CLASSES = ('coin_dot', 'coin_cross', 'crate_ring', 'crate_bar', 'star', 'triangle')
SEED = 6  # of a sample in which much can be seen


def box_maps(detector: Any) -> np.ndarray:
    """Detections whose classes differ in a mark and, next to them, the map of each box."""
    return mmlens.explain_boxes(detector, TALL, classes=['coin_dot', 'coin_cross']).draw(layout='panels')


def contrast(detector: Any) -> np.ndarray:
    """What speaks for the cross and against the dot, and what the other way round."""
    return mmlens.explain_boxes(detector, LANDSCAPE, against='auto', topk=2, score_thr=0.5).draw(layout='panels')


def errors(detector: Any) -> np.ndarray:
    """A coin that is annotated as the other one: what made the class, and what speaks for the annotated one."""
    cases = CocoFile(PICTURES.with_suffix('.json'), PICTURES).cases(CLASSES)
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
    pictures = [
        np.ascontiguousarray(picture[..., ::-1]) for picture in (data.chelsea(), data.coffee(), data.astronaut())
    ]
    drawn = [
        scaled(mmlens.explain_boxes(detector, picture, method=method, score_thr=0.5).draw(), height=300)
        for method in ('gradcam', 'evidencecam')
        for picture in pictures
    ]
    return rows_of(drawn, [*['gradcam at the neck'] * 3, *['evidencecam, the default'] * 3], columns=3)


def scaled(picture: np.ndarray, height: int) -> np.ndarray:
    """A picture of another height."""
    scale = height / len(picture)
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


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
    options = dict(instances=[0], score_thr=0.5)
    drawn = [
        mmlens.explain_boxes(detector, PORTRAIT, method=name, method_options=MASKS.get(name), **options).draw()
        for name in METHODS
    ]
    return rows_of([cv2.imread(str(PORTRAIT)), *drawn], ['picture', *METHODS], columns=4)


def targets(detector: Any) -> np.ndarray:
    """The same boxes, by their scores, by their edges and by both."""
    names = ('score', 'box', 'both')
    drawn = [mmlens.explain_boxes(detector, LANDSCAPE, target=name, instances=[0, 1]).draw() for name in names]
    return side_by_side(drawn, [f'target: {name}' for name in names])


def layers(detector: Any) -> np.ndarray:
    """The same boxes, explained at the neck and further down."""
    names = ('neck', 'backbone.stage3', 'backbone.stage2', 'backbone.stage1', 'backbone.stem', 'auto')
    drawn = [
        mmlens.explain_boxes(detector, LANDSCAPE, method=method, layers=[name], instances=[0, 1, 2]).draw()
        for name, method in zip(names, [*['layercam'] * 5, 'evidencecam'])
    ]
    return rows_of(drawn, names, columns=3)


def norm_in_bbox(detector: Any) -> np.ndarray:
    """Maps as they are, and normalised within their boxes."""
    options = dict(method='gradcam', layers=['backbone.stage3'], instances=[0, 2])
    both = [mmlens.explain_boxes(detector, LANDSCAPE, norm_in_bbox=on, **options) for on in (False, True)]
    return side_by_side([each.draw() for each in both], ['as they are', 'norm_in_bbox'])


def class_maps(detector: Any) -> np.ndarray:
    """Two classes of a picture with a coin and a triangle."""
    classifier = mmlens.load_classifier(CLASSIFIER, CLASSIFIER_CHECKPOINT, device='cpu')
    left, top, side = COIN_AND_TRIANGLE
    crop = cv2.imread(str(TALL))[top : top + side, left : left + side]
    crop = cv2.resize(crop, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    return mmlens.explain_classes(classifier, crop, classes=['coin_cross', 'triangle']).draw()


def schedule(detector: Any) -> np.ndarray:
    """The learning rates of YOLOv5-s, by MMYOLO's own config."""
    return learning_rates('mmyolo::yolov5/yolov5_s-v61_syncbn_fast_8xb16-300e_coco.py', 118287)


def layer_decay(detector: Any) -> np.ndarray:
    """The learning rates of BEiT's layers, by mmpretrain's own config."""
    return learning_rates('mmpretrain::beit/benchmarks/beit-base-p16_8xb128-coslr-100e_in1k.py', 1281167)


def learning_rates(config: str, size: int) -> np.ndarray:
    """What `mmlens lr` draws for 8 GPUs, a little smaller."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / 'lr.png')
        words = ['--dataset-size', str(size), '--ngpus', '8', '--window-size', '10*5', '--save-path', path]
        lr.main([config, *words])
        return cv2.imread(path)


def benchmark(detector: Any) -> np.ndarray:
    """The last measurements of dev/benchmark.py, from docs/benchmark.json."""
    from benchmark_figure import cost_figure
    from benchmark_rows import read_rows

    canvas: Any = cost_figure(read_rows(ROOT / 'docs' / 'benchmark.json')).canvas
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., 2::-1])


def sanity(detector: Any) -> np.ndarray:
    """What becomes of maps while the shapes detector's weights are drawn anew."""
    return mmlens.check_sanity(detector, LANDSCAPE, methods=['evidencecam', 'eigencam'], topk=3, draws=2).draw()


def pipeline(detector: Any) -> np.ndarray:
    """A sample after each transform of YOLOv5's training, and the pictures that were mixed in."""
    return shapes_through_yolov5().record(1).draw('pipeline', edges=(150, 290))


def pipeline_concat(detector: Any) -> np.ndarray:
    """The same sample, before and after."""
    return shapes_through_yolov5().record(1).draw('concat', edges=(200, 400))


def history(detector: Any) -> np.ndarray:
    """What `mmlens history` makes of the drawings of one picture over a training run."""
    with tempfile.TemporaryDirectory() as folder:
        words = [str(HISTORY), '--format', 'sheet', '--out-dir', folder]
        mmlens_history.main(words)
        return cv2.imread(str(next(Path(folder).glob('*.png'))))


def shapes_through_yolov5() -> Samples:
    """The drawn pictures as a dataset for the training pipeline of YOLOv5."""
    dataset = dict(data_root=f'{PICTURES.parent}/', ann_file='pictures.json', filter_cfg=None)
    options: Dict[str, Any] = {f'train_dataloader.dataset.{key}': value for key, value in dataset.items()}
    options['train_dataloader.dataset.data_prefix.img'] = f'{PICTURES.name}/'
    options['train_dataloader.dataset.metainfo'] = dict(classes=CLASSES)
    # albumentations need not be installed.
    return Samples(YOLOV5, cfg_options=options, skip_types=['Albu'], seed=SEED)


PICTURES_OF: Dict[str, Callable[[Any], np.ndarray]] = {
    'box_maps': box_maps,
    'contrast': contrast,
    'padding': padding,
    'resize_only': resize_only,
    'feature_maps': feature_maps,
    'channels': channels,
    'methods': methods,
    'targets': targets,
    'layers': layers,
    'norm_in_bbox': norm_in_bbox,
    'class_maps': class_maps,
    'pipeline': pipeline,
    'pipeline_concat': pipeline_concat,
    'history': history,
    'schedule': schedule,
    'layer_decay': layer_decay,
    'benchmark': benchmark,
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
    sys.path[:0] = [str(ROOT / 'projects' / 'own_method'), str(ROOT / 'dev')]
    import own_method  # noqa: F401  its import registers gradnorm

    wishes.out_dir.mkdir(parents=True, exist_ok=True)
    detector = mmlens.load_detector(CONFIG, CHECKPOINT, device='cpu')
    for name in wishes.names or PICTURES_OF:
        write(wishes.out_dir / f'{name}.jpg', PICTURES_OF[name](detector))
    if wishes.coco_checkpoint:
        write(wishes.out_dir / 'photographs.jpg', photographs(wishes.coco_checkpoint))


if __name__ == '__main__':
    main()

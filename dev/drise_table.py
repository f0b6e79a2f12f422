"""Measures what D-RISE's fit is worth: 150 masks fitted, beside as many and 1000 averaged.

python dev/drise_table.py CONFIG CHECKPOINT --photos PATH ...

All rows of a picture look at the same masks, whose weights are kept in --work-dir, as are the figures of each picture:
a run that was stopped goes on there, and several runs may share the pictures out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

import mmlens
from mmlens import BoxScores, metrics
from mmlens.errors import MmlensError
from mmlens.files import write_atomically

ENDINGS = ('.jpg', '.jpeg', '.png')
REFERENCE = 'averaged, 1000'
# The most masks first: the others then take theirs out of the file.
ROWS: Dict[str, Dict[str, Any]] = {
    REFERENCE: dict(exact=True, num_masks=1000),
    'fitted, 150 (default)': {},
    'averaged, 150': dict(exact=True, num_masks=150),
}
BASELINES = ('gaussian', 'random')
FIGURES = ('insertion', 'deletion', 'epg', 'pointing')

Record = Dict[str, Any]


def maps_of(detector: Any, picture: Path, kept: Path, score_thr: float, topk: int) -> Dict[str, List[np.ndarray]]:
    """The maps of each row, and of the baselines, for the boxes of a picture."""
    wanted = dict(score_thr=score_thr, topk=topk)
    maps: Dict[str, List[np.ndarray]] = {}
    for row, options in ROWS.items():
        found = mmlens.explain_boxes(
            detector, picture, method='drise', method_options=dict(options, resume=str(kept)), **wanted
        )
        maps[row] = [box.raw for box in found]
    size = found.picture.shape[:2]
    maps['gaussian'] = [metrics.gaussian_map(size, box.box) for box in found]
    maps['random'] = [metrics.random_map(size)] * len(found)
    maps['boxes'], maps['labels'] = [box.box for box in found], [np.array(box.label) for box in found]
    maps['picture'] = [found.picture]
    return maps


def measure(detector: Any, picture: Path, folder: Path, score_thr: float, topk: int) -> List[Record]:
    """The figures of each box and row of a picture, measured or taken from the folder."""
    kept = folder / f'{picture.name}.json'
    if kept.is_file():
        return json.loads(kept.read_text(encoding='utf-8'))
    maps = maps_of(detector, picture, folder / f'{picture.name}.npz', score_thr, topk)
    records: List[Record] = []
    scores = BoxScores(detector, maps['boxes'], [int(label) for label in maps['labels']], batch_size=1)
    for number, box in enumerate(maps['boxes']):
        for row in (*ROWS, *BASELINES):
            values, whole, score = maps[row][number], maps['picture'][0], scores.of(number)
            figures = dict(
                insertion=metrics.insertion(values, whole, score),
                deletion=metrics.deletion(values, whole, score),
                epg=metrics.epg(values, box),
                pointing=metrics.pointing(values, box),
            )
            records.append(dict(picture=picture.name, box=number, row=row, **figures))
    with write_atomically(kept) as temporary:
        Path(temporary).write_text(json.dumps(records), encoding='utf-8')
    return records


def table(records: Sequence[Record]) -> str:
    """Means with their intervals, and the difference in insertion from 1000 masks averaged, as Markdown."""
    lines = [
        f'| masks | {" | ".join(FIGURES)} | insertion, less that of {REFERENCE} | of it |',
        f'| --- |{" --- |" * (len(FIGURES) + 2)}',
    ]
    of_reference = _values(records, REFERENCE, 'insertion')
    pictures = [record['picture'] for record in records if record['row'] == REFERENCE]
    for row in (*ROWS, *BASELINES):
        cells = [_cell(metrics.bootstrap(_values(records, row, figure), pictures)) for figure in FIGURES]
        own = _values(records, row, 'insertion')
        share = np.mean(own) / np.mean(of_reference)
        difference = _cell(metrics.paired_difference(own, of_reference, pictures), '+.3f')
        lines.append(f'| {row} | {" | ".join(cells)} | {difference} | {share:.1%} |')
    return '\n'.join([*lines, '', f'{len(pictures)} boxes on {len(set(pictures))} pictures.'])


def _values(records: Sequence[Record], row: str, figure: str) -> List[float]:
    return [record[figure] for record in records if record['row'] == row]


def _cell(interval: metrics.Interval, how: str = '.3f') -> str:
    return f'{interval.mean:{how}} [{interval.low:{how}}, {interval.high:{how}}]'


def files_of(paths: Sequence[Path]) -> List[Path]:
    """Pictures by their files and folders."""
    files: List[Path] = []
    for path in paths:
        inside = sorted(each for each in path.iterdir() if each.suffix.lower() in ENDINGS) if path.is_dir() else [path]
        files += inside
    return files


def parse(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
    parser.add_argument('config', help='config of a detector')
    parser.add_argument('checkpoint', help='its weights')
    parser.add_argument('--photos', nargs='+', type=Path, required=True, help='pictures, and folders of pictures')
    parser.add_argument('--score-thr', type=float, default=0.5, help='boxes to measure; default %(default)s')
    parser.add_argument('--topk', type=int, default=10, help='how many a picture at most; default %(default)s')
    parser.add_argument('--device', help='default: CUDA if there is any')
    parser.add_argument('--work-dir', type=Path, default=Path('output/drise'), help='default %(default)s')
    return parser.parse_args(arguments)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Measure, and print the table."""
    options = parse(arguments)
    detector = mmlens.load_detector(options.config, options.checkpoint, device=options.device)
    options.work_dir.mkdir(parents=True, exist_ok=True)
    records: List[Record] = []
    for picture in files_of(options.photos):
        records += measure(detector, picture, options.work_dir, options.score_thr, options.topk)
    if not records:
        raise MmlensError(f'No box scores {options.score_thr:g}: lower --score-thr, or give other pictures.')
    print(table(records))


if __name__ == '__main__':
    try:
        main()
    except MmlensError as error:
        raise SystemExit(f'drise_table: error: {error}') from None

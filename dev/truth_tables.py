"""Measures how true maps are, beside baselines, and writes the tables of docs/truth.md.

python dev/truth_tables.py [--pictures N] [--photos PATH ... --config CONFIG --checkpoint FILE] [--output PAGE]

On the held-out pictures of projects/shapes the evidence is known: the mark that makes the class. On photographs, with a
detector of COCO, it is measured by deletion and insertion alone. What is measured is kept in --work-dir, picture by
picture: a run that was stopped goes on there.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

import torch
from rich.console import Console
from rich.progress import Progress

import mmlens
from mmlens import evaluation
from mmlens.errors import MmlensError

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ROOT / 'projects' / 'shapes'
HELD_OUT_SEED = 1
ENDINGS = ('.jpg', '.jpeg', '.png')
BEGIN, END = '<!-- tables: dev/truth_tables.py -->', '<!-- end of tables -->'
ROWS = ('default',)

# Heading, table, and a sentence on what it was measured on.
Section = Tuple[str, str, str]


def scenes(count: int) -> List[evaluation.Case]:
    """The held-out pictures of the shapes set, with masks of objects and marks."""
    sys.path.insert(0, str(ROOT))
    from projects.shapes.scenes import draw_scene

    def case(index: int) -> evaluation.Case:
        def read() -> Tuple[object, evaluation.Truth]:
            scene = draw_scene(HELD_OUT_SEED, index)
            return scene.picture, evaluation.Truth(scene.boxes, scene.labels, scene.masks, scene.mark_masks)

        return evaluation.Case(f'held-out {index}', read)

    return [case(index) for index in range(count)]


def photographs(paths: Sequence[Path]) -> List[evaluation.Case]:
    """Pictures by their files and folders; nothing is known about them."""
    files: List[Path] = []
    for path in paths:
        found = sorted(each for each in path.iterdir() if each.suffix.lower() in ENDINGS) if path.is_dir() else [path]
        files += found
    return [evaluation.bare_case(file.name, file) for file in files]


def measured(
    name: str,
    config: str,
    checkpoint: str,
    cases: Sequence[evaluation.Case],
    methods: Sequence[str],
    maps_only: bool,
    options: argparse.Namespace,
) -> evaluation.Table:
    """Measure all rows on some pictures, or go on with it."""
    detector = mmlens.load_detector(config, checkpoint, device=options.device)
    rows = [evaluation.read_row(text) for text in methods] + evaluation.baselines(detector)
    # A folder of its own for each list of rows: an earlier one stays there to be gone on with.
    names = hashlib.sha256(repr([list(methods), maps_only, len(cases)]).encode()).hexdigest()[:8]
    folder = options.work_dir / f'{name}_{names}'
    folder.mkdir(parents=True, exist_ok=True)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=len(cases))
        table = evaluation.evaluate_cases(
            detector,
            cases,
            rows,
            score_thr=options.score_thr,
            maps_only=maps_only,
            folder=folder,
            resume=True,
            progress=lambda done, total: bar.update(task, completed=done),
        )
    table.write_boxes(folder / 'boxes.csv')
    return table


def section(heading: str, table: evaluation.Table) -> Section:
    """A table with its heading, and what it was measured on."""
    marked = sum(box['error'] in ('', 'duplicate') for box in table.boxes)
    known = f', {marked} of them right' if any(box['error'] is not None for box in table.boxes) else ''
    note = f'{len(table)} boxes on {table.total} pictures{known}.'
    return heading, evaluation.markdown(table, evaluation.means_of(table, ['all'])), note


def write(sections: Sequence[Section], page: Optional[Path]) -> str:
    """Put the tables where a page has them, between two comments; without a page, return them."""
    text = '\n\n'.join(f'### {heading}\n\n{table}\n\n{note}' for heading, table, note in sections)
    if page is not None:
        before = page.read_text(encoding='utf-8')
        place = re.compile(f'{re.escape(BEGIN)}.*?{re.escape(END)}', re.S)
        if not place.search(before):
            raise MmlensError(f'{page} has no place for tables: it needs the lines {BEGIN} and {END}.')
        page.write_text(place.sub(lambda _: f'{BEGIN}\n\n{text}\n\n{END}', before), encoding='utf-8')
    return text


def parse(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
    parser.add_argument('--pictures', type=int, default=400, help='held-out pictures of shapes; default %(default)s')
    parser.add_argument('--shapes', nargs='*', default=['shapes_rtmdet', 'shapes_yolov5'], help='detectors of shapes')
    parser.add_argument('--photos', nargs='*', type=Path, default=[], help='pictures, and folders of pictures')
    parser.add_argument('--config', help='config of a detector for the photographs')
    parser.add_argument('--checkpoint', help='its weights')
    parser.add_argument(
        '--rows', nargs='+', default=ROWS, metavar='ROW', help='methods, or "NAME: METHOD/LAYERS/FUSION/AGAINST"'
    )
    parser.add_argument(
        '--photo-rows', nargs='+', metavar='ROW', help='the same for photographs; default: those of --rows'
    )
    parser.add_argument(
        '--slow-rows', nargs='+', default=(), metavar='ROW', help='methods of many passes, on fewer pictures of shapes'
    )
    parser.add_argument('--slow-pictures', type=int, default=10, help='how many; default %(default)s')
    parser.add_argument('--score-thr', type=float, default=0.5, help='boxes to measure; default %(default)s')
    parser.add_argument('--maps-only', action='store_true', help='no deletion and insertion on shapes: much faster')
    parser.add_argument('--threads', type=int, help="torch's threads")
    parser.add_argument('--device', help='default: CUDA if there is any')
    parser.add_argument('--work-dir', type=Path, default=Path('output/truth'), help='default %(default)s')
    parser.add_argument('--output', type=Path, help='page to write the tables into')
    return parser.parse_args(arguments)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Measure, print the tables, and write them into a page."""
    options = parse(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    sections = []
    for name in options.shapes if options.pictures else ():
        files = str(SHAPES / 'configs' / f'{name}.py'), str(SHAPES / 'checkpoints' / f'{name}.pth')
        found = measured(name, *files, scenes(options.pictures), options.rows, options.maps_only, options)
        sections.append(section(f'`{name}`, shapes', found))
        print(write(sections[-1:], None), flush=True)
        if options.slow_rows:
            cases = scenes(options.slow_pictures)
            found = measured(name, *files, cases, options.slow_rows, options.maps_only, options)
            sections.append(section(f'`{name}`, shapes: methods of many passes', found))
            print(write(sections[-1:], None), flush=True)
    if options.photos:
        if not options.config or not options.checkpoint:
            raise MmlensError('--photos needs a detector: give --config and --checkpoint.')
        cases, methods = photographs(options.photos), options.photo_rows or options.rows
        found = measured('photos', options.config, options.checkpoint, cases, methods, False, options)
        sections.append(section(f'`{Path(options.config).stem}`, photographs', found))
        print(write(sections[-1:], None), flush=True)
    if options.output:
        write(sections, options.output)


if __name__ == '__main__':
    try:
        main()
    except MmlensError as error:
        raise SystemExit(f'truth_tables: error: {error}') from None

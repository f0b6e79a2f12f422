"""What the documentation says of links, pictures, options, methods, arrays and messages is so."""

from __future__ import annotations

import ast
import importlib.util
import pydoc
import re
import sys
from pathlib import Path
from typing import Dict, List, Set

import cv2
import matplotlib
import numpy as np
import pytest

import mmlens
from mmlens.choices import TARGETS
from mmlens.cli.commands import (
    boxam,
    cam,
    compare,
    errors,
    evaluate,
    featmap,
    history,
    info,
    layers,
    lr,
    pipeline,
    report,
    sanity,
)

ROOT = Path(__file__).resolve().parents[2]
DOCS, PICTURES = ROOT / 'docs', ROOT / 'docs' / 'pictures'
PAGES = [
    ROOT / 'README.md',
    ROOT / 'README.zh-CN.md',
    *sorted(DOCS.glob('*.md')),
    ROOT / 'projects' / 'own_method' / 'README.md',
]
OURS = [page for page in PAGES if page.name != 'installation.md']  # that one is full of pip's options


def text_of(page: Path) -> str:
    return page.read_text(encoding='utf-8')


def first_cells(page: Path, heading: str) -> List[List[str]]:
    """What stands between backticks in the first column of the table with this heading, row by row."""
    table = text_of(page).partition(f'| {heading} |')[2].partition('\n\n')[0]
    return [re.findall(r'`([^`]+)`', row.split('|')[1]) for row in table.splitlines()[2:]]


# ---------------------------------------------------------------- links and pictures


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r'\]\(([^)\s]+)\)', text_of(page)):
        if target.startswith('https://'):
            continue
        file, _, anchor = target.partition('#')
        linked = page.parent / file if file else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r'^#+ (.+)$', text_of(linked), re.M)
            assert anchor in {re.sub(r'[^\w -]', '', heading).strip().lower().replace(' ', '-') for heading in headings}


def test_files_that_are_named_exist():
    for page in PAGES:
        for name in re.findall(r'`((?:tools|projects|configs|requirements|docs|demo)/[\w./-]*)`', text_of(page)):
            assert (ROOT / name).exists(), f'{page.name}: {name}'


def test_every_picture_is_shown_and_small():
    shown = {Path(name).name for page in PAGES for name in re.findall(r'!\[[^\]]+\]\(([^)]+)\)', text_of(page))}
    assert {path.name for path in PICTURES.iterdir()} == shown
    assert all(path.stat().st_size <= 200_000 for path in PICTURES.iterdir())


# The photographs need a trained detector, the picture of a report a browser.
WITHOUT_WEIGHTS = sorted({path.stem for path in PICTURES.iterdir()} - {'photographs', 'report'})


@pytest.fixture
def artist(monkeypatch):
    """dev/draw_docs_pictures.py."""
    monkeypatch.setattr(sys, 'path', [*sys.path])  # it adds a folder, for a method of one picture
    location = ROOT / 'dev' / 'draw_docs_pictures.py'
    spec = importlib.util.spec_from_file_location('draw_docs_pictures', str(location))
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_one_command_draws_every_picture(artist):
    assert sorted(artist.PICTURES_OF) == WITHOUT_WEIGHTS


@pytest.mark.parametrize('name', WITHOUT_WEIGHTS)
def test_pictures_are_up_to_date(name, artist, tmp_path):
    plotted = name in ('schedule', 'layer_decay', 'benchmark', 'sanity')
    if plotted and tuple(map(int, matplotlib.__version__.split('.')[:2])) < (3, 8):
        pytest.skip('this matplotlib lays figures out otherwise')
    artist.main([name, '--out-dir', str(tmp_path)])
    (path,) = tmp_path.iterdir()
    drawn, kept = cv2.imread(str(path)), cv2.imread(str(PICTURES / path.name))
    if plotted and abs(len(drawn) - len(kept)) <= 2:  # matplotlib crops a figure to what it found to be in it
        drawn, kept = drawn[: len(kept)], kept[: len(drawn)]
    assert drawn.shape == kept.shape, f'{path.name} is out of date: run dev/draw_docs_pictures.py'
    # Two stacks differ by rounding everywhere; another map or label differs a lot in one place.
    difference = cv2.blur(cv2.absdiff(drawn, kept), (16, 16)).max()
    if plotted:
        # No two versions of matplotlib lay a figure out alike to the pixel.
        difference = cv2.absdiff(cv2.blur(drawn, (40, 40)), cv2.blur(kept, (40, 40))).max()
    assert difference < 20, f'{path.name} is out of date: run dev/draw_docs_pictures.py'


def test_photographs_need_weights_and_a_sentence_says_so(artist, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(artist, 'PICTURES_OF', {})
    artist.main(['--out-dir', str(tmp_path)])
    assert '--coco-checkpoint names no weights' in capsys.readouterr().out and not list(tmp_path.iterdir())


# ---------------------------------------------------------------- the command line


@pytest.fixture
def benchmark(tool):
    """dev/benchmark.py."""
    return tool('benchmark')


def options_of(module) -> Set[str]:
    return {name for action in module.build_parser()._actions for name in action.option_strings if name[:2] == '--'}


def test_options_in_the_text_exist_and_all_are_explained(benchmark):
    known = (
        options_of(boxam)
        | options_of(cam)
        | options_of(compare)
        | options_of(errors)
        | options_of(evaluate)
        | options_of(featmap)
        | options_of(history)
        | options_of(layers)
        | options_of(lr)
        | options_of(pipeline)
        | options_of(report)
        | options_of(sanity)
        | options_of(info)
    )
    # torchrun's, pip's, and those of OpenMMLab's tools/test.py, of dev/support_table.py, and of projects/shapes
    of_others = {
        '--nproc_per_node',
        '--no-cache-dir',
        '--no-deps',
        '--target',
        '--tta',
        '--filter',
        '--output',
        '--layers',
        '--count',
    }
    of_others |= options_of(benchmark)
    named = {option for page in OURS for option in re.findall(r'(?<![\w-])--[a-z][\w-]+', text_of(page))}
    assert named - of_others <= known
    assert known - {'--help'} <= named


@pytest.mark.parametrize(
    ('page', 'module'),
    [
        ('box-maps.md', boxam),
        ('cam.md', cam),
        ('compare.md', compare),
        ('errors.md', errors),
        ('feature-maps.md', featmap),
        ('lr.md', lr),
        ('pipeline.md', pipeline),
        ('training.md', history),
        ('report.md', report),
        ('sanity.md', sanity),
        ('truth.md', evaluate),
    ],
)
def test_what_only_one_command_has_is_on_its_page(page, module):
    others = [
        options_of(other)
        for other in (boxam, cam, compare, errors, evaluate, featmap, history, layers, lr, pipeline, report, sanity)
        if other is not module
    ]
    for option in options_of(module) - set.union(*others):
        assert f'`{option}' in text_of(DOCS / page) or f' {option} ' in text_of(DOCS / page)


def test_the_benchmark_and_its_page_agree(benchmark, tool):
    page = tool('benchmark_page')
    figures = benchmark.read_figures(DOCS / 'benchmark.json')
    assert text_of(DOCS / 'benchmark.md') == page.written(figures)
    assert list(page.TABLES) == list(benchmark.PARTS)
    assert list(figures) == [name for name in page.TABLES if name in figures]
    listed = {option for cell in first_cells(DOCS / 'benchmark.md', 'option') for option in cell}
    assert listed == options_of(benchmark) - {'--help'}
    assert {row['detector'] for row in figures['methods']['rows']} == set(benchmark.DETECTORS)


# ---------------------------------------------------------------- tables


def registered_by_others():
    """Methods that examples and tests have registered before."""
    from mmlens.attribution.methods import PassMethod, registry

    own = 'mmlens.attribution.methods.'
    functions = {
        name: method.explain if isinstance(method, PassMethod) else method.formula
        for name, method in registry._METHODS.items()
    }
    return {name for name, function in functions.items() if not function.__module__.startswith(own)}


@pytest.mark.parametrize('page', [ROOT / 'README.md', DOCS / 'box-maps.md'], ids=lambda page: page.name)
def test_methods_are_those_that_mmlens_defines(page):
    listed = [name for (name,) in first_cells(page, '`--method`')]
    assert listed[0] == 'evidencecam' and len(set(listed)) == len(listed)
    assert set(listed) == set(mmlens.available_methods()) - registered_by_others()


def test_methods_of_the_installed_gradcam_exist():
    from mmlens.attribution.methods import get_method
    from mmlens.errors import MethodError

    listed = re.search(r'case: ((?:`\w+`,? ?\n?)+)\.', text_of(DOCS / 'box-maps.md'))
    for name in re.findall(r'`(\w+)`', listed.group(1)):
        try:
            assert get_method(name).name == name
        except MethodError:  # an older grad-cam has fewer
            assert name == 'segeigencam'


def test_targets_are_those_that_exist():
    listed = [name for row in first_cells(DOCS / 'box-maps.md', '`--target`') for name in row]
    assert listed == list(TARGETS)


def test_saved_arrays_are_those_that_are_written():
    found = mmlens.BoxExplanation(np.zeros((2, 3, 3), np.uint8), [], ('neck',), 'gradcam', 'score')
    listed = [name for row in first_cells(DOCS / 'box-maps.md', 'array') for name in row]
    assert sorted(listed) == sorted(found.arrays())


def test_detectors_in_the_readme_work_by_the_table_of_support():
    rows = [row for row in text_of(DOCS / 'support.md').splitlines() if row.startswith('| ') and '**no**' not in row]
    table = text_of(ROOT / 'README.md').partition('| kind | tried')[2].partition('\n\n')[0]
    names = [name.strip() for row in table.splitlines()[2:] for name in row.split('|')[2].split(',')]
    assert len(names) > 20
    for name in names:
        assert any(row.startswith(f'| {name}') for row in rows), name


def messages_of(folder: Path) -> List[str]:
    """Every text in a folder's modules, what is filled in replaced by `...`."""
    found = []
    for path in folder.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else '...' for part in node.values]
                found.append(''.join(str(part) for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_messages_in_the_table_of_errors_are_given():
    known = messages_of(ROOT / 'mmlens' / 'compat')
    listed = first_cells(DOCS / 'installation.md', 'message')
    assert len(listed) >= 10
    for phrase, *_ in listed:  # what follows in brackets is the reason that the message quotes
        parts = phrase.split('...')
        assert any(all(part in message for part in parts) for message in known), phrase


# ---------------------------------------------------------------- what is said of others


def source_of(package: str, file: str) -> str:
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f'{package} is not installed')
    return (Path(spec.submodule_search_locations[0]) / file).read_text(encoding='utf-8')


def test_what_is_said_of_mmyolo():
    text = source_of('mmyolo', 'utils/boxam_utils.py')
    assert 'use_cuda=True' in text  # passed to grad-cam's classes
    assert "'loss' not in loss_key" in text and 'output += loss_value' in text  # the sum of losses
    assert 'gt_bboxes=pred_instances.bboxes' in text  # the detections as ground truth
    assert "does not '\n" in text and 'support output multi-activation layers' in text
    assert 'self.detector.bbox_head' in text


def test_what_is_said_of_gradcam():
    engine = source_of('pytorch_grad_cam', 'base_cam.py')
    assert 'scaled = scale_cam_image(cam, target_size)' in engine and 'np.mean(cam_per_target_layer, axis=1)' in engine
    assert 'self.model.eval()' in engine and 'loss.backward' in engine
    targets = source_of('pytorch_grad_cam', 'utils/model_targets.py')
    assert 'output = output + score' in targets.partition('class FasterRCNNBoxScoreTarget')[2]
    assert 'use_cuda' not in engine


def packages_of_families() -> Dict[str, List[str]]:
    text = text_of(DOCS / 'installation.md')
    return {
        name: re.findall(r'`([\w-]+)`', row) for name, row in re.findall(r'^\| `(\w+)`[^|]*\|([^|]+)\|', text, re.M)
    }


def test_packages_of_each_family_are_those_of_its_extra():
    setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
    for family, packages in packages_of_families().items():
        extra = setup.partition(f"'{family}': [")[2].partition(']')[0]
        for package in packages:
            assert package in extra or package == 'mmcv'


# ---------------------------------------------------------------- the public API


def test_the_api_page_lists_every_public_name_and_no_other():
    listed = [name for row in first_cells(DOCS / 'api.md', 'name') for name in row]
    assert sorted(listed) == sorted(mmlens.__all__)


def test_what_is_named_as_new_on_the_api_page_is_there():
    table = text_of(DOCS / 'api.md').partition('| was | is now |')[2].partition('\n\n')[0]
    named = re.findall(r'`(mmlens(?:\.\w+)+)`', ' '.join(row.split('|')[2] for row in table.splitlines()[2:]))
    assert len(named) >= 10
    for name in named:
        assert pydoc.locate(name) is not None, name

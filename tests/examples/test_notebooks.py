"""The notebooks of examples/ run, show what they say, and are kept small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip('nbclient')
pytest.importorskip('ipykernel')
pytest.importorskip('pandas')

EXAMPLES = Path(__file__).resolve().parents[2] / 'examples'
# The first in a new kernel: no other prepares what a training needs.
NOTEBOOKS = pytest.mark.parametrize('name', ['training', 'boxes', 'classifiers'])


def read(name):
    import nbformat

    return nbformat.read(str(EXAMPLES / f'{name}.ipynb'), as_version=4)


def kinds_of(cell):
    """What a cell shows: kinds of outputs, and of the data in them."""
    found = set()
    for output in cell.get('outputs', []):
        found |= set(output.get('data', {})) or {output.output_type}
    return found


def printed(notebook):
    return [output.text for cell in notebook.cells for output in cell.get('outputs', []) if 'text' in output]


def test_every_notebook_is_tested():
    assert sorted(path.stem for path in EXAMPLES.glob('*.ipynb')) == ['boxes', 'classifiers', 'training']


@pytest.fixture(scope='module')
def kernel():
    """One for all notebooks, each of which would import torch; what one named, the next does not find."""
    from nbclient import NotebookClient
    from nbclient.util import run_sync
    from nbformat.v4 import new_notebook

    manager = NotebookClient(new_notebook(), kernel_name='python3').create_kernel_manager()
    yield manager
    if manager.has_kernel:
        run_sync(manager.shutdown_kernel)(now=True)


@NOTEBOOKS
def test_a_notebook_runs_and_shows_what_is_kept(name, tool, kernel, tmp_path):
    import nbformat

    tools = tool('run_notebooks')
    if kernel.has_kernel:
        forget = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell('%reset -f')])
        nbformat.write(forget, str(tmp_path / 'forget.ipynb'))
        tools.executed(tmp_path / 'forget.ipynb', kernel=kernel)
    kept, notebook = read(name), tools.tidied(tools.executed(EXAMPLES / f'{name}.ipynb', kernel=kernel))
    assert [kinds_of(cell) for cell in notebook.cells] == [kinds_of(cell) for cell in kept.cells]
    lines = [re.sub(r'\d\.\d+', '#', line) for line in printed(notebook)]
    assert lines == [re.sub(r'\d\.\d+', '#', line) for line in printed(kept)]
    assert all(output.get('name') != 'stderr' for cell in notebook.cells for output in cell.get('outputs', []))


@NOTEBOOKS
def test_what_is_kept_is_small_and_the_same_after_every_run(name, tool):
    import nbformat

    path = EXAMPLES / f'{name}.ipynb'
    assert path.stat().st_size < 300_000
    notebook = read(name)
    pictures = [cell for cell in notebook.cells if {'image/jpeg', 'image/png'} & kinds_of(cell)]
    assert len(pictures) >= 2
    text = path.read_text(encoding='utf-8')
    assert text == nbformat.writes(tool('run_notebooks').tidied(notebook)) + '\n'
    assert ' at 0x' not in text and '/home/' not in text and '/root/' not in text and '/tmp/' not in text


def test_counts_addresses_and_names_of_the_machine_are_left_out(tool):
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    shown = new_output('execute_result', {'text/plain': '<A at 0x7f00>'}, execution_count=3, metadata={'a': 1})
    notebook = new_notebook(cells=[new_code_cell('a', execution_count=3, outputs=[shown], metadata={'b': 2})])
    (cell,) = tool('run_notebooks').tidied(notebook).cells
    assert cell.outputs[0]['data'] == {'text/plain': '<A>'} and cell.outputs[0].metadata == {}
    assert cell.execution_count is None and cell.metadata == {} and cell.id == 'cell-0'


def test_views_that_need_scripts_are_kept_as_pictures(tool):
    import base64

    import cv2
    import numpy as np
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    png = base64.b64encode(cv2.imencode('.png', np.full((8, 8, 3), 200, np.uint8))[1].tobytes()).decode()
    view = new_output('display_data', {'image/png': png, 'text/html': '<script>', 'text/plain': 'a'})
    table = new_output('display_data', {'text/html': '<table>', 'text/plain': 'a'})
    (cell,) = tool('run_notebooks').tidied(new_notebook(cells=[new_code_cell('a', outputs=[view, table])])).cells
    assert set(cell.outputs[0]['data']) == {'image/jpeg', 'text/plain'}
    assert set(cell.outputs[1]['data']) == {'text/html', 'text/plain'}
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(cell.outputs[0]['data']['image/jpeg']), np.uint8), 1)
    assert np.abs(picture.astype(int) - 200).max() <= 2

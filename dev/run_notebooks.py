"""Run the notebooks of examples/ from the first cell to the last, and keep what they show.

    python dev/run_notebooks.py [examples/boxes.ipynb ...]

What is kept has no counts and no addresses in memory, so that a run that shows the same changes no file. Pictures are
kept as JPEG, and instead of views that need scripts, which code hosts do not run.
"""

from __future__ import annotations

import argparse
import base64
import io
import re
from pathlib import Path
from typing import Any, Optional, Sequence

from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[1] / 'examples'
SECONDS = 240  # a cell may take
QUALITY = 80  # of pictures that are kept


def executed(path: Path, seconds: int = SECONDS, kernel: Any = None) -> Any:
    """Run a notebook in its own folder, in this environment.

    Args:
        path: The notebook.
        seconds: How long a cell may take. Defaults to ``SECONDS``.
        kernel: Manager of the kernel to run it in, which goes on afterwards. Defaults to ``None``: a new kernel.

    Returns:
        The notebook with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell raises.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(str(path), as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == 'code':
            cell.outputs, cell.execution_count = [], None
    resources = {'metadata': {'path': str(path.parent)}}
    return NotebookClient(notebook, kernel, timeout=seconds, kernel_name='python3', resources=resources).execute()


def tidied(notebook: Any) -> Any:
    """Leave out what differs from run to run."""
    notebook.metadata = {
        'kernelspec': {'display_name': 'Python 3', 'language': 'python', 'name': 'python3'},
        'language_info': {'name': 'python'},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f'cell-{number}', {}
        if cell.cell_type != 'code':
            continue
        cell.execution_count = None
        for output in cell.outputs:
            output.pop('execution_count', None)
            if output.output_type == 'execute_result':
                output.execution_count = None
            if output.output_type in ('execute_result', 'display_data'):
                output.metadata = {}
                _make_small(output.data)
    return notebook


def _make_small(data: Any) -> None:
    if 'image/png' in data:
        data.pop('text/html', None)
        png, jpeg = io.BytesIO(base64.b64decode(data.pop('image/png'))), io.BytesIO()
        Image.open(png).convert('RGB').save(jpeg, 'JPEG', quality=QUALITY)
        data['image/jpeg'] = base64.b64encode(jpeg.getvalue()).decode('ascii')
    if 'text/plain' in data:  # objects are printed with their place in memory
        data['text/plain'] = re.sub(r' at 0x[0-9a-f]+', '', data['text/plain'])


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command."""
    import nbformat

    parser = argparse.ArgumentParser(description='Run the notebooks of examples/, and keep what they show.')
    parser.add_argument('notebooks', nargs='*', type=Path, help='defaults to all of examples/')
    for path in parser.parse_args(arguments).notebooks or sorted(EXAMPLES.glob('*.ipynb')):
        nbformat.write(tidied(executed(path)), str(path))
        print(f'{path}: {path.stat().st_size // 1024} kB')


if __name__ == '__main__':
    main()

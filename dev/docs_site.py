"""Puts the pages of the website together; `make docs` then builds it with mkdocs.

python dev/docs_site.py [--out-dir output/pages]

Pages keep their places in the repository, so that their links are right on a code host and on the website alike. What
is added is a reference, made from the docstrings.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
from pathlib import Path
from typing import Iterator, List, Optional

ROOT = Path(__file__).resolve().parents[1]
PAGES = ('README*.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'docs/*.md', 'projects/*/README.md', 'examples/README.md')
ASSETS = ('dev/website/*.js', 'dev/website/*.css', 'dev/website/*.svg')
MODULES = ('metrics', 'evaluation', 'engine', 'rendering', 'pipelines', 'errors')
LINK = re.compile(r'(\[[^\]]*\]\()([^)\s#]+)(?=[)#])')
# Above a page that exists in two languages. The website has a menu for that.
SWITCH = re.compile(r'^\[English\]\(\S+\) \| \[简体中文\]\(\S+\)\n\n', re.M)


def put_together(out: Path) -> None:
    """Make the folder of pages anew."""
    shutil.rmtree(out, ignore_errors=True)
    for page in pages():
        text = page.read_text(encoding='utf-8')
        for file in linked_files(page, text):
            copy(file, out)
        target = out / str(page.relative_to(ROOT)).replace('.zh-CN.md', '.zh.md')
        write(target, SWITCH.sub('', text).replace('.zh-CN.md', '.md'))
    for pattern in ASSETS:
        for file in ROOT.glob(pattern):
            copy(file, out)
    for name in ('mmlens', *MODULES):
        write(out / 'reference' / f'{name}.md', reference_page(name))


def pages() -> List[Path]:
    """The pages of the repository that the website has."""
    return [page for pattern in PAGES for page in sorted(ROOT.glob(pattern))]


def linked_files(page: Path, text: str) -> Iterator[Path]:
    """Files of the repository that a page shows or links to and that are no pages."""
    for match in LINK.finditer(text):
        file = (page.parent / match.group(2)).resolve()
        if file.is_file() and file not in pages():
            yield file


def copy(file: Path, out: Path) -> None:
    """Copy a file of the repository to its place."""
    target = out / file.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)


def write(path: Path, text: str) -> None:
    """Write a page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8')


def reference_page(name: str) -> str:
    """The reference of a module: all of its public names, functions first."""
    module = 'mmlens' if name == 'mmlens' else f'mmlens.{name}'
    names = public_names(module)
    if not names:
        return f'# {module}\n\n::: {module}\n    options:\n      show_root_heading: false\n'
    ordered = sorted(names, key=lambda each: (each[0].isupper(), each))
    shown = [each for each in ordered if not each.isupper() and each not in ('__version__', 'metrics')]
    parts = [f'::: {module}.{each}' for each in shown]
    return '\n\n'.join([f'# {module}', *parts]) + '\n'


def public_names(module: str) -> List[str]:
    """What ``__all__`` lists, read without importing anything."""
    path = ROOT / Path(*module.split('.'))
    path = path / '__init__.py' if path.is_dir() else path.with_suffix('.py')
    for node in ast.parse(path.read_text(encoding='utf-8')).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == '__all__':
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def main(arguments: Optional[List[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Put the pages of the website together.')
    parser.add_argument('--out-dir', type=Path, default=ROOT / 'output' / 'pages', help='default: output/pages')
    put_together(parser.parse_args(arguments).out_dir)


if __name__ == '__main__':
    main()

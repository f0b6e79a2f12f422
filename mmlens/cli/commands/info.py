"""``mmlens info``: what is installed and works here, and what a config would import."""

from __future__ import annotations

import platform
import sys
from typing import List, Optional

from ...version import __version__
from ..arguments import Parser, parse
from ..config_outline import Outline, outline
from ..guard import DONE, guarded, quiet
from ..verbosity import answering

EXAMPLES = (
    ('mmlens info', 'to be pasted into a bug report'),
    ('mmlens info --config config.py', 'what reading this config would import, without reading it as a config'),
)


def build_parser() -> Parser:
    """Build the parser of ``mmlens info``."""
    parser = Parser(
        prog='mmlens info',
        description='Show what is installed, which ops are compiled and which families of networks work: plain text '
        'for bug reports. With --config, show what a config would import and is based on, without running it.',
        examples=EXAMPLES,
    )
    parser.group('what is shown').add_argument(
        '--config',
        metavar='FILE',
        help='a config file, or the name of a model or config of an installed package: what it would import',
    )
    return parser


def describe_packages() -> List[str]:
    """A line for each package; nothing is imported."""
    from ...compat import installed

    lines = [f'mmlens {__version__}', f'python {platform.python_version()}, {platform.platform()}']
    found = installed.distributions()
    lines += [f'{name}: {" and ".join(brought)}' for name, brought in found.items() if brought]
    lines.append(f'not installed: {", ".join(name for name, brought in found.items() if not brought) or "none"}')
    return [*lines, f'optional: {", ".join(installed.optional()) or "none"}']


def describe_families() -> List[str]:
    """A line for each family of networks: whether its packages can be imported, and if not, why and the cure."""
    from ...compat import installed

    with quiet():
        return [f'{family}: {installed.why_not(family) or "work"}' for family in installed.FAMILIES]


def describe_ops() -> str:
    """Which of mmcv's ops there are."""
    from ...compat import DependencyError, installed

    ops = installed.compiled_ops()
    if ops is None:
        return "mmcv's ops: none, mmcv is not installed"
    if ops:
        return f"mmcv's ops: compiled ({ops})"
    try:
        return f"mmcv's ops: none compiled; mmlens's stand-in serves {', '.join(installed.stand_in_ops())}"
    except (DependencyError, ImportError, OSError) as error:
        return f"mmcv's ops: none compiled, and none served ({type(error).__name__})"


def describe_config(found: Outline) -> List[str]:
    """What a config, and whatever it is based on, would import and do."""
    lines = []
    for each in found.whole():
        kind = 'a Python config: a program' if each.is_program else 'data: reading it runs nothing of its own'
        lines.append(f'{each.path}: {kind}')
        lines += [f'  based on {base}' for base in each.bases]
        lines += [f'  line {line}: {statement}' for line, statement in each.imports]
        lines += [f'  line {line} calls {name}()' for line, name in each.calls]
        lines += [f'  custom_imports: {name}, which is imported and so runs' for name in each.custom_imports]
        lines += [f'  default_scope: {each.default_scope}'] if each.default_scope else []
    if any(each.is_program for each in found.whole()):
        lines.append(
            'A Python config is a program: whatever reads it as a config runs all of it. This is read off its text, '
            'which may hide more. Read configs of strangers before you use them.'
        )
    return lines


@guarded
def main(argv: Optional[List[str]] = None) -> int:
    """Run ``mmlens info``. See :func:`mmlens.cli.main.main`."""
    args = parse(build_parser(), argv)
    with answering():
        if args.config is not None:
            print('\n'.join(describe_config(outline(args.config))))
            return DONE
        from ...compat import installed

        print('\n'.join(describe_packages()))
        sys.stdout.flush()  # the rest takes seconds
        print('\n'.join([*describe_families(), describe_ops(), installed.device()]))
    return DONE

"""What a config would import and build on, read off its text: a Python config is a program, and is not run here."""

from __future__ import annotations

import ast
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..errors import ModelError, reason
from ..model_names import config_path

# Calls that make values and do nothing else.
_HARMLESS = {
    'dict', 'list', 'tuple', 'set', 'frozenset', 'range', 'len', 'int', 'float', 'str', 'bool', 'min', 'max', 'sum',
    'abs', 'round', 'zip', 'enumerate', 'sorted', 'map', 'read_base',
}  # fmt: skip


@dataclass
class Outline:
    """What the text of one config says.

    Attributes:
        path: The file.
        is_program: Whether reading it as a config runs it.
        bases: What it is based on, as it is written.
        imports: ``(line, statement)`` of every import in it, wherever it stands.
        custom_imports: The modules of ``custom_imports``.
        default_scope: Where its types are looked up first; empty if it does not say.
        calls: ``(line, name)`` of what it calls, beside what only makes values.
        files: Outlines of those of its bases that are files here.
    """

    path: Path
    is_program: bool = True
    bases: List[str] = field(default_factory=list)
    imports: List[Tuple[int, str]] = field(default_factory=list)
    custom_imports: List[str] = field(default_factory=list)
    default_scope: str = ''
    calls: List[Tuple[int, str]] = field(default_factory=list)
    files: List[Outline] = field(default_factory=list)

    def whole(self) -> Iterator[Outline]:
        """This outline, and those of all its bases."""
        yield self
        for base in self.files:
            yield from base.whole()


def outline(config: str) -> Outline:
    """Read a config's text, and those of its bases.

    Args:
        config: A file, or a path or name inside an installed package.

    Raises:
        ModelError: If there is no such file, or it is no Python, YAML or JSON.
    """
    return _outline(config_path(config), set())


def _outline(path: Path, seen: set) -> Outline:
    seen.add(path.resolve())
    try:
        text = path.read_text(encoding='utf-8')
        found = _of_program(path, text) if path.suffix == '.py' else _of_data(path, text)
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError) as error:
        raise ModelError(f'The config {path} cannot be read: {reason(error)}') from error
    for base in found.bases:
        file = _file_of(base, path)
        if file is not None and file.resolve() not in seen:
            found.files.append(_outline(file, seen))
    return found


def _file_of(base: str, config: Path) -> Optional[Path]:
    """The file that a base stands for; ``None`` if it is not here."""
    if '::' in base:
        try:
            return config_path(base)
        except ModelError:
            return None
    file = Path(os.path.normpath(config.parent / base))
    return file if file.is_file() else None


def _of_program(path: Path, text: str) -> Outline:
    found = Outline(path)
    tree = ast.parse(text, path.name)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.imports.append((node.lineno, _as_written(text, node)))
        elif isinstance(node, ast.Call):
            name = _dotted(node.func)
            if name not in _HARMLESS:
                found.calls.append((node.lineno, name))
        elif isinstance(node, ast.With) and any('read_base' in ast.dump(item.context_expr) for item in node.items):
            found.bases += [base for each in node.body if isinstance(each, ast.ImportFrom) for base in _lazy(each)]
    settings = _settings(tree)
    found.bases += _texts(settings.get('_base_'))
    found.custom_imports = _texts(_entry(settings.get('custom_imports'), 'imports'))
    found.default_scope = ''.join(_texts(settings.get('default_scope'))[:1])
    for lines in (found.imports, found.calls):
        lines.sort()
    return found


def _settings(tree: ast.Module) -> Dict[str, ast.AST]:
    """What is assigned to names at the top of a module; the last value of each."""
    found: Dict[str, ast.AST] = {}
    for node in tree.body:
        for target in node.targets if isinstance(node, ast.Assign) else []:
            if isinstance(target, ast.Name):
                found[target.id] = node.value  # type: ignore[attr-defined]
    return found


def _entry(node: Optional[ast.AST], key: str) -> Optional[ast.AST]:
    """The value of a key in ``dict(...)`` or ``{...}``."""
    if isinstance(node, ast.Call):
        return next((each.value for each in node.keywords if each.arg == key), None)
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values)
        return next((value for name, value in pairs if isinstance(name, ast.Constant) and name.value == key), None)
    return None


def _texts(node: Optional[ast.AST]) -> List[str]:
    """The texts in a text or a list of them."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    return [text for each in getattr(node, 'elts', []) for text in _texts(each)]


def _lazy(node: ast.ImportFrom) -> List[str]:
    """The file that an import under ``read_base()`` stands for, or the path inside a package."""
    module = (node.module or '').replace('.', '/')
    if node.level:
        return [f'./{"../" * (node.level - 1)}{module}.py'] if module else []
    package, _, path = module.partition('/configs/')
    return [f'{package}::{path}.py' if path else f'{module}.py']


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f'{_dotted(node.value)}.{node.attr}'
    return node.id if isinstance(node, ast.Name) else '...'


def _as_written(text: str, node: ast.stmt) -> str:
    return ' '.join((ast.get_source_segment(text, node) or '').split())


def _of_data(path: Path, text: str) -> Outline:
    if path.suffix == '.json':
        content = json.loads(text)
    else:
        import yaml

        try:
            content = yaml.load(text, yaml.BaseLoader)  # texts, lists and dicts, whatever its tags ask for
        except yaml.YAMLError as error:
            raise ValueError(' '.join(str(error).split())) from error
    content = content if isinstance(content, dict) else {}

    def texts(value: Any) -> List[str]:
        return [value] if isinstance(value, str) else [each for each in value or [] if isinstance(each, str)]

    custom = content.get('custom_imports')
    return Outline(
        path,
        is_program=False,
        bases=texts(content.get('_base_')),
        custom_imports=texts(custom.get('imports')) if isinstance(custom, dict) else [],
        default_scope=str(content.get('default_scope') or ''),
    )

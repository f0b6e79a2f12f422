"""Let mmengine find a package's config by its path, without reading all of the package's metafiles first.

Reason: for each ``mmdet::...``, also in ``_base_``, mmengine parses the hundred YAML files that describe the package's
models, which takes seconds, to learn what the name says already. Delete when it looks for the file first.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any, Callable, Dict

from mmlens.compat.import_hooks import after_import

MODULE = 'mmengine.config.utils'

Find = Callable[[str, str], Dict[str, Any]]


def install() -> None:
    """Replace the search, now or when mmengine is imported. Idempotent."""
    after_import(MODULE, _look_for_files_first)


def _look_for_files_first() -> None:
    module = sys.modules[MODULE]
    find: Find = getattr(module, '_get_cfg_metainfo', None)  # type: ignore[assignment]
    if find is not None and not hasattr(find, '__wrapped__'):
        module._get_cfg_metainfo = _files_first(find)  # type: ignore[attr-defined]


def _files_first(find: Find) -> Find:
    @functools.wraps(find)
    def described(package_path: str, cfg_path: str) -> Dict[str, Any]:
        """What is known of a config; no more than where it lies if that is all that its name needs."""
        configs = Path(package_path) / '.mim' / 'configs'
        if cfg_path.endswith('.py') and (configs / cfg_path).is_file():
            return {'Config': f'configs/{cfg_path}'}
        if (configs / f'{cfg_path}.py').is_file():
            # mmengine lists names with their endings: it would find none, and look for the file next.
            raise ValueError(f'{cfg_path} is a file')
        return find(package_path, cfg_path)

    return described

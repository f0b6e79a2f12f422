"""What the reference needs to know of our docstrings: an extension of griffe, which reads them for mkdocstrings."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r':(?:func|class|meth|mod|attr|data|exc|obj):`~?([\w.]+)`')
EXAMPLE = re.compile(r'^( *)Example:$', re.M)  # griffe knows the plural


class Docstrings(griffe.Extension):
    """Links to functions, which are written as Sphinx wants them, and examples."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(r'\1Examples:', ROLE.sub(self._link, obj.docstring.value))

    @staticmethod
    def _link(role: re.Match[str]) -> str:
        name = role.group(1)
        return f'<autoref identifier="{name}" optional><code>{name.rpartition(".")[2]}</code></autoref>'

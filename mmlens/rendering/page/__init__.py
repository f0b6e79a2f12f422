"""Pages to look at results in: one HTML text with everything in it, that asks nobody for anything."""

from __future__ import annotations

from .encoding import Budget
from .entries import digest_of, entry_of
from .html import Keep, Kept, head_and_tail, script_of, widget

__all__ = ['Budget', 'Keep', 'Kept', 'digest_of', 'entry_of', 'head_and_tail', 'script_of', 'widget']

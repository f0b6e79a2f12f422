"""One HTML file from results: everything in it, nothing asked of any network."""

from __future__ import annotations

from .report import Report

__all__ = ['Report']

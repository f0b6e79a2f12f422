"""dev/report_picture.py draws the picture of the page on reports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.browser


def test_the_picture_is_up_to_date(tmp_path):
    pytest.importorskip('playwright.sync_api', reason='playwright is not installed: run `make browser`')
    # A process of its own: playwright runs once in each.
    command = [sys.executable, str(ROOT / 'dev' / 'report_picture.py'), '--out', str(tmp_path / 'report.jpg')]
    subprocess.run(command, check=True, env={**os.environ, 'PYTHONPATH': os.pathsep.join(map(str, [ROOT, *sys.path]))})
    drawn, kept = (cv2.imread(str(folder / 'report.jpg')) for folder in (tmp_path, ROOT / 'docs' / 'pictures'))
    assert drawn.shape == kept.shape
    difference = cv2.absdiff(cv2.blur(drawn, (60, 60)), cv2.blur(kept, (60, 60))).max()  # fonts differ
    assert difference < 30, 'report.jpg is out of date: run dev/report_picture.py'

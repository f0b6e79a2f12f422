"""Draws the picture of docs/report.md: a report of the shapes detector in a real browser, light and dark.

python dev/report_picture.py [--out docs/pictures/report.jpg] [--chromium /usr/bin/chromium]

Needs a chromium, and what requirements/browser.txt pins.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
from pathlib import Path
from typing import Any, List, Optional

from PIL import Image

import mmlens

SHAPES = Path(__file__).resolve().parents[1] / 'projects' / 'shapes'
PICTURES = ('000005', '000020', '000008', '000021')
WIDTH, HEIGHT = 1180, 740
MOST_BYTES = 200_000


def report(folder: Path) -> Path:
    """The report that is shown."""
    detector = mmlens.load_detector(
        SHAPES / 'configs' / 'shapes_rtmdet.py', SHAPES / 'checkpoints' / 'shapes_rtmdet.pth', device='cpu'
    )
    made = mmlens.Report(title='RTMDet on shapes', subtitle='shapes_rtmdet.py · shapes_rtmdet.pth', number=4)
    for name in PICTURES:
        for method in ('evidencecam', 'gradcam'):
            found = mmlens.explain_boxes(
                detector, SHAPES / 'pictures' / f'{name}.jpg', method=method, signed=True, score_thr=0.5
            )
            made.add(found, f'{name}.jpg')
    return made.save(folder / 'report.html')


def shot(browser: Any, page: Path, scheme: str, opened: bool) -> Image.Image:
    """What is seen of it: a box pointed at, or opened."""
    context = browser.new_context(viewport=dict(width=WIDTH, height=HEIGHT), color_scheme=scheme)
    seen = context.new_page()
    seen.goto(page.as_uri())
    chip = seen.locator('[data-picture="000005.jpg"] .chip').first
    chip.hover()
    if opened:
        chip.click()
    seen.wait_for_timeout(1500)
    image = Image.open(io.BytesIO(seen.screenshot())).convert('RGB')
    context.close()
    return image


def main(argv: Optional[List[str]] = None) -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, default=SHAPES.parents[1] / 'docs' / 'pictures' / 'report.jpg')
    parser.add_argument('--chromium', default=shutil.which('chromium') or shutil.which('google-chrome'))
    args = parser.parse_args(argv)
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = report(Path(folder))
        browser = playwright.chromium.launch(executable_path=args.chromium, args=['--no-sandbox'])
        shots = [shot(browser, page, 'light', False), shot(browser, page, 'dark', True)]
        browser.close()
    both = Image.new('RGB', (WIDTH, 2 * HEIGHT + 12), 'white')
    for number, each in enumerate(shots):
        both.paste(each, (0, number * (HEIGHT + 12)))
    for quality in range(88, 40, -4):
        both.save(args.out, quality=quality, optimize=True)
        if args.out.stat().st_size <= MOST_BYTES:
            break


if __name__ == '__main__':
    main()

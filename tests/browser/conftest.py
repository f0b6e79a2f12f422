"""Pages in a real browser. These tests run in `make browser` alone: nothing else needs one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, List

import cv2
import numpy as np
import pytest

from mmlens import BoxExplanation, BoxMap, Report

SIZE = (240, 320)
NAMES = ('dog', 'cat', 'cow')


def bump(box, size=SIZE) -> np.ndarray:
    """A map with its peak in the middle of a box, zero outside of it."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    across = (x - (box[0] + box[2]) / 2) / (box[2] - box[0])
    down = (y - (box[1] + box[3]) / 2) / (box[3] - box[1])
    heat = np.clip(1 - 4 * (across**2 + down**2), 0, 1).astype(np.float32)
    return heat / heat.max()


def explanation(seed: int, boxes, size=SIZE, method='gradcam', fusion='sum', names=NAMES, counter=False):
    noise = np.random.default_rng(seed).integers(40, 215, (size[0] // 20, size[1] // 20, 3), np.uint8)
    picture = cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC)
    found = []
    for n, box in enumerate(boxes):
        heat = bump(box, size)
        one = BoxMap(n, np.array(box, np.float32), n % 3, names[n % 3], 0.95 - 0.2 * n, heat * (n + 1), heat)
        if counter:
            one.counter = np.ascontiguousarray(heat[:, ::-1])
        found.append(one)
    return BoxExplanation(picture, found, ('neck',), method, 'score', fusion=fusion)


BOXES = [(20, 30, 140, 220), (180, 20, 300, 120), (200, 150, 230, 180)]


@pytest.fixture(scope='session')
def report_file(tmp_path_factory) -> Path:
    """Three pictures: three boxes by two methods with figures and errors, one box, and none."""
    report = Report(title='A title', number=3)
    report.add(explanation(0, BOXES, counter=True), 'a.jpg', truth=[(BOXES[0], 'dog'), ((150, 5, 170, 20), 'cow')])
    report.add(explanation(0, BOXES, method='layercam', fusion='product'), 'a.jpg')
    report.add(explanation(1, [(50, 60, 250, 200)], names=('cat',) * 3), 'b c.jpg')
    report.add(explanation(2, []), 'empty.jpg')
    curves = dict(deletion=np.linspace(1, 0, 11).tolist(), insertion=np.linspace(0, 1, 11).tolist())
    measured = dict(box=BOXES[0], class_name='dog', figures={'gradcam': {'EPG': 0.75}}, curves={'gradcam': curves})
    report.add_figures('a.jpg', [measured, dict(box=BOXES[1], class_name='cat', figures={'gradcam': {'EPG': 0.25}})])
    return report.save(tmp_path_factory.mktemp('page') / 'report.html')


@pytest.fixture(scope='session')
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip('playwright.sync_api', reason='playwright is not installed: run `make browser`')
    names = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
    path = os.environ.get('MMLENS_CHROMIUM') or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip('there is no chromium: install it (apt-get install chromium), or name it with MMLENS_CHROMIUM')
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=['--no-sandbox'])
        yield running
        running.close()


class Page:
    """A page and what came of it. Its own policy forbids strings to be run, so it is asked through the debugger."""

    def __init__(self, context: Any, address: str) -> None:
        self.page = context.new_page()
        self.requests: List[str] = []
        self.complaints: List[str] = []
        self.page.on('request', lambda request: self.requests.append(request.url))
        self.page.on('console', lambda message: self.complaints.append(message.text))
        self.page.on('pageerror', lambda error: self.complaints.append(str(error)))
        self._debugger = context.new_cdp_session(self.page)
        self.page.goto(address)
        self.page.wait_for_selector('html[data-ready]')

    def ask(self, expression: str) -> Any:
        """The value of some JavaScript, or of the promise that it makes."""
        options = dict(expression=expression, returnByValue=True, awaitPromise=True)
        answer: Dict[str, Any] = self._debugger.send('Runtime.evaluate', options)
        assert 'exceptionDetails' not in answer, answer
        return answer['result'].get('value')

    def shown(self, selector: str, name: str) -> np.ndarray:
        """The pixels (H, W, 4) of a canvas, RGBA, once it shows the map of this name."""
        self.page.wait_for_selector(f'{selector}[data-shown="{name}"]', state='attached')
        found = json.loads(
            self.ask(
                f'(() => {{ const c = document.querySelector({json.dumps(selector)}); '
                'const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; '
                'return JSON.stringify([c.height, c.width, Array.from(d)]); })()'
            )
        )
        return np.array(found[2], np.uint8).reshape(found[0], found[1], 4)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).first.inner_text()


@pytest.fixture
def open_page(browser, report_file) -> Iterator[Any]:
    """Open a page; at the end, nothing but files was asked for and nothing was complained of."""
    opened, contexts = [], []

    def make(path: Path = report_file, hash_: str = '', **options: Any) -> Page:
        options.setdefault('viewport', dict(width=1280, height=900))
        contexts.append(browser.new_context(accept_downloads=True, **options))
        opened.append(Page(contexts[-1], path.as_uri() + hash_))
        return opened[-1]

    yield make
    for page in opened:
        asked = [url for url in page.requests if not url.startswith(('data:', 'blob:'))]
        assert len(asked) <= 1 and all(url.startswith('file:') for url in asked), asked
        # The browser notes that these tests read pixels back.
        complaints = [text for text in page.complaints if 'willReadFrequently' not in text]
        assert not complaints, complaints
    for context in contexts:
        context.close()

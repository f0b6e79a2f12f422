"""What a notebook shows of a result, in a real browser."""

from __future__ import annotations

import pytest

from .conftest import BOXES, explanation

pytestmark = pytest.mark.browser


def test_a_result_in_a_notebook_is_its_picture_to_point_at(browser, tmp_path):
    shown = explanation(0, BOXES)._repr_html_()
    path = tmp_path / 'notebook.html'
    path.write_text(f'<!doctype html><meta charset="utf-8"><body>{shown}<p id="after">after</p>', encoding='utf-8')
    page = browser.new_page()
    complaints, requests = [], []
    page.on('console', lambda message: complaints.append(message.text))
    page.on('pageerror', lambda error: complaints.append(str(error)))
    page.on('request', lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    frame = page.frame_locator('iframe')
    frame.locator('canvas[data-shown="all"]').wait_for(state='attached')
    frame.locator('.chip').nth(1).hover()
    frame.locator('canvas[data-shown="1"]').wait_for(state='attached')
    frame.locator('.chip').nth(1).click()
    assert frame.locator('#view-title').inner_text() == 'cat 0.75'
    inside = page.frames[1]
    assert not frame.locator('input[name=search]').count() and inside.url == 'about:srcdoc'
    assert not page.locator('body > img').is_visible()  # what is seen where there are no frames
    extent = page.locator('iframe').bounding_box()
    assert 300 < extent['height'] < 1200
    assert not complaints and [url for url in requests if not url.startswith(('data:', 'about:'))] == [path.as_uri()]
    page.close()

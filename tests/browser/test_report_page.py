"""A report in a real browser: what is pointed at is shown, filters count right, and nobody is asked for anything."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmlens import Report
from mmlens.rendering.colours import colormap_table

from .conftest import BOXES, bump, explanation

pytestmark = pytest.mark.browser

CANVAS = '[data-picture="a.jpg"] .stage canvas'
FIRST = '[data-picture="a.jpg"] .chip[data-key="{}"]'


def expected(values: np.ndarray, height: int, width: int, opacity: float, table='plasma') -> np.ndarray:
    """What the page should paint, by OpenCV: RGBA."""
    levels = np.rint(255 * cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)).astype(np.uint8)
    alpha = 255 * opacity * np.sin(levels / 255.0 * np.pi / 2)
    return np.dstack([colormap_table(table)[levels][..., ::-1], alpha])


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of opacities, and of colours weighed by them, in steps of 255."""
    one, other = one.astype(float), other.astype(float)
    weighed = [each[..., :3] * each[..., 3:] / 255 for each in (one, other)]
    return float(np.abs(one[..., 3] - other[..., 3]).mean() + np.abs(weighed[0] - weighed[1]).mean())


def test_pointing_at_a_box_shows_its_own_map(open_page):
    page = open_page()
    for key, (box, other) in enumerate(zip(BOXES, (BOXES[1], BOXES[2], BOXES[0]))):
        page.page.locator(FIRST.format(key)).hover()
        shown = page.shown(CANVAS, str(key))
        height, width = shown.shape[:2]
        assert distance(shown, expected(bump(box), height, width, 0.5)) < 1
        assert distance(shown, expected(bump(other), height, width, 0.5)) > 3
        y, x = np.unravel_index(int(shown[..., 3].argmax()), shown.shape[:2])
        assert abs(x / width * 320 - (box[0] + box[2]) / 2) < 6 and abs(y / height * 240 - (box[1] + box[3]) / 2) < 6


def test_pointing_at_the_picture_finds_the_smallest_box_there(open_page):
    page = open_page()
    stage = page.page.locator('[data-picture="a.jpg"] .stage')
    extent = stage.bounding_box()
    middle = [
        (BOXES[2][0] + BOXES[2][2]) / 2 / 320 * extent['width'],
        (BOXES[2][1] + BOXES[2][3]) / 2 / 240 * extent['height'],
    ]
    stage.hover(position=dict(x=middle[0], y=middle[1]))
    page.shown(CANVAS, '2')
    assert page.text('[data-picture="a.jpg"] .tag') == 'cow 0.55'
    assert '30 × 30 px' in page.text('[data-picture="a.jpg"] .told')
    page.page.mouse.move(5, 5)
    shown = page.shown(CANVAS, 'all')
    together = np.maximum.reduce([bump(box) for box in BOXES])
    assert distance(shown, expected(together, *shown.shape[:2], 0.5)) < 1


def test_colours_opacity_threshold_scale_and_method(open_page):
    page = open_page()
    page.page.locator(FIRST.format(0)).focus()
    page.shown(CANVAS, '0')
    page.page.select_option('select[name=colormap]', 'viridis')
    page.page.locator('input[name=opacity]').fill('1')
    page.page.locator(FIRST.format(0)).focus()
    page.page.wait_for_timeout(200)
    shown = page.shown(CANVAS, '0')
    assert distance(shown, expected(bump(BOXES[0]), *shown.shape[:2], 1.0, 'viridis')) < 1
    page.page.locator('input[name=threshold]').fill('0.5')
    page.page.locator(FIRST.format(0)).focus()
    page.page.wait_for_timeout(200)
    kept = np.where(bump(BOXES[0]) >= 0.5, bump(BOXES[0]), 0).astype(np.float32)
    shown = page.shown(CANVAS, '0')
    assert distance(shown, expected(kept, *shown.shape[:2], 1.0, 'viridis')) < 2
    assert (page.shown(CANVAS, '0')[..., 3] > 0).mean() == pytest.approx((kept > 0).mean(), abs=0.01)
    page.page.locator('input[name=threshold]').fill('0')
    page.page.select_option('select[name=scale]', 'picture')  # raw peaks are 1, 2 and 3
    page.page.locator(FIRST.format(0)).focus()
    page.page.wait_for_timeout(200)
    shown = page.shown(CANVAS, '0')
    assert distance(shown, expected(bump(BOXES[0]) / 3, *shown.shape[:2], 1.0, 'viridis')) < 1
    page.page.select_option('select[name=scale]', 'own')
    page.page.select_option('select[name=method]', label='layercam')  # a product: shown by its root
    page.page.locator(FIRST.format(0)).focus()
    page.page.wait_for_timeout(200)
    shown = page.shown(CANVAS, '0')
    assert distance(shown, expected(bump(BOXES[0]) ** 0.25, *shown.shape[:2], 1.0, 'viridis')) < 2


def test_what_speaks_against_a_box(open_page):
    page = open_page()
    page.page.locator(FIRST.format(0)).focus()
    page.shown(CANVAS, '0')
    page.page.keyboard.press('a')
    page.page.wait_for_timeout(200)
    shown = page.shown(CANVAS, '0')
    assert distance(shown, expected(bump(BOXES[0])[:, ::-1], *shown.shape[:2], 0.5)) < 1
    page.page.keyboard.press('a')
    page.page.wait_for_timeout(200)
    both = page.shown(CANVAS, '0').astype(int)
    left, right = both[both.shape[0] // 2, both.shape[1] // 4], both[both.shape[0] // 2, -both.shape[1] // 4]
    assert left[0] > left[2] and right[2] > right[0]  # red for it, blue against it


def test_filters_count_right(open_page):
    page = open_page()
    count = lambda: page.text('#count')  # noqa: E731
    visible = lambda: page.page.locator('.card:visible').count()  # noqa: E731
    assert count() == '5 boxes in 3 pictures' and visible() == 3
    page.page.check('input[name=class][value=cat]')
    assert count() == '2 of 5 boxes in 2 of 3 pictures' and visible() == 2
    page.page.check('input[name=error][value=background]')
    assert count() == '1 of 5 boxes in 1 of 3 pictures'
    page.page.click('#clear')
    assert count() == '5 boxes in 3 pictures' and visible() == 3
    page.page.check('input[name=error][value=missed]')
    assert count() == '1 of 5 boxes in 1 of 3 pictures' and page.page.locator('.chip:visible').count() == 1
    page.page.click('#clear')
    page.page.check('input[name=size][value=small]')
    assert count() == '2 of 5 boxes in 1 of 3 pictures'
    page.page.click('#clear')
    page.page.locator('input[name=low]').fill('0.9')
    assert count() == '3 of 5 boxes in 2 of 3 pictures'  # a missed object has no score to be below
    page.page.click('#clear')
    page.page.locator('input[name=from]').fill('0.5')
    assert count() == '1 of 5 boxes in 1 of 3 pictures'
    page.page.click('#clear')
    page.page.locator('input[name=search]').fill('b c.jpg')
    assert count() == '1 of 5 boxes in 1 of 3 pictures'
    page.page.locator('input[name=search]').fill('nothing like it')
    assert visible() == 0 and page.page.locator('#nothing').is_visible()
    page.page.click('#reset')
    assert visible() == 3 and not page.page.locator('#nothing').is_visible()


def test_pictures_are_sorted(open_page):
    page = open_page()
    order = lambda: [each.get_attribute('data-picture') for each in page.page.locator('.card').all()]  # noqa: E731
    assert order() == ['a.jpg', 'b c.jpg', 'empty.jpg']
    page.page.select_option('select[name=order]', 'low')
    assert order() == ['a.jpg', 'b c.jpg', 'empty.jpg']
    page.page.select_option('select[name=order]', 'most')
    assert order()[0] == 'a.jpg' and order()[-1] == 'empty.jpg'
    page.page.select_option('select[name=order]', 'name')
    assert order() == ['a.jpg', 'b c.jpg', 'empty.jpg']


def test_the_keyboard_gets_everywhere(open_page):
    page = open_page()
    keys = page.page.keyboard
    page.page.locator('#pictures').focus()
    keys.press('Tab')  # the picture's link
    keys.press('Tab')  # its boxes
    page.shown(CANVAS, '0')
    keys.press('ArrowRight')
    page.shown(CANVAS, '1')
    keys.press('ArrowDown')
    assert page.ask('document.activeElement.closest(".card").dataset.picture') == 'b c.jpg'
    keys.press('ArrowLeft')  # back to the last box of the picture before
    keys.press('ArrowUp')
    page.page.locator(FIRST.format(1)).focus()
    keys.press('Enter')
    assert page.text('#view-title') == 'cat 0.75' and page.ask('location.hash') == '#a.jpg/1'
    keys.press('ArrowRight')
    assert page.text('#view-title') == 'cow 0.55' and page.ask('location.hash') == '#a.jpg/2'
    keys.press('z')
    keys.press('ArrowLeft')
    keys.press('Escape')
    assert not page.page.locator('#view').is_visible() and page.ask('location.hash') == ''
    assert page.ask('document.activeElement.dataset.key') == '1'
    keys.press('/')
    assert page.ask('document.activeElement.name') == 'search'


def test_a_link_opens_a_box_with_all_that_is_known_of_it(open_page):
    page = open_page(hash_='#a.jpg/0')
    assert page.text('#view-title') == 'dog 0.95'
    titles = [each.inner_text().split('\n')[0] for each in page.page.locator('#view figcaption').all()]
    assert titles == ['gradcam', 'what speaks against dog', 'layercam']
    shown = page.shown('#view figure:nth-of-type(1) canvas:nth-of-type(2)', '0 for')
    assert distance(shown, expected(bump(BOXES[0]), *shown.shape[:2], 0.5)) < 1
    side = page.text('#view .view-side')
    assert 'EPG' in side and '0.75' in side and '120 × 190 px' in side
    assert page.page.locator('#view .curve svg').count() == 2
    assert 'deletion: gradcam from 1.00 to 0.00' in page.page.locator('.curve svg').first.get_attribute('aria-label')
    other = open_page(hash_='#b%20c.jpg/0')
    assert other.text('#view-title') == 'cat 0.95'
    assert not open_page(hash_='#nowhere/0').page.locator('#view').is_visible()


def test_what_is_seen_is_saved(open_page, tmp_path):
    page = open_page(hash_='#a.jpg/0')
    page.shown('#view figure:nth-of-type(1) canvas:nth-of-type(2)', '0 for')
    with page.page.expect_download() as waiting:
        page.page.click('#view button[title^="Save"]')
    assert waiting.value.suggested_filename == 'a.jpg_dog_0.png'
    waiting.value.save_as(str(tmp_path / 'saved.png'))
    saved = cv2.imread(str(tmp_path / 'saved.png'))
    assert saved.shape[1] > 900 and saved.std() > 30


def test_a_phone_has_room_for_it_and_fingers_point_before_they_open(open_page):
    page = open_page(viewport=dict(width=390, height=800), has_touch=True, device_scale_factor=2)
    assert page.ask('document.documentElement.scrollWidth') <= 390
    assert not page.page.locator('input[name=search]').is_visible()
    page.page.click('#side summary')
    assert page.page.locator('input[name=search]').is_visible()
    page.page.click('#side summary')
    stage = page.page.locator('[data-picture="a.jpg"] .stage')
    extent = stage.bounding_box()
    place = dict(x=80 / 320 * extent['width'], y=120 / 240 * extent['height'])
    stage.tap(position=place)
    page.shown(CANVAS, '0')
    assert not page.page.locator('#view').is_visible()
    stage.tap(position=place)
    assert page.text('#view-title') == 'dog 0.95'
    assert page.ask('document.querySelector("#view").scrollWidth') <= 390


@pytest.mark.parametrize(('scheme', 'light'), [('light', True), ('dark', False)])
def test_colours_of_the_page_follow_the_system(open_page, scheme, light):
    page = open_page(color_scheme=scheme)
    ground = page.ask('getComputedStyle(document.body).backgroundColor')
    assert (int(ground.split('(')[1].split(',')[0]) > 200) is light


def test_names_are_words_whatever_they_hold(open_page, tmp_path):
    evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
    report = Report(title=evil, number=1)
    report.add(explanation(0, BOXES, names=(evil, 'b', 'c')), evil)
    page = open_page(report.save(tmp_path / 'evil.html'))
    page.page.locator('.chip').first.hover()
    page.page.locator('.chip').first.click()
    assert page.ask('typeof window.hacked') == 'undefined'
    assert page.text('h1') == evil and evil in page.text('#view-title')


def test_every_control_and_picture_has_a_name(open_page):
    page = open_page(hash_='#a.jpg/0')
    nameless = page.ask(
        '[...document.querySelectorAll("button, input, select, img, svg[role=img], canvas[role=img]")].filter((e) => '
        '!(e.getAttribute("aria-label") || e.alt || e.textContent.trim() || e.labels?.length)).map((e) => e.outerHTML)'
    )
    assert nameless == []


def test_200_pictures_with_1000_boxes_show_the_first_within_a_second_and_decode_what_is_near(open_page, tmp_path):
    def results():
        for n in range(200):
            boxes = [(20 + 110 * k, 40, 110 + 110 * k, 300) for k in range(5)]
            yield f'{n:04d}.jpg', explanation(n, boxes, (480, 640), fusion='product')

    begin = time.perf_counter()
    path: Path = Report(results(), number=200).save(tmp_path / 'many.html')
    seconds, size = time.perf_counter() - begin, path.stat().st_size
    assert size < 15e6
    page = open_page(path)
    page.page.wait_for_selector('[data-picture="0000.jpg"] canvas[data-shown]')
    # Measured by the page's own clock, from the moment that it was asked for.
    took = page.ask('performance.getEntriesByName("first picture")[0].startTime') / 1000
    paint = page.ask('performance.getEntriesByType("paint")[0].startTime') / 1000
    print(f'{size / 1e6:.1f} MB after {seconds:.0f} s; first paint {paint:.2f} s, first picture {took:.2f} s')
    assert took < 1.5  # within a second on a machine that does nothing else
    assert page.page.locator('.card').count() == 200
    awake = page.page.locator('.stage img[src]').count()
    assert 0 < awake < 40
    page.ask('window.scrollTo(0, document.body.scrollHeight)')
    page.page.wait_for_selector('[data-picture="0199.jpg"] canvas[data-shown]')
    assert page.page.locator('.stage img[src]').count() < 40
    assert page.page.locator('[data-picture="0000.jpg"] img[src]').count() == 0

from __future__ import annotations

import numpy as np
import pytest

from mmlens.rendering import text as module
from mmlens.rendering.text import put_text, shorten, text_size, wrap


def drawn(text: str, size: int = 16) -> np.ndarray:
    canvas = np.full((40, 300, 3), 255, np.uint8)
    put_text(canvas, text, (4, 4), size, (0, 0, 0))
    return canvas


def test_text_lies_within_its_measured_size() -> None:
    for text in ('dog 0.86', 'Müßiggänger', 'jÄgp', 'W'):
        width, height = text_size(text, 16)
        canvas = drawn(text)
        ink = np.argwhere(canvas[..., 0] < 255)
        assert len(ink) > 20
        assert ink.min(axis=0).tolist() >= [4, 4]
        assert (ink.max(axis=0) < [4 + height, 4 + width]).all()
        canvas[4 : 4 + height, 4 : 4 + width] = 255
        assert (canvas == 255).all()


def test_lines_of_a_size_are_equally_high() -> None:
    assert len({text_size(text, 14)[1] for text in ('a', 'jÄ', '', 'Ç')}) == 1
    assert text_size('dog', 24)[0] > text_size('dog', 12)[0]
    assert text_size('dog', 16, bold=True)[0] > text_size('dog', 16)[0]


def test_umlauts_are_drawn_and_composed_like_decomposed() -> None:
    assert (drawn('ü') != drawn('u')).any()
    assert (drawn('ü') != drawn('?')).any()
    assert (drawn('u\u0308') == drawn('ü')).all()


def test_what_no_font_has_becomes_a_question_mark() -> None:
    assert (drawn('a\U000f0000b') == drawn('a?b')).all()


def test_another_font_takes_over_what_the_default_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    letter = '\u212c'  # script capital B, in the mathematical font that matplotlib ships
    folder = module._default_font(False).rsplit('DejaVuSans.ttf', 1)[0]
    assert not module._has_glyph('\U000f0000', module._default_font(False))
    monkeypatch.setattr(module, '_default_font', lambda bold: folder + 'cmr10.ttf')
    monkeypatch.setattr(module, '_FALLBACK_FONTS', ('no-such-font.ttf', folder + 'STIXGeneral.ttf'))
    font, text = module._font_for(letter, 16, False)
    assert text == letter
    assert font.path.endswith('STIXGeneral.ttf')


@pytest.mark.parametrize('corner', [(-8, -6), (290, 35), (-500, -500), (500, 500), (-500, 10), (10, -500)])
def test_text_is_cut_at_the_edge_of_the_canvas(corner: tuple) -> None:
    canvas = np.full((200, 300, 3), 255, np.uint8)
    large = np.full((1400, 1600, 3), 255, np.uint8)
    put_text(canvas, 'dog 0.86', corner, 16, (0, 0, 0))
    put_text(large, 'dog 0.86', (corner[0] + 600, corner[1] + 600), 16, (0, 0, 0))
    assert (canvas == large[600:800, 600:900]).all()


def test_shorten() -> None:
    width = text_size('a detector of', 14)[0]
    assert shorten('a detector', 14, width) == 'a detector'
    short = shorten('a detector of detectors', 14, width)
    assert short.endswith('…') and 'a detector of detectors'.startswith(short[:-1])
    assert text_size(short, 14)[0] <= width
    assert shorten('dog', 14, 1) == ''


def test_wrap_breaks_between_words_and_inside_too_long_ones() -> None:
    text = 'no gradient reaches the layer backbone.stage4.blocks[2].conv2.norm: try the neck'
    width = text_size('no gradient reaches', 12)[0]
    lines = wrap(text, 12, width)
    assert lines[0] == 'no gradient reaches'
    assert ''.join(lines).replace(' ', '') == text.replace(' ', '')
    assert all(text_size(line, 12)[0] <= width for line in lines)
    assert wrap('', 12, 100) == []

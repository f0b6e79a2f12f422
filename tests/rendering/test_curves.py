import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mmlens
from mmlens.errors import MmlensError
from mmlens.rendering import Axis, Line, check_size, check_style, curve_figure, draw_curves, text

X = np.linspace(0, 10, 101)
EPOCHS, ITERATIONS = Axis('epoch', 10), Axis('iteration', 5000)


def lines(number=1):
    return [Line(np.cos(X / 10) * (number - place), f'line {place}', f'detail {place}') for place in range(number)]


def axes_of(figure):
    return figure.axes[0]


def test_a_picture_of_the_size_asked_for():
    picture = draw_curves(X, lines(), EPOCHS, size=(6, 4))
    assert (picture.shape, picture.dtype) == ((400, 600, 3), np.uint8)
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture.flags['C_CONTIGUOUS']


def test_colours_are_bgr():
    picture = draw_curves(X, lines(), EPOCHS, style='default')
    # matplotlib's first colour is (31, 119, 180) in red, green, blue
    assert (picture == (180, 119, 31)).all(-1).sum() > 500
    assert not (picture == (31, 119, 180)).all(-1).any()


def test_values_and_words_are_where_they_belong():
    figure = curve_figure(X, lines(2), EPOCHS, ITERATIONS, y_name='learning rate', title='A title', caption='A caption')
    axes = axes_of(figure)
    for drawn, line in zip(axes.get_lines(), lines(2)):
        np.testing.assert_array_equal(drawn.get_xdata(), X)
        np.testing.assert_array_equal(drawn.get_ydata(), line.values)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ('epoch', 'learning rate')
    assert (figure._suptitle.get_text(), figure._supxlabel.get_text()) == ('A title', 'A caption')
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ['line 0\ndetail 0', 'line 1\ndetail 1']
    (top,) = axes.child_axes
    assert top.get_xlabel() == 'iteration'
    np.testing.assert_allclose(top.get_xlim(), np.array(axes.get_xlim()) * 500)


def test_one_line_needs_no_legend():
    assert axes_of(curve_figure(X, lines(), EPOCHS)).get_legend() is None


SIZES = [
    ((4, 3), 1),
    ((4, 3), 3),
    ((5, 4), 14),
    ((7, 5), 14),
    ((5, 20), 2),
    ((12, 3), 40),
    ((12, 7), 1),
    ((12, 7), 14),
    ((12, 7), 50),
]


@pytest.mark.parametrize(('size', 'number'), SIZES)
def test_all_words_are_inside_the_picture(number, size):
    title = 'cascade-mask-rcnn_convnext-s-p4-w7_fpn_4conv1fc-giou_amp-ms-crop-3x_coco: learning rate'
    caption = '36 epochs of 58,633 iterations, batches of 2 on 1 GPU, 117,266 pictures'
    figure = curve_figure(X, lines(number), EPOCHS, ITERATIONS, y_name='lr', title=title, caption=caption, size=size)
    width, height = figure.bbox.width, figure.bbox.height
    words = [figure._suptitle, figure._supxlabel, axes_of(figure).yaxis.label, axes_of(figure).xaxis.label]
    legend = axes_of(figure).get_legend()
    for box in [word.get_window_extent() for word in [*words, *([legend] if legend else [])]]:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


@pytest.mark.parametrize('size', [(4, 3), (5, 4), (7, 5), (8, 3), (12, 7), (30, 4)])
@pytest.mark.parametrize('number', [3, 14, 60])
def test_a_legend_covers_nothing_and_leaves_the_axes_room(number, size):
    caption = '36 epochs of 58,633 iterations, batches of 2 on 1 GPU, 117,266 pictures'
    named = [Line(line.values, f'{line.label}, norm weights', line.detail) for line in lines(number)]
    figure = curve_figure(X, named, EPOCHS, ITERATIONS, y_name='lr', title='A title', caption=caption, size=size)
    axes = axes_of(figure)
    legend = axes.get_legend().get_window_extent()
    others = [axes.bbox, axes.xaxis.label.get_window_extent(), figure._suptitle.get_window_extent()]
    for other in [*others, figure._supxlabel.get_window_extent(), *(top.bbox for top in axes.child_axes)]:
        assert not legend.overlaps(other)
    assert axes.bbox.height >= 0.15 * figure.bbox.height and axes.bbox.width >= 0.4 * figure.bbox.width


@pytest.mark.parametrize('size', [(4, 3), (5, 4)])
def test_curves_have_room_below_a_long_title_and_beside_words(size):
    title = 'cascade-mask-rcnn_convnext-s-p4-w7_fpn_4conv1fc-giou_amp-ms-crop-3x_coco: learning rate'
    figure = curve_figure(X, lines(14), EPOCHS, ITERATIONS, y_name='lr', title=title, caption='words ' * 20, size=size)
    assert axes_of(figure).bbox.height >= 0.2 * figure.bbox.height
    legend = axes_of(figure).get_legend().get_window_extent()
    assert not any(legend.overlaps(box) for box in (axes_of(figure).bbox, figure._suptitle.get_window_extent()))


def test_of_too_many_lines_some_are_named_the_first_and_the_last_among_them():
    long = [Line(line.values, f'{line.label}, weights and norm weights') for line in lines(14)]
    legend = axes_of(curve_figure(X, long, EPOCHS, size=(5, 4))).get_legend()
    named = [text.get_text().split(',')[0] for text in legend.get_texts()]
    assert named == ['line 0', 'line 6', 'line 13']
    assert legend.get_title().get_text() == '3 of 14 are named'
    assert len(axes_of(curve_figure(X, long, EPOCHS)).get_legend().get_texts()) == 14


def test_dollars_are_dollars():
    dollars = '$\\foo$ costs $2'
    named = [Line(X, dollars), Line(X, 'b')]
    figure = curve_figure(X, named, EPOCHS, title=dollars, caption=dollars)
    texts = [figure._suptitle, figure._supxlabel, axes_of(figure).get_legend().get_texts()[0]]
    assert [text.get_text() for text in texts] == [dollars] * 3


def test_a_title_is_written_in_a_font_that_has_its_letters(monkeypatch, recwarn):
    lacking = '\U000f0000'
    figure = curve_figure(X, lines(), EPOCHS, title=f'学习率 {lacking}', size=(4, 3))
    assert figure._suptitle.get_text().endswith(' ?')
    assert not [warning for warning in recwarn if 'lyph' in str(warning.message)]
    # A letter that the default font lacks and another has: as with Chinese where there is a Chinese font.
    monkeypatch.setattr(text, '_has_glyph', lambda letter, path: letter != 'X' or 'STIX' in path)
    stix = text._default_font(False).replace('DejaVuSans', 'STIXGeneral')
    monkeypatch.setattr(text, '_FALLBACK_FONTS', (stix,))
    assert curve_figure(X, lines(), EPOCHS, title='An X')._suptitle.get_fontproperties().get_file() == stix


def test_wide_letters_count_for_two(monkeypatch):
    monkeypatch.setattr(text, '_has_glyph', lambda letter, path: True)
    figure = curve_figure(X, lines(), EPOCHS, title='学' * 60, size=(6, 4))
    assert max(map(len, figure._suptitle.get_text().splitlines())) <= 24


@pytest.mark.parametrize('number', [2, 10, 11, 40])
@pytest.mark.parametrize('style', ['whitegrid', 'dark_background'])
def test_lines_differ_in_colour(style, number):
    drawn = axes_of(curve_figure(X, lines(number), EPOCHS, style=style)).get_lines()
    assert len({str(line.get_color()) for line in drawn}) == number or number == 10  # as many as the style has


def test_a_line_below_another_can_be_seen():
    twice = [Line(X, 'below'), Line(X, 'above')]
    below, above = axes_of(curve_figure(X, twice, EPOCHS)).get_lines()
    assert below.get_linewidth() > above.get_linewidth() and below.get_zorder() <= above.get_zorder()


@pytest.mark.parametrize('value', [0.0, 0.05, 0.9])
def test_constant_values_have_room_above_and_below(value):
    low, high = axes_of(curve_figure(X, [Line(np.full(101, value), 'all')], EPOCHS)).get_ylim()
    assert low < value < high


@pytest.mark.parametrize(('end', 'told'), [(1e7, {'0', '2M', '10M'}), (5e5, {'100k', '500k'}), (36, {'5', '35'})])
def test_large_numbers_are_shortened(end, told):
    axes = axes_of(curve_figure(X * end / 10, lines(), Axis('iteration', end)))
    assert told <= {label.get_text() for label in axes.get_xticklabels()}


@pytest.mark.parametrize('name', ['whitegrid', 'darkgrid', 'ggplot', 'default', 'dark_background'])
def test_styles_of_seaborn_and_matplotlib(name):
    from matplotlib import style

    assert check_style(name) in ['default', *style.available]


def test_a_style_has_its_colours_and_leaves_no_trace():
    from matplotlib import rcParams

    before = dict(rcParams)
    assert draw_curves(X, lines(), EPOCHS, style='dark_background')[0, 0].tolist() == [0, 0, 0]
    assert dict(rcParams) == before


@pytest.mark.parametrize(('name', 'near'), [('whitgrid', 'whitegrid'), ('GGPLOT', 'ggplot'), ('xyz', 'whitegrid')])
def test_an_unknown_style_is_told_with_those_it_may_mean(name, near):
    with pytest.raises(MmlensError, match=f"no style '{name}'; did you mean .*{near}"):
        check_style(name)


@pytest.mark.parametrize('size', [(3, 3), (12, 2), (101, 7), (0, 0)])
def test_an_impossible_size_is_told(size):
    with pytest.raises(MmlensError, match='choose from 4 x 3 to 100 x 100'):
        check_size(size)


def test_no_window_is_touched():
    code = (
        'import sys, numpy as np\n'
        'from mmlens.rendering import Axis, Line, draw_curves\n'
        'draw_curves(np.arange(3.0), [Line(np.ones(3), "all")], Axis("epoch", 3))\n'
        'sys.exit("matplotlib.pyplot" in sys.modules)'
    )
    # In a fresh process, because another test may have imported pyplot.
    root = Path(mmlens.__file__).parents[1]
    assert subprocess.run([sys.executable, '-c', code], cwd=str(root)).returncode == 0

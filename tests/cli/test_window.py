import numpy as np
import pytest
from matplotlib import pyplot

from mmlens.cli.window import check_display, show_picture
from mmlens.errors import MmlensError


@pytest.fixture
def headless():
    pyplot.switch_backend('agg')
    yield
    pyplot.close('all')


def test_no_display_is_told(headless):
    with pytest.raises(MmlensError, match='--show needs a display'):
        check_display()


@pytest.mark.filterwarnings('ignore:.*non-interactive')
def test_a_shown_picture_has_its_colours_and_title(headless):
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[..., 0] = 200  # blue
    show_picture(np.zeros((9, 9, 3), np.uint8), 'first')
    show_picture(picture, 'dog.jpg')
    (figure,) = [pyplot.figure(number) for number in pyplot.get_fignums()]
    (axes,) = figure.axes
    assert axes.get_title() == 'dog.jpg'
    assert axes.images[0].get_array()[0, 0].tolist() == [0, 0, 200]

"""Axes, windows and cells; what is imported where there is no display is looked at in a process of its own."""

import os
import subprocess
import sys
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

from mmlens.errors import MmlensWarning
from mmlens.rendering import plotting

PICTURE = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)


@pytest.fixture(autouse=True)
def agg():
    matplotlib.use('agg')
    yield
    pyplot.close('all')


def test_a_picture_fills_a_figure_of_its_own_size_in_the_right_colours():
    ax = plotting.plot_picture(PICTURE)
    ax.figure.set_dpi(100)
    ax.figure.canvas.draw()
    np.testing.assert_array_equal(np.asarray(ax.figure.canvas.buffer_rgba())[..., :3], PICTURE[..., ::-1])


def test_a_large_picture_gets_a_figure_10_inches_wide():
    ax = plotting.plot_picture(np.zeros((500, 4000, 3), np.uint8))
    np.testing.assert_allclose(ax.figure.get_size_inches(), [10, 1.25])


def test_axes_that_are_given_are_used():
    _, axes = pyplot.subplots(1, 2)
    assert plotting.plot_picture(PICTURE, axes[1]) is axes[1]
    assert not axes[1].axison and axes[0].axison and not axes[0].images


SCRIPT = """
import sys
import numpy as np
from mmlens.rendering import plotting
plotting.plot_picture(np.zeros((6, 8, 3), np.uint8)).figure.savefig({path!r})
from matplotlib import pyplot
pyplot.savefig({path!r})
gui = [name for name in sys.modules if name.split('.')[0] in ('tkinter', 'PyQt5', 'PyQt6', 'PySide6', 'gi', 'wx')]
print(pyplot.get_backend().lower(), gui)
"""


def run(script, **variables):
    environment = {key: value for key, value in os.environ.items() if key not in ('DISPLAY', 'WAYLAND_DISPLAY')}
    environment.pop('MPLBACKEND', None)
    environment.update(variables)
    command = [sys.executable, '-c', script]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


@pytest.mark.skipif(sys.platform != 'linux', reason='only there is a display a variable')
def test_without_a_display_no_gui_is_imported(tmp_path):
    assert run(SCRIPT.format(path=str(tmp_path / 'a.png'))) == 'agg []'
    assert run(SCRIPT.format(path=str(tmp_path / 'a.png')), MPLBACKEND='svg') == 'svg []'


@pytest.mark.skipif(sys.platform != 'linux', reason='only there is a display a variable')
def test_without_a_display_or_a_window_a_sentence_says_what_to_do(monkeypatch):
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    with pytest.warns(MmlensWarning, match='There is no display here: use `plot'):
        plotting.show_picture(PICTURE, 'title')
    monkeypatch.setenv('DISPLAY', ':0')
    with pytest.warns(MmlensWarning, match="matplotlib has no window here: its backend is 'agg': use `plot"):
        plotting.show_picture(PICTURE, 'title')


def test_a_window_has_the_picture_and_the_title(monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, 'can_show', lambda: True)
    monkeypatch.setattr(pyplot, 'show', lambda: shown.append(pyplot.gcf()))
    monkeypatch.setattr(plotting, 'in_notebook', lambda: False)
    plotting.show_picture(PICTURE, 'what it is')
    (figure,) = shown
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), PICTURE[..., ::-1])


def test_in_a_notebook_the_cell_shows_the_picture(monkeypatch):
    IPython = pytest.importorskip('IPython')
    shown = []
    monkeypatch.setattr(IPython, 'get_ipython', lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setattr('IPython.display.display', shown.append)
    plotting.show_picture(PICTURE, 'title')
    assert shown[0].data.startswith(b'\x89PNG')
    monkeypatch.setattr(IPython, 'get_ipython', lambda: SimpleNamespace())  # a terminal
    assert not plotting.in_notebook()

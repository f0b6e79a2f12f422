"""The table of a schedule, worked out by hand."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from mmlens.errors import MmlensWarning, OutputError
from mmlens.schedules.schedule import Curve, Schedule


def make(iterations=(0, 1, 2, 3, 4), epoch_length=2, total=5):
    values = np.array([0.1 * (1 + number) for number in iterations])
    curves = (Curve('weights', values, 3, 30), Curve('biases', 2 * values, 1, 5))
    places = np.array(iterations, np.int64)
    return Schedule('lr', places, curves, total, True, epoch_length, 8, 4, 1)


def rows_of(path):
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.reader(file))


def test_iterations_in_epochs():
    schedule = make()
    assert schedule.epochs().tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert schedule.epoch_starts().tolist() == [0, 2, 4]
    assert schedule.every_iteration


def test_of_iterations_left_out_the_first_one_known_begins_an_epoch():
    schedule = make((0, 1, 5, 6, 9, 10), epoch_length=3, total=12)
    # epochs 0, 0, 1, 2, 3, 3
    assert schedule.epoch_starts().tolist() == [0, 2, 3, 4]
    assert not schedule.every_iteration


def test_every_iteration_or_every_epoch_is_a_row(tmp_path):
    make().save(tmp_path / 'all.csv')
    head, *rows = rows_of(tmp_path / 'all.csv')
    assert head == ['epoch', 'iteration', 'lr: weights', 'lr: biases']
    assert [row[:2] for row in rows] == [['0', '0'], ['0', '1'], ['1', '2'], ['1', '3'], ['2', '4']]
    # Written so that the same float64 is read again.
    assert [float(row[2]) for row in rows] == make().curves[0].values.tolist()
    assert [float(row[3]) for row in rows] == make().curves[1].values.tolist()
    make().save(tmp_path / 'epochs.csv', by='epoch')
    assert rows_of(tmp_path / 'epochs.csv') == [head, rows[0], rows[2], rows[4]]


def test_without_a_length_there_are_no_epochs(tmp_path):
    schedule = make(epoch_length=None)
    for ask in (schedule.epochs, schedule.epoch_starts, lambda: schedule.save(tmp_path / 'a.csv', by='epoch')):
        with pytest.raises(ValueError, match='^The size of the training set is unknown.$'):
            ask()
    assert not list(tmp_path.iterdir())
    schedule.save(tmp_path / 'a.csv')
    head, first, *_ = rows_of(tmp_path / 'a.csv')
    assert head == ['iteration', 'lr: weights', 'lr: biases'] and first[0] == '0'


def test_a_place_that_cannot_be_written_to(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError):
        make().save(tmp_path / 'file' / 'a.csv')


def test_a_schedule_is_printed_in_a_line_and_is_a_table():
    schedule = make()
    assert repr(schedule) == '<Schedule of lr: 2 curves (weights, biases) over 5 iterations>'
    assert repr(schedule.curves[1]) == '<Curve of biases: 0.2 at first, 1 at last>'
    table = schedule.table()
    assert list(table) == ['epoch', 'iteration', 'lr: weights', 'lr: biases']
    assert table['epoch'].tolist() == [0, 0, 1, 1, 2]
    assert schedule.table('epoch')['iteration'].tolist() == [0, 2, 4]
    assert list(make(epoch_length=None).table()) == ['iteration', 'lr: weights', 'lr: biases']


def test_a_schedule_is_plotted_and_shown(monkeypatch):
    import cv2
    import matplotlib

    matplotlib.use('agg')
    from matplotlib import pyplot

    schedule = make()
    _, (left, right) = pyplot.subplots(1, 2)
    assert schedule.plot(right) is right and not left.lines
    assert [line.get_label() for line in right.lines] == ['weights', 'biases']
    np.testing.assert_array_equal(right.lines[1].get_ydata(), schedule.curves[1].values)
    assert schedule.plot().figure is not right.figure
    pyplot.close('all')
    png = cv2.imdecode(np.frombuffer(schedule._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    assert png.shape == (400, 700, 3) and not pyplot.get_fignums()
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    with pytest.warns(MmlensWarning, match='There is no display here') as caught:
        schedule.show()
    assert caught[0].filename == __file__

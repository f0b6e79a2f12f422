"""The table of a schedule, worked out by hand."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from mmlens.errors import OutputError
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

"""A schedule in words and as a figure, by hand."""

import numpy as np
import pytest

from mmlens.schedules.figure import describe, figure_options, summarise
from mmlens.schedules.schedule import Curve, Schedule


def schedule(**changed):
    curves = (Curve('biases', np.array([0.0, 0.2, 0.1, 0.05]), 1, 1500), Curve('others', np.full(4, 0.1), 3, 12))
    given = dict(
        param='lr',
        iterations=np.arange(4),
        curves=curves,
        total=4,
        by_epoch=True,
        epoch_length=2,
        dataset_size=1600,
        batch_size=8,
        ngpus=1,
    )
    return Schedule(**{**given, **changed})


def test_a_curve_in_words():
    first, second = schedule().curves
    assert describe(first) == 'biases (1 tensor, 1.5 k parameters): 0 at first, 0.2 at most, 0.05 at last'
    assert describe(second) == 'others (3 tensors, 12 parameters): 0.1'


@pytest.mark.parametrize(
    ('parameters', 'said'), [(999, '999'), (1000, '1 k'), (2_500_000, '2.5 M'), (3_000_000_000, '3e+03 M')]
)
def test_parameters_are_counted_in_thousands_and_millions(parameters, said):
    assert describe(Curve('all', np.ones(2), 2, parameters)) == f'all (2 tensors, {said} parameters): 1'


def test_a_training_in_words():
    assert summarise(schedule()) == '2 epochs of 2 iterations, batches of 8 on 1 GPU, 1,600 pictures'
    unknown = schedule(epoch_length=None, dataset_size=None, total=90000, ngpus=2)
    assert summarise(unknown) == '90,000 iterations, batches of 8 on 2 GPUs'


def test_a_figure_counts_what_it_is_told():
    options = figure_options(schedule(), 'epoch', 'my_config')
    np.testing.assert_array_equal(options['x'], [0, 0.5, 1, 1.5])
    assert (options['axis'].name, options['axis'].end) == ('epoch', 2)
    assert (options['other_axis'].name, options['other_axis'].end) == ('iteration', 4)
    assert options['title'] == 'my_config: learning rate' and options['y_name'] == 'learning rate'
    assert [line.label for line in options['lines']] == ['biases', 'others']
    assert figure_options(schedule(), 'iter', 'my_config')['axis'].name == 'iteration'
    assert figure_options(schedule(param='weight_decay'), 'iter', 'a', '')['title'] == ''


def test_without_an_epoch_length_the_axis_counts_iterations():
    options = figure_options(schedule(epoch_length=None), 'epoch', 'a')
    assert options['axis'].name == 'iteration' and options['other_axis'] is None

"""Commands start faster than plain mmdet: a bar on a ratio of one run, and what the table says."""

import pytest


@pytest.fixture(scope='module')
def start(tool):
    return tool('start_table')


def test_boxam_takes_less_of_the_processor_than_plain_mmdet(start):
    """It takes 0.45; before imports were put off it took 1.2."""
    plain, boxam = start.measured(['plain mmdet', 'mmlens boxam'], 1)
    assert boxam.median < 0.75 * plain.median


def test_the_table(start):
    rows = [start.Row('plain mmdet', [4.0, 2.0, 3.0]), start.Row('mmlens boxam', [1.5])]
    assert start.markdown(rows).splitlines()[2:] == ['| plain mmdet | 3.00 | 1.00 |', '| mmlens boxam | 1.50 | 0.50 |']
    assert start.markdown(rows[1:]).splitlines()[2:] == ['| mmlens boxam | 1.50 | - |']


def test_a_command_that_fails_ends_the_table(start, tmp_path):
    with pytest.raises(RuntimeError, match='ZeroDivisionError'):
        start.seconds_of(['-c', '1 / 0'], str(tmp_path))
    assert start.seconds_of(['-c', 'import sys; sys.exit(2)'], str(tmp_path)) > 0

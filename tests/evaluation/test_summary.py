"""Means by group, comparisons in pairs, and the tables that show them."""

import csv

import numpy as np
import pytest

from mmlens import metrics
from mmlens.evaluation import Table, draw_means, grid, markdown, means_of, pairs_of, report, write_means, write_pairs
from mmlens.evaluation.figures import FIGURES
from mmlens.evaluation.summary import groups_of


@pytest.fixture
def table():
    """Two rows and six boxes on three pictures: `good` is better by 0.1 to 0.2."""
    table = Table(['good', 'bad'], ['bad'])
    random = np.random.default_rng(0)
    for name in 'abc':
        boxes = []
        for number in range(2):
            empty = dict.fromkeys(FIGURES)
            value = random.random()
            one, other = (
                dict(empty, deletion=value - less, epg=0.5, pointing=1.0) for less in (0.1 + random.random() / 10, 0)
            )
            boxes.append(
                dict(
                    box=[0, 0, 9, 9], label=number, class_name=('ant', 'bee')[number], score=0.9, truth=None,
                    error=None, area=(100.0, 10000.0)[number], curves=dict(good={}, bad={}),
                    figures=dict(good=list(one.values()), bad=list(other.values())),
                )
            )  # fmt: skip
        record = dict(picture=name, boxes=boxes, passes={}, seconds=dict(good=1.0, bad=0.1), plain=0.5)
        table.add(record)
    return table


def test_groups_are_all_classes_and_sizes(table):
    groups = {key: boxes.tolist() for key, boxes in groups_of(table).items()}
    assert groups == {
        ('all', ''): [0, 1, 2, 3, 4, 5],
        ('class', 'ant'): [0, 2, 4],
        ('class', 'bee'): [1, 3, 5],
        ('size', 'small'): [0, 2, 4],
        ('size', 'large'): [1, 3, 5],
    }


def test_means_have_the_intervals_of_bootstrap(table):
    means = {(mean.kind, mean.group, mean.row, mean.figure): mean.interval for mean in means_of(table)}
    values = table.figures('good', 'deletion')
    assert means['all', '', 'good', 'deletion'] == metrics.bootstrap(values, table.pictures)
    assert means['class', 'bee', 'good', 'deletion'] == metrics.bootstrap(values[1::2], table.pictures[1::2])
    assert len(means) == 5 * 2 * 3
    assert {mean.kind for mean in means_of(table, ['all'])} == {'all'}


def test_pairs_are_compared_on_the_same_boxes(table):
    (pair,) = (pair for pair in pairs_of(table) if pair[2] == 'deletion')
    assert pair[:2] == ('good', 'bad') and -0.2 < pair[3].low < pair[3].mean < pair[3].high < -0.1


def test_the_table_marks_the_best_and_the_baselines(table):
    lines = markdown(table, means_of(table)).splitlines()
    assert lines[0] == '| method | deletion | pointing | EPG | cost |' and len(lines) == 4
    mean = table.figures('good', 'deletion').mean()
    assert lines[2].startswith(f'| good | **{mean:.3f}** [')
    assert lines[2].endswith('| 1.000 [1.000, 1.000] | 0.500 [0.500, 0.500] | 1.00 |')  # as good as the other
    assert lines[3].startswith('| *bad* | ') and '**' not in lines[3]
    assert markdown(table, means_of(table), 'class', 'ant').count('\n') == 3
    short = markdown(table, means_of(table), cost=False, intervals=False).splitlines()
    assert short[0] == '| method | deletion | pointing | EPG |'
    assert short[2] == f'| good | **{mean:.3f}** | 1.000 | 0.500 |'


def test_the_report_has_a_table_a_group_and_no_times(table):
    text = report(table, means_of(table))
    headings = [line for line in text.splitlines() if line.startswith('## ')]
    assert headings == ['## all', '## class: ant (3)', '## class: bee (3)', '## size: small (3)', '## size: large (3)']
    assert text.startswith('6 boxes on 3 pictures.') and 'cost' not in text and text.count('| good |') == 5


def test_the_means_are_drawn(table):
    drawn = draw_means(table, means_of(table))
    assert drawn.dtype == np.uint8 and drawn.ndim == 3 and drawn.std() > 10


def test_a_grid():
    assert grid(['a', 'b'], [['1', '2']]) == '| a | b |\n| --- | --- |\n| 1 | 2 |'


def test_files_hold_what_was_found(table, tmp_path):
    write_means(means_of(table), tmp_path / 'summary.csv')
    write_pairs(pairs_of(table), tmp_path / 'pairs.csv')
    with open(tmp_path / 'summary.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30 and rows[0]['kind'] == 'all' and rows[0]['boxes'] == '6'
    assert float(rows[0]['mean']) == pytest.approx(table.figures('good', 'deletion').mean(), abs=1e-6)
    with open(tmp_path / 'pairs.csv', newline='') as file:
        pairs = list(csv.DictReader(file))
    assert [pair['figure'] for pair in pairs] == ['deletion', 'epg']
    assert -0.2 < float(pairs[0]['one - other']) < -0.1

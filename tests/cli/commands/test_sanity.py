"""`mmlens sanity`: files, table, verdicts, and one sentence for whatever is wrong."""

from __future__ import annotations

import csv
import os

import cv2
import numpy as np
import pytest

from mmlens.cli.commands.sanity import main, table
from mmlens.results.sanity import SanityCheck

FEW = ['--score-thr', '0.01', '--topk', '1', '--draws', '1', '--out-dir', 'out']


def test_a_picture(model, pictures, capfd):
    assert main(['pics/a.png', *model, '--methods', 'gradcam', 'eigencam', *FEW]) == 0
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert lines[0].split() == ['drawn', 'anew', 'gradcam', 'eigencam'] and lines[1].split()[0] == 'bbox_head'
    assert [line for line in lines if line.startswith('eigencam does not pass: its maps stay the same')]
    assert lines[-1] == '1 map of each method -> out: sanity.csv, sanity.png' and 'Traceback' not in err
    assert sorted(os.listdir('out')) == ['sanity.csv', 'sanity.png'] and cv2.imread('out/sanity.png') is not None
    with open('out/sanity.csv', newline='') as file:
        assert {row['method'] for row in csv.DictReader(file)} == {'gradcam', 'eigencam'}


def test_a_table_by_hand():
    check = SanityCheck(
        ('gradcam', 'x'),
        ('head', 'backbone'),
        ('cup',),
        (0,),
        np.array([[[[0.5], [0.25]]], [[[1], [np.nan]]]]),
        np.ones((2, 1)),
    )
    assert table(check) == 'drawn anew  gradcam       x\nhead           0.50    1.00\nbackbone       0.25       -'


@pytest.mark.parametrize(
    ('img', 'extra', 'sentence'),
    [
        ('pics/a.png', ['--methods', 'drise'], "Method 'drise' runs the network many times or by another engine"),
        (
            'pics/a.png',
            ['--score-thr', '1'],
            'There is no box to check: none of the wanted kind scores enough; lower --score',
        ),
        ('pics/b.jpg', [], 'pics/b.jpg'),
        ('pics/none.jpg', [], 'pics/none.jpg'),
        ('street.mp4', [], '`mmlens sanity` works on pictures only.'),
    ],
)
def test_what_is_wrong_is_one_sentence(model, pictures, capfd, img, extra, sentence):
    assert main([img, *model, *FEW, *extra]) == 2
    out, err = capfd.readouterr()
    assert err.count('mmlens: error: ') == 1 and sentence in err and 'Traceback' not in err
    assert not os.path.exists('out')


def test_an_interrupted_check_writes_nothing(model, pictures, capfd, monkeypatch):
    from mmlens.explain import sanity

    def interrupt(part, generator):
        raise KeyboardInterrupt

    monkeypatch.setattr(sanity, 'draw_anew', interrupt)
    assert main(['pics/a.png', *model, *FEW]) == 130
    assert capfd.readouterr().err.endswith('mmlens: interrupted: nothing was written.\n') and not os.path.exists('out')

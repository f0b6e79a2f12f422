"""Options for how pictures are read."""

from __future__ import annotations

import pytest

from mmlens.cli.commands import boxam, cam, featmap, layers
from mmlens.cli.reading import reading
from mmlens.errors import MmlensError

COMMANDS = {'boxam': boxam, 'cam': cam, 'featmap': featmap}


@pytest.mark.parametrize('command', COMMANDS)
def test_values_and_percentiles(command):
    parser = COMMANDS[command].build_parser()
    args = parser.parse_args(['a.png', 'c.py', '--window', '-1000', '99.5%', '--max-pixels', '1e9'])
    assert reading(args) == dict(window=(-1000.0, '99.5%'), max_pixels=10**9)
    tiny = parser.parse_args(['a.png', 'c.py', '--window', '-1e3', '-.5e-2'])
    assert reading(tiny)['window'] == (-1000.0, -0.005)
    assert reading(parser.parse_args(['a.png', 'c.py'])) == dict(window=None, max_pixels=None)
    assert layers.build_parser().parse_args(['c.py', '--max-pixels', '7']).max_pixels == 7


@pytest.mark.parametrize('window', [('9', '9'), ('99%', '1%'), ('5', '-5')])
def test_a_window_that_ends_where_it_begins(window):
    args = boxam.build_parser().parse_args(['a.png', 'c.py', '--window', *window])
    with pytest.raises(MmlensError) as error:
        reading(args)
    assert str(error.value) == f'--window must begin below its end, not at {window[0]} and {window[1]}.'


@pytest.mark.parametrize(
    'words', [['--window', 'x', '1'], ['--window', '0', '101%'], ['--window', 'nan', '1'], ['--max-pixels', '0']]
)
def test_what_is_no_value_is_refused(words, capsys):
    with pytest.raises(SystemExit):
        boxam.build_parser().parse_args(['a.png', 'c.py', *words])
    assert f'argument {words[0]}: ' in capsys.readouterr().err

"""The benchmark's command: what it measures, what it writes, and that nothing ends it."""

import json
from types import SimpleNamespace

import pytest


@pytest.fixture(scope='module')
def tools(tool):
    """The files of the benchmark."""
    parts = {name: tool(f'benchmark_{name}') for name in ('figure', 'methods', 'page', 'rows')}
    tool('draw_docs_pictures')  # imported when it is needed
    return SimpleNamespace(main=tool('benchmark'), **parts)


def options(tools, tmp_path, *words):
    return tools.main.read_options([*words, '--output', str(tmp_path / 'page.md')])


def test_cells_are_each_method_on_each_detector_and_the_series(tools, tmp_path):
    words = ['--detectors', 'dino', 'yolov5-s', '--methods', 'gradcam', 'ablationcam', 'whole:gradcam', '--boxes', '2']
    words += ['--series', 'boxes', 'channels', 'windows', '--series-detector', 'shapes-rtmdet']
    chosen = options(tools, tmp_path, *words)
    every = [(cell.detector, cell.method) for cell in tools.methods.method_cells(chosen)]
    assert every == [(d, m) for d in ('dino', 'yolov5-s') for m in ('gradcam', 'ablationcam', 'whole:gradcam')]
    cells = list(tools.methods.series_cells(chosen))
    assert all(cell.detector == 'shapes-rtmdet' for cell in cells if cell.section != 'windows')
    assert [cell.boxes for cell in cells if cell.section == 'boxes'] == [1, 1, 3, 3, 10, 10]
    channels = [(cell.method, cell.ratio, cell.boxes) for cell in cells if cell.section == 'channels']
    assert channels == [('ablationcam', ratio, 2) for ratio in (0.25, 0.5, 1.0)]
    windows = [(cell.detector, cell.method, cell.boxes) for cell in cells if cell.section == 'windows']
    assert windows == [('yolov5-s', 'gradcam', 10), ('yolov5-s', 'whole:gradcam', 10)]


def test_a_detector_of_ones_own_is_measured_alone(tools, tmp_path):
    chosen = options(tools, tmp_path, '--own', 'a.jpg', 'b.py', 'c.pth', '--methods', 'gradcam')
    (cell,) = tools.methods.method_cells(chosen)
    assert chosen.parts == ['methods'] and (cell.detector, cell.own) == ('own', ['a.jpg', 'b.py', 'c.pth'])


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--detectors', 'yolox-nano'], 'yolox-nano needs the folder'),
        (['--real', 'nowhere'], 'there is no folder nowhere'),
        (['--old-gradcam', 'nowhere'], 'there is no folder nowhere'),
        (['--detectors', 'nothing'], "invalid choice: 'nothing'"),
        (['--parts', 'nothing'], "invalid choice: 'nothing'"),
        (['--boxes', '0'], "'0' is not a whole number above 0"),
        (['--repeat', '-1'], "'-1' is not a whole number above 0"),
        (['--output', f'{__file__}/page.md'], f'Cannot write to {__file__}'),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_measured(tools, words, message, monkeypatch, capsys):
    monkeypatch.delenv('MMLENS_REAL_DATA', raising=False)
    with pytest.raises(SystemExit) as ended:
        tools.main.main(words)
    assert ended.value.code == 2 and message in capsys.readouterr().err


class Asker:
    """Answers instead of processes."""

    answers = ()

    def __init__(self, forks):
        self.left = list(self.answers)

    def ask(self, cell):
        return self.left.pop(0)

    def close(self):
        pass


MEASURED = dict(detector='dino', method='gradcam', boxes=3, maps=3, inference=0.1, seconds=0.25, memory=30.0)


def test_the_command_writes_what_was_measured_before_ctrl_c(tools, tmp_path, monkeypatch, capsys):
    Asker.answers = [(MEASURED, ''), ({}, 'No result within 9 s.')]
    monkeypatch.setattr(tools.methods, 'Asker', Asker)
    line = tools.methods.in_a_line
    told = []

    def in_a_line(row):
        told.append(row)
        if len(told) == 3:
            raise KeyboardInterrupt
        return line(row)

    monkeypatch.setattr(tools.methods, 'in_a_line', in_a_line)
    Asker.answers += [(dict(MEASURED, method='drise'), ''), ({}, 'too late')]
    words = ['--detectors', 'dino', '--methods', 'gradcam', 'ablationcam', 'drise', 'scorecam', '--device', 'cpu']
    assert tools.main.main([*words, '--parts', 'methods', '--output', str(tmp_path / 'page.md')]) == 0
    printed = capsys.readouterr()
    assert '1/4 dino gradcam: 250 ms, 2.50 inferences' in printed.out
    assert '2/4 dino ablationcam: No result within 9 s.' in printed.out
    assert 'Ended by Ctrl-C after 3 of 4.' in printed.err
    figures = tools.main.read_figures(tmp_path / 'page.json')
    rows = tools.main.rows_of_cells(figures)
    assert [row.method for row in rows] == ['gradcam', 'ablationcam', 'drise'] and rows[0].seconds == 0.25
    assert '| dino | `gradcam` | 3 | 100 ms | 250 ms | 83 ms | 2.50 |' in (tmp_path / 'page.md').read_text()
    assert (tmp_path / 'pictures' / 'benchmark.jpg').stat().st_size > 5000


def test_parts_and_rows_that_are_not_measured_keep_their_figures(tools, tmp_path, monkeypatch):
    page = tmp_path / 'page.md'
    monkeypatch.setattr(tools.methods, 'Asker', Asker)
    monkeypatch.setitem(tools.main.PARTS, 'start', lambda options: [dict(name='plain mmdet', seconds=[2.0])])
    words = ['--device', 'cpu', '--output', str(page), '--detectors', 'dino', '--methods']
    Asker.answers = [(MEASURED, ''), (dict(MEASURED, method='drise'), '')]
    assert tools.main.main([*words, 'gradcam', 'drise', '--parts', 'start', 'methods']) == 0
    Asker.answers = [(dict(MEASURED, method='drise', seconds=0.5), '')]
    assert tools.main.main([*words, 'drise', '--parts', 'methods']) == 0
    figures = json.loads(page.with_suffix('.json').read_text())
    assert list(figures) == ['start', 'methods']
    assert [(row['method'], row['seconds']) for row in figures['methods']['rows']] == [
        ('gradcam', 0.25),
        ('drise', 0.5),
    ]
    assert '| plain mmdet | 2.00 | 1.00 |' in page.read_text() and '5.00 |' in page.read_text()
    # What is measured later still stands where its method does.
    Asker.answers = [(dict(MEASURED, method='layercam'), '')]
    assert tools.main.main([*words, 'layercam', '--parts', 'methods']) == 0
    figures = json.loads(page.with_suffix('.json').read_text())
    assert [row['method'] for row in figures['methods']['rows']] == ['gradcam', 'layercam', 'drise']


def test_the_page_marks_estimates_and_shows_what_grows(tools):
    row = dict(boxes=3, maps=3, side=416, channels=192, inference=0.1, memory=60.0, inference_memory=40.0)
    rows = [
        tools.rows.Row('a', 'drise', seconds=5.1, passes=100, all_passes=1000, pace=0.05, **row),
        tools.rows.Row('a', 'mmyolo:gradcam', remark='RuntimeError: a | <b>'),
        tools.rows.Row('a', 'gradcam', seconds=0.2, multiplications=1.5, reads=30, waits=40, **row),
    ]
    grown = [tools.rows.Row('a', 'ablationcam', 0.25, 'channels', seconds=2.0, passes=48, all_passes=48, **row)]
    part = dict(made_with='on a toaster', minutes=2.0, quick=False)
    page = tools.page.written(
        {
            'methods': dict(part, rows=[vars(each) for each in rows]),
            'series': dict(part, rows=[vars(each) for each in grown], autocast='bf16', quick=True),
        }
    )
    assert '*on a toaster; 2 minutes.*' in page and '*on a toaster, autocast to bf16; 2 minutes.* **Tried with' in page
    assert (
        '| a | `drise` | 3 | 100 ms | ≈ 50.1 s | ≈ 16.7 s | ≈ 501.00 | - | 100 of 1000 | - | 60 MB (1.5 ×) |  |' in page
    )
    assert '| a | `gradcam` | 3 | 100 ms | 200 ms | 67 ms | 2.00 | 1.50 × | - | 10 (40 waits a picture) |' in page
    assert '| a | `mmyolo:gradcam` | - | - | - | - | - | - | - | - | - | RuntimeError: a \\| &lt;b> |' in page
    assert (
        '### More channels' in page and '| 48 | a | `ablationcam` | 100 ms | 2.0 s | 667 ms | 20.00 | - | 48 |' in page
    )
    assert '### More boxes' not in page and '## A video' not in page


def test_the_figure_has_a_line_for_each_method_and_a_part_for_each_series(tools):
    def row(method, **more):
        return tools.rows.Row('a', method, boxes=3, maps=3, side=416, channels=192, inference=0.1, **more)

    rows = [row('gradcam', seconds=0.2), row('drise', seconds=5.1, passes=9, all_passes=10, pace=45)]
    rows += [row('scorecam')]
    rows += [row('gradcam', section='boxes', seconds=seconds) for seconds in (0.2, 0.3)]
    figure = tools.figure.cost_figure(rows)
    costs, boxes = (part.axes[0] for part in figure.subfigs)
    assert [label.get_text() for label in costs.get_yticklabels()] == ['gradcam', 'drise']
    drawn = [line for line in costs.lines if len(line.get_xdata()) == 1 and line.get_marker() == 'o']
    assert [line.get_xdata()[0] for line in drawn] == [2.0, 501.0]
    assert [line.get_markerfacecolor() == 'none' for line in drawn] == [False, True]
    assert list(boxes.lines[0].get_ydata()) == pytest.approx([2.0, 3.0]) and boxes.get_xlabel() == 'boxes'

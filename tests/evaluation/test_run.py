"""Many pictures: checked before, kept on the way, taken up again."""

import shutil

import pytest

from mmlens.errors import LayerError, MethodError, MmlensError, OutputError
from mmlens.evaluation import PROGRESS, Case, baselines, cost_of, evaluate_cases, read_row

THRESHOLD = 0.45


@pytest.fixture
def rows(yolox):
    return [read_row('layercam: layercam/neck'), *(row for row in baselines(yolox) if row.name == 'gaussian')]


def test_a_stopped_run_goes_on_with_the_same_bytes(yolox, cases, rows, tmp_path):
    options = dict(score_thr=THRESHOLD, maps_only=True)
    whole = evaluate_cases(yolox, cases, rows, folder=tmp_path, **options)
    whole.write_boxes(tmp_path / 'whole.csv')
    shutil.copy(tmp_path / PROGRESS, tmp_path / 'kept')
    lines = (tmp_path / 'kept').read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    (tmp_path / PROGRESS).write_bytes(b''.join(lines[:2]) + lines[2][:50])  # as when it was killed while writing
    done = []
    again = evaluate_cases(
        yolox, cases, rows, folder=tmp_path, resume=True, progress=lambda *now: done.append(now), **options
    )
    again.write_boxes(tmp_path / 'again.csv')
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert (tmp_path / 'again.csv').read_bytes() == (tmp_path / 'whole.csv').read_bytes()
    assert len((tmp_path / PROGRESS).read_bytes().splitlines()) == 4


def test_a_folder_of_other_work_is_left_alone(yolox, cases, rows, tmp_path):
    options = dict(folder=tmp_path, maps_only=True)
    evaluate_cases(yolox, cases[:1], rows, score_thr=THRESHOLD, **options)
    kept = (tmp_path / PROGRESS).read_bytes()
    with pytest.raises(OutputError, match='holds an evaluation already: go on with it by `resume`'):
        evaluate_cases(yolox, cases[:1], rows, score_thr=THRESHOLD, **options)
    with pytest.raises(MmlensError, match=r'started with other settings \(score_thr\)'):
        evaluate_cases(yolox, cases[:1], rows, score_thr=0.1, resume=True, **options)
    with pytest.raises(MmlensError, match=r'started with other settings \(pictures, methods\)'):
        evaluate_cases(yolox, cases, rows[:1], score_thr=THRESHOLD, resume=True, **options)
    assert (tmp_path / PROGRESS).read_bytes() == kept


@pytest.mark.parametrize(
    ('text', 'error', 'sentence'),
    [
        ('a: layercam/backbone.stage9', LayerError, "row 'a' cannot be computed: .*stage9"),
        ('nocam', MethodError, "row 'nocam' cannot be computed"),
        ('d: drise/neck', LayerError, 'black box, without layers'),
        ('d: drise/masks=3', MethodError, "row 'd' cannot be computed: Method 'drise' has no option 'masks'"),
        ('d: drise/resume=x', MmlensError, 'one file cannot keep the progress of many pictures: leave out `resume`'),
        ('l: layercam/steps=3', MethodError, "row 'l' cannot be computed: .*takes no options: leave out `steps`"),
    ],
)
def test_rows_that_cannot_be_computed_are_refused_before_the_first_pass(yolox, cases, tmp_path, text, error, sentence):
    with pytest.raises(error, match=sentence):
        evaluate_cases(yolox, cases, [read_row(text)], folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_box_over_the_threshold(yolox, cases, rows):
    with pytest.raises(MmlensError, match='No detection on 3 pictures scores at least 1: lower'):
        evaluate_cases(yolox, cases, rows, score_thr=1.0)
    with pytest.raises(MmlensError, match='no pictures to measure on'):
        evaluate_cases(yolox, [], rows)


def test_the_cost_is_told_before(yolox, cases, rows, pictures):
    from mmlens.evaluation.measuring import measure

    case = Case('twice', lambda: (pictures[0], None))
    cost = cost_of(yolox, [case] * 7, rows, 0.53)
    assert (cost['pictures'], cost['boxes']) == (7, 14) and cost['seconds'] > 0
    # Three shared pictures, and 18 for each of two maps of two boxes.
    assert cost['passes'] == 7 * (3 + 18 * 4) and cost['passes_a_box'] == (3 + 18 * 4) / 2
    assert measure(yolox, case, rows, 0.53).altered == 3 + 18 * 4
    assert cost['own'] == 0
    several = [read_row(text) for text in ('drise', 'd: drise/num_masks=20', 'i: integratedgradients/steps=8')]
    assert cost_of(yolox, [case] * 7, several, 0.53)['own'] == 7 * 150 + 7 * 20 + 14 * 8
    assert cost_of(yolox, [case] * 7, [read_row('e: drise/exact=True')], 0.53)['own'] == 7 * 1000


def test_options_of_a_method_reach_it(yolox, cases):
    row = read_row('d: drise/num_masks=3+batch_size=2')
    table = evaluate_cases(yolox, cases[:1], [row], score_thr=THRESHOLD, maps_only=True)
    assert table.cost('d')['passes'] * len(table) == 3


def test_processes_that_share_need_a_folder(yolox, cases, rows):
    with pytest.raises(MmlensError, match='need a `folder`'):
        evaluate_cases(yolox, cases, rows, shared=True)


def test_what_other_processes_measured_is_gone_on_with(yolox, cases, rows, tmp_path):
    options = dict(score_thr=THRESHOLD, maps_only=True)
    whole = evaluate_cases(yolox, cases, rows, folder=tmp_path / 'a', **options)
    head, *lines = (tmp_path / 'a' / PROGRESS).read_bytes().splitlines(keepends=True)
    (tmp_path / 'b').mkdir()
    (tmp_path / 'b' / PROGRESS).write_bytes(head + lines[2][:30])  # killed in its first picture
    (tmp_path / 'b' / 'progress.3.jsonl').write_bytes(lines[1])
    again = evaluate_cases(yolox, cases, rows, folder=tmp_path / 'b', resume=True, shared=True, **options)
    assert again.pictures == whole.pictures
    for name in ('epg', 'compactness'):
        assert again.figures('layercam', name).tolist() == whole.figures('layercam', name).tolist()
    assert [path.name for path in (tmp_path / 'b').iterdir()] == [PROGRESS]

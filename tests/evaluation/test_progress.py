"""What was measured so far: a file a process, merged whatever happened before."""

import json

import pytest

from mmlens.evaluation.progress import PROGRESS, Progress


def record(number):
    return dict(picture=f'{number}.jpg', boxes=[dict(score=number)])


@pytest.fixture
def kept(tmp_path):
    """Begun by three processes: pictures 0 and 3 by the first, 4 and 1 by the second, 2 by the third."""
    Progress(tmp_path).start(dict(score_thr=0.5))
    for process, numbers in enumerate(((0, 3), (4, 1), (2,))):
        for number in numbers:
            Progress(tmp_path, process).add(number, record(number))
    return tmp_path


def test_each_process_has_a_file_of_its_own_and_pictures_come_in_order(kept):
    assert {path.name for path in kept.iterdir()} == {PROGRESS, 'progress.1.jsonl', 'progress.2.jsonl'}
    assert Progress(kept).numbers() == [0, 1, 2, 3, 4] == Progress(kept, 2).numbers()
    assert list(Progress(kept).records()) == [record(number) for number in range(5)]
    assert Progress(kept).is_first and not Progress(kept, 1).is_first


def test_merged_they_are_one_file(kept):
    file = Progress(kept)
    file.merge()
    assert [path.name for path in kept.iterdir()] == [PROGRESS]
    assert file.settings() == dict(score_thr=0.5) and list(file.records()) == [record(n) for n in range(5)]
    whole = file.path.read_bytes()
    file.merge()
    assert file.path.read_bytes() == whole


def test_killed_while_merging_nothing_is_lost_or_counted_twice(kept):
    others = {path: path.read_bytes() for path in kept.glob('progress.?.jsonl')}
    Progress(kept).merge()
    whole = Progress(kept).path.read_bytes()
    for path, content in others.items():  # as when it was killed before they were deleted
        path.write_bytes(content)
    assert list(Progress(kept).records()) == [record(n) for n in range(5)]
    Progress(kept).merge()
    assert Progress(kept).path.read_bytes() == whole and not list(kept.glob('progress.?.jsonl'))


@pytest.mark.parametrize('name', [PROGRESS, 'progress.1.jsonl'])
def test_a_line_that_was_not_written_whole_is_dropped(kept, name):
    with (kept / name).open('ab') as file:
        file.write(b'{"number": 7, "record": {"pict')
    assert Progress(kept).numbers() == [0, 1, 2, 3, 4]
    Progress(kept).merge()
    Progress(kept).add(7, record(7))
    assert list(Progress(kept).records())[-1] == record(7)


def test_what_begins_anew_forgets_all_processes(kept):
    Progress(kept).start({})
    assert Progress(kept).numbers() == [] and [path.name for path in kept.iterdir()] == [PROGRESS]


@pytest.mark.parametrize('text', [None, '', 'no json\n', '{}\n', '[1]\n'])
def test_a_file_of_something_else_has_no_settings(tmp_path, text):
    if text is not None:
        (tmp_path / PROGRESS).write_text(text)
    assert Progress(tmp_path).settings() == {}


def test_lines_are_json(kept):
    lines = (kept / PROGRESS).read_text().splitlines()
    assert [list(json.loads(line)) for line in lines] == [['settings'], ['number', 'record'], ['number', 'record']]

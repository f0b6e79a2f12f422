"""A small part of the soak: everything ends in a sentence, touches no source, and leaves nothing half-written."""

import pytest


def test_bad_inputs_end_well(tool):
    found = tool('soak_inputs').soak_inputs(cases=40, seed=7)
    assert len(found['kinds']) == len(tool('soak_cases').KINDS) and found['cases'] >= 30
    assert not found['bad'], found['bad']


def test_the_same_seed_makes_the_same_cases(tool):
    chosen = tool('soak_inputs').chosen
    assert chosen(900, 3) == chosen(900, 3) != chosen(900, 4)
    assert 800 <= len(chosen(900, 0)) <= 1000 and set(chosen(900, 0)) == set(tool('soak_cases').KINDS)


def test_every_part_is_there(tool):
    soak = tool('soak')
    for name, part in soak.PARTS.items():
        assert callable(getattr(tool(part.module), f'soak_{name}'))


def test_the_judge_sees_what_is_wrong(tool, tmp_path):
    ground = tool('soak_ground')
    (tmp_path / 'a.png').write_bytes(b'half')
    (tmp_path / 'b.npz').write_bytes(b'')
    (tmp_path / 'c.json').write_text('{"a": 1}')
    assert sorted(path.name for path in ground.unreadable(tmp_path)) == ['a.png', 'b.npz']


def test_full_disks_are_told(tool, tmp_path):
    ground, disk = tool('soak_ground').Ground(tmp_path / 'ground'), tool('soak_disk')
    words = disk.writers(ground)['npz']
    for size in (8000, 30000):
        with disk.full_after(size):
            outcome = ground.run(words)
        assert outcome.status == 2 and not outcome.faults, outcome


def test_the_page_has_a_row_a_part(tool):
    soak = tool('soak')
    figures = {
        'inputs': dict(cases=900, bad=[], seconds=600, kinds={'lists': {'cases': 900, 'exit 2': 900}}),
        'threads': dict(cases=100, bad=[], seconds=60, count=25),
        'pictures': dict(cases=10000, bad=[dict(faults=['memory grows'])], seconds=60, first=500, last=900),
    }
    page = soak.written(figures, 'Python')
    assert '| inputs | bad inputs of all commands' in page and '| lists | 900 | 900 |' in page
    assert 'than `make soak` takes by itself: threads 25 of 200.' in page
    assert '| 10,000 | 1 | 1.0 | 500 MB after a tenth, 900 MB at the end |' in page and 'memory grows' in page


def test_a_part_that_ends_early_failed(tool, monkeypatch):
    soak = tool('soak')
    monkeypatch.setitem(soak.PARTS, 'nowhere', soak.Part('soak_nowhere', 1, ''))
    figures = soak.run_part('nowhere', None, 0)
    assert figures['bad'][0]['faults'] == ['the part ended with status 1']


@pytest.mark.parametrize('name', ['one', 'two'])
def test_threads_are_judged(tool, name):
    from concurrent.futures import Future

    import numpy as np

    threads, done = tool('soak_threads'), Future()
    done.set_result([np.zeros(2) if name == 'one' else np.ones(2)])
    assert threads._fault(done, [np.zeros(2)]) == ('' if name == 'one' else 'other maps')

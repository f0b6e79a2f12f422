import pytest


@pytest.fixture(scope='module')
def benchmark_many(tool):
    return tool('benchmark_many')


def test_sides_take_turns_and_the_first_picture_is_taken_off(benchmark_many, monkeypatch):
    order = []

    def seconds(words):
        name, number = words
        order.append(name)
        each = {'plain': 0.1, 'ours': 0.2}[name]
        return 5 + each * number, 3 + each * number / 2

    monkeypatch.setattr(benchmark_many, 'seconds', seconds)
    sides = {name: lambda number, name=name: (name, number) for name in ('plain', 'ours')}
    found = benchmark_many.compare(sides, 11, 2)
    assert order == ['plain', 'plain', 'ours', 'ours', 'ours', 'ours', 'plain', 'plain']
    assert found['plain'][0]['rate'] == pytest.approx(10) and found['plain'][0]['cpu'] == pytest.approx(0.05)
    assert benchmark_many.ratio(found, 'ours') == pytest.approx(0.5)
    assert benchmark_many.ratio(found, 'ours', 'cpu') == pytest.approx(2)


def test_the_ratio_is_the_median_of_pairs(benchmark_many):
    pairs = {'plain': [{'rate': r} for r in (1.0, 2.0, 4.0)], 'ours': [{'rate': r} for r in (1.0, 1.0, 40.0)]}
    assert benchmark_many.ratio(pairs, 'ours') == 1.0

"""Nested outputs: what is found in them, and that they are rebuilt as they were."""

import collections
from typing import NamedTuple

import pytest
import torch

from mmlens.attribution.trees import map_tensors, tensors_of


class Pair(NamedTuple):
    first: object
    second: object


ONE, TWO, THREE = torch.tensor(1.0), torch.tensor(2.0), torch.tensor(3.0)


def test_tensors_come_in_order():
    output = {'a': (ONE, None, [TWO]), 'b': Pair('name', THREE), 'c': 7}
    assert [t.item() for t in tensors_of(output)] == [1, 2, 3]


@pytest.mark.parametrize('output', [None, 'name', 7, [], {}, ((), {'x': None})])
def test_nothing_is_found_where_there_is_no_tensor(output):
    assert list(tensors_of(output)) == []
    assert map_tensors(torch.neg, output) == output


@pytest.mark.parametrize(
    ('output', 'expected'),
    [
        (ONE, torch.tensor(-1.0)),
        ((ONE, 5), (torch.tensor(-1.0), 5)),
        ([ONE, [TWO]], [torch.tensor(-1.0), [torch.tensor(-2.0)]]),
        (Pair(ONE, 'x'), Pair(torch.tensor(-1.0), 'x')),
        ({'k': ONE}, {'k': torch.tensor(-1.0)}),
        (collections.OrderedDict(k=ONE), collections.OrderedDict(k=torch.tensor(-1.0))),
        (collections.defaultdict(list, k=ONE), collections.defaultdict(list, k=torch.tensor(-1.0))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_structure_is_rebuilt_of_the_same_type(output, expected):
    found = map_tensors(torch.neg, output)
    assert type(found) is type(expected)
    assert found == expected


def test_a_dict_keeps_what_its_subclass_knows_and_is_not_changed_in_place():
    output = collections.defaultdict(list, k=ONE)
    found = map_tensors(torch.neg, output)
    assert found.default_factory is list
    assert output['k'] is ONE


def test_what_torch_itself_returns_is_rebuilt():
    found = map_tensors(lambda t: t + 1, torch.max(torch.tensor([[1, 5], [7, 2]]), 1))
    assert found.values.tolist() == [6, 8]
    assert found.indices.tolist() == [2, 1]


def test_a_size_stays_one():
    output = (ONE, torch.Size([2, 3]))
    assert map_tensors(torch.neg, output)[1] == torch.Size([2, 3])
    assert isinstance(map_tensors(torch.neg, output)[1], torch.Size)

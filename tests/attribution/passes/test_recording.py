"""What a recorder notes of one pass: which calls there were, what each depends on, and what it keeps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmlens.attribution.passes.recording import Call, Counter, Recorder, Watcher, calls_within
from mmlens.attribution.restore import swapped_forwards


class Fn(nn.Module):
    """A function as a module."""

    def __init__(self, function, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.function = function

    def forward(self, *args, **kwargs):
        return self.function(*args, **kwargs)


class Box:
    """Hides a tensor."""

    def __init__(self, value):
        self.value = value


def double():
    return Fn(lambda x: 2 * x)


def watch(net, watcher, x):
    """Run a network under a watcher, which is told of all modules but the outermost."""
    inner = [module for module in net.modules() if module is not net]
    with torch.no_grad(), swapped_forwards(inner, watcher.call):
        return net(x)


def record(net, *tapped, x=None, copied=frozenset()):
    """A finished recording of one pass, and its calls by the modules' names (the last call of each)."""
    names = {id(module): name for name, module in net.named_modules()}
    recorder = Recorder({id(net.get_submodule(name)): name for name in tapped}, copied)
    watch(net, recorder, torch.ones(1, 1, 2, 2) if x is None else x)
    calls = {names[call.path[-1][0]]: call for call in calls_within(recorder.root) if call.path}
    recorder.finish()
    return recorder, calls


# ---------------------------------------------------------------- what depends on what


def test_two_branches_worked_out_by_hand():
    net = Fn(None, stem=double(), a=double(), b=double(), after_a=double(), after_b=double(), head=double())
    net.function = lambda x: net.head(net.after_a(net.a(net.stem(x))) + net.after_b(net.b(net.stem(x))))
    recorder, calls = record(net, 'a', 'b')
    assert [name for name, _ in recorder.tapped] == ['a', 'b']
    assert [tensor.unique().tolist() for _, tensor in recorder.tapped] == [[4.0], [4.0]]
    assert {name: sorted(call.depends) for name, call in calls.items()} == {
        'stem': [],  # the second time too: the picture was there before `a` ran
        'a': [0],
        'after_a': [0],
        'b': [1],
        'after_b': [1],
        'head': [0, 1],  # no module returned the sum: it may depend on all that was tapped before
    }


def test_a_tensor_that_no_module_returned_may_come_from_any_layer_before():
    net = Fn(None, a=double(), b=double(), other=double())
    net.function = lambda x: (net.a(x), net.b(x + 0), net.other(x))
    _, calls = record(net, 'a', 'b')
    assert [sorted(calls[name].depends) for name in ('a', 'b', 'other')] == [[0], [0, 1], []]


def test_what_modules_hand_on_depends_on_what_they_were_given():
    net = Fn(None, stem=double(), a=double(), b=double(), after_a=double(), after_b=double(), head=Fn(torch.add))

    def run(x):
        x = net.stem(x)
        return net.head(net.after_a(net.a(x)), net.after_b(net.b(x)))

    net.function = run
    recorder, calls = record(net, 'a', 'b')
    depends = {name: sorted(call.depends) for name, call in calls.items()}
    assert depends == {'stem': [], 'a': [0], 'b': [1], 'after_a': [0], 'after_b': [1], 'head': [0, 1]}
    # Handed out again: what depends on neither, or on one alone. What depends on both runs in every pass.
    assert {name for name, call in calls.items() if call.output is not None} == {
        'stem',
        'a',
        'b',
        'after_a',
        'after_b',
    }
    assert calls['after_a'].output.unique().tolist() == [8.0]
    assert (calls['a'].taps, calls['b'].taps, calls['head'].taps) == ((0,), (1,), ())


def test_layers_in_series():
    net = nn.Sequential(double(), double(), double())
    _, calls = record(net, '0', '1')
    assert {name: sorted(call.depends) for name, call in calls.items()} == {'0': [0], '1': [0, 1], '2': [0, 1]}


def test_every_tensor_of_an_output_is_tapped_for_itself():
    net = Fn(None, pair=Fn(lambda x: {'maps': [2 * x, 3 * x], 'index': x.long()}), one=double(), two=double())

    def run(x):
        maps = net.pair(x)['maps']
        return net.one(maps[0]), net.two(maps[1])

    net.function = run
    recorder, calls = record(net, 'pair')
    assert [tensor.unique().tolist() for _, tensor in recorder.tapped] == [[2.0], [3.0]]
    assert calls['pair'].taps == (0, 1)  # whole numbers are no map
    # Each depends on what came in alone, but one call returned both: see which tensor is which.
    assert (sorted(calls['one'].depends), sorted(calls['two'].depends)) == ([0], [1])


def test_hidden_tensors_may_depend_on_everything_so_far():
    net = Fn(None, a=double(), hide=Fn(Box), show=Fn(lambda box: box.value + 0), other=double())

    def run(x):
        net.a(x)
        return net.show(net.hide(x)), net.other(x)

    net.function = run
    _, calls = record(net, 'a')
    assert [sorted(calls[name].depends) for name in ('a', 'hide', 'show', 'other')] == [[0], [0], [0], []]
    assert [calls[name].again for name in ('a', 'hide', 'show', 'other')] == [False, True, True, False]


# ---------------------------------------------------------------- which call is which


def test_calls_are_told_apart_by_where_and_how_often_they_came():
    inner = double()
    net = Fn(None, inner=inner, outer=Fn(lambda x: inner(inner(x)), inner=inner))
    net.function = lambda x: net.outer(net.inner(net.outer(x)))
    paths = []
    for _ in range(2):
        recorder = Recorder({}, frozenset())
        assert watch(net, recorder, torch.ones(1)).tolist() == [32.0]
        paths.append([call.path for call in calls_within(recorder.root)])
    outer = id(net.outer)
    assert (
        paths[0]
        == paths[1]
        == [
            (),
            ((outer, 0),),
            ((id(inner), 0),),
            ((outer, 1),),
        ]
    )  # what lies within a call that depends on nothing is dropped: it is handed out as a whole


def test_calls_within_one_that_depends_on_a_layer_are_kept():
    net = Fn(None, outer=nn.Sequential(double(), double(), double()))
    net.function = lambda x: net.outer(x)
    recorder, calls = record(net, 'outer.1')
    assert list(calls) == ['outer', 'outer.0', 'outer.1', 'outer.2']
    assert [name for name, call in calls.items() if call.output is not None] == ['outer.0', 'outer.1']
    (outer,) = recorder.root.children.values()
    assert list(outer.children.values()) == [calls['outer.0'], calls['outer.1'], calls['outer.2']]


def test_keys_count_the_calls_of_each_module():
    call, one, two = Call(), nn.Identity(), nn.Identity()
    keys = [call.next_key(module) for module in (one, two, one, one)]
    assert keys == [(id(one), 0), (id(two), 0), (id(one), 1), (id(one), 2)]


# ---------------------------------------------------------------- what is written to


def test_what_is_written_to_later_is_found_and_kept_as_it_was_in_a_second_pass():
    net = nn.Sequential(double(), Fn(lambda x: x.add_(1)), double())
    _, calls = record(net, '2')
    assert [calls[name].in_place for name in ('0', '1', '2')] == [True, False, False]
    assert calls['0'].output.unique().tolist() == [3.0]  # too late
    assert calls['1'].again and calls['1'].shares  # it writes to what came in, and returns it
    _, again = record(net, '2', copied=frozenset([calls['0'].path]))
    assert again['0'].in_place and again['0'].output.unique().tolist() == [2.0]


def test_a_tapped_tensor_stays_what_the_layer_returned():
    net = nn.Sequential(double(), Fn(lambda x: x.add_(1)))
    recorder, calls = record(net, '0')
    ((_, tapped),) = recorder.tapped
    assert tapped.unique().tolist() == [2.0] and calls['0'].in_place
    recorder, calls = record(nn.Sequential(double(), double()), '0')
    ((_, tapped),) = recorder.tapped
    assert tapped is calls['0'].output  # nothing was written to it: one copy is enough


@pytest.mark.parametrize(
    ('function', 'shares'),
    [
        (lambda x: x.flatten(1), True),
        (lambda x: (x + 1).expand(2, -1, -1, -1).split(1), True),
        (lambda x: x + 1, False),
        (lambda x: (x + 1, x + 2), False),
        (lambda x: torch.zeros(0), False),
    ],
)
def test_memory_that_is_shared_is_found(function, shares):
    _, calls = record(nn.Sequential(Fn(function)))
    assert calls['0'].shares is shares


# ---------------------------------------------------------------- how deep


def test_depth_counts_the_network_s_modules_and_no_data_samples():
    seen = []
    counter = Counter()
    note = Fn(lambda x, heads=None: (seen.append(counter.depth), x)[1])
    inner = Fn(lambda x, samples: note(x, heads=nn.ModuleList([nn.Identity()])), note=note)
    net = Fn(lambda x: (seen.append(counter.depth), note(x), inner(x, [Box(1)]))[2], inner=inner)
    watch(net, counter, torch.ones(1))
    assert seen == [0, 1, 1]  # alone, and in `inner`, which is given more than tensors and counts as no depth
    assert counter.depth == 0 and len(counter.stack) == 1


def test_an_error_leaves_the_stack_as_it_was():
    def fail(x):
        raise ZeroDivisionError

    for watcher in (Counter(), Recorder({}, frozenset())):
        with pytest.raises(ZeroDivisionError):
            watch(nn.Sequential(nn.Sequential(Fn(fail))), watcher, torch.ones(1))
        assert watcher.depth == 0 and len(watcher.stack) == 1


def test_a_watcher_says_itself_what_a_call_is():
    with pytest.raises(NotImplementedError):
        Watcher(None).call(nn.Identity(), lambda x: x, (1,), {})

"""Where in a checkpoint the weights of a model are, and behind which prefix."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch

from mmlens.models.prefixes import best_fit, states_in, without_wrappers

SHAPES = {'backbone.conv.weight': (2, 3), 'backbone.bn.num_batches_tracked': (), 'head.fc.weight': (4, 2)}
STATE = {name: torch.ones(shape) for name, shape in SHAPES.items()}


def behind(prefix, state=STATE):
    return {f'{prefix}{name}': value for name, value in state.items()}


@pytest.mark.parametrize(
    ('content', 'entries'),
    [
        (STATE, ['']),
        ({'state_dict': STATE, 'meta': {}}, ['state_dict']),
        ({'model': STATE, 'epoch': 3, 'optimizer': {'state': {}}}, ['model']),
        ({'ema': STATE, 'model': STATE}, ['model', 'ema']),
        ({'run': {'net': STATE}}, ['run.net']),
        ({'state_dict': [1], 'model': STATE}, []),
        ({'epoch': 3}, []),
        ([STATE], []),
    ],
)
def test_weights_are_found_in_any_entry(content, entries):
    assert list(states_in(content)) == entries


@pytest.mark.parametrize('prefix', ['detector.', 'teacher.', 'ema_model.', 'my.own.'])
def test_what_lies_behind_a_prefix_fits_entirely(prefix):
    fit = best_fit({'state_dict': {**behind(prefix), 'steps': torch.zeros(1)}}, SHAPES)
    assert fit.entire and fit.moved and fit.prefix == prefix and set(fit.state) == set(STATE)
    assert fit.note('a.pth') == (
        f"a.pth: the weights, whose names begin with '{prefix}', fit the model entirely and were loaded."
    )


def test_of_several_the_teacher_is_taken_and_the_others_are_told():
    fit = best_fit({'state_dict': {**behind('student.'), **behind('teacher.')}}, SHAPES)
    assert fit.prefix == 'teacher.' and fit.others == ('student.',)
    assert fit.note('a.pth').endswith("were loaded; those of 'student.' fit as well.")


def test_names_that_fit_as_they_are_come_first():
    fit = best_fit({'state_dict': {**behind('ema_model.'), **STATE}}, SHAPES)
    assert fit.entire and not fit.moved


def test_a_model_in_a_wrapper_gets_what_was_saved_without_it():
    shapes = {f'{part}.{name}': shape for part in ('teacher', 'student') for name, shape in SHAPES.items()}
    fit = best_fit({'state_dict': STATE}, shapes)
    assert fit.entire and fit.lacked == ('teacher.', 'student.') and set(fit.state) == set(shapes)
    assert "lack the model's 'teacher.' and 'student.'" in fit.note('a.pth')


def test_a_prefix_that_does_not_fit_entirely_is_a_hint():
    fit = best_fit({'state_dict': behind('net.', {**STATE, 'head.fc.weight': torch.ones(7, 2)})}, SHAPES)
    assert not fit.entire
    assert fit.hint() == "'net.' stands before its names, and 1 of 2 weights fit the model then; "
    assert best_fit({'': {'x': torch.ones(1)}}, SHAPES).hint() == ''


def test_wrappers_are_taken_out_of_names_wherever_they_stand():
    state = OrderedDict({'module._orig_mod.backbone._orig_mod.conv.weight': torch.ones(2, 3)})
    state._metadata = OrderedDict({'module.backbone': {'version': 2}})
    plain = without_wrappers(state, SHAPES)
    assert list(plain) == ['backbone.conv.weight'] and plain._metadata == {'backbone': {'version': 2}}
    own = {'module.weight': (1,)}
    assert list(without_wrappers({'module.weight': torch.ones(1)}, own)) == ['module.weight']

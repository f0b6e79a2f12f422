"""What the parsers offer is what the library takes, though a parser cannot ask it: that costs torch."""

import re

import pytest

from mmlens import choices
from mmlens.attribution.methods import PassMethod, available_methods, get_method
from mmlens.attribution.methods.integrated import BASELINES
from mmlens.attribution.passes.altering import ABLATED_VALUES
from mmlens.attribution.targets import BOX_TARGETS, MASK
from mmlens.cli.commands import boxam, cam, evaluate, featmap, lr, pipeline
from mmlens.cli.pass_options import CONCERNED, PASS_METHODS
from mmlens.models.families import FAMILIES
from mmlens.processes import _TOLD
from mmlens.schedules.figure import NAMES


def action(command, dest):
    (found,) = (each for each in command.build_parser()._actions if each.dest == dest)
    return found


@pytest.mark.parametrize(
    ('command', 'dest', 'expected'),
    [
        (boxam, 'target', choices.TARGETS),
        (boxam, 'target', (*BOX_TARGETS, MASK)),
        (boxam, 'family', choices.FAMILIES),
        (cam, 'family', choices.FAMILIES),
        (boxam, 'layout', choices.LAYOUTS),
        (cam, 'layout', choices.CLASS_LAYOUTS),
        (cam, 'on', choices.FRAMES),
        (featmap, 'channel_reduction', (*choices.REDUCTIONS, 'None')),
        (pipeline, 'phase', choices.PHASES),
        (pipeline, 'mode', choices.MODES),
        (evaluate, 'launcher', ('none', *_TOLD)),
    ],
)
def test_an_option_has_the_choices_of_the_library(command, dest, expected):
    assert tuple(action(command, dest).choices) == expected


def test_the_families_are_those_that_networks_belong_to():
    assert set(choices.FAMILIES) == {kind.family for kind in FAMILIES}


def test_what_a_schedule_is_drawn_of_has_a_name():
    assert tuple(NAMES) == choices.PARAMS
    assert action(lr, 'param').metavar == '{lr,momentum,weight_decay}'


def test_the_options_of_methods_are_those_that_methods_have():
    pass_methods = [name for name in available_methods() if isinstance(get_method(name), PassMethod)]
    assert sorted(PASS_METHODS) == pass_methods
    for option, methods in CONCERNED.items():
        assert sorted(methods) == [name for name in pass_methods if option in get_method(name).options]
    # 'gradcam' is pytorch-grad-cam's own value, and what classes get without the option.
    assert set(action(boxam, 'ablated').choices) == set(ABLATED_VALUES) - {'gradcam'}
    assert set(action(boxam, 'baseline').choices) == set(BASELINES)


@pytest.mark.parametrize('command', [boxam, cam])
def test_help_names_every_method(command):
    named = re.findall(r'[\w+]+', action(command, 'method').help.lower())
    ours = [name for name in available_methods() if _module_of(get_method(name)).startswith('mmlens.')]
    assert len(ours) >= 10 and not set(ours) - set(named)


def _module_of(method):
    return (method.explain if isinstance(method, PassMethod) else method.formula).__module__

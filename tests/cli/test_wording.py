"""Parameters and functions in the library's sentences become options and commands."""

import importlib

import pytest

import mmlens
from mmlens.cli.arguments import parse
from mmlens.cli.guard import guarded, say, tell
from mmlens.cli.main import COMMANDS
from mmlens.cli.wording import COMMANDS as NAMES
from mmlens.cli.wording import in_options, of_a_command, use_options_of
from mmlens.errors import ModelError, reason

PARSERS = {name: importlib.import_module(f'mmlens.cli.commands.{name}').build_parser for name in COMMANDS}


def said(command, sentence):
    with of_a_command():
        use_options_of(PARSERS[command]())
        return in_options(sentence)


@pytest.mark.parametrize(
    ('command', 'sentence', 'expected'),
    [
        ('boxam', 'leave out `norm_in_bbox`', 'leave out --norm-in-bbox'),
        ('boxam', 'give `norm_in_bbox=True`', 'give --norm-in-bbox'),
        ('boxam', "use `device='cpu'`.", 'use --device cpu.'),
        ('boxam', 'not `classes` and `instances`', 'not --class and --instance'),
        ('boxam', 'name `layers`', 'name --target-layers'),
        ('boxam', '`topk=-1`', '--topk -1'),
        ('boxam', '`num_masks` and `grid`', '--num-masks and `grid`'),
        ('boxam', 'the `picture` and its `checkpoint`', 'the img and its checkpoint'),
        ('cam', '`categories`', '--target-category'),
        ('cam', '`classes`', '--target-category'),
        ('cam', '`aug_smooth` and `out_file`', '--aug-smooth and --save-path'),
        ('cam', "`layers=['backbone.layer4[-1]', 'neck']`", '--target-layers backbone.layer4[-1] neck'),
        ('featmap', "`reduction='select_max'`", '--channel-reduction select_max'),
        ('featmap', '`arrangement=(2, 3)`', '--arrangement 2 3'),
        ('lr', 'give `dataset_size=N`', 'give --dataset-size N'),
        ('lr', "`cfg_options={'a.b': N, 'c.d': True}`", '--cfg-options a.b=N c.d=True'),
        ('pipeline', "`skip_types=['Resize']`", '--skip-type Resize'),
        ('pipeline', '`phase`', '--phase'),
        ('layers', '`picture`', '--img'),
        ('history', '`layers`', '`layers`'),
        ('lr', '`list_layers(model, picture)` shows which run', '`mmlens layers` shows which run'),
        ('boxam', 'with `explain_classes()` or `explain_classes`', 'with `mmlens cam` or `mmlens cam`'),
        ('boxam', 'run `pip install matplotlib`', 'run `pip install matplotlib`'),
        ('boxam', '`topk=len(all)` and `topk=(`', '--topk len(all) and --topk ('),
        ('boxam', 'a stray ` and no more', 'a stray ` and no more'),
        ('boxam', 'topk stands without', 'topk stands without'),
    ],
)
def test_a_sentence_in_the_options_of_a_command(command, sentence, expected):
    assert said(command, sentence) == expected


def test_the_command_is_forgotten_when_it_ends(capsys):
    @guarded
    def command(argv):
        use_options_of(PARSERS['boxam']())
        tell('note: leave out `layers`')
        say('warning', '`layers` again.')
        raise ModelError('Without `layers`, see `explain_classes()`.')

    assert command([]) == 2
    assert capsys.readouterr() == (
        'note: leave out --target-layers\n',
        'mmlens: warning: --target-layers again.\nmmlens: error: Without --target-layers, see `mmlens cam`.\n',
    )
    assert in_options('`layers`, `list_layers()`') == '`layers`, `mmlens layers`'


def test_a_parser_outside_of_a_command_changes_no_sentence():
    parse(PARSERS['boxam'](), ['a.jpg', 'b.py'])
    assert in_options('`layers`') == '`layers`'
    with of_a_command():
        assert in_options('`layers`') == '`layers`'
        with of_a_command():
            use_options_of(PARSERS['boxam']())
        assert in_options('`layers`') == '`layers`'


def test_what_others_put_in_backticks_is_no_parameter_of_ours():
    assert reason(TypeError('got `layers` and `topk`')) == "got 'layers' and 'topk'."
    assert reason(ModelError('Give `layers`.')) == 'Give `layers`.'


def test_every_function_and_command_is_there():
    assert all(hasattr(mmlens, name) for name in NAMES)
    # No name of mmlens itself does what these do.
    assert set(NAMES.values()) == set(COMMANDS) - {'completion', 'evaluate', 'history', 'info', 'report'}


@pytest.mark.parametrize('command', COMMANDS)
def test_every_name_that_differs_leads_to_an_option(command):
    parser = PARSERS[command]()
    for parameter, dest in parser._parameters.items():
        assert parser.option_of(parameter) and parser.option_of(parameter) == parser.option_of(dest)

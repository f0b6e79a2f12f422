"""Config files: Python runs, YAML and JSON are data whatever they say."""

import json
from pathlib import Path

import mmengine
import pytest
from mmengine.config import Config

from mmlens.cli.main import main
from mmlens.errors import ModelError
from mmlens.models.config_files import read_file


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


TAGS = {
    'a call': 'model: !!python/object/apply:os.system ["touch ran"]',
    'an object': 'model: !!python/object/new:subprocess.Popen [["touch", "ran"]]',
    'a module': 'model: !!python/module:antigravity',
    'a name deep inside': 'model: {a: [{b: !!python/name:os.system }]}',
}


@pytest.mark.parametrize('text', TAGS.values(), ids=TAGS)
@pytest.mark.parametrize('ending', ['yaml', 'yml'])
@pytest.mark.parametrize('how', ['itself', 'base of Python', 'base of YAML'])
def test_no_tag_of_yaml_runs_code(text, ending, how):
    Path(f'evil.{ending}').write_text(text)
    name = f'evil.{ending}'
    if how == 'base of Python':
        name = 'config.py'
        Path(name).write_text(f"_base_ = 'evil.{ending}'")
    elif how == 'base of YAML':
        name = 'config.yaml'
        Path(name).write_text(f'_base_: evil.{ending}')
    with pytest.raises(ModelError, match='asks for more than data'):
        read_file(name)
    assert not Path('ran').exists()


TYPES = [
    'os.system',
    'subprocess.Popen',
    'mmengine.load',
    'mmengine.fileio.load',
    'torch.load',
    'torch.hub.load',
    'torch.nn',
]


@pytest.mark.parametrize('kind', TYPES)
@pytest.mark.parametrize('ending', ['yaml', 'json'])
def test_no_type_of_data_is_a_function_or_somebody_elses(kind, ending):
    content = dict(model=dict(type='YOLOX', backbone=[dict(type=kind, command='touch ran')]))
    Path(f'evil.{ending}').write_text(json.dumps(content))  # JSON is YAML
    with pytest.raises(ModelError, match=f"its type '{kind}' is no class"):
        read_file(f'evil.{ending}')
    assert not Path('ran').exists()


def test_data_based_on_a_program_is_refused():
    Path('base.py').write_text("open('ran', 'w')")
    for name, content in (('a.yaml', '_base_: ./base.py'), ('b.json', '{"_base_": ["base.py"]}')):
        Path(name).write_text(content)
        with pytest.raises(ModelError, match='based on the program'):
            read_file(name)
    assert not Path('ran').exists()


def test_data_is_read_as_before():
    kinds = dict(a=dict(type='mmdet.YOLOX'), b=dict(type='torch.nn.ReLU'), c=dict(type='mmengine.model.BaseModel'))
    Config(dict(model=kinds, sizes=(1, 2), names=['ü', None], rate=1e-3)).dump('dumped.yaml')
    Path('plain.yaml').write_text('sizes: !!python/tuple [1, [2, 3]]\n')
    Path('plain.json').write_text('{"_base_": "plain.yaml", "lr": 0.1}')
    found = read_file('dumped.yaml')
    assert found.model.to_dict() == kinds and list(found.sizes) == [1, 2] and found.names == ['ü', None]
    assert read_file('plain.yaml').sizes == (1, [2, 3])
    assert read_file('plain.json').lr == 0.1 and read_file('plain.json').sizes == (1, [2, 3])


def test_what_json_made_of_tuples_is_made_good():
    steps = [
        dict(type='Resize', scale=(64, 48), keep_ratio=True),
        dict(type='RandomChoiceResize', scales=[(64, 48), (32, 32)]),
        dict(type='RandomFlip', prob=[0.25, 0.25], direction=['horizontal', 'vertical']),
        dict(type='Pad', size=(64, 64), pad_val=dict(img=(114, 114, 114))),
        dict(type='PackDetInputs', meta_keys=('img_id', 'scale_factor')),
    ]
    model = dict(type='YOLOX', backbone=dict(out_indices=(2, 3)))
    whole = Config(dict(model=model, test_dataloader=dict(dataset=dict(type='CocoDataset', pipeline=steps))))
    whole.dump('dumped.json')
    found = read_file('dumped.json')
    assert found.test_dataloader.dataset.pipeline == steps
    assert found.model.backbone.out_indices == [2, 3]  # what models take stays as it is
    flip = found.test_dataloader.dataset.pipeline[2]
    assert isinstance(flip.prob, list)


@pytest.mark.parametrize('text', ['', '5', '[1, 2]', '"a"'])
@pytest.mark.parametrize('ending', ['yaml', 'json'])
def test_data_that_are_no_settings(text, ending):
    Path(f'a.{ending}').write_text(text)
    with pytest.raises(ModelError, match='holds no settings by their names|should hold JSON does not'):
        read_file(f'a.{ending}')


def test_mmengine_reads_as_it_did_afterwards():
    Path('broken.yaml').write_text('a: [')
    with pytest.raises(ModelError, match='cannot be read'):
        read_file('broken.yaml')
    Path('theirs.yaml').write_text('!!python/object/apply:os.path.join [a, b]')
    assert mmengine.load('theirs.yaml') == 'a/b'


def test_a_command_refuses_it_in_one_sentence(capsys):
    Path('e.yaml').write_text(TAGS['a call'])
    assert main(['layers', 'e.yaml']) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and 'YAML configs are here: write it as a .py config if you trust it.' in told[0]
    assert not Path('ran').exists()


@pytest.mark.parametrize(
    ('name', 'sentence'),
    [
        ('no.py', 'No config file no.py: check the path.'),
        ('a.txt', 'a.txt is not a config: it must end in .py, .yaml or .json.'),
        ('a.py', 'The config a.py cannot be read: there is no module nowhere; install it, or add'),
        ('mmdet::no.py', "No config 'mmdet::no.py' in the installed mmdet"),
    ],
)
def test_what_cannot_be_read_is_named(name, sentence):
    Path('a.txt').write_text('')
    Path('a.py').write_text("__import__('nowhere')")
    with pytest.raises(ModelError) as error:
        read_file(name)
    assert str(error.value).startswith(sentence)

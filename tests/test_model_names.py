"""Models by name, in packages that are laid out as OpenMMLab's are installed."""

import os

import pytest

from mmlens import model_names
from mmlens.errors import ModelError
from mmlens.model_names import NamedModel, find_model, is_name, weights_of

METAFILE = """
Collections:
  - Name: Tiny
    README: configs/tiny/README.md
Models:
  - Name: tiny_8x1_coco
    Alias: tiny
    In Collection: Tiny
    Config: configs/tiny/tiny_1xb8_coco.py
    Results:
      - Task: Object Detection
        Metrics: {box AP: 1.0}
    Weights: http://example.com/tiny.pth
  - In Collection: Tiny
    Name: 'tiny_large'
    Alias: [tiny-l, tiny-large]
    Config: configs/tiny/tiny_large.py
  - Name: pair_a
    Config: configs/tiny/pair.py
    Weights: http://example.com/a.pth
  - Name: pair_b
    Config: configs/tiny/pair.py
    Weights: http://example.com/b.pth
"""


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    """Two packages: mmocr, and mmdet3d with a model of the same name as one of mmocr's."""
    site = tmp_path / 'site'
    for package, files in {
        'mmocr': ('tiny/tiny_1xb8_coco.py', 'tiny/tiny_large.py', 'tiny/pair.py', 'tiny/bare.py', '_base_/hidden.py'),
        'mmdet3d': ('tiny/tiny_large.py',),
    }.items():
        folder = site / package / '.mim' / 'configs'
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text('')
        (site / package / '__init__.py').write_text('raise RuntimeError("imported")')
        (site / package / '.mim' / 'model-index.yml').write_text('Import:\n  - configs/tiny/metafile.yml\n')
    (site / 'mmocr' / '.mim' / 'configs' / 'tiny' / 'metafile.yml').write_text(METAFILE)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(model_names, 'PACKAGES', ('mmocr', 'mmdet3d', 'mm_nowhere'))
    monkeypatch.chdir(tmp_path)


TINY = NamedModel('tiny_8x1_coco', 'mmocr::tiny/tiny_1xb8_coco.py', 'http://example.com/tiny.pth')


@pytest.mark.parametrize('name', ['tiny_8x1_coco', 'TINY_8x1_coco', 'tiny', 'mmocr::tiny', 'mmocr::tiny_8x1_coco'])
def test_a_name_or_an_alias_is_a_config_with_weights(name):
    assert is_name(name)
    assert find_model(name) == TINY and TINY.package == 'mmocr'


@pytest.mark.parametrize(
    ('name', 'found'),
    [
        ('tiny_1xb8_coco', NamedModel('tiny_1xb8_coco', TINY.config, TINY.weights)),  # of the model it is the config of
        ('bare', NamedModel('bare', 'mmocr::tiny/bare.py')),
        ('pair', NamedModel('pair', 'mmocr::tiny/pair.py')),  # which weights?
        ('pair_b', NamedModel('pair_b', 'mmocr::tiny/pair.py', 'http://example.com/b.pth')),
        ('tiny-l', NamedModel('tiny_large', 'mmocr::tiny/tiny_large.py')),
        ('mmdet3d::tiny_large', NamedModel('tiny_large', 'mmdet3d::tiny/tiny_large.py')),
    ],
)
def test_a_config_goes_by_the_name_of_its_file(name, found):
    assert find_model(name) == found


def test_what_several_packages_have_asks_for_one():
    with pytest.raises(ModelError) as error:
        find_model('tiny_large')
    assert str(error.value) == (
        "Several packages have a model 'tiny_large': name it mmocr::tiny_large or mmdet3d::tiny_large."
    )


def test_the_nearest_names_are_told(monkeypatch):
    with pytest.raises(ModelError) as error:
        find_model('tiny_8x2_coco')
    assert str(error.value).startswith(
        "There is no config file or model 'tiny_8x2_coco': the nearest are tiny_8x1_coco (mmocr), "
    )
    with pytest.raises(ModelError, match="'zzz' in mmocr, mmdet3d: give a config file"):
        find_model('zzz')
    with pytest.raises(ModelError, match='no package of OpenMMLab is installed'):
        monkeypatch.setattr(model_names, 'PACKAGES', ('mm_nowhere',))
        find_model('tiny')
    with pytest.raises(ModelError):
        find_model('hidden')  # a base is no model


@pytest.mark.parametrize('text', ['tiny.py', 'configs/tiny', 'a.yaml', 'mmocr::tiny/bare.py', 'other::tiny', 'a b', ''])
def test_paths_are_no_names(text):
    assert not is_name(text)


def test_what_is_on_the_disk_is_no_name():
    os.mkdir('tiny')
    assert not is_name('tiny') and is_name('mmocr::tiny')


def test_weights_of_a_config_in_a_package():
    assert weights_of('mmocr::tiny/tiny_1xb8_coco.py') == weights_of('mmocr::tiny/tiny_1xb8_coco') == TINY.weights
    assert weights_of('mmocr::tiny/pair.py') is None
    assert weights_of('mmocr::tiny/no.py') is None
    assert weights_of('elsewhere::tiny/no.py') is None


def test_the_real_packages_describe_their_models(monkeypatch):
    monkeypatch.undo()
    found = find_model('rtmdet_tiny_8xb32-300e_coco')
    assert found.config == 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'
    assert found.weights.startswith('https://') and found.weights.endswith('.pth')
    assert find_model('yolox_nano_8xb8-300e_coco').config == 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py'
    assert find_model('resnet18_8xb32_in1k').package == 'mmpretrain'

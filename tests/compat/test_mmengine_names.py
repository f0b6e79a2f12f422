"""A config of another package is found whichever distribution installed the package.

mmaction stands for any package whose distribution has another name (mmaction2): neither stack has it.
"""

FIND = """
from mmlens.compat import mmengine_names
mmengine_names.install()
from mmengine.config import utils
mmengine_names.install()
import mmengine.registry.registry as registry
print(utils.MODULE2PACKAGE['mmaction'], registry.MODULE2PACKAGE is utils.MODULE2PACKAGE)
"""


def laid_out(folder, distribution=None):
    config = folder / 'mmaction' / '.mim' / 'configs' / 'tiny' / 'tiny.py'
    config.parent.mkdir(parents=True)
    (folder / 'mmaction' / '__init__.py').write_text('')
    (folder / 'mmaction' / '.mim' / 'model-index.yml').write_text('Import: []')
    config.write_text('model = dict(type="Tiny")')
    if distribution:
        info = folder / f'{distribution}-1.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n')
    return folder


def test_a_package_of_the_other_family_is_found_by_its_import_name(fresh, tmp_path):
    done = fresh(FIND, laid_out(tmp_path))
    assert done.stdout.split() == ['mmaction', 'True'], done.stderr


def test_a_package_of_the_original_family_stays_as_it_is(fresh, tmp_path):
    done = fresh(FIND, laid_out(tmp_path, 'mmaction2'))
    assert done.stdout.split()[0] == 'mmaction2', done.stderr


def test_a_package_that_is_not_installed_stays_as_it_is(fresh, tmp_path):
    done = fresh(FIND, tmp_path)
    assert done.stdout.split()[0] == 'mmaction2', done.stderr


def test_a_table_that_was_loaded_before_is_corrected(fresh, tmp_path):
    done = fresh('import mmengine.config.utils' + FIND, laid_out(tmp_path))
    assert done.stdout.split()[0] == 'mmaction', done.stderr


def test_configs_are_read_and_built_upon_without_pip(fresh, tmp_path):
    (tmp_path / 'own.py').write_text("_base_ = 'mmaction::tiny/tiny.py'")
    code = f"""
import subprocess
subprocess.check_call = lambda command: print('ran', command)
from mmlens.compat import mmengine_names
mmengine_names.install()
from mmengine.config import Config
from mmengine.hub import get_config
print(get_config('mmaction::tiny/tiny.py').model.type, Config.fromfile({str(tmp_path / 'own.py')!r}).model.type)
"""
    done = fresh(code, laid_out(tmp_path / 'site'))
    assert done.stdout.split() == ['Tiny', 'Tiny'], done.stderr

"""Build and install mmlens; what users install beside it is chosen by an extra."""

import os
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
# Where the project is published, in this one place. It has no address yet, and this one leads nowhere: `make dist`
# builds nothing for a package index until it is another.
REPOSITORY = 'https://mmlens.example/mmlens'
# Files under `<package>/.mim`, where mmengine finds configs by `mmlens::...`. `mim run` starts scripts only of packages
# that it knows, and ours is none. No model-index.yml: the weights that it lists have no address to fetch them from.
MIM_DATA = ('configs', 'demo', 'tools')

# The two families of OpenMMLab's packages install the same import names, and pip lets one overwrite the other
# silently: mmlens requires neither, nor torch. Whoever has a working environment installs mmlens without an extra.
# OpenCV, under one of its two names, comes with either family.
COMMON = ['torch>=2.0', 'torchvision>=0.15', 'mmyolo>=0.6.0', 'grad-cam>=1.4.6', 'scikit-image>=0.19']
EXTRAS = {
    'onedl': [
        *COMMON,
        'onedl-mmengine>=0.10.12',
        'onedl-mmcv>=2.3.6',
        'onedl-mmdetection>=3.5.1',
        'onedl-mmpretrain>=1.3.6',
        'onedl-mmsegmentation>=1.4.2',
    ],
    'openmmlab': [
        *COMMON,
        'mmengine>=0.10.3',
        'mmcv-lite>=2.0.1,<2.2',
        'mmdet>=3.2.0',
        'mmpretrain>=1.1.1',
        'mmsegmentation>=1.2.2',
        'ftfy',  # mmsegmentation imports these two without asking for them
        'regex',
        'numpy<2',
        'setuptools<81',  # mmengine 0.10 imports pkg_resources
    ],
    'video': ['imageio-ffmpeg>=0.4.9'],
    'completion': ['shtab>=1.6'],
    'dev': [
        'pytest>=8',
        'pytest-timeout>=2.3',
        'ruff>=0.17',
        'mypy>=2.4',
        'tensorboard>=2.14',
        'nbclient>=0.10',
        'ipykernel>=6',
        'pandas>=2',
    ],
}


class BuildWithMim(build_py):
    """Put the files that OpenMMLab's users look for under `mmlens/.mim`: copied into a build, linked if editable."""

    def run(self):
        """Build the package, then its `.mim`."""
        super().run()
        if getattr(self, 'editable_mode', False):
            _fill(HERE / 'mmlens' / '.mim', _link)
        else:
            _fill(Path(self.build_lib) / 'mmlens' / '.mim', _copy)


def _fill(folder, put):
    """Make the folder anew: nothing of an earlier build stays in it, nothing of a failed one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        for name in MIM_DATA:
            if (HERE / name).exists():
                put(HERE / name, folder / name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _copy(source, target):
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__', '*.pyc', '.*'))
    else:
        shutil.copyfile(source, target)


def _link(source, target):
    try:
        target.symlink_to(os.path.relpath(source, target.parent), target_is_directory=source.is_dir())
    except OSError:  # Windows wants a privilege for links
        _copy(source, target)


def _version():
    """Read the version without importing the package."""
    scope = {}
    exec((HERE / 'mmlens' / 'version.py').read_text(encoding='utf-8'), scope)
    return scope['__version__']


def _long_description():
    """The README with addresses in full: a package index shows it without the files that it links to."""
    path = HERE / 'README.md'
    text = path.read_text(encoding='utf-8') if path.exists() else ''
    return re.sub(r'(!?)(\[[^\]]*\]\()([^)\s]+)(?=\))', _in_full, text)


def _in_full(link):
    picture, words, target = link.groups()
    if re.match(r'[a-z]+:', target):
        return link.group()
    file, mark, anchor = target.partition('#')
    return f'{picture}{words}{REPOSITORY}/{"raw" if picture else "blob"}/main/{file or "README.md"}{mark}{anchor}'


setup(
    name='mmlens',
    version=_version(),
    description='See why an OpenMMLab detector drew each box: feature maps and per-box class activation maps',
    long_description=_long_description(),
    long_description_content_type='text/markdown',
    author='The mmlens contributors',
    url=REPOSITORY,
    project_urls={
        'Documentation': f'{REPOSITORY}/tree/main/docs',
        'Changes': f'{REPOSITORY}/blob/main/CHANGELOG.md',
        'Issues': f'{REPOSITORY}/issues',
    },
    license='Apache-2.0',
    keywords='computer vision, object detection, explainability, CAM, OpenMMLab, mmdetection, mmyolo',
    classifiers=[
        'Development Status :: 3 - Alpha',
        'Intended Audience :: Science/Research',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.8',
        'Programming Language :: Python :: 3.9',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Typing :: Typed',
    ],
    python_requires='>=3.8',
    packages=find_packages(include=['mmlens', 'mmlens.*']),
    package_data={'mmlens': ['py.typed', 'rendering/page/assets/*']},
    install_requires=['jinja2', 'numpy', 'Pillow', 'rich'],
    extras_require=EXTRAS,
    entry_points={'console_scripts': ['mmlens = mmlens.__main__:run']},
    cmdclass={'build_py': BuildWithMim},
    zip_safe=False,
)

"""Installs the wheel into a fresh environment and runs there what the README promises, far from the repository.

python dev/wheel_check.py [--family onedl] [--keep]

It needs an interpreter that the family's pinned packages have wheels for, some 3 GB of downloads, and minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import List, Optional

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ROOT / 'projects' / 'shapes'
PIP = ['pip', 'install', '--quiet', '--no-input', '--no-deps', '--no-compile', '--disable-pip-version-check']
# In a folder with a picture, configs, checkpoints and annotations of a user's.
COMMANDS = (
    'mmlens --help',
    'mmlens layers config.py',
    'mmlens boxam picture.jpg config.py checkpoint.pth --layout panels --out-dir output/boxam',
    'mmlens boxam picture.jpg yolov5.py yolov5.pth --method gradcam --out-dir output/yolov5',
    'mmlens featmap picture.jpg config.py checkpoint.pth --target-layers backbone neck --out-dir output/featmap',
    'mmlens cam picture.jpg classifier.py classifier.pth --out-dir output/cam',
    'mmlens errors config.py checkpoint.pth --ann coco.json --images pictures --out-dir output/errors',
    'mmlens lr mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py --dataset-size 1000 --save-path output/lr/lr.png',
    'python {mim}/demo/boxam_vis_demo.py picture.jpg config.py checkpoint.pth --out-dir output/demo',
    'python {mim}/tools/vis_cam.py picture.jpg classifier.py classifier.pth --save-path output/tools/cam.png',
)


def make_environment(folder: Path, family: str, wheel: Path) -> Path:
    """An environment with a family's pinned packages and the wheel; its folder of programs."""
    venv.create(folder, with_pip=True)
    programs = folder / ('Scripts' if os.name == 'nt' else 'bin')
    python = str(programs / 'python')
    pins = ROOT / 'requirements' / f'{family}.txt'
    if (
        family == 'onedl'
    ):  # first and alone, as in the Makefile: a cached wheel may have been compiled for another torch
        mmcv = [line for line in pins.read_text(encoding='utf-8').splitlines() if line.startswith('onedl-mmcv==')]
        subprocess.run(
            [python, '-m', *PIP, '--no-cache-dir', *mmcv], check=True, env=dict(os.environ, MMCV_WITH_OPS='0')
        )
    subprocess.run([python, '-m', *PIP, '-r', str(pins)], check=True)
    subprocess.run([python, '-m', *PIP, str(wheel)], check=True)
    return programs


def build_wheel(out: Path) -> Path:
    """Build the wheel from a copy: nothing is left in the working tree."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / 'source'
        ignored = shutil.ignore_patterns('.git', '.venv*', 'output', 'build', 'work_dirs', '__pycache__', '.mim')
        shutil.copytree(ROOT, source, ignore=ignored)
        command = ['pip', 'wheel', '--quiet', '--no-deps', '--disable-pip-version-check', '-w', str(out), str(source)]
        subprocess.run([sys.executable, '-m', *command], check=True)
    (wheel,) = out.glob('mmlens-*.whl')
    return wheel


def copy_users_files(place: Path) -> None:
    """What a user would have: configs, checkpoints, pictures and annotations, under names of their own."""
    for name, known in (('config', 'shapes_rtmdet'), ('yolov5', 'shapes_yolov5'), ('classifier', 'shapes_classifier')):
        shutil.copyfile(SHAPES / 'configs' / f'{known}.py', place / f'{name}.py')
        weights = 'checkpoint.pth' if name == 'config' else f'{name}.pth'
        shutil.copyfile(SHAPES / 'checkpoints' / f'{known}.pth', place / weights)
    shutil.copytree(SHAPES / 'pictures', place / 'pictures')
    shutil.copyfile(SHAPES / 'pictures' / '000008.jpg', place / 'picture.jpg')
    shutil.copyfile(SHAPES / 'pictures.json', place / 'coco.json')


def run_commands(programs: Path, place: Path) -> List[str]:
    """Run every command; those that fail."""
    # None of the caller's paths: what runs must come from the wheel.
    keep = {name: value for name, value in os.environ.items() if not name.startswith('PYTHON')}
    environment = dict(keep, PATH=f'{programs}{os.pathsep}{os.environ["PATH"]}')
    found = subprocess.run(
        [str(programs / 'python'), '-c', 'import mmlens; print(mmlens.__path__[0])'],
        **dict(cwd=str(place), env=environment, check=True, stdout=subprocess.PIPE, universal_newlines=True),
    )
    package = Path(found.stdout.strip())
    assert programs.parent in package.parents, package
    failed = []
    for line in COMMANDS:
        line = line.format(mim=package / '.mim')
        start = time.time()
        done = subprocess.run(
            line.split(), cwd=str(place), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        print(f'{"ok" if done.returncode == 0 else "FAILED":6s} {time.time() - start:5.1f} s  {line}', flush=True)
        if done.returncode:
            print(done.stdout.decode(errors='replace')[-2000:])
            failed.append(line)
    return failed


def main(arguments: Optional[List[str]] = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description='Install the wheel into a fresh environment and run commands there.')
    parser.add_argument('--family', choices=('onedl', 'openmmlab'), default='onedl', help='default: onedl')
    parser.add_argument('--keep', action='store_true', help='leave the environment where it is, and say where')
    wishes = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix='mmlens-wheel-'))
    try:
        programs = make_environment(folder / 'environment', wishes.family, build_wheel(folder))
        place = folder / 'place'
        place.mkdir()
        copy_users_files(place)
        failed = run_commands(programs, place)
    finally:
        if wishes.keep:
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if failed:
        raise SystemExit(f'{len(failed)} of {len(COMMANDS)} commands failed.')


if __name__ == '__main__':
    main()

"""What the soak runs on: a folder with small networks, pictures and annotations; and a judge of runs."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ROOT / 'projects' / 'shapes'
SECONDS = 120  # that a single run may take


@dataclass
class Outcome:
    """What became of one run.

    Attributes:
        status: Its exit status; -1 if it took too long.
        told: What it wrote on stderr.
        faults: What is wrong with it, in words; none if all is well.
    """

    status: int
    told: str
    faults: List[str] = field(default_factory=list)


class Ground:
    """A folder that runs read from and write into.

    Attributes:
        folder: The working folder of the runs.
        detector, classifier: The words CONFIG and CHECKPOINT of a command.
        settings: The detector's config, as plain values.

    Args:
        folder: Is made, and must not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / 'pics').mkdir(parents=True)
        (folder / 'tmp').mkdir()
        for number, path in enumerate(sorted((SHAPES / 'pictures').glob('*.jpg'))[:3]):
            cv2.imwrite(str(folder / 'pics' / f'{number}.png'), cv2.resize(cv2.imread(str(path)), (96, 80)))
        self._annotations()
        self._video()
        from mmengine.config import Config

        from mmlens import compat

        compat.prepare()
        whole = Config.fromfile(str(SHAPES / 'configs' / 'shapes_rtmdet.py')).to_dict()
        for phase in ('train', 'val', 'test'):
            inner = whole[f'{phase}_dataloader']['dataset']
            inner.update(data_root='', ann_file='ann.json', data_prefix=dict(img='pics/'))
            whole[f'{phase}_dataloader'].update(num_workers=0, persistent_workers=False, batch_size=1)
        self.settings: Dict[str, Any] = whole
        self.detector = [self.config('detector.py', whole), self._copied('shapes_rtmdet.pth')]
        classes = Config.fromfile(str(SHAPES / 'configs' / 'shapes_classifier.py')).to_dict()
        self.classifier = [self.config('classifier.py', classes), self._copied('shapes_classifier.pth')]
        self._sources = self._hashes()

    def config(self, name: str, settings: Dict[str, Any]) -> str:
        """Write settings as a Python config; returns its name."""
        lines = [f'{key} = {value!r}\n' for key, value in settings.items()]
        (self.folder / name).write_text(''.join(lines), encoding='utf-8', errors='surrogatepass')
        return name

    def changed(self, path: List[Any], value: Any) -> Dict[str, Any]:
        """The detector's settings with one of them changed."""
        settings = copy.deepcopy(self.settings)
        part = settings
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value
        return settings

    def _copied(self, name: str) -> str:
        shutil.copy(SHAPES / 'checkpoints' / name, self.folder / name)
        return name

    def _annotations(self) -> None:
        names = sorted(os.listdir(self.folder / 'pics'))
        images = [dict(id=n, file_name=name, width=96, height=80) for n, name in enumerate(names)]
        boxes = [dict(id=n + 1, image_id=n, category_id=1, bbox=[10, 10, 30, 40], area=1200, iscrowd=0) for n in (0, 1)]
        kinds = ('coin_dot', 'coin_cross', 'crate_ring', 'crate_bar', 'star', 'triangle')
        categories = [dict(id=n + 1, name=name) for n, name in enumerate(kinds)]
        self.annotations = dict(images=images, annotations=boxes, categories=categories)
        (self.folder / 'ann.json').write_text(json.dumps(self.annotations))

    def _video(self) -> None:
        writer = cv2.VideoWriter(str(self.folder / 'v.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 5, (96, 80))
        for _ in range(3):
            writer.write(cv2.imread(str(self.folder / 'pics' / '0.png')))
        writer.release()

    def _hashes(self) -> Dict[str, str]:
        sources = [path for path in self.folder.rglob('*') if path.is_file()]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sources}

    def run(self, words: List[str], seconds: int = SECONDS) -> Outcome:
        """Run a command in this process, in a clean output folder, and judge it."""
        for name in ('out', 'output'):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        with _within(self.folder), _captured() as told:
            status = _status(words, seconds)
        outcome = Outcome(status, told.getvalue())
        outcome.faults = list(self._faults(outcome))
        return outcome

    def _faults(self, outcome: Outcome) -> Iterator[str]:
        if outcome.status == -1:
            yield 'too slow'
        elif outcome.status not in (0, 1, 2):
            yield f'status {outcome.status}'
        if 'Traceback' in outcome.told:
            yield 'traceback'
        if outcome.status in (1, 2) and 'mmlens: error: ' not in outcome.told:
            yield 'no sentence'
        if any(not Path(path).exists() for path in self._sources) or self._touched():
            yield 'source touched'
        if any((self.folder / 'tmp').iterdir()) or any(self.folder.rglob('.mmlens-*')):
            yield 'temporary files left'
            shutil.rmtree(self.folder / 'tmp')
            (self.folder / 'tmp').mkdir()
        wrong = unreadable(self.folder / 'out')
        if wrong:
            yield f'unreadable {wrong[0].name}'

    def _touched(self) -> bool:
        hashes = {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in self._sources}
        return hashes != self._sources


def unreadable(folder: Path) -> List[Path]:
    """The files in a folder that are not what their endings say."""
    return [path for path in folder.rglob('*') if path.is_file() and not readable(path)]


def readable(path: Path) -> bool:
    """Whether a file can be read as what its ending says, by another reader than the one that mmlens asks."""
    try:
        if path.suffix in ('.png', '.jpg', '.jpeg', '.bmp', '.webp', '.tif', '.tiff', '.ppm'):
            return cv2.imdecode(np.fromfile(os.fsencode(path), np.uint8), cv2.IMREAD_UNCHANGED) is not None
        if path.suffix == '.npz':
            return len([np.asarray(array) for array in np.load(path).values()]) > 0
        if path.suffix == '.json':
            return bool(json.loads(path.read_text()))
        if path.suffix == '.mp4':
            return bool(cv2.VideoCapture(str(path)).read()[0])
        return path.stat().st_size > 0
    except Exception:
        return False


class _TooSlowError(BaseException):
    """A run took too long."""


def _status(words: List[str], seconds: int) -> int:
    from mmlens.cli.main import main

    def end(number: int, frame: Any) -> None:
        raise _TooSlowError

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        return main(words)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except _TooSlowError:
        return -1
    except BaseException:
        import traceback

        traceback.print_exc()
        return 70
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _within(folder: Path) -> Iterator[None]:
    here, temporary = os.getcwd(), tempfile.tempdir
    os.chdir(folder)
    tempfile.tempdir = str(folder / 'tmp')
    try:
        yield
    finally:
        os.chdir(here)
        tempfile.tempdir = temporary


@contextlib.contextmanager
def _captured(into: Optional[io.StringIO] = None) -> Iterator[io.StringIO]:
    told = into or io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        yield told


def limit_memory(gigabytes: float = 14) -> None:
    """Let allocations beyond this fail here instead of the machine running out of memory."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (int(gigabytes * 2**30), resource.getrlimit(resource.RLIMIT_AS)[1]))


def say(text: str) -> None:
    """Show how far the soak is."""
    print(text, file=sys.stderr, flush=True)

import multiprocessing
import os
import re
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmlens.cli.progress import Passes
from mmlens.cli.run import Drawn, Run
from mmlens.cli.sources import Source
from mmlens.cli.video import VideoReader
from mmlens.errors import LayerError, OutputError, PictureError

PICTURE = np.full((8, 10, 3), 60, np.uint8)


def source(name):
    return Source(Path(name), name)


def drawing(events):
    """A draw function that returns a drawing, or raises what ``events`` has for its number of call."""
    calls = []

    def draw(picture):
        calls.append(picture)
        event = events.get(len(calls))
        if event:
            raise event
        found = {'details': ['dog'], 'notes': ['Blank.', f'Note {len(calls) % 2}.'], 'boxes': 2}
        return Drawn(picture if isinstance(picture, np.ndarray) else PICTURE, '2 boxes', **found)

    return draw


def run(events, names, folder, **options):
    return Run(drawing(events), **options).over([source(n) for n in names], [folder / n for n in names])


def test_every_picture_is_told_and_each_note_once(tmp_path, capsys):
    assert run({}, ['a.png', 'b.png', 'c.png'], tmp_path) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f'a.png: 2 boxes -> {tmp_path}/a.png',
        '  dog',
        'note: Blank.',
        'note: Note 1.',
        f'b.png: 2 boxes -> {tmp_path}/b.png',
        '  dog',
        'note: Note 0.',
        f'c.png: 2 boxes -> {tmp_path}/c.png',
        '  dog',
    ]
    assert err == ''  # no progress bar where nobody looks
    assert sorted(os.listdir(str(tmp_path))) == ['a.png', 'b.png', 'c.png']
    assert (cv2.imread(str(tmp_path / 'b.png')) == PICTURE).all()


def test_goes_on_past_a_broken_picture(tmp_path, capsys):
    assert run({2: PictureError('b.png is broken.')}, ['a.png', 'b.png', 'c.png'], tmp_path) == 1
    assert capsys.readouterr().err == 'mmlens: error: 1 of 3 pictures could not be drawn:\n  b.png is broken.\n'
    assert sorted(os.listdir(str(tmp_path))) == ['a.png', 'c.png']


def test_nothing_but_broken_pictures(tmp_path, capsys):
    errors = {1: PictureError('a.png is broken.'), 2: PictureError('b.png is broken.')}
    assert run(errors, ['a.png', 'b.png'], tmp_path) == 2
    error = 'mmlens: error: none of the 2 pictures could be drawn:\n  a.png is broken.\n  b.png is broken.\n'
    assert capsys.readouterr().err == error


def test_the_only_picture_broken_is_the_error_itself(tmp_path):
    with pytest.raises(PictureError, match='a.png is broken'):
        run({1: PictureError('a.png is broken.')}, ['a.png'], tmp_path)


def test_an_error_that_every_picture_would_have_ends_the_run(tmp_path):
    with pytest.raises(LayerError):
        run({1: LayerError('No layer.')}, ['a.png', 'b.png'], tmp_path)


def test_a_picture_too_large_for_the_device_is_one_that_failed(tmp_path, capsys):
    assert run({1: torch.cuda.OutOfMemoryError('CUDA out of memory.')}, ['a.png', 'b.png'], tmp_path) == 1
    assert 'a.png: the device ran out of memory; try --device cpu.' in capsys.readouterr().err


def test_a_network_that_fails_at_some_pictures_draws_the_others(tmp_path, capsys):
    events = {1: RuntimeError('sizes of tensors\nmust match'), 3: AssertionError()}
    assert run(events, ['a.png', 'b.png', 'c.png'], tmp_path) == 1
    err = capsys.readouterr().err
    # This file is not of mmlens: its line is told, and no traceback.
    assert 'Traceback' not in err
    listed = re.sub(r' \(.*?test_run.py, line \d+, in draw: raise event\)', ' (there)', err)
    assert listed.endswith(
        '2 of 3 pictures could not be drawn:\n  a.png: RuntimeError: sizes of tensors (there).\n'
        '  c.png: AssertionError (there).\n'
    )
    assert os.listdir(str(tmp_path)) == ['b.png']
    with pytest.raises(RuntimeError, match='must match'):
        run({1: RuntimeError('sizes must match')}, ['a.png'], tmp_path)


def test_interrupt_keeps_what_is_done_and_tells(tmp_path):
    events = {2: PictureError('b.png is broken.'), 4: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt) as interrupt:
        run(events, ['a.png', 'b.png', 'c.png', 'd.png', 'e.png'], tmp_path)
    assert str(interrupt.value) == '2 of 5 pictures were done.'
    assert sorted(os.listdir(str(tmp_path))) == ['a.png', 'c.png']


class Stopping(Passes):
    """Ctrl-C comes in the last batch of a picture or frame of that number, too late to end it early."""

    def __init__(self, number):
        super().__init__()
        self.left = number

    @property
    def stopped(self):
        self.left -= 1
        return self.left == 0


def test_an_interrupt_in_the_last_batch_of_a_picture_ends_the_run(tmp_path):
    with pytest.raises(KeyboardInterrupt, match='2 of 3 pictures were done.'):
        run({}, ['a.png', 'b.png', 'c.png'], tmp_path, passes=Stopping(2))
    assert sorted(os.listdir(str(tmp_path))) == ['a.png', 'b.png']


def test_an_interrupt_in_the_last_batch_of_all_has_nothing_to_end(tmp_path):
    assert run({}, ['a.png', 'b.png'], tmp_path, passes=Stopping(2)) == 0


def test_an_interrupt_in_the_last_batch_of_a_frame_ends_the_video(video, tmp_path):
    with pytest.raises(KeyboardInterrupt, match='holds the first 2 frames'):
        Run(drawing({}), passes=Stopping(2)).over([video], [tmp_path / 'a.mp4'])


def test_maps_are_saved_beside_the_picture(tmp_path):
    def draw(picture):
        return Drawn(PICTURE, '', save_maps=lambda path: np.savez(str(path), maps=[1, 2]))

    Run(draw).over([source('a.jpg')], [tmp_path / 'a.jpg'])
    assert sorted(os.listdir(str(tmp_path))) == ['a.jpg', 'a.npz']


def test_nothing_is_written_without_a_place(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert Run(drawing({})).over([source('a.png')], [None]) == 0
    assert capsys.readouterr().out.startswith('a.png: 2 boxes\n')
    assert os.listdir(str(tmp_path)) == []


def test_a_bug_of_ours_is_shown_in_full_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('mmlens.cli.guard.whose', lambda error: 'mmlens')
    assert run({1: RuntimeError('one'), 3: AssertionError()}, ['a.png', 'b.png', 'c.png'], tmp_path) == 1
    err = capsys.readouterr().err
    assert err.count('Traceback') == 1 and 'raise event' in err


@pytest.fixture
def video(pictures):
    """5 frames of 64 x 48 at 7 a second."""
    return Source(Path('street.mp4'), 'street.mp4')


def test_a_video_becomes_a_video_of_its_size_and_rate(video, tmp_path, capsys):
    assert Run(drawing({})).over([video], [tmp_path / 'out' / 'street.mp4']) == 0
    read = VideoReader(tmp_path / 'out' / 'street.mp4')
    assert (read.rate, read.size, len(list(read))) == (7, (64, 48), 5)
    place = tmp_path / 'out' / 'street.mp4'
    lines = [f'street.mp4: 5 frames, 10 boxes -> {place}', 'note: Blank.', 'note: Note 1.', 'note: Note 0.']
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if 'browsers do not play' not in line] == lines  # whatever writes videos here


@pytest.mark.parametrize(('same_size', 'size'), [(True, (64, 48)), (False, (100, 50))])
def test_size_of_a_video_of_larger_drawings(same_size, size, video, tmp_path):
    Run(lambda frame: Drawn(np.zeros((50, 100, 3), np.uint8), ''), same_size).over([video], [tmp_path / 'o.mp4'])
    assert VideoReader(tmp_path / 'o.mp4').size == size


def test_an_interrupted_video_keeps_its_frames(video, tmp_path):
    place = tmp_path / 'out' / 'street.mp4'
    with pytest.raises(KeyboardInterrupt) as interrupt:
        Run(drawing({4: KeyboardInterrupt()})).over([video, source('a.png')], [place, tmp_path / 'a.png'])
    assert str(interrupt.value) == f'0 of 2 pictures were done; {place} holds the first 3 frames.'
    assert len(list(VideoReader(place))) == 3
    assert os.listdir(str(place.parent)) == ['street.mp4']


@pytest.mark.parametrize('event', [KeyboardInterrupt(), LayerError('No layer.')])
def test_a_video_without_a_frame_leaves_nothing(event, video, tmp_path):
    with pytest.raises(type(event)):
        Run(drawing({1: event})).over([video], [tmp_path / 'out' / 'street.mp4'])
    assert os.listdir(str(tmp_path / 'out')) == []


def test_a_video_on_a_full_disk_is_no_video(video, tmp_path, full_disk):
    place = tmp_path / 'out' / 'street.mp4'
    noise = np.random.default_rng(0)

    def draw(frame):
        return Drawn(noise.integers(0, 255, (48, 64, 3), np.uint8), '')

    with full_disk(4000), pytest.raises(OutputError, match='Cannot write .*street.mp4: '):
        Run(draw).over([video], [place])
    assert os.listdir(str(place.parent)) == []


several = pytest.mark.skipif(sys.platform != 'linux', reason='processes are forked on Linux only')


@several
def test_several_processes_draw_write_and_tell_what_one_does(tmp_path, capsys):
    """Also maps, details and notes, the picture that fails foreseen and the one that fails unforeseen."""

    def save(number, place):
        np.savez(str(place), maps=[number])

    def draw(path):
        number = int(path.stem)
        if number == 3:
            raise PictureError('3.png is broken.')
        if number == 5:
            raise ZeroDivisionError('nobody saw this coming')
        found = {'details': [f'dog {number}'], 'notes': [f'Note {number % 2}.'], 'boxes': 2}
        maps = partial(save, number)
        return Drawn(lambda: np.full((8, 10, 3), number, np.uint8), f'{number} boxes', save_maps=maps, **found)

    names, told, files = [f'{number}.png' for number in range(8)], [], []
    for workers in (1, 3):
        folder = tmp_path / str(workers)
        run = Run(draw, workers=workers)
        assert run.over([source(name) for name in names], [folder / name for name in names]) == 1
        out, err = capsys.readouterr()
        assert 'nobody saw this coming' in err
        told.append((out.replace(str(folder), ''), err.splitlines()[-3:]))
        files.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert told[0] == told[1] and files[0] == files[1] and len(files[0]) == 12


@several
def test_several_processes_make_the_video_that_one_makes(video, tmp_path):
    frames = []
    for workers in (1, 2):
        place = tmp_path / f'{workers}.mp4'
        run = Run(lambda frame: Drawn(lambda: 255 - frame, '', boxes=1), workers=workers)
        assert run.over([video], [place]) == 0
        frames.append(np.array(list(VideoReader(place))))
    assert len(frames[0]) == 5 and (frames[0] == frames[1]).all()


@pytest.mark.parametrize('workers', [1, pytest.param(2, marks=several)])
def test_so_many_frames_are_drawn_together_as_suit_the_first(workers, video, tmp_path):
    seen, shapes = tmp_path / 'seen', []

    def together(frames):
        with seen.open('a') as file:
            file.write(f'{len(frames)} ')
        return [Drawn(255 - frame, '', boxes=1) for frame in frames]

    def how_many(frame):
        shapes.append(frame.shape)
        return 2

    run = Run(lambda frame: Drawn(255 - frame, '', boxes=1), workers=workers, together=together, frames=how_many)
    assert run.over([video], [tmp_path / 'out.mp4']) == 0
    assert len(list(VideoReader(tmp_path / 'out.mp4'))) == 5 and len(shapes) == 1
    assert seen.read_text().split() == ['2', '2']


@several
def test_an_error_that_every_picture_would_have_ends_all_processes(tmp_path):
    def draw(path):
        if path.stem == '2':
            raise LayerError('No layer.')
        return Drawn(PICTURE, '')

    names = [f'{number}.png' for number in range(8)]
    with pytest.raises(LayerError):
        Run(draw, workers=2).over([source(n) for n in names], [tmp_path / n for n in names])
    assert sorted(os.listdir(str(tmp_path))) == ['0.png', '1.png']
    assert not multiprocessing.active_children()

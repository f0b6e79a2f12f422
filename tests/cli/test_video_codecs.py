"""Videos that browsers play where an encoder of H.264 is installed, and a note where none is."""

import re
import subprocess

import numpy as np
import pytest

from mmlens.cli import video_codecs
from mmlens.cli.commands.boxam import main
from mmlens.cli.video import VideoReader, VideoWriter
from mmlens.cli.video_codecs import NOTE, open_encoder
from mmlens.errors import OutputError


def only(monkeypatch, *packages):
    """Let these packages count as installed alone."""
    monkeypatch.setattr(video_codecs, '_is_installed', lambda name: name in packages)


def boxes_of(path):
    """The boxes of an .mp4 at its top, in order."""
    data, place, found = path.read_bytes(), 0, []
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], 'big')
        found.append(data[place + 4 : place + 8].decode())
        if length < 8:
            break
        place += length
    return found


def frames(width=64, height=48):
    """Three frames with a bright square that moves, B, G and R apart."""
    found = []
    for step in range(3):
        frame = np.zeros((height, width, 3), np.uint8)
        frame[8:24, 8 + 16 * step : 24 + 16 * step] = (220, 40, 120)
        found.append(frame)
    return found


@pytest.mark.parametrize('package', ['imageio_ffmpeg', 'av'])
@pytest.mark.parametrize(('width', 'height'), [(64, 48), (65, 49)])
def test_what_is_installed_writes_h264_that_starts_at_once(package, width, height, tmp_path, monkeypatch):
    pytest.importorskip(package)
    only(monkeypatch, package)
    path = tmp_path / 'a.mp4'
    with VideoWriter(str(path), 12.5) as writer:
        for frame in frames(width, height):
            writer.write(frame)
        assert writer.note == ''
    boxes = boxes_of(path)
    assert boxes.index('moov') < boxes.index('mdat')
    assert b'avc1' in path.read_bytes() and b'mp4v' not in path.read_bytes()
    reader = VideoReader(path)
    assert (reader.size, reader.rate, reader.frames) == ((64, 48), 12.5, 3)
    for read, wrote in zip(reader, frames(64, 48)):
        assert np.abs(read[12:20, :].astype(int) - wrote[12:20, :]).mean() < 12  # colours are where and what they were


def test_colours_are_of_half_the_resolution(tmp_path, monkeypatch):
    exe = pytest.importorskip('imageio_ffmpeg').get_ffmpeg_exe()
    only(monkeypatch, 'imageio_ffmpeg')
    with VideoWriter(str(tmp_path / 'a.mp4'), 5) as writer:
        writer.write(frames()[0])
    told = subprocess.run([exe, '-i', str(tmp_path / 'a.mp4')], stderr=subprocess.PIPE, text=True).stderr
    assert re.search(r'Video: h264 .*yuv420p', told)


def test_without_any_opencv_writes_and_says_so(tmp_path, monkeypatch):
    only(monkeypatch)
    with VideoWriter(str(tmp_path / 'a.mp4'), 5) as writer:
        assert writer.note == ''  # nothing is written yet
        for frame in frames(65, 49):
            writer.write(frame)
        assert writer.note == NOTE and '`pip install imageio-ffmpeg`' in NOTE
    reader = VideoReader(tmp_path / 'a.mp4')
    assert (reader.size, reader.frames) == ((64, 48), 3)


def test_an_encoder_that_does_not_open_is_passed_over(tmp_path, monkeypatch):
    def broken(*args):
        raise RuntimeError('no ffmpeg for this machine')

    monkeypatch.setattr(video_codecs, '_WITH', (('imageio_ffmpeg', broken),))
    only(monkeypatch, 'imageio_ffmpeg')
    encoder = open_encoder(str(tmp_path / 'a.mp4'), 5, (64, 48))
    encoder.write(frames()[0])
    encoder.close()
    assert isinstance(encoder, video_codecs.OpenCV)


def test_a_size_that_nothing_can_write_is_told(tmp_path, monkeypatch):
    only(monkeypatch)
    with pytest.raises(OutputError, match='9000 x 48 pixels cannot be written'):
        open_encoder(str(tmp_path / 'a.mp4'), 5, (9000, 48))


def test_a_command_says_that_browsers_do_not_play_it(pictures, model, monkeypatch, capsys):
    only(monkeypatch)
    assert main(['street.mp4', *model, '--device', 'cpu']) == 0
    assert capsys.readouterr().out.count(f'note: {NOTE}') == 1

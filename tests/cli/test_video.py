import numpy as np
import pytest

from mmlens.cli.video import VideoReader, VideoWriter
from mmlens.errors import OutputError, PictureError


def grey(value, height=48, width=64):
    return np.full((height, width, 3), value, np.uint8)


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / 'a.mp4'
    with VideoWriter(str(path), 12.5) as writer:
        for value in (0, 100, 200):
            writer.write(grey(value))
    assert writer.frames == 3
    reader = VideoReader(path)
    assert (reader.rate, reader.frames, reader.size) == (12.5, 3, (64, 48))
    assert [round(float(frame.mean())) for frame in reader] == pytest.approx([0, 100, 200], abs=6)


def test_a_frame_of_another_size_is_fitted_not_dropped(tmp_path):
    path = tmp_path / 'a.mp4'
    with VideoWriter(str(path), 5, size=(64, 48)) as writer:
        writer.write(grey(0, 48, 128))  # fits as 64 x 24, with 12 rows of white above and below
        writer.write(grey(0))
    wide, plain = VideoReader(path)
    assert wide.shape == plain.shape == (48, 64, 3)
    assert wide[:10].min() > 220 and wide[-10:].min() > 220 and wide[16:32].max() < 30
    assert plain.max() < 30


def test_an_error_leaves_a_video_that_can_be_read(tmp_path):
    path = tmp_path / 'a.mp4'
    with pytest.raises(ZeroDivisionError), VideoWriter(str(path), 5) as writer:
        writer.write(grey(50))
        raise ZeroDivisionError
    assert len(list(VideoReader(path))) == 1


def test_a_video_that_mp4_cannot_hold_is_told(tmp_path):
    with pytest.raises(OutputError, match='9000 x 48 pixels cannot be written as .mp4'), VideoWriter(
        str(tmp_path / 'a.mp4'), 5
    ) as writer:
        writer.write(grey(0, 48, 9000))


@pytest.mark.parametrize('content', [None, b'', b'this is no video'])
def test_an_unreadable_video_is_told(content, tmp_path):
    path = tmp_path / 'a.mp4'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PictureError, match='a.mp4 cannot be read as a video'):
        VideoReader(path)

"""Files cut at any place are no whole files; whole ones are."""

import json

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from mmlens.errors import OutputError
from mmlens.files import write_atomically
from mmlens.whole_files import frames_of, why_not_whole

PICTURE = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)


def written(ending, path):
    if ending == '.npz':
        np.savez_compressed(path, a=PICTURE, b=np.array('text'))
    elif ending in ('.svg', '.pdf'):
        figure = Figure((2, 1))
        figure.subplots().plot([1, 2])
        figure.savefig(path)
    elif ending == '.gif':
        from PIL import Image

        Image.fromarray(PICTURE).save(path, save_all=True, append_images=[Image.fromarray(PICTURE[::-1])])
    elif ending == '.csv':
        path.write_text('a,b\n1,2\n')
    elif ending == '.json':
        path.write_text(json.dumps({'a': [1, 2]}))
    else:
        cv2.imwrite(str(path), PICTURE)
    return path.read_bytes()


ENDINGS = ['.png', '.jpg', '.jpeg', '.bmp', '.webp', '.tif', '.gif', '.npz', '.svg', '.pdf', '.json', '.csv']


@pytest.mark.parametrize('ending', ENDINGS)
def test_cut_anywhere(ending, tmp_path):
    path = tmp_path / f'a{ending}'
    data = written(ending, path)
    assert why_not_whole(str(path)) == '' == why_not_whole(str(path), ending.upper())
    # The pixels of a TIFF may come last: its writer is Python, which says that the disk is full.
    for size in {0, 1, 2} if ending == '.tif' else {0, 1, 2, len(data) // 3, len(data) - 2}:
        path.write_bytes(data[:size])
        assert why_not_whole(str(path)).startswith('is '), size
    path.write_bytes(b'\0' * len(data))
    assert why_not_whole(str(path)) == f'is not a whole {ending} file'


def test_tables_of_parquet(tmp_path):
    parquet = pytest.importorskip('pyarrow.parquet')
    import pyarrow

    parquet.write_table(pyarrow.table({'a': [1, 2]}), str(tmp_path / 'a.parquet'))
    assert why_not_whole(str(tmp_path / 'a.parquet')) == ''
    (tmp_path / 'a.parquet').write_bytes(b'PAR1' + b'\0' * 20)
    assert why_not_whole(str(tmp_path / 'a.parquet'))


def test_other_files_only_need_a_content(tmp_path):
    path = tmp_path / 'a.bin'
    path.write_bytes(b'')
    assert why_not_whole(str(path)) == 'is empty'
    path.write_bytes(b'x')
    assert why_not_whole(str(path)) == ''


def test_frames_are_counted(tmp_path):
    path = str(tmp_path / 'a.mp4')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'mp4v'), 5, (64, 48))
    for _ in range(7):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    assert frames_of(path) == 7
    (tmp_path / 'b.mp4').write_bytes((tmp_path / 'a.mp4').read_bytes()[:600])
    assert frames_of(str(tmp_path / 'b.mp4')) == 0


def test_what_is_not_whole_gets_no_name(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'before')
    said = r'Cannot write .*a.png: what was written is empty. Make room on the disk'
    with pytest.raises(OutputError, match=said), write_atomically(tmp_path / 'a.png'):
        pass
    assert (tmp_path / 'a.png').read_bytes() == b'before' and len(list(tmp_path.iterdir())) == 1
    with write_atomically(tmp_path / 'b.png', check=False):
        pass

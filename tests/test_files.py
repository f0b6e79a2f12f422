"""A file is written whole or not at all, and no two names are alike."""

import os
import stat

import cv2
import numpy as np
import pytest

from mmlens.errors import OutputError
from mmlens.files import UniqueNames, append_line, check_name, fitting_name, write_atomically, write_picture, write_text


def write(path, content='new', **options):
    with write_atomically(path, **options) as temporary, open(temporary, 'w') as file:
        file.write(content)


def test_the_file_is_written_and_nothing_else(tmp_path):
    write(tmp_path / 'a.txt')
    assert os.listdir(tmp_path) == ['a.txt']
    assert (tmp_path / 'a.txt').read_text() == 'new'


def test_missing_folders_are_made_and_text_is_a_path(tmp_path):
    write(str(tmp_path / 'some' / 'where' / 'a.txt'))
    assert (tmp_path / 'some' / 'where' / 'a.txt').read_text() == 'new'


def test_a_file_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write('a.txt')
    assert os.listdir(tmp_path) == ['a.txt']


def test_the_temporary_name_ends_as_the_writer_needs_it(tmp_path):
    with write_atomically(tmp_path / 'a.png', check=False) as temporary:
        assert temporary.endswith('.png') and os.path.dirname(temporary) == str(tmp_path)
    with write_atomically(tmp_path / 'a.data', suffix='.npz', check=False) as temporary:
        assert temporary.endswith('.npz')


def test_long_and_odd_names_are_written(tmp_path):
    for name in ('n' * 250 + '.txt', 'ümläut 点.txt', '.hidden', 'no ending'):
        write(tmp_path / name)
        assert (tmp_path / name).read_text() == 'new'


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt, RuntimeError])
def test_after_an_error_the_old_file_stands_and_nothing_is_left(error, tmp_path):
    (tmp_path / 'a.txt').write_text('old')
    with pytest.raises(error), write_atomically(tmp_path / 'a.txt') as temporary:
        with open(temporary, 'w') as file:
            file.write('half')
        raise error
    assert os.listdir(tmp_path) == ['a.txt']
    assert (tmp_path / 'a.txt').read_text() == 'old'


def test_the_file_is_not_there_before_it_is_whole(tmp_path):
    with write_atomically(tmp_path / 'a.txt') as temporary:
        open(temporary, 'w').close()
        assert not (tmp_path / 'a.txt').exists()


def test_rights_are_those_of_any_new_file(tmp_path):
    (tmp_path / 'plain.txt').write_text('')
    write(tmp_path / 'a.txt')
    rights = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ('plain.txt', 'a.txt')]
    assert rights[0] == rights[1]
    before = os.umask(0o077)
    try:
        write(tmp_path / 'b.txt')
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / 'b.txt').stat().st_mode) == 0o600


def test_places_that_cannot_be_written_to(tmp_path):
    (tmp_path / 'file').write_text('')
    (tmp_path / 'folder').mkdir()
    for path in (tmp_path / 'file' / 'a.txt', tmp_path / 'folder'):
        with pytest.raises(OutputError, match=r'^Cannot write .*: .*\. Choose another output folder\.$'):
            write(path)
    assert sorted(os.listdir(tmp_path)) == ['file', 'folder'] and not os.listdir(tmp_path / 'folder')


@pytest.mark.skipif(os.name == 'nt' or os.geteuid() == 0, reason='the superuser may write everywhere')
def test_a_folder_without_the_right_to_write(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match='Permission denied'):
        write(tmp_path / 'a.txt')


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match='No space left'), write_atomically(tmp_path / 'a.txt'):
        raise OSError(28, 'No space left on device')
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize('ending', ['.png', '.PNG', '.bmp', '.ppm', '.tif', '.webp', '.jpg'])
def test_pictures_are_written_whole(ending, tmp_path):
    picture = np.full((20, 30, 3), (255, 128, 0), np.uint8)
    path = tmp_path / 'new' / f'a{ending}'
    write_picture(path, picture)
    assert os.listdir(str(path.parent)) == [path.name]
    read = cv2.imread(str(path)).astype(int)
    assert np.abs(read - picture).max() <= (3 if ending in ('.jpg', '.webp') else 0)


def test_a_picture_that_its_format_cannot_hold_is_told(tmp_path):
    with pytest.raises(OutputError, match='70000 x 2 pixels cannot be written as .jpg; try .png'):
        write_picture(tmp_path / 'a.jpg', np.zeros((2, 70000, 3), np.uint8))
    assert os.listdir(str(tmp_path)) == []


def test_a_format_that_nobody_knows_is_told(tmp_path):
    for name in ('a', 'a.nothing'):
        with pytest.raises(OutputError, match='8 x 6 pixels cannot be written as .*; try .png'):
            write_picture(str(tmp_path / name), np.zeros((6, 8, 3), np.uint8))
    assert os.listdir(str(tmp_path)) == []


def test_a_picture_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('pathlib.Path.write_bytes', full)
    with pytest.raises(OutputError, match='No space left'):
        write_picture(tmp_path / 'a.png', np.zeros((6, 8, 3), np.uint8))
    assert os.listdir(str(tmp_path)) == []


def test_repeated_names_are_numbered():
    unique = UniqueNames()
    given = ['a', 'b', 'a', 'A', 'a-2', 'a-2', '', '']
    assert [unique(name) for name in given] == ['a', 'b', 'a-2', 'A-3', 'a-2-2', 'a-2-3', '', '-2']
    assert UniqueNames()('a') == 'a'  # each has a memory of its own


@pytest.mark.parametrize('seed', range(5))
def test_no_two_names_are_alike_whatever_is_given(seed):
    rng = np.random.default_rng(seed)
    given = [''.join(rng.choice(list('aAb-23'), rng.integers(1, 4))) for _ in range(300)]
    unique = UniqueNames()
    names = [unique(name) for name in given]
    assert len({name.lower() for name in names}) == len(given) > len({name.lower() for name in given})
    assert all(name.startswith(start) for name, start in zip(names, given))


def test_names_that_are_not_utf_8_are_the_bytes_that_they_are(tmp_path):
    with write_text(tmp_path / 'a.csv') as file:
        file.write('ü,\udcff\n')
    assert (tmp_path / 'a.csv').read_bytes() == 'ü,'.encode() + b'\xff\n'
    with pytest.raises(KeyError), write_text(tmp_path / 'b.csv') as file:
        file.write('half')
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ['a.csv']


@pytest.mark.parametrize('name', ['a' * 300, 'b/' * 3000, 'a\0b'])
def test_names_that_cannot_be_are_told(name, tmp_path):
    for act in (check_name, lambda path: write_picture(f'{path}x.png', np.zeros((2, 2, 3), np.uint8))):
        with pytest.raises(OutputError, match='File name too long. Choose a shorter name|null'):
            act(f'{tmp_path}/{name}')
    check_name(tmp_path / 'fine' / 'name')
    assert list(tmp_path.iterdir()) == []


def test_long_names_are_cut_and_stay_different():
    assert fitting_name('a', '.png') == 'a' and fitting_name('ü' * 117, '.png') == 'ü' * 117
    names = {fitting_name('ü' * 200 + end, '.png') for end in 'ab'}
    assert len(names) == 2 and all(len(os.fsencode(name)) <= 236 for name in names)


def test_a_disk_that_fills_up_is_told_and_keeps_nothing(tmp_path, full_disk):
    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)
    with full_disk(2000), pytest.raises(OutputError, match='Make room on the disk, or choose another'):
        write_picture(tmp_path / 'a.png', noise)
    assert list(tmp_path.iterdir()) == []


def test_a_line_is_added_whole_or_not_at_all(tmp_path, full_disk):
    path = tmp_path / 'lines'
    append_line(path, 'ä' * 10)
    with full_disk(30), pytest.raises(OutputError, match=r'lines: File too large. Make room on the disk'):
        append_line(path, 'b' * 20)
    append_line(path, 'c')
    assert path.read_text(encoding='utf-8') == 'ä' * 10 + '\nc\n'

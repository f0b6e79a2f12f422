import os
from pathlib import Path

import pytest

from mmlens.cli.outputs import check_writable, plan_outputs
from mmlens.cli.sources import Source
from mmlens.errors import OutputError


def sources(*names):
    return [Source(Path('somewhere') / name, name) for name in names]


def names(places):
    return [place.name for place in places]


def test_results_are_called_by_their_sources_in_the_default_folder():
    assert plan_outputs(sources('a.jpg', 'x_1.PNG')) == [Path('output/a.jpg'), Path('output/x_1.PNG')]


def test_a_folder_of_ones_own(tmp_path):
    assert plan_outputs(sources('a.jpg'), out_dir=str(tmp_path / 'new')) == [tmp_path / 'new' / 'a.jpg']
    assert not (tmp_path / 'new').exists()  # nothing is made before there is a result


def test_no_two_results_share_a_stem(tmp_path):
    places = plan_outputs(sources('a.jpg', 'a.png', 'A.jpg', 'a-2.jpg', 'a.mp4'), str(tmp_path))
    assert names(places) == ['a.jpg', 'a-2.png', 'A-3.jpg', 'a-2-2.jpg', 'a-4.mp4']


def test_formats_without_colours_or_unknown_become_png_and_videos_mp4(tmp_path):
    places = plan_outputs(sources('a.pgm', 'b.dat', 'c', 'd.avi', 'e.MOV'), str(tmp_path))
    assert names(places) == ['a.png', 'b.png', 'c.png', 'd.mp4', 'e.mp4']


def test_out_file(tmp_path):
    assert plan_outputs(sources('a.jpg'), out_file=str(tmp_path / 'b.png')) == [tmp_path / 'b.png']
    assert plan_outputs(sources('a.avi'), out_file=str(tmp_path / 'b.mp4')) == [tmp_path / 'b.mp4']


@pytest.mark.parametrize(
    ('given', 'file', 'said'),
    [
        (['a.jpg', 'b.jpg'], 'c.jpg', 'takes a single picture, but there are 2'),
        (['a.jpg'], 'c.pdf', 'must end with .jpg or '),
        (['a.jpg'], 'c', 'must end with .jpg or '),
        (['a.mp4'], 'c.avi', 'must end with .mp4'),
        (['a.jpg'], 'folder.jpg', 'is a folder'),
    ],
)
def test_an_out_file_that_does_not_fit_is_told(given, file, said, tmp_path):
    (tmp_path / 'folder.jpg').mkdir()
    with pytest.raises(OutputError, match=said):
        plan_outputs(sources(*given), out_file=str(tmp_path / file))


def test_out_dir_and_out_file_exclude_each_other():
    with pytest.raises(OutputError, match='exclude each other'):
        plan_outputs(sources('a.jpg'), out_dir='a', out_file='b.jpg')


def test_shown_results_are_only_written_on_request(tmp_path):
    assert plan_outputs(sources('a.jpg', 'b.jpg'), show=True) == [None, None]
    assert plan_outputs(sources('a.jpg'), out_dir=str(tmp_path), show=True) == [tmp_path / 'a.jpg']


def test_a_result_never_replaces_its_picture(tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'precious')
    os.symlink(str(tmp_path), str(tmp_path / 'link'))
    source = [Source(tmp_path / 'a.jpg', 'a.jpg')]
    for options in (
        {'out_dir': str(tmp_path)},
        {'out_dir': str(tmp_path / 'link')},
        {'out_file': str(tmp_path / 'a.jpg')},
    ):
        with pytest.raises(OutputError, match='would overwrite the picture'):
            plan_outputs(source, **options)


def test_a_result_never_replaces_the_picture_of_another(tmp_path, monkeypatch):
    """x.pgm gives x.png, a.avi a.mp4, a/1.jpg a_1.jpg; links, other spellings and missing files count as well."""
    monkeypatch.chdir(tmp_path)
    for name in ('x.pgm', 'x.png', 'v.avi', 'v.mp4', 'a_1.jpg', 'a/1.jpg', 'far/y.png'):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b'precious')
    os.symlink('far/y.png', 'y.png')
    os.link('x.png', 'far/z.png')
    for first, second in (
        ('x.pgm', 'x.png'),
        ('v.avi', 'v.mp4'),
        ('a/1.jpg', 'a_1.jpg'),
        ('y.pgm', 'far/y.png'),
        ('x.pgm', 'far/z.png'),
        ('x.pgm', str(tmp_path / 'far' / '..' / 'x.png')),
        ('missing.pgm', 'missing.png'),
    ):
        given = [Source(Path(first), first.replace('/', '_')), Source(Path(second), 'other.png')]
        with pytest.raises(OutputError, match=f'overwrite the picture .*{Path(second).name}; choose'):
            plan_outputs(given, out_dir='.')
    assert plan_outputs(sources('x.pgm', 'x.png'), out_dir='far') == [Path('far/x.png'), Path('far/x-2.png')]


def test_a_path_below_a_file_is_not_writable(tmp_path):
    (tmp_path / 'file.txt').write_text('')
    for below in ('file.txt', 'file.txt/out', 'file.txt/out/more'):
        with pytest.raises(OutputError, match='file.txt is a file, not a folder'):
            check_writable(tmp_path / below)


@pytest.mark.skipif(hasattr(os, 'geteuid') and os.geteuid() == 0, reason='root may write anywhere')
def test_a_folder_without_permission_is_not_writable(tmp_path):
    (tmp_path / 'closed').mkdir(mode=0o500)
    with pytest.raises(OutputError, match='no permission'):
        check_writable(tmp_path / 'closed' / 'out')


def test_a_relative_folder_is_writable(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check_writable(Path('a/b')) is None
    assert os.listdir(str(tmp_path)) == []

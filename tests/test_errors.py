"""What ends a sentence of ours: the reason that another library gave."""

import os

from mmlens.errors import missing_file, reason


def test_gaps_in_another_librarys_error_are_closed():
    assert reason(ValueError('  one   reason\twith gaps. \nand more')) == 'one reason with gaps.'
    assert reason(KeyError('a key')) == 'a key.'
    assert reason(ValueError()) == 'ValueError.'


def test_a_missing_file_is_found_among_the_causes():
    def error_of(look):
        try:
            try:
                look()
            except OSError as error:
                raise TypeError('cannot build it') from error
        except TypeError as error:
            return error

    assert missing_file(error_of(lambda: os.stat('nowhere/a.json'))) == 'nowhere/a.json'
    assert missing_file(error_of(lambda: os.listdir(__file__))) == '' == missing_file(ValueError())

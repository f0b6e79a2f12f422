"""What ends a sentence of ours: the reason that another library gave."""

from mmlens.errors import reason


def test_gaps_in_another_librarys_error_are_closed():
    assert reason(ValueError('  one   reason\twith gaps. \nand more')) == 'one reason with gaps.'
    assert reason(KeyError('a key')) == 'a key.'
    assert reason(ValueError()) == 'ValueError.'

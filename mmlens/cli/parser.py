"""A parser whose help comes in groups with examples, and which says in one sentence what is wrong or missing."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shlex
import sys
from typing import Any, Dict, List, Mapping, NoReturn, Optional, Sequence

from .guard import FAILED, TRACEBACK
from .verbosity import add_verbosity

# What a positional stands for, in the sentence that says it is missing.
_STANDS_FOR = {
    'img': 'a picture',
    'config': 'a config or the name of a model',
    'checkpoint': 'a checkpoint',
    'DIR': 'the folder that the hooks wrote to',
    'PICTURE': 'pictures',
    'SHELL': 'the name of a shell',
    'COMMAND': 'a command',
}


class Help(argparse.HelpFormatter):
    """Wraps a description, and leaves examples as they are written."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(('examples:', 'commands:')):
            return '\n'.join(indent + line for line in text.splitlines())
        return super()._fill_text(text, width, indent)


_NEGATIVE = re.compile(r'-(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$', re.IGNORECASE)


class Parser(argparse.ArgumentParser):
    """A parser that reports a wrong argument in one sentence.

    Args:
        parameters: Name of a parameter in Python -> destination of the option that sets it, where they differ.
        examples: Command lines that the help shows, and what each does; the first is offered where something is
            missing. Defaults to none.
        verbosity: Whether there are ``-q`` and ``-v``.
        **options: See :class:`argparse.ArgumentParser`.
    """

    def __init__(
        self,
        parameters: Optional[Mapping[str, str]] = None,
        examples: Sequence[Sequence[str]] = (),
        verbosity: bool = True,
        **options: Any,
    ) -> None:
        if examples:
            options.setdefault('epilog', _written(examples))
        options.setdefault('formatter_class', Help)
        # No abbreviations: an option added later must not change what `--target` means today.
        super().__init__(allow_abbrev=False, **options)
        self._negative_number_matcher = _NEGATIVE  # argparse's own takes -1e3 for an option
        self._parameters = parameters or {}
        self._groups: Dict[str, argparse._ArgumentGroup] = {}
        self.examples = [line for line, *_ in examples]
        self.given: List[str] = []  # the words that are parsed
        if verbosity:
            add_verbosity(self)
            self.add_argument(TRACEBACK, action='store_true', help='show the whole traceback of an error')

    def group(self, title: str) -> argparse._ArgumentGroup:
        """The group of options of this title, which is the same at every call."""
        if title not in self._groups:
            self._groups[title] = self.add_argument_group(title)
        return self._groups[title]

    def option_of(self, parameter: str) -> str:
        """The option that sets a parameter of the library, or the positional's name; ``''`` if there is none."""
        wanted = self._parameters.get(parameter, parameter)
        for action in self._actions:
            if action.dest == wanted:
                return next((flag for flag in action.option_strings if flag.startswith('--')), wanted)
        return ''

    def example(self) -> str:
        """The first example, begun with the words that were given: what they could go on with."""
        if not self.examples:
            return f'{self.prog} --help'
        words = shlex.split(self.examples[0])
        begin = len(self.prog.split())
        for position, word in enumerate(_leading(self.given)[: len(_leading(words[begin:]))]):
            words[begin + position] = word
        return ' '.join(map(shlex.quote, words))

    def format_help(self) -> str:
        """The help, under a usage that leaves the options to their groups."""
        self.shorten_usage()
        return super().format_help()

    def shorten_usage(self) -> None:
        """Name the positionals alone in the usage, once all are there."""
        if self.usage is None:
            names = [_in_usage(action) for action in self._get_positional_actions()]
            self.usage = ' '.join(['%(prog)s', '[options]', *names])

    def error(self, message: str) -> NoReturn:
        """Print the sentence and exit with status 2."""
        missing = re.match(r'the following arguments are required: (.+)', message)
        if missing:
            message = f'`{self.prog}` needs {_all_of(missing[1].split(", "))}: try `{self.example()}`'
        else:
            message += self._nearest(message)
        self.exit(FAILED, f'mmlens: error: {message} (see `{self.prog} --help`)\n')

    def _nearest(self, message: str) -> str:
        """What an option that does not exist may have been meant to be."""
        unknown = re.match(r'unrecognized arguments: (--[\w-]+)', message)
        known = [flag for action in self._actions for flag in action.option_strings]
        near = difflib.get_close_matches(unknown[1], known, 1) if unknown else []
        return f'; did you mean {near[0]}?' if near else ''


def _in_usage(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest)
    return {'?': f'[{name}]', '*': f'[{name} ...]', '+': f'{name} [{name} ...]'}.get(str(action.nargs), name)


def _written(examples: Sequence[Sequence[str]]) -> str:
    lines = ['examples:']
    for line, *what in examples:
        lines += [f'  # {each}' for each in what] + [f'  {line}']
    return '\n'.join(lines)


def _leading(words: Sequence[str]) -> List[str]:
    """The words before the first option."""
    end = next((position for position, word in enumerate(words) if word.startswith('-')), len(words))
    return list(words[:end])


def _all_of(names: Sequence[str]) -> str:
    things = [_STANDS_FOR.get(name, name) for name in names]
    return ' and '.join([', '.join(things[:-1]), things[-1]]) if len(things) > 1 else things[0]


def words_of(argv: Optional[Sequence[str]]) -> List[str]:
    """The words that a command parses: those given, else those of the process after its command."""
    return list(sys.argv[1:] if argv is None else argv)


def files_after_dashes(words: List[str]) -> List[str]:
    """The words with those after ``--`` where positionals go: files, of which ``-a.jpg`` is ``./-a.jpg`` as well."""
    if '--' not in words:
        return words
    end = words.index('--')
    begin = next((n for n, word in enumerate(words[:end]) if word.startswith('-')), end)
    files = [os.path.join(os.curdir, word) if word.startswith('-') else word for word in words[end + 1 :]]
    return [*words[:begin], *files, *words[begin:end]]

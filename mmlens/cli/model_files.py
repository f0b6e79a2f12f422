"""The files of a model, checked before anything heavy is imported."""

from __future__ import annotations

import argparse

from ..downloads import is_address
from ..errors import ModelError
from ..files import check_is_file
from .arguments import read_cfg_options
from .guard import quiet


def check_model_files(args: argparse.Namespace, trained: bool = True) -> None:
    """Check the config and the checkpoint that the arguments of a command name.

    Configs of installed packages are looked for when the packages are imported.

    Args:
        args: With ``config``, ``checkpoint``, ``cfg_options`` and ``random_weights``.
        trained: Whether there has to be a checkpoint, of the arguments or of the config.

    Raises:
        ModelError: If there is no such file, or no checkpoint is named.
    """
    if '::' not in args.config:
        check_is_file(args.config, 'config file')
    if args.checkpoint and not is_address(args.checkpoint):
        check_is_file(args.checkpoint, 'checkpoint')
    trained = trained and not getattr(args, 'random_weights', False)
    if trained and not args.checkpoint and not _names_weights(args):
        raise ModelError(
            f'No checkpoint was given, and {args.config} has no load_from: name one after the config, or give '
            '--random-weights to look at an untrained model.'
        )


def _names_weights(args: argparse.Namespace) -> bool:
    with quiet():
        from ..models.config_files import read_file

    options = read_cfg_options(args.cfg_options) or {}
    return bool(options['load_from'] if 'load_from' in options else read_file(args.config).get('load_from'))

"""Config and weights of a model, found by path or by name, and checked before anything heavy is imported."""

from __future__ import annotations

import argparse

from ..downloads import download, is_address, weights_place
from ..errors import ModelError, OutputError
from ..files import check_is_file
from ..model_names import find_model, is_name, weights_of
from .arguments import read_cfg_options
from .guard import quiet, tell
from .progress import download_bar


def check_model_files(args: argparse.Namespace, trained: bool = True) -> None:
    """Check the config and the checkpoint that the arguments of a command name.

    A model that is named becomes its config, and where no checkpoint is, the weights that its package names for it.
    What is on the disk is taken before any name. Paths inside packages are looked for when these are imported.

    Args:
        args: With ``config``, ``checkpoint``, ``cfg_options`` and ``random_weights``.
        trained: Whether there has to be a checkpoint, of the arguments or of the config.

    Raises:
        ModelError: If there is no such file or model, or no checkpoint is named.
    """
    weights, name = None, args.config
    if is_name(args.config):
        model = find_model(args.config)
        args.config, weights = model.config, model.weights
    elif '::' in args.config:
        weights = weights_of(args.config)
    else:
        check_is_file(args.config, 'config file')
    if args.checkpoint and not is_address(args.checkpoint):
        check_is_file(args.checkpoint, 'checkpoint')
    if args.checkpoint or not trained or getattr(args, 'random_weights', False):
        return
    options = read_cfg_options(args.cfg_options) or {} if args.cfg_options else {}
    if weights and 'load_from' not in options:
        args.checkpoint = weights
        what = name if name == args.config else f'{name} is {args.config}'
        tell(f'note: {what}, with the weights that {args.config.split("::")[0]} names: {weights}')
    elif not (options['load_from'] if 'load_from' in options else _names_weights(args)):
        raise ModelError(
            f'No checkpoint was given, and {args.config} has no load_from: name one after the config, or give '
            '--random-weights to look at an untrained model.'
        )


def fetch_weights(args: argparse.Namespace) -> None:
    """Download the weights that the arguments name by an address, unless they were before.

    Raises:
        ModelError: If they cannot be downloaded or kept.
    """
    if not args.checkpoint or not is_address(args.checkpoint):
        return
    place = weights_place(args.checkpoint)
    if place.is_file():
        return
    with download_bar() as bar:
        task = bar.add_task(place.name, total=None)
        try:
            download(
                args.checkpoint, place, ModelError, lambda done, total: bar.update(task, completed=done, total=total)
            )
        except OutputError as error:
            raise ModelError(
                f'{args.checkpoint} cannot be kept in {place.parent}: set TORCH_HOME to a folder.'
            ) from error
        except ModelError as error:
            raise ModelError(
                f'{str(error).rstrip(".")}: get the file where the network allows it, and name it after the config, or '
                f'put it into {place.parent}.'
            ) from error
    tell(f'note: the weights are kept as {place}')


def _names_weights(args: argparse.Namespace) -> bool:
    with quiet():
        from ..models.config_files import read_file

    return bool(read_file(args.config).get('load_from'))

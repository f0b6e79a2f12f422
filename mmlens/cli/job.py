"""What `featmap`, `boxam` and `cam` share: check everything, load the model once, go through the sources."""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, List, Optional

from ..errors import MmlensError
from .arguments import Parser, positive, read_cfg_options, words
from .guard import quiet
from .index import Index
from .layer_table import print_layers
from .model_files import check_model_files, fetch_weights
from .outputs import folder_of_results, plan_outputs
from .pass_options import check_resume_place
from .progress import Passes
from .reading import reading
from .run import Drawn, Picture, Run
from .sources import Source, find_sources
from .verbosity import detail
from .window import check_display
from .wording import running

if TYPE_CHECKING:
    from ..models.detector import Detector
    from ..models.network import Network


def load(args: argparse.Namespace) -> Network:
    """Open the network that the arguments name, whatever its family.

    Raises:
        MmlensError: If it cannot be opened, or has no trained weights where more than its layers is asked for
            (``args.preview_model``).
    """
    check_model_files(args, trained=not getattr(args, 'preview_model', False))
    fetch_weights(args)
    begin = time.perf_counter()
    with quiet():
        # First, because it prepares the import of mmengine and its relatives.
        from ..explain.networks import open_network

        network = open_network(
            args.config,
            args.checkpoint,
            device=args.device,
            cfg_options=read_cfg_options(args.cfg_options),
            resize_only=getattr(args, 'resize_only', False),
            family=getattr(args, 'family', None),
            random_weights=True if args.random_weights else None,
            **reading(args),
        )
    detail(
        f'{type(network.model).__name__}, a {network.family}, of {args.config}, '
        f'weights {args.checkpoint or network.cfg.get("load_from") or "random"}, '
        f'on {next(network.model.parameters()).device}, after {time.perf_counter() - begin:.1f} s'
    )
    return network


def load_detector(args: argparse.Namespace) -> Detector:
    """Open the detector that the arguments name.

    Raises:
        MmlensError: See :func:`load`; or if it is none.
    """
    network = load(args)
    network.require('boxes')
    from ..models.detector import Detector

    assert isinstance(network, Detector)
    return network


def add_workers(parser: Parser) -> None:
    """Add ``--workers``."""
    parser.group('results').add_argument(
        '--workers',
        type=positive,
        metavar='N',
        help='processes that explain several pictures or the frames of a video on the CPU (default: as many as torch '
        'has threads and memory allows; 1 on a GPU)',
    )


def run_job(
    args: argparse.Namespace,
    draw: Callable[[Any, Picture], Drawn],
    same_size: bool,
    check_sources: Callable[[List[Source]], None] = lambda sources: None,
    load: Callable[[argparse.Namespace], Network] = load,
    passes: Optional[Passes] = None,
    option: str = '--out-file',
    together: Optional[Callable[[Any, List[Picture]], List[Drawn]]] = None,
) -> int:
    """Draw every source that ``args.img`` stands for, or list the layers with ``--preview-model``.

    Whatever can be checked without the model is checked before it is loaded.

    Args:
        args: The command's parsed arguments.
        draw: Draws one picture or frame with the loaded model.
        same_size: See :class:`mmlens.cli.run.Run`.
        check_sources: Raises if the options do not suit the sources.
        load: Loads the model. Defaults to whatever the config describes.
        passes: See :class:`mmlens.cli.run.Run`.
        option: See :func:`mmlens.cli.outputs.plan_outputs`.
        together: Draws several pictures or frames that go through the network together: ``args.batch_size`` at most,
            or if that is not given, a picture, or as many frames as gain by it.

    Returns:
        The exit status.
    """
    with tempfile.TemporaryDirectory(prefix='mmlens-') as downloads:
        folder = folder_of_results(args.out_dir, args.out_file)
        sources = find_sources(args.img, Path(downloads), folder)
        if args.preview_model:
            return print_layers(load(args), sources[0], args.depth, **words(args))
        if args.depth:
            raise MmlensError('--depth says how deep --preview-model lists layers: leave it out, or add that.')
        check_sources(sources)
        places = plan_outputs(sources, args.out_dir, args.out_file, args.show, option)
        check_resume_place(args, places)
        if args.show:
            check_display()
        network = load(args)
        from ..crew import workers_for  # here, because they ask torch
        from ..explain.together import how_many_frames

        # A report collects results, which other processes would keep to themselves.
        workers = 1 if getattr(args, 'report', None) else getattr(args, 'workers', 1)
        size = getattr(args, 'batch_size', None)
        return Run(
            lambda picture: draw(network, picture),
            same_size,
            args.show,
            passes,
            Index(None if args.no_index else folder, running()),
            read_ahead=partial(network.pipeline.read_ahead, picture_of=lambda task: task.picture),
            workers=workers_for(network.model, workers),
            as_fits=workers is None,
            together=None if together is None else partial(together, network),
            size=size or 1,
            frames=partial(how_many_frames, network) if size is None else None,
        ).over(sources, places)

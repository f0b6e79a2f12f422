"""What the hooks have in common: they look at the same pictures again and again, and leave no trace."""

from __future__ import annotations

from numbers import Integral
from pathlib import Path, PurePath
from typing import Any, Callable, ClassVar, Dict, List, Optional, Sequence, Tuple, TypeVar, Union

import numpy as np
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from torch import nn

from ..errors import MmlensError, reason
from ..models.families import as_network
from ..models.network import Network
from ..processes import alike_everywhere
from ..rendering.truth import put_truth_beside
from .delivery import Delivery, Notes, OnceLogger, deliver, kind_of, remove_files
from .no_trace import no_trace
from .options import check_places, listed
from .timing import Timing
from .watched_pictures import Choice, WatchedPicture, WatchedPictureError, dataset_of
from .weights import averaged, bare, validated

Found = TypeVar('Found')


class VisHook(Hook):
    """Base of the hooks that draw while a model is trained, validated or tested.

    A subclass defines how a model is wrapped and how a picture is drawn. Weights, optimizer, random states and logs
    are those of a training without the hook. Invalid arguments are reported before the first iteration; an error
    while drawing is logged once and does not stop the run.

    Args:
        tag: What the tags of drawings begin with: ``<tag>/<stem of the picture>``, and ``<tag>_val/...`` and
            ``<tag>_test/...`` after validation and test. No two hooks may have the same.
        interval: Draw every ``interval`` epochs (iterations), and after the last. Defaults to 1.
        by_epoch: Count epochs, not iterations. Defaults to ``True``.
        during: ``'train'``, ``'val'`` or ``'test'``, or several of them. Defaults to ``'train'``.
        at_start: Draw before the first iteration too. Defaults to ``True``.
        pictures: File or files to draw. Defaults to pictures of a dataset.
        dataset: Whose pictures are drawn during training: ``'val'``, ``'test'`` or ``'train'``. Defaults to the
            first of these that the config has. After validation and test it is the set that they ran on.
        num: How many pictures of the dataset; -1 takes all. Defaults to 4.
        every: Take only every n-th of the dataset. Defaults to 1.
        indexes: Position or positions in the dataset, instead of ``num`` and ``every``.
        use_ema: During training, draw the averaged weights of the config's EMAHook. After validation and test
            they are the weights that were validated. Defaults to ``False``.
        draw_gt: Draw the ground truth next to the prediction, where a dataset has one. Defaults to ``False``.
        family: See :func:`mmlens.open_network`. Defaults to what the model is and says of itself.
        out_dir: Local folder for the drawings, inside the work_dir unless absolute; ``None`` writes none.
            Defaults to ``'mmlens'``.
        on_error: ``'log'`` (default) or ``'raise'``.

    Raises:
        MmlensError: If an argument is out of range.
    """

    priority = 'LOW'  # after the EMAHook, before the checkpoint
    question: ClassVar[Optional[str]] = None  # what the network must be able to answer; see Network.require

    def __init__(
        self,
        tag: str,
        interval: int = 1,
        by_epoch: bool = True,
        during: Union[str, Sequence[str]] = 'train',
        at_start: bool = True,
        pictures: Optional[Union[str, Path, Sequence[Union[str, Path]]]] = None,
        dataset: Optional[str] = None,
        num: int = 4,
        every: int = 1,
        indexes: Optional[Union[int, Sequence[int]]] = None,
        use_ema: bool = False,
        draw_gt: bool = False,
        family: Optional[str] = None,
        out_dir: Optional[Union[str, Path]] = 'mmlens',
        on_error: str = 'log',
    ) -> None:
        stages = listed('during', during, str, "'train', 'val' or 'test'")
        self.timing = Timing(interval, by_epoch, stages, at_start)
        files = None if pictures is None else listed('pictures', pictures, (str, Path), 'a file')
        places = None if indexes is None else listed('indexes', indexes, Integral, 'a position in the dataset, from 0')
        self.choice = Choice(files, places, num, every)
        check_places(tag, out_dir)
        if dataset not in (None, 'train', 'val', 'test'):
            raise MmlensError(f"dataset must be 'train', 'val' or 'test', not {dataset!r}.")
        if on_error not in ('log', 'raise'):
            raise MmlensError(f"on_error must be 'log' or 'raise', not {on_error!r}.")
        self.tag = PurePath(tag).as_posix()  # one name a folder: 'boxam/' is 'boxam'
        self.dataset, self.use_ema, self.draw_gt = dataset, use_ema, draw_gt
        self.family, self.out_dir, self.on_error = family, out_dir, on_error
        self._watched: Dict[str, List[WatchedPicture]] = {}
        self._networks: Dict[int, Network] = {}
        self._log = OnceLogger()
        self._last = 0  # step of the training that was drawn last, or that it began with

    # ---------------------------------------------------------------- what subclasses define

    def draw(self, network: Network, watched: WatchedPicture) -> Tuple[np.ndarray, Notes]:
        """Draw one picture: uint8 BGR, and what the log should say, by kind."""
        raise NotImplementedError

    def look(self, network: Network, watched: WatchedPicture, explain: Callable[..., Found], **options: Any) -> Found:
        """Explain a picture.

        Args:
            network: What to explain.
            watched: The picture.
            explain: Such as :func:`mmlens.explain_boxes`.
            **options: Its options.

        Returns:
            What it returns, over the picture in its right colours.
        """
        network.pipeline.gray |= watched.held == 1
        found: Any = explain(network, watched.read(), **options)
        found.picture = watched.shown(found.picture, network.model.data_preprocessor)
        return found

    def with_truth(self, network: Network, watched: WatchedPicture, found: Any, **options: Any) -> np.ndarray:
        """Draw what :meth:`look` returned, next to the ground truth if that is asked for and known.

        Args:
            network: Has the class names.
            watched: The picture.
            found: The result to draw.
            **options: Those of its ``draw``.
        """
        drawing, truth = found.drawing(**options), watched.truth
        if self.draw_gt and truth is not None:
            names = [network.class_name(label) for label in truth.labels]
            drawing = put_truth_beside(drawing, found.picture, truth.boxes, truth.labels, names)
        return drawing.image

    # ---------------------------------------------------------------- what the Runner calls

    def before_run(self, runner: Any) -> None:
        """Forget the models of an earlier run: the EMAHook makes a new one."""
        self._networks.clear()

    def before_train(self, runner: Any) -> None:
        """Check the arguments, and draw the weights that the training begins with."""
        stages = self._stages(runner)
        if not stages:  # only a test, perhaps days later: report now what can be known now
            choice = self.choice if self.choice.pictures is not None else Choice(num=1)
            with alike_everywhere(), no_trace():
                self._try(runner, self._model(runner, 'test'), self._choose(runner, 'train', choice)[0])
            return
        self.timing.check_loop(runner._train_loop)
        for stage in stages:
            self._begin(runner, stage)
        self._last = self.timing.done(runner)
        if self.timing.begins(runner):
            self._remove_earlier(runner, stages)
            if 'train' in stages and self.timing.at_start:
                self._draw_all(runner, 'train', 0)

    def after_train_epoch(self, runner: Any) -> None:
        """Draw, if it is time."""
        if 'train' in self.timing.during and self.timing.after_epoch(runner):
            self._draw_all(runner, 'train', self.timing.done(runner) + 1)

    def after_train(self, runner: Any) -> None:
        """Draw the last weights of a training that was stopped early."""
        if 'train' in self.timing.during and self.timing.done(runner) != self._last:
            self._draw_all(runner, 'train', self.timing.done(runner))

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Optional[dict] = None
    ) -> None:
        """Draw, if it is time."""
        if 'train' in self.timing.during and self.timing.after_iter(runner):
            self._draw_all(runner, 'train', self.timing.done(runner) + 1)

    def before_val(self, runner: Any) -> None:
        """Check the arguments."""
        if 'val' in self.timing.during:
            self._begin(runner, 'val')

    def after_val(self, runner: Any) -> None:
        """Draw the weights that were validated, if it is time; every process draws its share."""
        # Not after_val_epoch, in which the EMAHook is about to swap weights back.
        if 'val' in self.timing.during and self.timing.after_loop(runner):
            self._draw_all(runner, 'val', self.timing.done(runner))

    def before_test(self, runner: Any) -> None:
        """Check the arguments."""
        if 'test' in self.timing.during:
            self._begin(runner, 'test')

    def after_test(self, runner: Any) -> None:
        """Draw the weights that were tested; every process draws its share."""
        if 'test' in self.timing.during:
            self._draw_all(runner, 'test', self.timing.done(runner))

    # ---------------------------------------------------------------- how

    def _stages(self, runner: Any) -> List[str]:
        """Which stages of a training are drawn: a config need not have a validation."""
        there = ('train', 'val') if runner._val_loop is not None else ('train',)
        stages = [stage for stage in there if stage in self.timing.during]
        if not stages and 'test' not in self.timing.during:
            raise MmlensError("during='val' draws nothing where the config has no validation: draw during='train'.")
        return stages

    def _begin(self, runner: Any, stage: str) -> None:
        """Choose the pictures of a stage, and draw the first as a dry run."""
        if stage not in self._watched:
            with alike_everywhere():
                self._refuse_same_tags(runner, stage)
                with no_trace():
                    watched = self._choose(runner, stage, self.choice)
                self._try(runner, self._model(runner, stage), watched[0])
            self._watched[stage] = watched

    def _try(self, runner: Any, model: nn.Module, watched: WatchedPicture) -> None:
        """Draw as a dry run, in the first process: the arguments are the same in all of them."""
        if get_rank():
            return
        try:
            with no_trace(model):
                self.draw(self._network(runner, model), watched)
        except Exception as error:
            if isinstance(error, MmlensError) and not isinstance(error, WatchedPictureError):
                raise
            self._complain(runner, kind_of('draw', error), f'draw {watched.name}', error)

    def _refuse_same_tags(self, runner: Any, stage: str) -> None:
        tag = self._tag(stage)
        for other in runner.hooks:
            if isinstance(other, VisHook) and other is not self and tag in map(other._tag, other.timing.during):
                raise MmlensError(f"Two hooks would write to '{tag}': give one of them another tag='...'.")

    def _choose(self, runner: Any, stage: str, choice: Choice) -> List[WatchedPicture]:
        if choice.pictures is not None:
            return choice.of_files()
        source = stage
        if stage == 'train':
            known = [name for name in ('val', 'test', 'train') if getattr(runner, f'_{name}_dataloader')]
            source = self.dataset or known[0]
        watched = choice.of_dataset(dataset_of(runner, source), source)
        if not watched:
            raise MmlensError(f'The {source} set has no picture to draw.')
        return watched

    def _model(self, runner: Any, stage: str) -> nn.Module:
        if stage != 'train':
            return validated(runner)
        if not self.use_ema:
            return bare(runner.model)
        model = averaged(runner)
        if model is None:
            raise MmlensError('use_ema=True needs an EMAHook, and the config has none: leave it out.')
        return model

    def _network(self, runner: Any, model: nn.Module) -> Network:
        if id(model) not in self._networks:
            meta = getattr(runner.visualizer, 'dataset_meta', None)
            network = as_network(model, runner.cfg, meta, self.family)
            if self.question:
                network.require(self.question)
            self._networks[id(model)] = network
        return self._networks[id(model)]

    def _tag(self, stage: str) -> str:
        return self.tag if stage == 'train' else f'{self.tag}_{stage}'

    def _folder(self, runner: Any) -> Optional[Path]:
        return None if self.out_dir is None else Path(runner.work_dir) / self.out_dir

    def _remove_earlier(self, runner: Any, stages: Sequence[str]) -> None:
        """Remove what an earlier training left in the histories that begin now."""
        folder = self._folder(runner)
        if folder is None or get_rank():
            return
        places = [folder / self._tag(stage) / each.name for stage in stages for each in self._watched.get(stage, ())]
        try:
            removed = remove_files(places, self.timing.has_named)
        except OSError as error:
            self._complain(runner, 'remove', 'remove the drawings of an earlier training', error)
        else:
            if removed:
                runner.logger.info(f'{type(self).__name__} removed {removed} drawings of an earlier training.')

    def _draw_all(self, runner: Any, stage: str, step: int) -> None:
        """Draw the pictures of a stage: during training all in the first process, otherwise in turns."""
        self._last = step if stage == 'train' else self._last
        rank, workers = get_rank(), 1 if stage == 'train' else get_world_size()
        if rank >= workers:
            return
        watched, model = self._watched[stage], self._model(runner, stage)
        for start in range(0, len(watched), workers):
            mine = watched[start + rank : start + rank + 1]
            drawn = [self._drawing(runner, model, stage, each) for each in mine]
            gathered = [drawn] if workers == 1 else all_gather_object(drawn)
            for drawing in (drawing for each in gathered for drawing in each if rank == 0):
                self._deliver(runner, drawing, step)

    def _drawing(self, runner: Any, model: nn.Module, stage: str, watched: WatchedPicture) -> Delivery:
        tag = f'{self._tag(stage)}/{watched.name}'
        try:
            with no_trace(model):
                return Delivery(tag, *self.draw(self._network(runner, model), watched))
        except Exception as error:  # heads, losses and pipelines are third-party code
            if self.on_error == 'raise':
                raise
            return Delivery(tag, None, {kind_of('draw', error): self._could_not(f'draw {watched.name}', error)})

    def _deliver(self, runner: Any, drawing: Delivery, step: int) -> None:
        for kind, sentence in drawing.notes.items():
            self._log.warn(runner.logger, kind, sentence)
        if drawing.picture is None:
            return
        folder = self._folder(runner)
        with no_trace():  # trackers are third-party code, too
            failed = deliver(drawing, runner, step, folder, self.timing.file_name(step))
        for place, error in failed.items():
            self._complain(runner, f'to {place}', f'hand {drawing.tag} over to {place}', error)

    def _complain(self, runner: Any, kind: str, what: str, error: Exception) -> None:
        if self.on_error == 'raise':
            raise error
        self._log.warn(runner.logger, kind, self._could_not(what, error))

    def _could_not(self, what: str, error: Exception) -> str:
        return f'{type(self).__name__} could not {what}: {reason(error)} The run goes on.'

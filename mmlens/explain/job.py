"""One picture, one method, N targets: the same for every family."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

from torch import Tensor, nn

from ..attribution.attribute import Attribution, attribute, gradients_at
from ..attribution.fuse import Size
from ..attribution.layers import resolve_layers
from ..attribution.methods import EngineMethod, Method, OnePassMethod, PassJob, PassMethod, Progress, available_methods
from ..attribution.methods.activation import first_component
from ..attribution.methods.multi_pass import Dependence, dependences
from ..attribution.passes.replay import Replay
from ..attribution.passes.runs import Runs, note_of_memory
from ..attribution.smoothing import eigen_smoothed
from ..attribution.tap import Tap
from ..errors import LayerError, MethodError
from ..models.inputs import Picture
from ..models.network import Network
from ..models.prepared import Prepared
from .layers import named_layers

# What a target's gradient says about each level.
Known = List[Optional[Dependence]]


class Targets:
    """What is asked of one picture, and how the same is measured again: what a family adds to a job.

    Attributes:
        network: The network.
        spatial: Whether targets are objects at places, whose gradients keep their positions, and not classes.
        extra_tokens: How many tokens stand before those of the picture; see :meth:`Tap.levels`.

    Args:
        network: The network.
        picture: File name, or (H, W, 3) uint8 BGR.
        **words: ``text`` and ``custom_entities``; see :func:`mmlens.explain_boxes`.
    """

    spatial = True
    extra_tokens: Optional[int] = None

    def __init__(self, network: Network, picture: Picture, **words: Any) -> None:
        self.network = network
        self._picture = picture
        self._words = words
        self._prepared: Optional[Prepared] = None

    @property
    def prepared(self) -> Prepared:
        """The picture as the network sees it, made when it is first asked for."""
        if self._prepared is None:
            self._prepared = self.network.prepare(self._picture, **self._words)
        return self._prepared

    def check(self, method: Method) -> None:
        """Check that a method can answer what is asked.

        Raises:
            MethodError: If not.
        """
        if isinstance(method, EngineMethod):
            raise MethodError(
                f"Method '{method.cam_class.__name__}' needs more than the activations and gradients of one pass and "
                f'is not built in: choose one of {", ".join(available_methods())}.'
            )

    def default_layers(self) -> Sequence[str]:
        """Names of the layers to look at where none is named."""
        raise NotImplementedError

    def scalars(self, tap: Tap) -> List[Tensor]:
        """Run the network within a tap: the N targets, with a graph that begins at the tapped layers."""
        raise NotImplementedError

    def run(self, copies: int) -> Any:
        """Run the network on copies of the input; what a :class:`Replay` records and runs again."""
        raise NotImplementedError

    def runs(self, replay: Replay, method: PassMethod, options: Dict[str, Any]) -> Optional[Runs]:
        """Measures the targets in altered passes; ``None`` if nothing was found to explain.

        Args:
            replay: A replay of :meth:`run`, nothing recorded yet.
            method: The method.
            options: All of its options.
        """
        raise NotImplementedError

    def as_in_runs(self, known: List[Known], levels: int) -> List[Known]:
        """What is known of each of :meth:`scalars`, in the order of the targets of :meth:`runs`.

        Args:
            known: A list of each target's dependence on each level.
            levels: How many levels there are.
        """
        return known

    def by_engine(self, method: EngineMethod, layers: Dict[str, nn.Module], eigen_smooth: bool) -> List[Tensor]:
        """Maps (H, W) of all targets by pytorch-grad-cam's own engine."""
        raise NotImplementedError

    def fuse(self, maps: Sequence[Tensor], size: Size) -> Tensor:
        """One map (H, W) of the levels' maps (h, w)."""
        raise NotImplementedError

    def why_blank(self, found: Attribution, method: OnePassMethod, layers: Sequence[str]) -> Optional[str]:
        """Why a map is blank after one pass, and what to try."""
        return found.blank

    def why_nothing(self, method: Method, layers: Sequence[str]) -> str:
        """Why a map is blank after many passes, and what to try."""
        if not method.uses_layers:
            more = 'passes' if 'passes' in method.complete(None) else 'num_masks'
            return f'{method.name} finds no part of the picture that matters; try more `{more}` or another method'
        return f'{method.name} is nowhere positive at {quoted(layers)}; choose another layer or method'


@dataclass
class Attributions:
    """What came of a job.

    Attributes:
        maps: A map on the input's grid for each target.
        notes: Sentences for the user.
        passes: How often something was run altered.
        unfinished: Whether that was ended early: the maps are those so far.
    """

    maps: List[Attribution] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    passes: int = 0
    unfinished: bool = False


@dataclass
class Job:
    """One picture, one method, N targets.

    Attributes:
        targets: What is asked.
        method: Of any kind that the targets take.
        options: All options of the method.
        layers: The layers, by the names that errors will show.
        progress: See :func:`mmlens.explain_boxes`.
        eigen_smooth: Take the first principal component of the weighted activations instead of their sum.

    Raises:
        MethodError: If the method cannot answer what is asked.
    """

    targets: Targets
    method: Method
    options: Dict[str, Any] = field(default_factory=dict)
    layers: Dict[str, nn.Module] = field(default_factory=dict)
    progress: Optional[Progress] = None
    eigen_smooth: bool = False

    @classmethod
    def settle(
        cls,
        targets: Targets,
        method: Method,
        options: Optional[Dict[str, Any]],
        layers: Optional[Sequence[str]],
        progress: Optional[Progress] = None,
        eigen_smooth: bool = False,
    ) -> Job:
        """Make a job of what the user asked for.

        Args:
            targets: What is asked.
            method: The method.
            options: Those that the user gave.
            layers: Names of layers. Defaults to those of the targets.
            progress, eigen_smooth: See the class.

        Raises:
            MethodError: If the method cannot answer what is asked, or has no such option.
            LayerError: If there is no such layer, or the method takes none.
        """
        targets.check(method)
        complete = method.complete(options)
        if not method.uses_layers:
            _check_no_layers(method, layers)
            return cls(targets, method, complete, {}, progress, eigen_smooth)
        network = targets.network
        names = targets.default_layers() if layers is None else map(network.own_layer, named_layers(layers))
        tapped = resolve_layers(network.model, list(names))
        return cls(targets, method, complete, tapped, progress, eigen_smooth)

    def run(self) -> Attributions:
        """Explain the targets; the network is given back as it was."""
        if isinstance(self.method, OnePassMethod):
            return self._by_one_pass(self.method)
        if isinstance(self.method, PassMethod):
            return self._by_passes(self.method)
        assert isinstance(self.method, EngineMethod)
        return self._by_engine(self.method)

    def _by_one_pass(self, method: OnePassMethod) -> Attributions:
        formula = eigen_smoothed(method) if self.eigen_smooth else method
        targets, found = self.targets, Attributions()
        with Tap(targets.network.model, self.layers) as tap:
            scalars = targets.scalars(tap)
            size = targets.prepared.input_size
            levels = tap.levels(size, targets.extra_tokens)
            for position, scalar in enumerate(scalars):
                keep = position < len(scalars) - 1
                one = attribute(
                    scalar, levels, formula, size, spatial=targets.spatial, keep_graph=keep, fuse=targets.fuse
                )
                if one.blank:
                    one.blank = targets.why_blank(one, method, list(self.layers))
                found.maps.append(one)
        return found

    def _by_passes(self, method: PassMethod) -> Attributions:
        targets = self.targets
        layers = self.layers if method.uses_layers else {}
        known = self._dependences(layers if method.uses_gradients and targets.spatial else {})
        with Replay(targets.network.model, layers, targets.run) as replay:
            runs = targets.runs(replay, method, self.options)
            if runs is None:
                return Attributions()
            size = targets.prepared.input_size
            levels = replay.levels(size, targets.extra_tokens)
            depends = [] if known is None else targets.as_in_runs(known, len(levels))
            inputs = targets.prepared.batch['inputs']
            job = PassJob(levels, runs, inputs, depends, targets.spatial, self.options, self.progress)
            if self.eigen_smooth:
                job.combine = lambda weighted: first_component(weighted[None])[0]
            maps = method.explain(job)
        found = Attributions([], note_of_memory(self.options, runs), runs.passes, job.interrupted)
        for position, of_target in enumerate(maps):
            raw = targets.fuse([each for each in of_target if each is not None], size)
            blank = None if bool((raw > 0).any()) else self._why_nothing(job, position)
            found.maps.append(Attribution(raw, blank))
        if job.interrupted:
            found.notes.append(f'Ended early: the maps are those after {job.done} of {job.total} passes.')
        found.notes += runs.notes
        return found

    def _dependences(self, layers: Dict[str, nn.Module]) -> Optional[List[Known]]:
        """What each target depends on at each level of the layers; ``None`` without layers."""
        if not layers:
            return None
        targets = self.targets
        with Tap(targets.network.model, layers) as tap:
            scalars = targets.scalars(tap)
            levels = tap.levels(targets.prepared.input_size, targets.extra_tokens)
            gradients = (gradients_at(scalar, levels, keep_graph=True) for scalar in scalars)
            return [dependences(levels, each) for each in gradients]

    def _by_engine(self, method: EngineMethod) -> Attributions:
        maps = self.targets.by_engine(method, self.layers, self.eigen_smooth)
        nothing = self.targets.why_nothing(method, list(self.layers))
        return Attributions([Attribution(raw, None if bool(raw.any()) else nothing) for raw in maps])

    def _why_nothing(self, job: PassJob, position: int) -> str:
        method, names = self.method, list(self.layers)
        if job.interrupted:
            return 'it was stopped before anything was found; let it run longer'
        if self.targets.spatial and method.uses_layers and method.uses_gradients and job.unknown(position):
            return (
                f'{method.name} is nowhere positive at {quoted(names)}, and no gradient arrives there: the target is '
                'saturated or does not come through; choose another layer or target'
            )
        return self.targets.why_nothing(method, names)


def _check_no_layers(method: Method, layers: Optional[Sequence[str]]) -> None:
    if layers is None:
        return
    if isinstance(method, EngineMethod):
        raise LayerError(f'{method.cam_class.__name__} finds its layers by itself: leave out `layers`.')
    raise LayerError(f"Method '{method.name}' takes the network as a black box, without layers: leave out `layers`.")


def quoted(names: Sequence[str]) -> str:
    """Names as a sentence lists them: ``'neck', 'backbone'``."""
    return ', '.join(f"'{name}'" for name in names)

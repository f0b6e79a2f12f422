"""One picture, one method, N targets: the same for every family."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

import torch
from torch import Tensor, nn

from ..attribution.attribute import Attribution, attribute, blank_if_flat, gradients_at
from ..attribution.fusion import Fusion, LevelMap, Size, add_levels, get_fusion, of_contrasts
from ..attribution.gates import held_gates_of
from ..attribution.graph_end import where_graph_ends
from ..attribution.layers import resolve_layers
from ..attribution.methods import EngineMethod, Method, OnePassMethod, PassJob, PassMethod, Progress
from ..attribution.methods.activation import first_component
from ..attribution.methods.multi_pass import dependences
from ..attribution.passes.replay import Replay
from ..attribution.passes.runs import keeping_graph, note_of_memory
from ..attribution.smoothing import Noise, eigen_smoothed
from ..attribution.tap import Level, Tap
from ..errors import LayerError, MethodError
from .noisy import NoisyCopies
from .other_levels import tell_where_gradients_vanish
from .targets import Known, Targets, quoted


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
        fuse: Makes one map of those of the levels.
        fusion: Its name; empty for a method that has nothing to fuse, or fuses by itself.
        max_shape: See :func:`mmlens.explain_boxes`.
        progress: See :func:`mmlens.explain_boxes`.
        eigen_smooth: Take the first principal component of the weighted activations instead of their sum.
        both_ways: Explain the negative of each target too: what speaks against it.
        noise: Take the mean of the maps of noisy copies of the input, in a method of one pass that uses gradients.

    Raises:
        MethodError: If the method cannot answer what is asked.
    """

    targets: Targets
    method: Method
    options: Dict[str, Any] = field(default_factory=dict)
    layers: Dict[str, nn.Module] = field(default_factory=dict)
    fuse: Fusion = add_levels
    max_shape: Optional[Size] = None
    progress: Optional[Progress] = None
    eigen_smooth: bool = False
    both_ways: bool = False
    fusion: str = ''
    noise: Optional[Noise] = None

    @classmethod
    def settle(
        cls,
        targets: Targets,
        method: Method,
        options: Optional[Dict[str, Any]],
        layers: Optional[Sequence[str]],
        fusion: Optional[str] = None,
        **others: Any,
    ) -> Job:
        """Make a job of what the user asked for.

        Args:
            targets: What is asked.
            method: The method.
            options: Those that the user gave.
            layers: Names of layers, or of sets of layers. Defaults to those of the method, or else of the targets.
            fusion: Name of a fusion, with the same default.
            **others: ``max_shape``, ``progress``, ``eigen_smooth``, ``both_ways`` and ``noise``; see the class.

        Raises:
            MethodError: If the method cannot answer what is asked, or has no such option, or there is no such fusion.
            LayerError: If there is no such layer, or the method takes none.
        """
        targets.check(method)
        complete = method.complete(options)
        if others.get('noise') and not (isinstance(method, OnePassMethod) and method.uses_gradients):
            raise MethodError(
                f"Method '{method.name}' is none of one pass with gradients, which noise could smooth: leave out "
                '`smooth_grad`.'
            )
        name = (fusion or method.fusion or targets.fusion).lower()
        fuse = of_contrasts(get_fusion(name)) if targets.contrasts else get_fusion(name)
        if not method.uses_layers:
            _check_no_layers(method, layers, fusion)
            return cls(targets, method, complete, {}, fuse, **others)
        if isinstance(method, EngineMethod) and fusion:
            raise MethodError(f"Method '{method.name}' fuses its layers by itself: leave out `fusion`.")
        named = [method.layers] if layers is None and method.layers else layers
        network = targets.network
        names = targets.default_layers() if named is None else targets.named_layers(named)
        used = '' if isinstance(method, EngineMethod) else name
        return cls(targets, method, complete, resolve_layers(network.model, list(names)), fuse, fusion=used, **others)

    def run(self) -> Attributions:
        """Explain the targets; the network is given back as it was.

        Raises:
            MethodError: If the method needs gradients, and a part of the network lets none through.
        """
        try:
            return self._run()
        except RuntimeError as error:
            if 'does not require grad' not in str(error):
                raise
            self._check_graph(error)
            raise

    def _run(self) -> Attributions:
        if isinstance(self.method, OnePassMethod):
            formula = eigen_smoothed(self.method) if self.eigen_smooth else self.method
            return self._by_one_pass(formula) if self.noise is None else self._by_noisy_passes(formula, self.noise)
        if isinstance(self.method, PassMethod):
            return self._by_passes(self.method)
        assert isinstance(self.method, EngineMethod)
        return self._by_engine(self.method)

    def _by_one_pass(self, method: OnePassMethod) -> Attributions:
        with Tap(self.targets.network.model, self.layers) as tap:
            with held_gates_of(method, tap):
                scalars = self.targets.scalars(tap)
            found = Attributions(self.attributed(tap, scalars, method))
        if method.uses_gradients and scalars and not any(scalar.requires_grad for scalar in scalars):
            self._check_graph()
        self.targets.correct_reasons(found.maps, list(self.layers))
        tell_where_gradients_vanish(self.targets, found.maps, self.layers)
        return found

    def _check_graph(self, cause: Optional[Exception] = None) -> None:
        why = where_graph_ends(self.targets.network.model, self.targets.scalars)
        if why:
            raise MethodError(why) from cause

    def attributed(self, tap: Tap, scalars: Sequence[Tensor], method: OnePassMethod) -> List[Attribution]:
        """The map of each scalar that the network returned within a tap."""
        targets, found = self.targets, []
        size = targets.prepared.input_size
        levels = tap.levels(size, targets.extra_tokens)
        for position, scalar in enumerate(scalars):
            more = position < len(scalars) - 1
            one = attribute(scalar, levels, method, size, keep_graph=more, **self.how(method))
            if one.blank:
                one.blank = targets.why_blank(one, method, list(self.layers))
            found.append(self.settled(one, position))
        return found

    def how(self, method: OnePassMethod) -> Dict[str, Any]:
        """How targets are attributed to levels, by parameter of :func:`~mmlens.attribution.attribute.attribute`."""
        both_ways = self.both_ways and method.uses_gradients
        return dict(spatial=self.targets.spatial, max_shape=self.max_shape, fuse=self.fuse, both_ways=both_ways)

    def settled(self, one: Attribution, position: int) -> Attribution:
        """The map of the target at a position, or an empty one where there is nothing to explain."""
        why = self.targets.why_not_asked(position)
        return Attribution(torch.zeros_like(one.raw), why) if why else blank_if_flat(one)

    def _by_noisy_passes(self, method: OnePassMethod, noise: Noise) -> Attributions:
        """The mean maps of noisy copies of the input, in which the same candidates are explained."""
        if self.targets.needs_gradients:
            self._ask(self.layers)
        copies = NoisyCopies(self, method, noise)
        mean = copies.explain()
        found = Attributions(mean.maps(), copies.notes, copies.passes, copies.unfinished)
        if found.unfinished:
            found.notes.append(f'Ended early: the maps are those of {mean.count} of {noise.copies} noisy copies.')
        return found

    def _by_passes(self, method: PassMethod) -> Attributions:
        targets = self.targets
        layers = self.layers if method.uses_layers else {}
        needed = (method.uses_gradients and targets.spatial) or targets.needs_gradients
        later = bool(layers) and needed and targets.in_replay
        known = None if later else self._dependences(layers if needed else {})
        if targets.needs_gradients and not layers:
            self._ask(resolve_layers(targets.network.model, list(targets.default_layers())))
        with Replay(targets.network.model, layers, targets.run) as replay:
            runs = targets.runs(replay, method, self.options)
            if runs is None:
                return Attributions()
            size = targets.prepared.input_size
            levels = replay.levels(size, targets.extra_tokens)
            if later:
                known = self._dependences_in(replay, levels)
            depends = [] if known is None else targets.as_in_runs(known, len(levels))
            inputs = targets.prepared.batch['inputs']
            job = PassJob(levels, runs, inputs, depends, targets.spatial, self.options, self.progress)
            if self.eigen_smooth:
                job.combine = lambda weighted: first_component(weighted[None])[0]
            maps = method.explain(job)
        found = Attributions([], note_of_memory(self.options, runs), runs.passes, job.interrupted)
        for position, of_target in enumerate(maps):
            raw, why = self.fuse(self._level_maps(levels, of_target), size), targets.why_not_asked(position)
            blank = None if bool((raw > 0).any()) else self._why_nothing(job, position)
            one = Attribution(torch.zeros_like(raw), why) if why else Attribution(raw, blank)
            found.maps.append(blank_if_flat(one))
        if job.interrupted:
            found.notes.append(f'Ended early: the maps are those after {job.done} of {job.total} passes.')
        found.notes += job.notes + runs.notes
        return found

    def _level_maps(self, levels: Sequence[Level], maps: Sequence[Optional[Tensor]]) -> List[LevelMap]:
        # A method without layers returns the one map of its alterations of the input.
        names = [level.layer for level in levels] if levels else [''] * len(maps)
        return [LevelMap.of(name, each, self.max_shape) for name, each in zip(names, maps) if each is not None]

    def _dependences(self, layers: Dict[str, nn.Module]) -> Optional[List[Known]]:
        """What each target depends on at each level of the layers; ``None`` without layers."""
        if not layers:
            return None
        targets = self.targets
        with Tap(targets.network.model, layers) as tap:
            scalars = targets.scalars(tap)
            return self._known(scalars, tap.levels(targets.prepared.input_size, targets.extra_tokens))

    def _dependences_in(self, replay: Replay, levels: Sequence[Level]) -> Optional[List[Known]]:
        """The same from what comes after the layers alone, where one pass is recorded already."""
        with keeping_graph(self.targets.network.model):
            found = self.targets.scalars_in(replay, levels)
        if found is None:
            return self._dependences(self.layers)
        return self._known(*found)

    @staticmethod
    def _known(scalars: Sequence[Tensor], levels: Sequence[Level]) -> Optional[List[Known]]:
        if not any(scalar.requires_grad for scalar in scalars):
            return None  # nothing is known of a network that runs without gradients
        gradients = (gradients_at(scalar, levels, keep_graph=True) for scalar in scalars)
        return [dependences(levels, each) for each in gradients]

    def _ask(self, layers: Dict[str, nn.Module]) -> None:
        """Run the network with gradients, which what is asked hangs on."""
        with Tap(self.targets.network.model, layers) as tap:
            self.targets.scalars(tap)

    def _by_engine(self, method: EngineMethod) -> Attributions:
        maps = self.targets.by_engine(method, self.layers, self.eigen_smooth)
        nothing = self.targets.why_nothing(method, list(self.layers))
        reasons = [self.targets.why_not_asked(position) or nothing for position in range(len(maps))]
        return Attributions([Attribution(raw, None if raw.any() else why) for raw, why in zip(maps, reasons)])

    def _why_nothing(self, job: PassJob, position: int) -> str:
        method, names = self.method, list(self.layers)
        if job.interrupted:
            return 'it was stopped before anything was found; let it run longer'
        if self.targets.spatial and method.uses_layers and method.uses_gradients and job.unknown(position):
            return (
                f'{method.name} is nowhere positive at {quoted(names)}, and no gradient arrives there: the target is '
                'saturated, or cut off from the layer; choose another layer or target'
            )
        return self.targets.why_nothing(method, names)


def check_signed(method: Method) -> None:
    """Check that a method can tell what speaks against a target.

    Raises:
        MethodError: If it cannot.
    """
    if not isinstance(method, OnePassMethod) or not method.uses_gradients:
        raise MethodError(
            f"Method '{method.name}' shows only what speaks for a target: leave out `signed`, or use a method of "
            'gradients, such as evidencecam.'
        )


def _check_no_layers(method: Method, layers: Optional[Sequence[str]], fusion: Optional[str]) -> None:
    if layers is None and fusion is None:
        return
    leave = 'leave out `fusion`' if layers is None else 'leave out `layers`'
    if isinstance(method, EngineMethod):
        raise LayerError(f'{method.cam_class.__name__} finds its layers by itself: {leave}.')
    how = 'looks at the input' if method.uses_gradients else 'takes the network as a black box'
    raise LayerError(f"Method '{method.name}' {how}, without layers: {leave}.")

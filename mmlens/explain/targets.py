"""What is asked of one picture: what a family of networks adds to a job."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from torch import Tensor, nn

from ..attribution.attribute import Attribution
from ..attribution.layer_sets import AUTO
from ..attribution.methods import EngineMethod, Method, OnePassMethod, PassMethod, available_methods
from ..attribution.methods.multi_pass import Dependence
from ..attribution.passes.replay import Replay
from ..attribution.passes.runs import Runs
from ..attribution.tap import Level, Tap
from ..errors import MethodError
from ..models.inputs import Picture
from ..models.network import Network
from ..models.prepared import Prepared
from .layers import auto_layers, named_layers

# What a target's gradient says about each level.
Known = List[Optional[Dependence]]
# Says what is measured of a target in altered passes.
Measured = Union[OnePassMethod, PassMethod]


class Targets:
    """What is asked of one picture, and how the same is measured again: what a family adds to a job.

    Attributes:
        network: The network.
        spatial: Whether targets are objects at places, whose gradients keep their positions, and not classes.
        fusion: Name of the fusion of methods that have none of their own.
        needs_gradients: Whether a pass with gradients has to come before those of a method of many passes.
        contrasts: Whether it is asked why one class and not another.
        extra_tokens: How many tokens stand before those of the picture; see :meth:`Tap.levels`.

    Args:
        network: The network.
        picture: See :func:`mmlens.explain_boxes`.
        **words: ``text`` and ``custom_entities``; see :func:`mmlens.explain_boxes`.
    """

    spatial = True
    fusion = 'sum'
    needs_gradients = False
    contrasts = False
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

    def named_layers(self, layers: Sequence[str]) -> List[str]:
        """Names of layers, with the names of sets of layers replaced by theirs.

        Raises:
            MmlensError: If there is none.
        """
        found: List[str] = []
        for name in named_layers(layers):
            found.extend(self.auto_layers() if name == AUTO else [self.network.own_layer(name)])
        return found

    def auto_layers(self) -> Sequence[str]:
        """The layers that ``auto`` stands for; see :func:`~mmlens.explain.layers.auto_layers`."""
        with Tap(self.network.model, {}):  # the pipeline may draw random numbers
            return auto_layers(self.network, self.prepared, self.extra_tokens)

    def scalars(self, tap: Tap) -> List[Tensor]:
        """Run the network within a tap: the N targets, with a graph that begins at the tapped layers."""
        raise NotImplementedError

    @property
    def go_together(self) -> bool:
        """Whether what is asked can be asked of several pictures in one pass."""
        return False

    @staticmethod
    def scalars_together(several: Sequence[Any], tap: Tap) -> List[List[Tensor]]:
        """The scalars of each of several pictures, whose inputs have one size, in one pass; see :meth:`scalars`."""
        raise NotImplementedError

    @property
    def in_replay(self) -> bool:
        """Whether what is asked can be asked of a recorded pass; see :meth:`scalars_in`."""
        return False

    def scalars_in(self, replay: Replay, levels: Sequence[Level]) -> Optional[Tuple[List[Tensor], List[Level]]]:
        """The N targets, in a pass of what comes after recorded layers, and the levels at which their graph begins.

        To be called after :meth:`runs`, where torch keeps graphs.

        Args:
            replay: The recorded pass.
            levels: Its levels.

        Returns:
            ``None`` where that cannot be; see :meth:`Replay.from_layers`.
        """
        raise NotImplementedError

    def run(self, copies: int) -> Any:
        """Run the network on copies of the input; what a :class:`Replay` records and runs again."""
        raise NotImplementedError

    def runs(self, replay: Replay, method: Measured, options: Dict[str, Any]) -> Optional[Runs]:
        """Measures the targets in altered passes; ``None`` if nothing was found to explain.

        Args:
            replay: A replay of :meth:`run`, nothing recorded yet.
            method: The method; one of one pass if its own target is to be measured in altered passes.
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

    def why_blank(self, found: Attribution, method: OnePassMethod, layers: Sequence[str]) -> Optional[str]:
        """Why the map of a target is blank after one pass, and what to try."""
        return found.blank

    def correct_reasons(self, maps: Sequence[Attribution], layers: Sequence[str]) -> None:
        """Say more of why maps are blank than one pass through these layers tells."""

    def why_not_asked(self, position: int) -> Optional[str]:
        """Why nothing can be asked of the target at a position, and what to try; ``None`` for one that was asked."""
        return None

    def why_nothing(self, method: Method, layers: Sequence[str]) -> str:
        """Why a map is blank after many passes, and what to try."""
        if not method.uses_layers:
            more = 'passes' if 'passes' in method.complete(None) else 'num_masks'
            return f'{method.name} finds no part of the picture that matters; try more `{more}` or another method'
        return f'{method.name} is nowhere positive at {quoted(layers)}; choose another layer or method'


def quoted(names: Sequence[str]) -> str:
    """Names as a sentence lists them: ``'neck', 'backbone'``."""
    return ', '.join(f"'{name}'" for name in names)

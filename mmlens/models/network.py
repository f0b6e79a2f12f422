"""A model and the test pipeline of its config, as one: what all families of networks have in common."""

from __future__ import annotations

import contextlib
import difflib
import warnings
from typing import Any, ClassVar, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from mmengine.config import Config
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ..defaults import modules_of, number_type, usual_defaults
from ..errors import MmlensError, MmlensWarning, ModelError
from .dataset_meta import meta_of_config, names_in
from .geometry import Size
from .inputs import Picture, PicturePipeline, default_scope
from .kinds import pixel_classes, takes_views
from .predictions import Predictions
from .prepared import Prepared
from .reading import read_predictions
from .words import Text, check_words, needs_words, reading
from .wrappers import can_run, predicting_part

# Question -> the family that answers it, and how a sentence says so.
_QUESTIONS = {
    'boxes': ('detector', 'box maps need a detector'),
    'classes': ('classifier', 'class maps need a classifier'),
}
# Family -> the function that answers its question.
_FUNCTIONS = {'detector': 'explain_boxes()', 'classifier': 'explain_classes()'}


class Network:
    """Any model of an OpenMMLab package, with the test pipeline of its config.

    Attributes:
        model: The model; of a wrapper (a tracker, a semi-supervised detector, DataParallel) the part that predicts.
        cfg: The whole config.
        part: Where that part lies in the wrapper, such as ``'detector'``; ``''`` if the model is not a wrapper.
        notes: Sentences that belong to every result of this network.
        auto_layers: The layers of the set ``auto``, once they were looked for.

    Args:
        model: With ``cfg``, and ``dataset_meta`` if the class names are known.
        cfg: The whole config, if the model does not carry it.
        dataset_meta: Likewise; its ``classes`` are the class names.

    Raises:
        ModelError: If there is no config, or the model lacks what the subclass needs.
    """

    family: ClassVar[str] = 'network'
    described = 'neither a detector nor a classifier'
    kind = 'a model of OpenMMLab: it has no data_preprocessor, or no _run_forward'
    builder = 'the function of its library that loads models'
    # Settings of the model's test_cfg while it runs: a layer that runs several times has no single map.
    one_pass: ClassVar[Dict[str, Any]] = {}
    auto_layers: Optional[Tuple[str, ...]] = None

    def __init__(
        self, model: nn.Module, cfg: Optional[Config] = None, dataset_meta: Optional[Dict[str, Any]] = None
    ) -> None:
        dataset_meta = dataset_meta or getattr(model, 'dataset_meta', None)
        of_loading: Sequence[str] = getattr(model, 'loading_notes', ())
        found = predicting_part(model, cfg)
        model, cfg = found.model, found.cfg
        if cfg is None:
            raise ModelError(f'The model carries no config: build it with {self.builder}, or set model.cfg.')
        if not self.can_be(model):
            raise ModelError(f'{type(model).__name__} is not {self.kind}.')
        self.model: Any = model
        self.cfg = cfg
        self.part = found.path
        self.notes: List[str] = [*([found.note] if found.note else []), *of_loading]
        self.pipeline = PicturePipeline(cfg)
        self.needs_words = needs_words(model, cfg)
        self.dataset_meta: Dict[str, Any] = dict(dataset_meta or getattr(model, 'dataset_meta', None) or {})
        self.class_names: List[str] = self._checked(names_in(self.dataset_meta))

    def _checked(self, names: List[str]) -> List[str]:
        """The class names, if their number is right; else the config's; else none, for numbers say more."""
        number = self.num_classes
        if not names or number is None or len(names) == number:
            return names
        with default_scope(self.cfg):
            of_config = meta_of_config(self.cfg)
        told = f'The model has {number} classes, but its dataset has {len(names)} names'
        if len(names_in(of_config)) == number:
            self.dataset_meta.update(of_config)
            self.notes.append(f'{told}: the names are those of the config.')
            return names_in(of_config)
        warnings.warn(f'{told}: classes are named by number.', MmlensWarning, stacklevel=3)
        return []

    @staticmethod
    def runs(model: nn.Module) -> bool:
        """Whether a model belongs to this family, by what it is and says about itself."""
        return can_run(model)

    @classmethod
    def can_be(cls, model: nn.Module) -> bool:
        """Whether a model has everything this class needs, whatever its family."""
        return can_run(model)

    @property
    def name(self) -> str:
        """The model's class, as sentences name it."""
        return type(self.model).__name__

    @property
    def num_classes(self) -> Optional[int]:
        """How many classes the head has; ``None`` if that is unknown."""
        return None

    @property
    def pixel_classes(self) -> Optional[int]:
        """How many classes a pixel may have; ``None`` for a network that does not classify pixels."""
        return pixel_classes(self.model)

    @property
    def default_layers(self) -> Tuple[str, ...]:
        """The layers to look at by default: the neck if there is one, else the backbone."""
        names = [name for name in ('neck', 'backbone') if getattr(self.model, name, None) is not None]
        return tuple(names[:1])

    @property
    def extra_tokens(self) -> Optional[int]:
        """How many tokens the backbone puts before those of the picture; ``None`` if it has no extra tokens."""
        backbone = getattr(self.model, 'backbone', None)
        counted = getattr(backbone, 'num_extra_tokens', None)
        if isinstance(counted, int):
            return counted
        named = [getattr(backbone, name, None) for name in ('cls_token', 'dist_token', 'reg_token', 'register_tokens')]
        tokens = [token for token in named if isinstance(token, Tensor) and token.ndim == 3]
        return sum(token.shape[1] for token in tokens) if tokens else None

    @property
    def skeleton(self) -> List[Tuple[int, int]]:
        """Pairs of keypoints to be joined by a line, if the dataset defines them."""
        return []

    def own_layer(self, name: str) -> str:
        """A layer's name in the part that predicts: ``'neck'`` of a tracker's ``'detector.neck'``."""
        beginning = f'{self.part}.'
        return name[len(beginning) :] if self.part and name.startswith(beginning) else name

    def require(self, question: str) -> None:
        """Check that this network is of the family that answers a question.

        Args:
            question: ``'boxes'`` (why this box?) or ``'classes'`` (why this class?).

        Raises:
            ModelError: If it is not; the sentence says what it is, and which function takes it.
        """
        family, need = _QUESTIONS[question]
        if self.family != family:
            use = _FUNCTIONS.get(self.family, 'feature_maps()')
            raise ModelError(f'{self.name} is {self.described}, and {need}: use `{use}` for it.')

    def class_name(self, label: int, prepared: Optional[Prepared] = None) -> str:
        """Name of a class, or its index as text.

        Args:
            label: Index of the class.
            prepared: The picture, if its words are the classes.
        """
        names = self.names(prepared)
        return str(names[label]) if 0 <= label < len(names) else str(label)

    def names_of(self, prepared: Prepared, found: Predictions) -> List[str]:
        """The class name of each object that was found."""
        if found.names is not None:
            return found.names
        return [self.class_name(int(label), prepared) for label in found.labels.tolist()]  # CrowdDet has floats

    def names(self, prepared: Optional[Prepared]) -> List[str]:
        """The names of all classes; those of a picture's words where these are the classes."""
        return self.class_names if prepared is None or prepared.words is None else prepared.words.names

    def class_indexes(
        self,
        classes: Optional[Union[str, int, Sequence[Union[str, int]]]],
        prepared: Optional[Prepared] = None,
    ) -> Optional[List[int]]:
        """Find classes by name, one of its synonyms, or index; ``None`` stays ``None``.

        Args:
            classes: What to look for.
            prepared: The picture, if its words are the classes.

        Raises:
            MmlensError: If the model knows no such class, or several; the message names near ones.
        """
        if classes is None:
            return None
        known = self.names(prepared)
        wanted = classes if isinstance(classes, Iterable) and not isinstance(classes, str) else [classes]
        return [_index_of(one, known) for one in wanted]

    def prepare(
        self,
        picture: Picture,
        *,
        text: Optional[Text] = None,
        custom_entities: Optional[bool] = None,
        **extra: Any,
    ) -> Prepared:
        """Put a picture through the test pipeline and the data preprocessor.

        Args:
            picture: See :func:`~mmlens.models.pictures.file_or_array`.
            text: What an open-vocabulary network is to look for: a text, or a name for each class.
            custom_entities: Whether each part of the text between full stops is a class as it stands.
            **extra: More keys for the pipeline, such as ``batch_shape``.

        Raises:
            PictureError: If it cannot be read.
            MmlensError: If the network needs words and is given none, or reads none and is given some.
        """
        words = check_words(self.name, self.needs_words, text, custom_entities)
        keys = {} if words is None else words.keys
        with usual_defaults(modules_of(self.model)):
            sample = self.pipeline(picture, self._keys_for, **keys, **extra)
            if words is not None and isinstance(sample.packed.get('data_samples'), BaseDataElement):
                _tell(sample.packed['data_samples'], keys)
            batch = self._preprocessed({key: [value] for key, value in sample.packed.items()})
        height, width = batch['inputs'].shape[-2:]
        return Prepared(sample.picture, batch, sample.geometry((height, width)), words, sample.notes)

    def _keys_for(self, size: Size) -> Dict[str, Any]:
        """What the test pipeline needs besides a picture of this ``(height, width)``."""
        return {}

    def _preprocessed(self, packed: Dict[str, Any]) -> Dict[str, Any]:
        collated = self._views(packed['inputs']) if takes_views(self.model) else packed['inputs']
        batch = self.model.data_preprocessor({**packed, 'inputs': collated}, False)
        inputs = batch.get('inputs') if isinstance(batch, dict) else None
        if isinstance(inputs, (list, tuple)) and inputs and all(isinstance(view, Tensor) for view in inputs):
            if len(inputs) > 1:
                self._note(f'{self.name} takes {len(inputs)} views of a picture: this is the first.')
            inputs = inputs[0] if inputs[0].ndim > 3 else inputs[0][None]
        if not isinstance(inputs, Tensor) or inputs.ndim < 4:
            raise ModelError(f'{self.name} takes no single pictures: its data preprocessor returns no batch of them.')
        kind = number_type(modules_of(self.model))
        return {**batch, 'inputs': inputs.to(kind) if inputs.is_floating_point() else inputs}

    @staticmethod
    def _views(packed: List[Any]) -> Any:
        """What a self-supervised model's preprocessor wants of one picture: a batch of it, or one of each view."""
        (picture,) = packed
        return picture[None] if isinstance(picture, Tensor) else [view[None] for view in picture]

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)

    def run(self, prepared: Prepared) -> List[Any]:
        """Run the whole model in predict mode, in the current grad mode.

        Returns:
            What the model returned for the picture: a list of one data sample, for most.

        Raises:
            ModelError: If the model cannot find the nouns in its words.
        """
        batch = {**prepared.batch, 'data_samples': fresh_samples(prepared)}
        with self.in_one_pass(), reading(self.name, prepared.words):
            mode = 'tensor' if takes_views(self.model) else 'predict'  # self-supervised models predict nothing
            returned = self.model._run_forward(batch, mode=mode)
        return list(returned) if isinstance(returned, (list, tuple)) else [returned]

    def predictions(self, prepared: Prepared) -> Predictions:
        """Run the whole model, and bring what it predicts, as far as it can be read, into picture coordinates."""
        returned = self.run(prepared)
        return read_predictions(self, prepared, returned[0] if len(returned) == 1 else returned)

    @contextlib.contextmanager
    def in_one_pass(self) -> Iterator[None]:
        """Let each layer of the model run once: no sliding windows, no second pass over a mirrored picture."""
        settings = getattr(self.model, 'test_cfg', None)
        if not self.one_pass or not isinstance(settings, dict):
            yield
            return
        self.model.test_cfg = type(settings)({**settings, **self.one_pass})
        try:
            yield
        finally:
            self.model.test_cfg = settings


def fresh_samples(prepared: Prepared, copies: int = 1) -> Optional[List[Any]]:
    """Fresh copies of the picture's data sample: models write what they find into it."""
    samples = prepared.batch.get('data_samples')
    if not isinstance(samples, (list, tuple)) or len(samples) != 1:
        return samples  # type: ignore[return-value]
    return [samples[0].new() if isinstance(samples[0], BaseDataElement) else samples[0] for _ in range(copies)]


def _tell(sample: BaseDataElement, keys: Dict[str, Any]) -> None:
    """Write words into a sample that the pipeline's last step may not have packed them into."""
    sample.set_metainfo({key: value for key, value in keys.items() if key not in sample})


def _index_of(wanted: Union[str, int], known: Sequence[str]) -> int:
    """Index of a class among the names of all."""
    exactly = [index for index, name in enumerate(known) if name == wanted]
    # ImageNet's names are lists of synonyms: 'tabby, tabby cat'. Some stand in several of them.
    called_so = exactly or [index for index, name in enumerate(known) if wanted in name.split(', ')]
    if len(called_so) == 1:
        return called_so[0]
    if called_so:
        which = ', '.join(f'{index} ({known[index]})' for index in called_so)
        raise MmlensError(f"Several classes are called '{wanted}': {which}; name one by its number.")
    if str(wanted).isdecimal() and (not known or int(wanted) < len(known)):
        return int(wanted)
    near = difflib.get_close_matches(str(wanted), known, n=3) or known[:8]
    raise MmlensError(f"The model knows no class '{wanted}': it knows {', '.join(near)}, ...")

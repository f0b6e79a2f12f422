"""Values that a parameter can have: a module that imports nothing, so that the command line starts without torch."""

from __future__ import annotations

FAMILIES = ('detector', 'classifier', 'segmentor', 'pose', 'network')  # of networks; the last takes any
FUSIONS = ('sum', 'max', 'product', 'mean')  # of the maps of levels and layers; users may register more
LAYOUTS = ('overlay', 'panels')  # of box maps
CLASS_LAYOUTS = ('overlay', 'sheet')
TARGETS = ('score', 'box', 'both', 'left', 'top', 'right', 'bottom', 'mask')  # what is explained of a detection
ERRORS = ('classification', 'localisation', 'both', 'duplicate', 'background', 'missed')  # of a detector, by TIDE
RANKS = ('confidence', 'cost')  # which errors come first
FRAMES = ('picture', 'input')  # what class maps are laid over
MODES = ('original', 'transformed', 'concat', 'pipeline')  # which steps of a sample are drawn
REDUCTIONS = ('squeeze_mean', 'select_max')  # of a feature map's channels
PHASES = ('train', 'val', 'test', 'tta')  # whose dataset samples are taken from; tta: the test set, augmented
PARAMS = ('lr', 'momentum', 'weight_decay')  # what a schedule is drawn of
LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')  # what starts several processes

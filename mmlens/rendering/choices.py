"""What drawings can be asked for. Free of any import, so that a command can list them before cv2 is loaded."""

from __future__ import annotations

LAYOUTS = ('overlay', 'panels')  # of box maps
CLASS_LAYOUTS = ('overlay', 'sheet')
FRAMES = ('picture', 'input')  # what class maps are laid over
MODES = ('original', 'transformed', 'concat', 'pipeline')  # which steps of a sample are drawn

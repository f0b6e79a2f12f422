"""Explanations in several threads take turns."""

from __future__ import annotations

import threading

# Explaining changes, for a while, what threads share: the model, mmcv's operators, mmengine's scope and the random
# states. Whoever does so holds this; a thread may take it again.
one_at_a_time = threading.RLock()

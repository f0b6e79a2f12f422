"""Results: arrays in picture coordinates, which save and draw themselves. All they need is numpy."""

"""An error with its maps draws itself."""

import numpy as np

from mmlens.failures import ExplainedFailure, Failure, Why


def test_it_draws_itself_and_shows_itself_in_a_notebook():
    values = np.eye(40, dtype=np.float32)
    failure = Failure('p', 'background', np.array([5.0, 5, 20, 20]), 0, 'cup', 0.9)
    explained = ExplainedFailure(np.full((40, 40, 3), 90, np.uint8), failure, [Why('why', '', 'score', values, values)])
    assert len(explained.drawing().of_kind('panel')) == 1
    assert explained.draw(colormap='viridis', alpha=1.0).dtype == np.uint8
    assert explained._repr_png_()[:4] == b'\x89PNG'

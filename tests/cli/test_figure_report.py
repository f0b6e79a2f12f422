"""What was measured on each box, beside its maps."""

import numpy as np

from mmlens.cli import figure_report
from mmlens.cli.reporting import Reporting
from mmlens.evaluation import Row, bare_case

from .commands.test_report import index_of


class Measured:
    """Two rows and two boxes, whose figures are known."""

    rows = ['default', 'random']
    pictures = ['a.png', 'a.png']

    def __init__(self, boxes):
        self.boxes = boxes

    def known(self):
        return ['epg', 'deletion']

    def figures(self, row, figure):
        return np.array([0.25, np.nan]) if figure == 'epg' else np.array([0.5, 0.75])

    def curves(self, row, alteration):
        return np.array([np.linspace(1, 0, 11), np.full(11, np.nan)])


def test_figures_and_curves_of_methods_stand_beside_their_maps(yolox, tmp_path, monkeypatch):
    picture = np.random.default_rng(0).integers(0, 255, (90, 128, 3), np.uint8)
    from mmlens import explain_boxes

    found = explain_boxes(yolox, picture, score_thr=0.0, topk=2, method='gradcam')
    boxes = [dict(box=box.box.tolist(), class_name=box.class_name, error='background') for box in found]
    row = Row.of_method('default', method='gradcam', topk=2)
    cases = [bare_case('a.png', picture), bare_case('not measured.png', picture)]
    page = Reporting(str(tmp_path / 'r.html'))
    figure_report.report_figures(page, yolox, cases, [row, Row('random', draw=lambda *_: [])], Measured(boxes), 0.0)
    (entry,) = index_of(tmp_path / 'r.html')['pictures']
    first, second = (item['maps'][0] for item in entry['items'])
    assert first['figures'] == {'EPG': 0.25, 'deletion': 0.5} and len(first['curves']['deletion']) == 11
    assert second['figures'] == {'deletion': 0.75} and not second.get('curves')
    assert {item['error'] for item in entry['items']} == {'background'}
    (table,) = index_of(tmp_path / 'r.html')['summaries']
    assert table['rows'] == [['default', '0.250', '0.625'], ['random', '0.250', '0.625']]

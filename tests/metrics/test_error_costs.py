"""What errors cost in mAP: by hand, and by computing the mean AP of all classes again for each error alone."""

import numpy as np
import pytest

from mmlens.metrics import ERROR_TYPES, average_precision, error_costs, error_types

OBJECT, BESIDE = [0, 0, 10, 10], [20, 0, 30, 10]


def errors(detections, objects, **ignored):
    """Of detections ``(box, label, score)`` and objects ``(box, label)``."""
    boxes, labels, scores = zip(*detections) if detections else ((), (), ())
    truth_boxes, truth_labels = zip(*objects) if objects else ((), ())
    return error_types(
        np.array(boxes, float).reshape(-1, 4), labels, scores, np.array(truth_boxes, float), truth_labels, **ignored
    )


def test_average_precision_by_hand():
    # Right, wrong, right of two objects: precision 1 up to recall 0.5 (51 points), then 2/3 (50 points).
    found = average_precision(np.array([0.7, 0.9, 0.8]), np.array([True, True, False]), 2)
    assert found == pytest.approx((51 + 50 * 2 / 3) / 101 * 100)
    assert average_precision(np.array([0.9]), np.array([True]), 0) == 0
    assert average_precision(np.zeros(0), np.zeros(0, bool), 3) == 0


def test_costs_by_hand():
    picture = errors(
        [(OBJECT, 0, 0.5), ([50, 50, 60, 60], 0, 0.9), ([20, 0, 30, 4], 0, 0.3)],
        [(OBJECT, 0), (BESIDE, 0), ([80, 80, 90, 90], 0)],
    )
    assert picture.types == ['', 'background', 'localisation'] and picture.missed == [2]
    costs = error_costs([picture])
    # One of three objects found, after a false alarm: precision 1/2 at the recalls 0 to 0.33.
    assert costs.mean_ap == pytest.approx(34 * 0.5 / 101 * 100)
    assert costs.of_type['background'] == pytest.approx(34 * 0.5 / 101 * 100)
    # Two of three found: precision 2/3 up to recall 0.66.
    assert costs.of_type['localisation'] == pytest.approx((67 * 2 / 3 - 34 * 0.5) / 101 * 100)
    # One of two objects: precision 1/2 up to recall 0.5.
    assert costs.of_type['missed'] == pytest.approx((51 - 34) * 0.5 / 101 * 100)
    assert [costs.of_type[name] for name in ('classification', 'both', 'duplicate')] == [0, 0, 0]
    np.testing.assert_allclose(costs.of_detections[0], [0, costs.of_type['background'], costs.of_type['localisation']])
    assert costs.of_missed == [[pytest.approx(costs.of_type['missed'])]]


def test_a_repaired_class_counts_for_the_class_of_the_object():
    picture = errors([(OBJECT, 1, 0.9)], [(OBJECT, 0)])
    costs = error_costs([picture])
    # Class 1 has no object and nothing but this detection, and is gone when it is repaired.
    assert (costs.mean_ap, costs.of_type['classification']) == (0, 100)
    assert costs.of_detections[0].tolist() == [100]


def test_without_anything_there_is_no_ap_and_no_cost():
    for picture in ([], [errors([], [])]):
        costs = error_costs(picture)
        assert costs.mean_ap == 0 and not any(costs.of_type.values())


def test_what_is_ignored_does_not_cost():
    crowd = dict(ignored_boxes=np.array([[40, 40, 90, 90]]), ignored_labels=[0])
    picture = errors([(OBJECT, 0, 0.5), ([50, 50, 60, 60], 0, 0.9)], [(OBJECT, 0)], **crowd)
    costs = error_costs([picture])
    assert picture.types == ['', 'background'] and picture.ignored.tolist() == [False, True]
    assert costs.mean_ap == pytest.approx(100) and costs.of_type['background'] == 0
    assert costs.of_detections[0].tolist() == [0, 0]


def random_pictures(seed, number=4):
    random, pictures = np.random.default_rng(seed), []
    for _ in range(number):
        low = random.integers(0, 60, (4, 2))
        truths, of = np.concatenate([low, low + random.integers(8, 40, (4, 2))], 1), random.integers(0, 3, 4)
        which = random.integers(0, 4, 12)
        boxes = truths[which] + random.normal(0, random.choice([1, 5, 12], 12)[:, None], (12, 4))
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        labels = np.where(random.random(12) < 0.7, of[which], random.integers(0, 4, 12))
        pictures.append(error_types(boxes, labels, random.random(12), truths, of))
    return pictures


def slow_mean_ap(points, objects):
    """Of points ``(label, score, right)``."""
    labels = {label for label, _, _ in points} | {label for label, number in objects.items() if number}
    values = []
    for label in labels:
        own = [(score, right) for of, score, right in points if of == label]
        scores, right = np.array([s for s, _ in own]), np.array([r for _, r in own], bool)
        values.append(average_precision(scores, right, objects.get(label, 0)))
    return sum(values) / len(values)


@pytest.mark.parametrize('seed', range(5))
def test_each_error_alone_costs_what_computing_everything_again_tells(seed):
    pictures = random_pictures(seed)
    costs = error_costs(pictures)
    objects = {}
    for label in np.concatenate([each.truth_labels for each in pictures]).tolist():
        objects[label] = objects.get(label, 0) + 1

    def point(each, number, repaired):
        label, score, found = each.labels[number], each.scores[number], each.types[number] == ''
        truth = each.repairs[number]
        if not repaired or found:
            return [(label, score, found)]
        return [] if truth is None else [(each.truth_labels[truth], score, True)]

    def again(wanted=lambda p, n: False, without=None):
        points = [x for p, each in enumerate(pictures) for n in range(12) for x in point(each, n, wanted(p, n))]
        left = dict(objects)
        if without is not None:
            left[without] -= 1
        return slow_mean_ap(points, left)

    plain = again()
    assert costs.mean_ap == pytest.approx(plain)
    for name in ERROR_TYPES[:-1]:
        cost = again(lambda p, n, name=name: pictures[p].types[n] == name) - plain
        assert costs.of_type[name] == pytest.approx(max(cost, 0))
    for p, each in enumerate(pictures):
        alone = [max(again(lambda *place, own=(p, n): place == own) - plain, 0) for n in range(12)]
        np.testing.assert_allclose(costs.of_detections[p], alone, atol=1e-9)
        missed = [max(again(without=each.truth_labels[n]) - plain, 0) for n in each.missed]
        np.testing.assert_allclose(costs.of_missed[p], missed, atol=1e-9)

"""Tests of exact insecurity by enumerating every training set of a network."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmis_utils import ensemble, quantizers
from qmis_utils.theory import networks, security
from qmis_utils.theory.numerics import count_vectors

X = np.array([[1.0, 0.2], [-0.4, 1.0], [0.3, -1.2], [0.5, 0.6]])
Y = np.array([0, 1, 1, 0])
PROBS = np.array([0.4, 0.3, 0.2, 0.1])


def trained(counts, x=X, y=Y, **how):
    """Train a network of three hidden units on every row of counts."""
    return ensemble.train(x, y, counts, hidden=(3,), steps=20, lr=0.05, **how)


def codes(counts, name="sign"):
    """Return the codes of the networks."""
    return tuple(quantizers.quantize(w, name).codes.numpy() for w in trained(counts).weights)


@given(n=st.integers(1, 12), m=st.integers(1, 5), block=st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_blocks_hold_every_training_set_once_and_in_order(n, m, block):
    blocks = list(networks.enumerate_training_sets(n, m, block))
    assert np.concatenate(blocks).tolist() == count_vectors(n, m).tolist()
    assert {len(b) for b in blocks[:-1]} <= {block}
    assert networks.training_sets(n, m) == sum(map(len, blocks))


def test_more_rows_than_are_extended_at_a_time_stay_in_order(monkeypatch):
    monkeypatch.setattr(networks, "FIRST_COUNTS", 3)
    assert np.concatenate(list(networks.enumerate_training_sets(7, 4, 11))).tolist() == count_vectors(7, 4).tolist()


def by_ordered_samples(release, n, probs):
    """Compute the insecurity from the definition: every ordered training set, the first sample being the record."""
    m, law = len(probs), {}
    for order in itertools.product(range(m), repeat=n):
        chance = math.prod(probs[i] for i in order)
        counts = np.bincount(order, minlength=m)
        joint = law.setdefault(release[tuple(counts)], np.zeros(m))
        joint[order[0]] += chance
    return sum(abs(joint - joint.sum() * probs).sum() for joint in law.values()) / 2


@pytest.mark.parametrize(("n", "name"), [(1, "sign"), (4, "sign"), (5, "ternary_50"), (6, "uniform_2"), (4, "fp32")])
def test_trained_networks_agree_with_the_definition_over_ordered_samples(n, name):
    counts = count_vectors(n, 4)
    models = trained(counts)
    released = tuple(quantizers.quantize(w, name).values.numpy() for w in models.weights)
    ids = networks.release_ids(released)
    found = networks.trained_network_insecurity(released, counts, PROBS)
    exact = by_ordered_samples({tuple(c): i for c, i in zip(counts, ids, strict=True)}, n, PROBS)
    assert found == pytest.approx(exact, rel=1e-12)
    assert 0 < found < 1


def test_networks_trained_on_counts_are_those_trained_on_repeated_records():
    counts = count_vectors(5, 4)
    repeated, labels = np.tile(X, (5, 1)), np.tile(Y, 5)
    copy = np.arange(20) // 4
    members = copy[None] < counts[:, np.arange(20) % 4]
    for optimizer in ("adam", "sgd"):
        once = trained(counts, optimizer=optimizer)
        often = trained(members, repeated, labels, optimizer=optimizer)
        assert abs(once.vectors() - often.vectors()).max() < 2e-5
        assert abs(once.biases[0] - often.biases[0]).max() < 2e-5


def test_counts_of_zero_and_one_are_memberships():
    counts = np.array([[1, 0, 1, 0], [0, 1, 1, 0]])
    assert (trained(counts).vectors() == trained(counts.astype(bool)).vectors()).all()


def test_counts_need_full_batches_and_one_sum():
    with pytest.raises(ValueError, match="batch_size must be None"):
        trained(count_vectors(3, 4), batch_size=2)
    with pytest.raises(ValueError, match="counts of one sum"):
        trained(np.array([[2, 0, 0, 0], [2, 1, 0, 0]]))
    with pytest.raises(ValueError, match="True and False"):
        trained(np.array([[2, -1, 1, 0]]))


@given(seed=st.integers(0, 10**6), n=st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_empirical_risk_minimisation_over_a_codebook_is_a_special_case(seed, n):
    losses = np.random.default_rng(seed).normal(size=(5, 4))
    counts = count_vectors(n, 4)
    chosen = security.best_codeword(losses, counts)
    exact = security.finite_support_insecurity(losses, PROBS, n)
    assert networks.trained_network_insecurity(chosen, counts, PROBS) == pytest.approx(exact, rel=1e-9, abs=1e-15)
    streamed = networks.enumerated_insecurity(lambda c: {"it": security.best_codeword(losses, c)}, n, PROBS, block=17)
    assert streamed["it"].mean == pytest.approx(exact, rel=1e-9, abs=1e-15)


def test_streaming_gives_the_same_mean_points_and_law_as_all_at_once():
    counts = count_vectors(8, 4)
    released = {"codes": codes(counts), "all": trained(counts).vectors()}
    found = networks.enumerated_insecurity(
        lambda c: {"codes": codes(c), "all": trained(c).vectors()}, 8, PROBS, block=40
    )
    for name, values in released.items():
        exact = networks.trained_network_insecurity(values, counts, PROBS)
        assert found[name].mean == pytest.approx(exact, rel=1e-9)
        assert found[name].points @ PROBS == pytest.approx(exact, rel=1e-9)
    assert found["all"].releases == len(counts)
    law = np.exp(networks.log_multinomial(counts, PROBS))
    assert found["all"].entropy == pytest.approx(-(law * np.log(law)).sum())
    assert found["codes"].mean < found["all"].mean


def test_the_value_at_a_point_is_the_total_variation_between_the_laws_with_and_without_the_record():
    counts = count_vectors(6, 4)
    ids = networks.release_ids(codes(counts))
    law = np.exp(networks.log_multinomial(counts, PROBS))
    found = networks.enumerated_insecurity(lambda c: {"it": codes(c)}, 6, PROBS)["it"]
    for j in range(4):
        rest = counts - np.eye(4, dtype=int)[j]  # the other five samples
        inside = np.zeros(ids.max() + 1)
        for c, i in zip(rest, ids, strict=True):
            inside[i] += math.exp(networks.log_multinomial(c, PROBS)) if c.min() >= 0 else 0.0
        without = np.bincount(ids, law)
        assert found.points[j] == pytest.approx(abs(inside - without).sum() / 2, rel=1e-9)


def test_releasing_more_never_lowers_the_insecurity():
    counts = count_vectors(8, 4)
    models = trained(counts)
    quantized = [quantizers.quantize(w, "sign") for w in models.weights]
    ladder = [quantized[0].codes, quantized[1].codes, quantized[0].scale, models.biases[0]]
    values = [networks.trained_network_insecurity(tuple(ladder[: k + 1]), counts, PROBS) for k in range(4)]
    assert values == sorted(values)
    assert values[0] < values[-1]
    everything = networks.trained_network_insecurity(counts, counts, PROBS)
    assert values[-1] <= everything * (1 + 1e-12)


def test_a_small_insecurity_keeps_its_digits():
    """One codeword is almost sure: a sum over all would be lost in rounding."""
    losses = np.array([[0.0, 0.0], [1.0, -1.0]])
    probs, n = np.array([0.97, 0.03]), 60
    exact = security.finite_support_insecurity(losses, probs, n)
    assert exact < 1e-25
    found = networks.enumerated_insecurity(lambda c: {"it": security.best_codeword(losses, c)}, n, probs)["it"]
    assert found.mean == pytest.approx(exact, rel=1e-9)


def test_equality_is_by_bits_or_by_a_stated_tolerance():
    near = np.array([[1.0], [1.0 + 1e-9], [2.0], [-0.0], [0.0]])
    ids = networks.release_ids(near)
    assert len(set(ids)) == 4
    assert ids[3] == ids[4]
    assert len(set(networks.release_ids(near, tolerance=1e-6))) == 3
    assert networks.release_ids(np.zeros((3, 0))).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("released", "message"),
    [
        (np.array([1.0, np.nan]), "NaN"),
        (np.array(["a", "b"]), "arrays of numbers"),
        ((np.zeros(2), np.zeros(3)), "a row a network"),
        (np.float64(1.0), "a row a network"),
    ],
)
def test_what_is_no_release_is_refused(released, message):
    with pytest.raises(ValueError, match=message):
        networks.release_ids(released)


def test_options_are_checked():
    with pytest.raises(ValueError, match="tolerance must be above 0"):
        networks.release_ids(np.zeros(2), tolerance=0)
    with pytest.raises(ValueError, match="m must be a whole number"):
        next(networks.enumerate_training_sets(3, 0))
    with pytest.raises(ValueError, match="block must be a whole number"):
        next(networks.enumerate_training_sets(3, 2, block=0))
    with pytest.raises(ValueError, match="samples must be"):
        networks.sampled_insecurity(lambda c: c, 3, [0.5, 0.5], samples=3)
    with pytest.raises(ValueError, match="positive"):
        networks.enumerated_insecurity(lambda c: {"it": c}, 3, [1.0, 0.0])
    with pytest.raises(ValueError, match="2 networks, counts 4"):
        networks.Tally([0.5, 0.5]).add(np.zeros(2), count_vectors(3, 2))


def test_a_tally_with_a_missing_block_says_so():
    tally = networks.Tally(PROBS)
    tally.add(np.zeros(10), count_vectors(5, 4)[:10])
    with pytest.raises(ValueError, match="all must be"):
        tally.insecurity()


def test_an_interrupted_enumeration_goes_on_where_it_stopped(tmp_path):
    asked = []

    def release(counts, fail_at=None):
        if len(asked) == fail_at:
            raise KeyboardInterrupt
        asked.append(len(counts))
        return {"the codes": codes(counts), "two of them": (counts[:, 0], counts[:, 1] * 0.5)}

    with pytest.raises(KeyboardInterrupt):
        networks.enumerated_insecurity(lambda c: release(c, 2), 6, PROBS, block=20, folder=tmp_path)
    found = networks.enumerated_insecurity(release, 6, PROBS, block=20, folder=tmp_path)
    assert asked == [20, 20, 20, 20, 4]  # none twice
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".npz"] * 5 + [".txt"]
    whole = networks.enumerated_insecurity(release, 6, PROBS)
    for name in whole:
        assert found[name].mean == pytest.approx(whole[name].mean, rel=1e-12)
        assert found[name].releases == whole[name].releases
    with pytest.raises(ValueError, match="keeps another enumeration"):
        networks.enumerated_insecurity(release, 7, PROBS, block=20, folder=tmp_path)


@pytest.mark.parametrize("proposal", [None, [0.25, 0.25, 0.25, 0.25]])
def test_random_training_sets_give_an_interval_that_holds_the_truth(proposal):
    exact = networks.trained_network_insecurity(codes(count_vectors(12, 4)), count_vectors(12, 4), PROBS)
    inside = 0
    for seed in range(40):
        found = networks.sampled_insecurity(codes, 12, PROBS, samples=400, proposal=proposal, seed=seed)
        inside += found.low <= exact <= found.high
        assert found.low <= found.value <= found.high
    assert inside >= 38


def test_a_release_that_is_never_seen_twice_has_a_wide_interval():
    """Every value is new: no attack can be tested, and the plug-in sum says no more than that all might be known."""
    found = networks.sampled_insecurity(lambda c: np.arange(len(c)), 12, PROBS, samples=400)
    assert found.low == found.value == 0.0
    assert found.high > 0.1

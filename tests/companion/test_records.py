"""Labels, memberships and signals are checked alike in every public function, and mean the same in every form."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import torch

from qmis_utils import assess, attacks, ensemble, indicators, records
from qmis_utils.studies import molecular

M, N, D = 12, 30, 5
RNG = np.random.default_rng(0)
X, MEMBERS = RNG.normal(size=(N, D)).astype(np.float32), ensemble.random_halves(M, N, RNG)
SIGNALS = RNG.normal(size=(M, N)) + MEMBERS
Y2, Y3 = (X[:, 0] > 0).astype(int), np.argmax(X[:, :3], axis=1)
WEIGHTS = RNG.normal(size=(M, 40)) + 0.5 * MEMBERS[:, :1]
BINARY = ensemble.train(X, Y2, MEMBERS, hidden=(4,), steps=20)
SEVERAL = ensemble.train(X, Y3, MEMBERS, task="multiclass", hidden=(4,), steps=20)

OF_MEMBERS = {  # a public function -> what it says of memberships
    "lira": lambda m: attacks.lira(SIGNALS, m),
    "lira with shadows": lambda m: attacks.lira(SIGNALS, m, shadows=SIGNALS + 1),
    "rmia": lambda m: attacks.rmia(np.exp(-abs(SIGNALS)), np.exp(-abs(SIGNALS[:, ::-1])), m),
    "difficulty_calibrated": lambda m: attacks.difficulty_calibrated(SIGNALS, m),
    "auc": lambda m: attacks.auc(SIGNALS, m),
    "advantage": lambda m: attacks.advantage(SIGNALS, m),
    "advantage_held_out": lambda m: attacks.advantage_held_out(SIGNALS, m).per_target,
    "best_threshold": lambda m: attacks.best_threshold(SIGNALS, m),
    "roc": lambda m: np.stack(attacks.roc(SIGNALS, m)),
    "tpr_at_fpr": lambda m: attacks.tpr_at_fpr(SIGNALS, m, 0.2),
    "resampled_tpr": lambda m: attacks.resampled_tpr(SIGNALS, m, [0.1], np.ones((1, M), int)),
    "enough_shadows": lambda m: attacks.enough_shadows(m),
    "permuted": lambda m: attacks.permuted(m, np.random.default_rng(0)),
    "exposure": lambda m: np.stack(list(attacks.exposure(SIGNALS, m))),
    "stability": lambda m: np.stack(list(attacks.stability(m)[0])),
    "regress_membership": lambda m: attacks.regress_membership(WEIGHTS, m),
    "ridge_penalty": lambda m: attacks.ridge_penalty(WEIGHTS, m, (0.1, 1.0)),
    "classify": lambda m: attacks.classify(SIGNALS[..., None], m),
    "train": lambda m: ensemble.train(X, Y2, m, hidden=(4,), steps=3).vectors(),
    "Evidence": lambda m: attacks.ATTACKS["difficulty"].run(attacks.Evidence(m, -SIGNALS)),
    "relabel": lambda m: attacks.Evidence(MEMBERS, -SIGNALS).relabel(m).members,
    "observe": lambda m: attacks.ATTACKS["lira"].run(attacks.observe(BINARY, X, Y2, m, X + 1, Y2)),
    "Game": lambda m: assess.Game(X, Y2, X, Y2, BINARY, m, other(BINARY), m).members,
    "gap": lambda m: molecular.gap(SIGNALS, m),
    "relative_gain": lambda m: molecular.relative_gain(SIGNALS, 2 * SIGNALS, m),
}  # fmt: skip
OF_SIGNALS = {  # a public function -> what it says of signals or scores (M, N)
    "lira": lambda s: attacks.lira(s, MEMBERS),
    "lira's shadows": lambda s: attacks.lira(SIGNALS, MEMBERS, shadows=s),
    "rmia": lambda s: attacks.rmia(s, np.ones((M, 4)), MEMBERS),
    "rmia's population": lambda s: attacks.rmia(np.ones((M, N)), s, MEMBERS),
    "difficulty_calibrated": lambda s: attacks.difficulty_calibrated(s, MEMBERS),
    "auc": lambda s: attacks.auc(s, MEMBERS),
    "advantage": lambda s: attacks.advantage(s, MEMBERS),
    "advantage_held_out": lambda s: attacks.advantage_held_out(s, MEMBERS),
    "best_threshold": lambda s: attacks.best_threshold(s, MEMBERS),
    "roc": lambda s: attacks.roc(s, MEMBERS),
    "tpr_at_fpr": lambda s: attacks.tpr_at_fpr(s, MEMBERS, 0.2),
    "resampled_tpr": lambda s: attacks.resampled_tpr(s, MEMBERS, [0.1], np.ones((1, M), int)),
    "exposure": lambda s: attacks.exposure(s, MEMBERS),
    "classify": lambda s: attacks.classify(s[..., None], MEMBERS),
    "signal": lambda s: attacks.signal(s, Y2, "binary"),
    "losses": lambda s: attacks.Evidence(MEMBERS, s),
    "signals": lambda s: attacks.Evidence(MEMBERS, SIGNALS, s),
    "gap": lambda s: molecular.gap(s, MEMBERS),
    "utility": lambda s: assess.utility(s, Y2, "binary"),
}  # fmt: skip


def other(models):
    return replace(models, weights=tuple(w + 1 for w in models.weights))


@pytest.mark.parametrize("name", OF_MEMBERS)
def test_integers_0_and_1_mean_what_true_and_false_mean(name):
    expected = OF_MEMBERS[name](MEMBERS)
    for kind in (np.int64, np.uint8, np.int8, np.float32):
        np.testing.assert_array_equal(OF_MEMBERS[name](MEMBERS.astype(kind)), expected)
    np.testing.assert_array_equal(OF_MEMBERS[name](MEMBERS.tolist()), expected)


@pytest.mark.parametrize("name", OF_MEMBERS)
@pytest.mark.parametrize("change", [lambda m: m * 0.5, lambda m: 1 - 2 * m.astype(int), lambda m: m * 3 - 1,
                                    lambda m: np.where(m, "yes", "no"), lambda m: np.where(m, 1, np.nan)])  # fmt: skip
def test_anything_else_is_no_membership(name, change):
    with pytest.raises(ValueError, match="must hold True and False, or 1 and 0; got"):
        OF_MEMBERS[name](change(MEMBERS))


JUDGED = ("auc", "advantage", "advantage_held_out", "best_threshold", "roc", "tpr_at_fpr", "resampled_tpr")  # of scores


@pytest.mark.parametrize("name", OF_SIGNALS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_signal_that_is_not_finite_is_named_by_model_and_record(name, bad):
    spoilt = abs(SIGNALS)
    spoilt[3, 7] = bad
    if name in JUDGED and not np.isnan(bad):
        return  # the score of an exact likelihood ratio may be infinite: the next test
    with pytest.raises(ValueError, match=rf"must be (finite|numbers); {bad} for model 3, record 7 \(1 such values\)"):
        OF_SIGNALS[name](spoilt)


@pytest.mark.parametrize("name", [name for name in JUDGED if name in OF_SIGNALS])
@pytest.mark.parametrize("end", [-1, 1])
def test_infinite_scores_are_judged_by_their_rank(name, end):
    scores = abs(SIGNALS)
    far = scores.copy()
    scores[3, [7, 8, 11]], far[3, [7, 8, 11]] = end * np.inf, end * 1e6
    found, expected = OF_SIGNALS[name](scores), OF_SIGNALS[name](far)
    pairs = [
        vars(x).values() if hasattr(x, "__dict__") else x if isinstance(x, tuple) else (x,) for x in (found, expected)
    ]
    for one, wanted in zip(*pairs, strict=True):
        np.testing.assert_allclose(*(np.clip(np.asarray(x, float), -1e6, 1e6) for x in (one, wanted)))


@pytest.mark.parametrize("call", [
    lambda w: attacks.regress_membership(w, MEMBERS), lambda w: attacks.ridge_penalty(w, MEMBERS, (1.0,)),
    lambda w: attacks.influence_score(w, np.ones((N, 40))),
])  # fmt: skip
def test_a_weight_that_is_not_finite_is_named(call):
    spoilt = WEIGHTS.copy()
    spoilt[2, 5] = np.nan
    with pytest.raises(ValueError, match="weights must be finite; nan for model 2, weight 5"):
        call(spoilt)


# labels --------------------------------------------------------------------------------------------------------------

OF_LABELS = {  # a public function -> what it says of the labels of a task; a bool: for classes alone
    "train": (lambda y, t: ensemble.train(X, y, MEMBERS, task=t, hidden=(4,), steps=3).vectors(), False),
    "signal": (lambda y, t: attacks.signal(models(t).logits(X), y, t), False),
    "observe": (lambda y, t: attacks.observe(models(t), X, y, MEMBERS, X, y).losses, False),
    "Evidence": (lambda y, t: attacks.Evidence(MEMBERS, SIGNALS, task=t, y=y).y, False),
    "y_out": (lambda y, t: attacks.Evidence(MEMBERS, SIGNALS, task=t, y_out=y).y_out, False),
    "record_gradients": (lambda y, t: ensemble.record_gradients(models(t), X, y), False),
    "distilled_losses": (lambda y, t: attacks.distilled_losses(models(t), X, y, X, steps=6, checkpoints=2), False),
    "utility": (lambda y, t: assess.utility(models(t).logits(X), y, t), False),
    "Game": (lambda y, t: assess.Game(X, y, X, y, models(t), MEMBERS, other(models(t)), MEMBERS).y, False),
    "label_distance": (lambda y, t: attacks.label_distance(models(t)[:2], X, y, X), True),
    "boundary_distance": (lambda y, t: attacks.boundary_distance(models(t)[:2], X, y), True),
}


def models(task):
    return {"binary": BINARY, "multiclass": SEVERAL, "regression": replace(BINARY, task="regression")}[task]


@pytest.mark.parametrize("name", OF_LABELS)
def test_labels_of_any_type_and_of_either_form_mean_the_same(name):
    call = OF_LABELS[name][0]
    for task, y in (("binary", Y2), ("multiclass", Y3)):
        expected = call(y, task)
        for kind in (np.float32, np.uint8, np.int64):
            np.testing.assert_array_equal(call(y.astype(kind), task), expected)
    expected = call(Y2, "binary")
    np.testing.assert_array_equal(call(Y2.astype(bool), "binary"), expected)
    with pytest.warns(UserWarning, match="holds -1 and \\+1: they are taken for the classes 0 and 1"):
        found = call(2 * Y2 - 1, "binary")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", OF_LABELS)
@pytest.mark.parametrize(("task", "bad"), [
    ("multiclass", -1), ("multiclass", 1.5), ("multiclass", np.nan), ("multiclass", 7), ("binary", 2), ("binary", 0.5),
    ("binary", np.nan), ("regression", np.inf),
])  # fmt: skip
def test_a_label_that_the_task_cannot_have_is_named_by_its_record(name, task, bad):
    call, classes_only = OF_LABELS[name]
    if (classes_only and task == "regression") or (bad == 7 and name in ("train", "Evidence", "y_out")):
        return  # where no outputs say how many classes there are, 7 is one
    y = {"binary": Y2, "multiclass": Y3, "regression": X[:, 0]}[task].astype(float)
    y[4] = bad
    with pytest.raises(ValueError, match=f"must hold .*; record 4 has {bad}"):
        call(y, task)


def test_classes_start_at_0():
    with pytest.raises(ValueError, match="classes start at 0: no record of y has it, and the least is 1"):
        ensemble.train(X, Y3 + 1, MEMBERS, task="multiclass")
    trained = ensemble.train(X, np.where(Y3 == 1, 4, Y3), MEMBERS, task="multiclass", steps=2)
    assert trained.logits(X).shape == (M, N, 5)  # a class may have no record


def test_texts_and_tables_are_no_labels():
    for y in (Y2.astype(str), Y2[:, None], Y2.astype(complex)):
        with pytest.raises(ValueError, match="y must be numbers, one a record; got"):
            ensemble.train(X, y, MEMBERS)


# options and inputs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("option", "bad", "message"), [
    ("batch_size", 0, "batch_size must be a whole number, at least 1; got 0"),
    ("batch_size", 8.0, "batch_size must be a whole number"), ("batch_size", True, "batch_size must be a whole number"),
    ("chunk", 0, "chunk must be a whole number, at least 1; got 0"), ("chunk", -3, "chunk must be"),
    ("steps", 0, "steps must be a whole number, at least 1; got 0"), ("steps", -1, "steps must be"),
    ("steps", "20", "steps must be"), ("seed", -1, "seed must be a whole number, at least 0; got -1"),
    ("lr", 0, "lr must be a finite number above 0; got 0"), ("lr", -0.1, "lr must be"), ("lr", np.nan, "lr must be"),
    ("lr", "0.1", "lr must be"), ("weight_decay", -1.0, "weight_decay must be a finite number of at least 0; got -1.0"),
    ("hidden", 16, r"hidden must hold the widths of the hidden layers, such as \(32,\); got 16"),
    ("hidden", (16, 0), "each width in hidden must be a whole number, at least 1; got 0"),
    ("hidden", (1.5,), "each width in hidden must be"), ("hidden", "32", "hidden must hold the widths"),
    ("x", scipy.sparse.csr_matrix(X), r"x must be a dense array, and is a sparse csr_matrix: give x.toarray\(\)"),
    ("x", X[:, :, None], r"x must be \(N, d\), a row a record; got \(30, 5, 1\)"),
    ("x", np.where(np.arange(N)[:, None] == 6, np.inf, X), "x must be finite, in float32; record 6 is not"),
])  # fmt: skip
def test_an_option_of_training_that_cannot_be_is_named(option, bad, message):
    with pytest.raises(ValueError, match=message):
        ensemble.train(**{"x": X, "y": Y2, "members": MEMBERS, option: bad})


def test_whole_numbers_of_numpy_are_options():
    plain = ensemble.train(X, Y2, MEMBERS, hidden=[4], steps=5, batch_size=4, chunk=3, seed=2)
    numpy = ensemble.train(X, Y2, MEMBERS, hidden=np.array([4]), steps=np.int64(5), batch_size=np.int32(4),
                           chunk=np.uint8(3), seed=np.int64(2), lr=np.float32(0.01))  # fmt: skip
    np.testing.assert_allclose(numpy.vectors(), plain.vectors(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: BINARY.logits(X, chunk=0), "chunk must be"), (lambda: BINARY.logits(X[:, 1:]), r"x must be \(N, 5\)"),
    (lambda: BINARY.logits(scipy.sparse.csr_matrix(X)), "sparse csr_matrix"),
    (lambda: attacks.boundary_distance(BINARY, X, Y2, chunk=0), "chunk must be"),
    (lambda: attacks.label_distance(BINARY, X, Y2, X[:, 1:]), r"starts must be \(N, 5\)"),
    (lambda: attacks.distilled_losses(BINARY, X, Y2, X, steps=0), "steps must be"),
    (lambda: attacks.distilled_losses(BINARY, X, Y2, X, steps=3), "checkpoints must be at most steps"),
    (lambda: attacks.observe(BINARY, X, Y2[1:], MEMBERS, X, Y2), "x and y must hold the same records"),
    (lambda: attacks.observe(BINARY, X, Y2, MEMBERS, X, Y2[1:]), "x_out and y_out must hold the same records"),
    (lambda: attacks.observe(BINARY, X, Y2, MEMBERS[1:], X, Y2), r"members must have shape \(12, 30\)"),
    (lambda: ensemble.random_halves(0, 9, RNG), "n_models must be"),
    (lambda: ensemble.random_halves(9, 1.5, RNG), "n_pool must be"),
    (lambda: attacks.permuted(MEMBERS[:, :1], RNG), "members must have at least two rows and columns"),
    (lambda: attacks.stability(MEMBERS[:1]), "found must have a row a seed, of at least two"),
    (lambda: attacks.signal(SIGNALS, Y2, "multiclass"), r"logits must be \(M, N, C\)"),
    (lambda: attacks.signal(SIGNALS, Y2[1:], "binary"), "y must hold a label for each of 30 records; got 29"),
    (lambda: attacks.signal_loss(SIGNALS, "ranking"), "task must be one of"),
    (lambda: attacks.rmia(abs(SIGNALS), np.ones((2, 3)), MEMBERS), "population must have a row for each of 12 models"),
    (lambda: attacks.enough_shadows(MEMBERS[0]), r"members must have shape \(any, any\)"),
    (lambda: indicators.function_error(SIGNALS, SIGNALS[1:]), "equal shape"),
    (lambda: indicators.function_error(SIGNALS * np.nan, SIGNALS), "must be finite"),
])  # fmt: skip
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_check_leaves_what_fits_as_it_is():
    assert records.membership(MEMBERS) is MEMBERS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert records.labels([1, 1], "binary").tolist() == [1, 1]
    assert torch.equal(SEVERAL.weights[0], SEVERAL.to("cpu").weights[0])

"""What an audit makes of planted evidence and of hand-made tables: ranks, advice, intervals, and what it distrusts."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from qmis_utils import attacks, ensemble, indicators
from qmis_utils.audit import measure
from qmis_utils.audit.report import CAUTIONS, WARNINGS, Facts, advise, distrust, flag
from qmis_utils.audit.verdict import decide, implied, widening

MODELS, N, OUT, WEIGHTS = 16, 60, 200, 300
SHARES = {  # quantizer -> what survives in outputs on the pool, on held-out inputs, and in the weights
    "fp32": (1, 1, 1),
    "open": (0.9, 0.2, 0.8),
    "middle": (0.6, 0.5, 0.2),
    "private": (0.2, 0.9, 0.5),
}
LEAK = 1.5  # standard deviations by which a member's signal is higher


def kept(full, share, rng):
    return share * full + np.sqrt(1 - share**2) * rng.normal(size=full.shape)


def planted(shares=SHARES, models=MODELS, seed=0, useless=(), shared=True):
    """Return evidence of models that were never trained: a third of the records are members, labels are all 1."""
    rng = np.random.default_rng(seed)
    members = rng.random((models, N)) < 1 / 3
    parts = [LEAK * members + rng.normal(size=(models, N)), rng.normal(size=(models, OUT))]
    weights = rng.normal(size=(models, WEIGHTS))
    start = 3 * np.random.default_rng(9).normal(size=WEIGHTS) if shared else 0
    evidence = {}
    for name, (pool, held, of_weights) in shares.items():
        inside, outside = (kept(part, share, rng) for part, share in zip(parts, (pool, held), strict=True))
        outside = outside + (-3 if name in useless else 3)
        evidence[name] = attacks.Evidence(
            members, attacks.signal_loss(inside, "binary"), inside, y=np.ones(N), outputs=inside,
            losses_out=attacks.signal_loss(outside, "binary"), signals_out=outside, y_out=np.ones(OUT),
            outputs_out=outside, weights=start + kept(weights, of_weights, rng), quantizer=name,
        )  # fmt: skip
    return evidence


FACTS = Facts(
    models=16, members=100, trained=50, heldout=200, attacked=1.0, guess=0.5, task="binary", quantized="90 of 100",
    left="", in_unit=False, tolerance=0.25, copies=0, repeated=0,
)  # fmt: skip
ROW = {
    "utility": 0.75, "utility_low": 0.7, "utility_high": 0.8, "rank": 1, "rank_low": 1, "rank_high": 1,
    "rank_weights": 1, "rank_weights_low": 1, "rank_weights_high": 1, "rho_pool": 0.6, "rho_pool_low": 0.5,
    "rho_pool_high": 0.7, "rho_w": 0.6, "rho_w_low": 0.5, "rho_w_high": 0.7,
    "auc": 0.7, "auc_low": 0.65, "auc_high": 0.75, "gain": 0.1, "gain_low": 0.05, "gain_high": 0.15,
    "coded": 1.0, "lost": 0.0, "lost_low": -0.05, "lost_high": 0.05, "null": 0.5, "null_low": 0.45, "null_high": 0.55,
}  # fmt: skip
ATTACKED = [name for name in ROW if name.startswith(("auc", "null", "gain"))]


def table(**columns):
    """Return the table of four releases of which nothing is to be distrusted; ``columns`` gives values by name."""
    frame = pd.DataFrame(ROW, pd.Index(SHARES, name="quantizer"))
    for column, values in columns.items():
        frame[column] = pd.Series(values).reindex(frame.index).fillna(frame[column])
    return frame


def cell(found, name, column):
    return found.loc[name, [column, f"{column}_low", f"{column}_high"]].tolist()


@pytest.fixture(scope="module")
def evidence():
    return planted()


@pytest.fixture(scope="module")
def found(evidence):
    return measure.tabulate(evidence, draws=30, seed=2)


# ------------------------------------------------------------------------------------------------- ranks and numbers


def test_outputs_are_ranked_by_what_survives_on_the_pool_and_weights_by_what_survives_in_them(found):
    assert found["rank"].to_dict() == {"private": 1, "middle": 2, "open": 3, "fp32": 4}
    assert found.rank_weights.to_dict() == {"middle": 1, "private": 2, "open": 3, "fp32": 4}
    for column, place in (("rho_pool", 0), ("rho", 1), ("rho_w", 2)):
        assert found[column].to_dict() == pytest.approx({n: s[place] for n, s in SHARES.items()}, abs=0.07)
    assert (found.rank_low == found.rank_high).all()


def test_ranks_of_rules_that_draws_do_not_tell_apart_overlap():
    ranks = measure.tabulate(planted({"fp32": (1, 1, 1), "a": (0.5, 1, 1), "b": (0.5, 1, 1)}), draws=60)
    assert [ranks.rank_low["a"], ranks.rank_high["a"]] == [ranks.rank_low["b"], ranks.rank_high["b"]] == [1, 2]
    assert ranks.loc["fp32", ["rank_low", "rank", "rank_high"]].tolist() == [3, 3, 3]


def test_one_model_is_ranked_by_how_far_its_outputs_move():
    several = planted()
    books = {name: {} if name == "fp32" else {"neighbourhood": e.losses_out[:5]} for name, e in several.items()}
    one = {name: replace(e.take([0]), members=None, codebooks=books[name]) for name, e in several.items()}
    found = measure.tabulate(one, draws=20)
    moved = {n: indicators.function_error(e.outputs_out, one["fp32"].outputs_out, 20) for n, e in one.items()}
    for name, error in moved.items():
        assert cell(found, name, "function_error") == pytest.approx([*error])
    assert found["rank"].to_dict() == {"open": 1, "middle": 2, "private": 3, "fp32": 4}
    half = 1.96 * np.sqrt((N + OUT + 1) / (12 * N * OUT))
    assert cell(found, "open", "null") == [0.5, 0.5 - half, 0.5 + half]


def test_the_records_that_a_model_trained_on_are_counted(evidence):
    full = evidence["fp32"]
    trained = round(full.members.sum(axis=1).mean())
    assert trained < N // 2 - 5
    assert measure._training_size(full) == trained
    assert measure._training_size(replace(full, members=None)) == N // 2


def test_r_is_shown_as_it_is_defined_where_it_is_asked_for(evidence, found):
    asked = measure.tabulate(evidence, draws=30, seed=2, paper_r=True)
    unknown = {name: replace(e, members=None) for name, e in evidence.items()}
    unknown = measure.tabulate(unknown, draws=20, paper_r=True)
    for name, e in evidence.items():
        r = indicators.estimate_rate(e.losses_out, "all_pairs", draws=30, seed=2)
        assert cell(asked, name, "r") == pytest.approx([*r])
        assert cell(unknown, name, "r")[0] == pytest.approx(r.value)
    assert "r" not in found
    assert "auc" not in unknown


def test_weights_are_ranked_and_attacked_only_where_models_share_an_initialisation(evidence, found):
    own = measure.tabulate(planted(shared=False), draws=20)
    assert {"rank_weights", "rho_w", "auc_weights"} <= set(found)
    assert not {"rank_weights", "rho_w", "auc_weights"} & set(own)
    hidden = {name: replace(e, weights=None) if name == "open" else e for name, e in evidence.items()}
    some = measure.tabulate(hidden, draws=20)
    for column in ("rank_weights", "rho_w", "auc_weights"):
        assert np.isnan(some[column]["open"])
        assert np.isfinite(some[column].drop("open")).all()
    assert some.rank_weights.to_dict() | {"open": 0} == {"middle": 1, "private": 2, "open": 0, "fp32": 3}


def test_who_also_reads_weights_finds_no_less_and_finds_what_they_hold():
    seen = planted({"fp32": (1, 1, 1), "same": (1, 1, 1), "dull": (0.2, 1, 1)})
    moves = np.random.default_rng(8).normal(size=(N, WEIGHTS))
    held = {name: replace(e, weights=e.weights + e.members @ moves) for name, e in seen.items()}
    table = measure.tabulate(held, draws=20)
    assert table.auc_weights["dull"] > table.auc["dull"] + 0.1
    assert (table.auc_weights >= table.auc).all()


def targets(seen, metric=attacks.auc):
    return metric(attacks.lira(seen.signals, seen.members, "online_fixed"), seen.members)


def test_intervals_of_the_attack_are_sqrt_3_times_those_of_independent_targets(evidence, found):
    for column, metric in (("auc_lira", attacks.auc), ("advantage", attacks.advantage)):
        for name, e in evidence.items():
            values = targets(e.records(attacks.enough_shadows(e.members)), metric)
            _, low, high = attacks.bootstrap_interval(0, attacks.bootstrap(values, np.random.default_rng(2), 30))
            ends = [values.mean() + 3**0.5 * (end - values.mean()) for end in (low, high)]
            assert cell(found, name, column) == pytest.approx([values.mean(), *ends], abs=1e-12)


def test_predictions_take_the_ends_of_rho_and_of_the_attack(evidence, found):
    usable = attacks.enough_shadows(evidence["fp32"].members)
    full, spread = evidence["fp32"].records(usable), evidence["fp32"].signals_out.var(axis=0).mean()
    for name in SHARES:
        ends = cell(found, name, "rho")
        signals = [indicators.simulated_signals(full.signals, s, spread, np.random.default_rng(2)) for s in ends]
        value, low, high = (targets(replace(full, signals=s)) for s in signals)
        low, high = (
            v.mean()
            + 3**0.5 * (np.quantile(attacks.bootstrap(v, np.random.default_rng(2), 30), [0.025, 0.975]) - v.mean())
            for v in (low, high)
        )
        assert cell(found, name, "auc_simulated") == pytest.approx([value.mean(), low[0], high[1]], abs=1e-12)
        law = indicators.survival_law(ends[0], found.auc_lira["fp32"])
        assert found.auc_law[name] == pytest.approx(law)
        assert found.auc_law_low[name] < law < found.auc_law_high[name]


def test_an_attack_that_finds_nothing_is_said_not_to_beat_its_null(evidence):
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(MODELS, N))
    silent = replace(evidence["open"], outputs=noise, signals=noise, losses=attacks.signal_loss(noise, "binary"))
    assert evidence["fp32"].members.shape == noise.shape
    rows = measure.tabulate({"fp32": evidence["fp32"], "silent": silent}, draws=20).assign(coded=1.0).T
    said = {name: "does not beat its null" in flag(row, FACTS) for name, row in rows.items()}
    assert said == {"fp32": False, "silent": True}


def strongest(seen):
    scores = {name: attacks.ATTACKS[name].run(seen) for name in ("lira_fixed", "rmia", "loss")}
    return attacks.strongest({name: attacks.auc(s, seen.members)[:, None] for name, s in scores.items()})[:, 0]


def test_null_is_the_mean_and_range_of_the_strongest_over_memberships_dealt_to_others(monkeypatch):
    monkeypatch.setattr(measure, "NULLS", 3)
    seen = {name: e for name, e in planted().items() if name in ("fp32", "open")}
    found = measure.tabulate(seen, draws=20)
    for name, e in seen.items():
        usable = e.records(attacks.enough_shadows(e.members))
        rng = np.random.default_rng([0, 1])
        dealt = [usable.relabel(attacks.permuted(usable.members, rng)) for _ in range(3)]
        chance = [strongest(null).mean() for null in dealt]
        assert cell(found, name, "null") == pytest.approx([*attacks.bootstrap_interval(np.mean(chance), chance)])


def test_gain_is_paired_over_targets_and_what_is_lost_over_models_and_records(evidence, found):
    usable = attacks.enough_shadows(evidence["fp32"].members)
    auc = {name: strongest(e.records(usable)) for name, e in evidence.items()}
    for name in evidence:
        gains = auc["fp32"] - auc[name]
        assert found.auc[name] == pytest.approx(auc[name].mean())
        assert cell(found, name, "gain")[0] == pytest.approx(gains.mean())
        half = 3**0.5 * student.isf(0.025, MODELS - 1) * gains.std(ddof=1) / MODELS**0.5
        ends = [gains.mean() - half, gains.mean() + half]
        assert cell(found, name, "gain")[1:] == pytest.approx(ends, abs=1e-12)
    broken = measure.tabulate(planted(useless=["open"]), draws=200)
    assert broken.lost["open"] == pytest.approx(broken.utility["fp32"] - broken.utility["open"])
    assert broken.lost_low["open"] > 0.9
    assert abs(broken.loc["middle", ["lost", "lost_low", "lost_high"]].astype(float)).max() < 0.02


def test_the_interval_of_utility_holds_the_truth_of_other_models_and_records():
    """Models differ in skill: resampling records alone would cover the mean over models far too rarely."""
    rng, held = np.random.default_rng(3), []
    for _ in range(60):
        skill = rng.normal(1, 0.6, size=(12, 1))
        outputs = skill + rng.normal(size=(12, 150))
        e = attacks.Evidence(None, np.ones((12, 4)), y=np.ones(4), outputs=np.ones((12, 4)), outputs_out=outputs,
                             y_out=np.ones(150), losses_out=attacks.signal_loss(outputs, "binary"))  # fmt: skip
        _, low, high = attacks.bootstrap_interval(*measure._utility(e, None, 200, 0))
        held.append(low <= norm.cdf(1 / np.hypot(1, 0.6)) <= high)
    assert np.mean(held) > 0.85


def test_utility_may_be_auroc_or_the_readers_own(evidence):
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=OUT)
    two = {name: replace(e, y_out=y, outputs_out=e.outputs_out + y) for name, e in evidence.items()}
    ranked = measure.tabulate(two, draws=20, useful="auroc")
    mine = measure.tabulate(two, draws=20, useful=lambda outputs, labels: -np.abs(outputs - labels).mean())
    outputs = two["open"].outputs_out
    assert ranked.utility["open"] == pytest.approx(np.mean([roc_auc_score(y, one) for one in outputs]))
    assert mine.utility["open"] == pytest.approx(-np.abs(outputs - y).mean())
    assert mine.lost["open"] == pytest.approx(mine.utility["fp32"] - mine.utility["open"])


def test_tpr_is_of_the_attack_that_other_targets_pick_and_not_given_unsupported(evidence, found):
    e = evidence["fp32"].records(attacks.enough_shadows(evidence["fp32"].members))
    assert np.isnan(found.tpr_01pct).all()  # 8 models x 40 non-members: 0.3 false positives
    scores = {name: attacks.ATTACKS[name].run(e) for name in ("lira_fixed", "rmia", "loss")}
    value, low, high = measure._tpr(scores, e.members, 0.05, 200, 0)
    lira = [attacks.tpr_at_fpr(scores["lira_fixed"][t], e.members[t], 0.05) for t, _ in attacks.halves(MODELS, 2)]
    assert low < value < high
    assert value == pytest.approx(np.mean(lira), abs=0.03)


def test_attacks_find_planted_leaks_as_well_as_shadows_allow_and_none_where_none_is():
    rng = np.random.default_rng(0)
    found = {leak: [] for leak in (0.5, 0.75)}
    for seed in range(20):
        members = ensemble.random_halves(16, 200, rng)
        full = attacks.Evidence(members, np.ones(members.shape), losses_out=np.ones((16, 200)))
        for leak, aucs in found.items():
            auc, null = measure.self_test(full, leak, 50, seed)
            aucs.append((auc.value, auc.low > null.high))
    assert np.mean([value for value, _ in found[0.75]]) == pytest.approx(0.75, abs=0.05)
    assert all(sharp for _, sharp in found[0.75])
    assert sum(sharp for _, sharp in found[0.5]) <= 1
    many = measure.planted(ensemble.random_halves(200, 300, rng), 100)
    optimal = attacks.auc(attacks.lira(many.signals, many.members, "online_fixed"), many.members).mean()
    assert optimal == pytest.approx(0.75, abs=0.01)  # what was planted is what the best attack finds


def test_an_audit_whose_attacks_miss_what_is_planted_is_refused(monkeypatch):
    members = ensemble.random_halves(8, 300, np.random.default_rng(0))
    full = attacks.Evidence(members, np.ones(members.shape), losses_out=np.ones((8, 300)))
    measure._check_attacks(full, 50, 0)
    monkeypatch.setattr(attacks.scores, "lira", lambda signals, members, variant="online", shadows=None: 0 * signals)
    monkeypatch.setattr(attacks.scores, "rmia", lambda inside, outside, members: 0 * inside)
    monkeypatch.setattr(measure, "BESIDE", ("rmia",))
    with pytest.raises(ValueError, match=r"attacks miss a planted leak of AUC 0.75: with 8 models and 300 members"):
        measure._check_attacks(full, 50, 0)
    with pytest.raises(ValueError, match="no attack can be run"):
        measure.self_test(replace(full, members=None))


def test_the_most_exposed_tenth_is_picked_by_other_models():
    rng = np.random.default_rng(1)
    members = rng.random((64, 200)) < 0.5
    nothing = measure._exposed_tenth(rng.normal(size=members.shape), members, 50, 0)
    assert nothing[1] < 0 < nothing[2]
    assert abs(nothing[0]) < 0.1  # picked and judged by the same models it would be 0.4
    few = rng.normal(size=members.shape) + 6 * (members & (np.arange(200) < 20)) - 3 * (np.arange(200) < 20)
    assert measure._exposed_tenth(few, members, 50, 0)[0] > 0.9


def test_the_attack_follows_the_number_of_models_and_needs_shadows_for_half_of_the_members():
    halves = np.arange(64)[:, None] % 2 == np.arange(8) % 2
    assert measure.attack_for(None)[0] is None
    assert measure.attack_for(halves)[0] == "lira"
    assert measure.attack_for(halves[:63])[0] == "lira_fixed"
    assert measure.attack_for(halves[:5])[0] is None  # two models without a record, or two with it
    always = halves.copy()
    always[:, :4] = True
    attack, usable = measure.attack_for(always)
    assert (attack, usable.tolist()) == ("lira", [False] * 4 + [True] * 4)
    always[:, :5] = True
    assert measure.attack_for(always)[0] is None


def test_bootstraps_read_so_many_numbers_of_a_model_and_no_more(monkeypatch):
    rng, most = np.random.default_rng(0), 60
    monkeypatch.setattr(measure, "MOST", most)
    start = 5 * rng.normal(size=100)
    seen = {
        name: attacks.Evidence(
            None, rng.random((4, 90)), task="multiclass", y=np.zeros(90), outputs=rng.normal(size=(4, 90, 3)),
            losses_out=rng.random((4, 70)), y_out=np.arange(70) % 3, outputs_out=rng.normal(size=(4, 70, 3)),
            weights=start + rng.normal(size=(4, 100)),
        )
        for name in ("fp32", "q")
    }  # fmt: skip
    found = measure.tabulate(seen, draws=20, paper_r=True)

    def thin(size, count):
        return np.linspace(0, size - 1, count).astype(int)

    pool, held, weights = (
        [e[:, thin(e.shape[1], count)] for e in (getattr(seen[name], part) for name in ("q", "fp32"))]
        for part, count in (("outputs", most // 3), ("outputs_out", most // 3), ("weights", most))
    )
    expected = {
        "rho_pool": indicators.survival_rho(*pool, "rho_shape", 20),
        "rho": indicators.survival_rho(*held, draws=20),
        "rho_w": indicators.survival_rho(*weights, draws=20),
        "r": indicators.estimate_rate(seen["q"].losses_out[:, thin(70, most)], draws=20),
    }
    for column, estimate in expected.items():
        assert cell(found, "q", column) == pytest.approx([*estimate])
    guess = seen["q"].outputs_out.argmax(axis=-1) == seen["q"].y_out
    assert found.utility["q"] == pytest.approx(guess.mean())  # utility takes all records


def test_utility_of_a_regression_is_r_squared_with_its_interval_over_records():
    rng = np.random.default_rng(1)
    y = rng.normal(size=400)
    outputs = y + 0.5 * rng.normal(size=(3, 400))
    seen = attacks.Evidence(None, rng.random((3, 9)), task="regression", y=np.zeros(9), outputs=rng.random((3, 9)),
                            losses_out=np.square(outputs - y), y_out=y, outputs_out=outputs,
                            weights=rng.random((3, 9)))  # fmt: skip
    row = measure.tabulate({"fp32": seen}, draws=200).iloc[0]
    assert row.utility == pytest.approx(1 - np.square(outputs - y).mean() / y.var())
    assert row.utility_low < row.utility < row.utility_high
    assert 0.03 < row.utility_high - row.utility_low < 0.15


# -------------------------------------------------------------------------------------------------------------- advice


def test_planted_evidence_is_advised_on_by_name():
    shares = SHARES | {"broken": (0.05, 0.05, 0.05)}
    found = measure.tabulate(planted(shares, useless=["broken"]), draws=30).sort_values("rank")
    facts = replace(FACTS, tolerance=0.05)
    outputs, weights, bound = advise(found, facts)
    assert "for an attacker who sees outputs: broken is ranked most private (rho_pool " in outputs
    assert weights.startswith("For an attacker who reads the quantized weights: broken is ranked most private (rho_w ")
    assert "certify nothing" in bound
    assert not any("open" in line for line in (outputs, weights))
    verdict = decide(found, facts)
    assert (verdict.kind, verdict.release) == ("recommended", "private")
    assert verdict.text.startswith("Ship private. ")


RANKS = {"rank": {"private": 1, "middle": 2, "open": 3, "fp32": 4},
         "rank_weights": {"middle": 1, "private": 2, "open": 3, "fp32": 4}}  # fmt: skip
ENDS = {f"{rank}{end}": places for rank, places in RANKS.items() for end in ("", "_low", "_high")}


def test_advice_names_the_most_private_for_each_attacker_and_never_the_least():
    outputs, weights, _ = advise(table(**ENDS).sort_values("rank"), FACTS)
    assert outputs == ("Whatever the utility, for an attacker who sees outputs: private is ranked most private "
                       "(rho_pool 0.60 [0.50, 0.70]).")  # fmt: skip
    assert weights == (
        "For an attacker who reads the quantized weights: middle is ranked most private (rho_w 0.60 [0.50, 0.70]). "
        "They are 90 of 100 numbers; the others are released as trained."
    )
    alone = advise(table(**ENDS), replace(FACTS, shared=False))[1]
    assert alone.startswith("Each model has an initialisation of its own")


def test_advice_lists_those_whose_ranks_overlap_with_the_first():
    ranks = ENDS | {"rank_high": RANKS["rank"] | {"private": 2}, "rank_low": RANKS["rank"] | {"open": 2, "fp32": 3}}
    assert "[0.50, 0.70]); not told apart from it: open, middle." in advise(table(**ranks), FACTS)[0]


def test_advice_without_an_attack_says_how_to_get_one():
    lines = advise(table(**ENDS).drop(columns=ATTACKED), FACTS)
    assert lines[-1].startswith("For more, pass in place of the model a function")
    assert not any("The attack finds" in line for line in lines)


def test_no_ranks_are_read_where_full_precision_is_not_above_a_constant_guess():
    lines = advise(table(**ENDS, utility_low={"fp32": 0.5}), FACTS)
    assert len(lines) == 1
    assert "may be noise" in lines[0]
    assert len(advise(table(**ENDS, utility_low={"fp32": 0.51}), FACTS)) == 3


def test_a_part_that_is_quantized_is_said_first():
    part = replace(FACTS, share=0.79, largest_left="'wte' (Embedding, 9 x 9)")
    assert advise(table(**ENDS), part)[0].startswith("Only 79% of the weights are quantized (90 of 100 numbers)")
    assert not advise(table(**ENDS), replace(part, share=0.8))[0].startswith("Only")


# ------------------------------------------------------------------------------------------------------------ verdict


def verdict(**columns):
    return decide(table(**ENDS, **columns).sort_values("rank"), FACTS)


def test_the_verdict_is_the_most_private_of_those_that_help_and_keep_utility():
    assert verdict().release == "private"
    wide = norm.isf(0.05 / 3) / norm.isf(0.025)  # one-sided, for three releases at once
    assert widening(3) == pytest.approx(wide)
    assert widening(1) == 1
    assert verdict(lost_high={"private": 0.2501 / wide}).release == "middle"
    assert verdict(lost_high={"private": 0.2499 / wide}).release == "private"
    bar = 0.1 - 0.1 / wide  # of the lower end, where the widened one is 0
    assert verdict(gain_low={"private": bar - 1e-4, "middle": bar - 1e-4}).release == "open"
    assert verdict(gain_low={"private": bar + 1e-4}).release == "private"
    little = {"gain": {"private": 0.0049}, "gain_low": {"private": 0.0048}, "gain_high": {"private": 0.005}}
    assert verdict(**little).release == "middle"  # shown, and not worth a word
    swapped = RANKS["rank"] | {"private": 2, "middle": 1}
    assert (
        decide(table(**ENDS | {"rank": swapped, "rank_low": swapped, "rank_high": swapped}), FACTS).release == "middle"
    )


def test_the_verdict_names_its_numbers_and_those_not_told_apart():
    ranks = ENDS | {"rank_high": RANKS["rank"] | {"private": 2}}
    text = decide(table(**ranks, auc={"private": 0.55}).sort_values("rank"), FACTS).text
    assert text == (
        "Ship private. The strongest attack finds members with AUC 0.550 [0.650, 0.750] instead of "
        "0.700 [0.650, 0.750], less by 0.100 [0.050, 0.150]; it loses 0.000 [-0.050, 0.050] of utility, where "
        "0.25 was allowed. Not told apart from it: middle."
    )


def test_the_verdict_says_where_no_rule_helps():
    broken = {name: 0.3 for name in ("open", "middle", "private")}
    every = verdict(lost_low=broken, lost_high=broken, lost=broken)
    assert (every.kind, every.release) == ("no rule helps", None)
    assert "every one loses more than 0.25 of utility. Full precision leaks: " in every.text
    none = dict.fromkeys(broken, 0.0)
    same = verdict(gain=none, gain_low=none, gain_high=none)
    assert same.kind == "no rule helps"
    assert "0.000 [0.000, 0.000] only" in same.text
    near = verdict(lost=dict.fromkeys(broken, 0.26), lost_low=dict.fromkeys(broken, 0.2),
                   lost_high=dict.fromkeys(broken, 0.3))  # fmt: skip
    assert "none that leaks less is shown to lose at most 0.25 of utility. " in near.text
    assert (near.kind, near.models) == ("no rule helps", None)  # more models would sooner show that it loses more
    worse = dict.fromkeys(broken, -0.01)
    assert verdict(gain=worse, gain_low=worse, gain_high=dict.fromkeys(broken, 0.02)).kind == "no rule helps"


def test_the_verdict_says_how_many_models_would_tell():
    """Half an interval of twice the gain, of 16 models, needs four times as many; more for three at once."""
    names = ("open", "middle", "private")
    found = verdict(gain=dict.fromkeys(names, 0.01), gain_low=dict.fromkeys(names, -0.01),
                    gain_high=dict.fromkeys(names, 0.03))  # fmt: skip
    more = int(np.ceil(1.1 * 16 * (2 * widening(3)) ** 2))
    assert (found.kind, found.release, found.models) == ("cannot be decided", None, more)
    assert f"About {more} models would tell" in found.text
    utility = verdict(lost=dict.fromkeys(names, 0.2), lost_high=dict.fromkeys(names, 0.3))
    assert (utility.kind, utility.models) == ("cannot be decided", more)


def test_no_verdict_without_an_attack_or_a_useful_model():
    alone = decide(table(**ENDS).drop(columns=ATTACKED), FACTS)
    assert (alone.kind, alone.release) == ("cannot be decided", None)
    useless = verdict(utility_low={"fp32": 0.5})
    assert (useless.kind, useless.release) == ("no model to ship", None)
    assert "with AUC 0.700 [0.650, 0.750]" in useless.text  # a leak is said all the same


def test_what_an_attack_means_for_a_prior():
    seen = table().assign(tpr_1pct=0.1, tpr_1pct_low=0.05, tpr_1pct_high=0.2)
    said = implied(seen, FACTS, ["fp32"], (0.5, 0.01))
    assert said["measured: members found at 1 % false alarms"].tolist() == ["10.0% [5.0%, 20.0%]"] * 2
    assert said["assumed: members among those asked about"].tolist() == ["50%", "1%"]
    assert said["combined: an accusation is right"].tolist() == ["90.9% [83.3%, 95.2%]", "9.2% [4.8%, 16.8%]"]
    assert said["combined: members accused"].tolist() == ["5 [2, 10] of 50"] * 2
    assert implied(seen.assign(tpr_1pct=np.nan), FACTS, ["fp32"], (0.5,)).empty


# --------------------------------------------------------------------------------------------------- what to distrust

QUIET = {"same models"}  # whenever an attack was run
WARNED = {  # rule -> columns and facts under which it speaks, and nearest ones under which it does not
    "below its null": (
        ({"auc_high": {"fp32": 0.44}, "auc_low": {"fp32": 0.6}}, {}),
        ({"auc_high": {"fp32": 0.45}}, {}),
    ),
    "larger losses": (({}, {"larger": 0.76}), ({}, {"larger": 0.75})),
    "another law": (({}, {"blind": (0.6, 0.51, 0.7)}), ({}, {"blind": (0.6, 0.5, 0.7)})),
    "small": (({}, {"heldout": 49}), ({}, {"heldout": 50})),
    "small, members": (({}, {"members": 49}), ({}, {"members": 50})),
    "failed trainings": (({}, {"failed": ("3: KeyError: 'x'",)}), ({}, {"failed": ()})),
    "one by one": (({}, {"one_by_one": ("int8",)}), ({}, {"one_by_one": ()})),
    "one model": (({}, {"models": 1}), ({}, {"models": 8})),
    "few models": (({}, {"models": 7}), ({}, {"models": 8})),
    "few models, two": (({}, {"models": 2}), ({}, {"models": 16})),
    "little to lose": (({"auc_low": {"fp32": 0.55}}, {}), ({"auc_low": {"fp32": 0.551, "open": 0.5}}, {})),
    "little to lose, null below a coin": (
        ({"auc_low": {"fp32": 0.5}, "null_high": {"fp32": 0.4}}, {}),
        ({"auc_low": {"fp32": 0.51}, "null_high": {"fp32": 0.4}}, {}),
    ),
    "law of regression": (({}, {"task": "regression"}), ({}, {"task": "multiclass"})),
    "probabilities": (({}, {"in_unit": True}), ({}, {"in_unit": True, "task": "multiclass"})),
    "left as trained": (({}, {"left": "head (3 x 2)"}), ({}, {"left": ""})),
    "copies held out": (({}, {"copies": 1}), ({}, {"copies": 0})),
    "repeated members": (({}, {"repeated": 1}), ({}, {"repeated": 0})),
    "twins held out": (({}, {"twins": 1}), ({}, {"twins": 0})),
    "relabelled": (({}, {"relabelled": True}), ({}, {"relabelled": False})),
}


def speaking(rules, seen, facts):
    return {name for name, rule in rules.items() if rule.applies(seen, facts)}


@pytest.mark.parametrize("case", WARNED)
def test_each_warning_is_given_exactly_when_it_should_be(case):
    (columns, facts), (near, near_facts) = WARNED[case]
    assert speaking(WARNINGS, table(**columns), replace(FACTS, **facts)) == QUIET | {case.split(",")[0]}
    assert speaking(WARNINGS, table(**near), replace(FACTS, **near_facts)) == QUIET


def test_without_an_attack_nothing_is_said_about_one():
    alone = table().drop(columns=ATTACKED)
    assert speaking(WARNINGS, alone, replace(FACTS, task="regression")) == set()
    assert speaking(CAUTIONS, alone.loc["open"], FACTS) == set()
    assert {case.split(",")[0] for case in WARNED} | QUIET == WARNINGS.keys()


def test_warnings_count_what_they_warn_of():
    warnings = distrust(table(), replace(FACTS, models=5, copies=3, left="head (3 x 2)"))
    assert warnings == [
        "5 models: a bootstrap over so few is too narrow; take 16.",
        "3 held-out records are copies of members: they hide leaks; leave them out.",
        "Released as trained, and not covered by rho_w: head (3 x 2). Quantize more by include=, or accept it.",
        "Correlations and attack use the same models: their agreement here is no independent check.",
    ]
    many = replace(FACTS, models=5, copies=3, left="head", twins=1, repeated=2, members=10, larger=1.0)
    assert len(distrust(table(), many)) == 5
    assert "trained_on the right way round" in distrust(table(), many)[0]


CAUTIONED = {
    "perhaps broken": ({"utility_low": 0.5}, {"utility_low": 0.51}),
    "partly coded": ({"coded": 0.79}, {"coded": 0.8}),
    "null not beaten": ({"auc_low": 0.55}, {"auc_low": 0.551}),
    "weights tell more": ({"rho_pool_high": 0.49, "rho_pool_low": 0.4}, {"rho_pool_high": 0.5, "rho_pool_low": 0.4}),
    "uncertain": ({"rho_pool_low": 0.49}, {"rho_pool_low": 0.51}),
}


@pytest.mark.parametrize("case", CAUTIONED)
def test_each_caution_is_given_exactly_when_it_should_be(case):
    wrong, right = (ROW | changes for changes in CAUTIONED[case])
    assert speaking(CAUTIONS, wrong, FACTS) == {case.split(",")[0]}
    assert speaking(CAUTIONS, right, FACTS) == set()
    assert flag(right, FACTS) == ""
    assert flag(wrong, FACTS) == CAUTIONS[case.split(",")[0]].text(wrong, FACTS) != ""


def test_facts_are_said_in_words():
    said = replace(FACTS, attacked=0.984).shown()
    assert said["attack"] == "LiRA, RMIA and loss threshold on 98% of the members, outputs alone, pool game"
    assert said["records a model trained on"] == 50
    assert replace(FACTS, attacked=0.0).shown()["attack"] == "none"
    assert replace(FACTS, known=False).shown()["records a model trained on"] == "not known"
    assert said["initialisation"] == "shared"
    assert len(said) == 23
    assert said["planted leak of AUC 0.75 found as"] == "no attack"
    assert replace(FACTS, planted=(0.7, 0.65, 0.75)).shown()["planted leak of AUC 0.75 found as"] == "0.70 [0.65, 0.75]"


def test_the_function_error_of_one_model_reads_every_record_however_many_classes():
    rng = np.random.default_rng(0)
    full = rng.normal(size=(1, 60, 500))
    moved = full + rng.normal(size=full.shape) * np.linspace(0, 2, 60)[:, None]  # some records move more than others
    kept = [measure._thinned(one(outputs)) for outputs in (full, moved)]
    assert [seen.outputs_out.shape for seen in kept] == [(1, 60, 500)] * 2
    assert measure._thinned(one(np.repeat(full, 2, axis=0))).outputs_out.shape == (2, 40, 500)


def one(outputs):
    losses = outputs[..., 0]
    return attacks.Evidence(None, losses, losses_out=losses, outputs=outputs, outputs_out=outputs, weights=losses)

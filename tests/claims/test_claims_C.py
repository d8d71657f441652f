"""What study C says of the families of attacks, against its committed figures."""

from reading import answer, table, text

STEM = "C_attack_families"
WHITE = {"weight_regression", "weight_regression_aligned", "combined", "influence", "influence_aligned"}


def strongest(stem):
    rows = table(stem)
    return rows.loc[rows.groupby(["setting", "quantizer"]).advantage.idxmax()]


def advantage(stem, attack):
    rows = table(stem).set_index(["setting", "quantizer", "attack"]).advantage
    return f"{rows['close modes', 'sign', attack]:.3f}"


def test_the_loss_threshold_finds_ever_less_in_64_dimensions():
    rows = table("C_gap").set_index(["model", "attack"]).loc[("mean of 64 Gaussians", "loss")]
    shares = [f"{100 * share:.0f}" for share in rows.sort_values("n").share_advantage]
    assert rows.sort_values("n").share_advantage.is_monotonic_decreasing
    assert f"{', '.join(shares[:-1])} and {shares[-1]} % at n = 2, 5, 10, 20 and 40" in answer(STEM)


def test_no_attack_exceeds_the_truth_and_the_likelihood_ratio_attains_it():
    for stem in ("C_gap", "C_shares"):
        rows = table(stem)
        assert (rows.low <= rows.exact).all()
        best = rows[rows.attack == "likelihood_ratio"]
        assert best.exact.between(best.low, best.high).all()
    rows = table("C_shares")
    share = (100 * rows.advantage / rows.exact)[rows.attack == "difficulty"]
    assert f"the calibrated loss {share.min():.0f} to {share.max():.0f} %" in answer(STEM)


def test_which_families_are_strongest():
    shared, random = strongest("C_attacks").attack, strongest("C_random").attack
    lira = [rows.str.startswith("lira").sum() for rows in (shared, random)]
    white = [rows.isin(WHITE).sum() for rows in (shared, random)]
    assert f"in {lira[0]} of 16 releases with the shared initialisation and in {lira[1]} of 16 with random" in answer(
        STEM
    )
    assert f"reads weights in {white[0]} and in {white[1]}" in answer(STEM)


def test_the_white_box_hangs_on_the_shared_initialisation():
    weights = advantage("C_attacks", "weight_regression"), advantage("C_random", "weight_regression")
    assert f"weight attack finds {weights[0]} with the shared initialisation, {weights[1]} with random" in text(STEM)
    assert f"and {advantage('C_random', 'weight_regression_aligned')} once hidden units are aligned" in text(STEM)
    found = [advantage("C_attacks", "influence"), advantage("C_random", "influence")]
    found.append(advantage("C_random", "influence_aligned"))
    assert "falls less: {}, {}, and {} aligned".format(*found) in text(STEM)
    assert float(weights[1]) < float(weights[0]) / 5


def test_on_90_percent_zeros():
    ends = []
    for stem in ("C_attacks", "C_random"):
        rows = strongest(stem).query("quantizer == 'ternary_90'")
        ends += [f"{rows.advantage.min():.2f} to {rows.advantage.max():.2f}"]
        assert rows.attack.isin(WHITE).sum() == (4 if stem == "C_attacks" else 3)
    said = "finds {} with the shared initialisation and {} with random ones".format(*ends)
    assert said in text(STEM)


def test_labels_scores_and_calibration_on_signs_of_close_modes():
    loss, walk, gradients, difficulty, rmia = (
        advantage("C_attacks", name)
        for name in ("loss", "label_only_boundary", "adversarial_distance", "difficulty", "rmia")
    )
    assert f"the walk finds {walk}, gradients {gradients}, scores without shadows {loss}" in text(STEM)
    assert f"plain loss, {loss}, finds more than difficulty calibration, {difficulty}" in text(STEM)
    assert f"as much as RMIA, {rmia}" in text(STEM)

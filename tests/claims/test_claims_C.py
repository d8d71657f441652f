"""What study C says of the families of attacks, against its committed figures."""

from reading import answer, table, text

from qmis_utils import attacks

STEM = "C_attack_families"
WHITE = {name for name, attack in attacks.ATTACKS.items() if attack.access == "weights"} - {"adversarial_distance"}
STACKS = {"stacked", "stacked_outputs"}


def strongest(stem, but=()):
    rows = table(stem)
    rows = rows[~rows.attack.isin(but)]
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
    shared, random = strongest("C_attacks", STACKS).attack, strongest("C_random", STACKS).attack
    lira = [rows.str.startswith("lira").sum() for rows in (shared, random)]
    white = [rows.isin(WHITE).sum() for rows in (shared, random)]
    assert f"in {lira[0]} of 16 releases with the shared initialisation and in {lira[1]} of 16 with random" in answer(
        STEM
    )
    assert f"reads weights in {white[0]} and in {white[1]}" in answer(STEM)
    assert max(shared.value_counts().max(), random.value_counts().max()) < 16
    stacks = [strongest(stem).attack.isin(STACKS).sum() for stem in ("C_attacks", "C_random")]
    assert f"finds more than all of them in {stacks[0]} and in {stacks[1]}" in answer(STEM)


def test_where_the_strongest_attack_is_more_than_two_hundredths_beyond_lira():
    rows = table("C_strongest").set_index(["seen", "init"])
    clear = (rows.low > 0.02).groupby(level=["seen", "init"]).sum()
    assert clear["outputs"].sum() == 0
    zeros = rows.loc[("weights", "shared")].query("quantizer == 'ternary_90'")
    assert (zeros.low > 0.02).all()
    shared, ends = clear["weights", "shared"], f"{zeros.gain.min():.2f} to {zeros.gain.max():.2f}"
    assert f"in {shared} of 16 releases with the shared initialisation, 90 % zeros of all four" in answer(STEM)
    assert f"(by {ends}), and in {clear['weights', 'random']} of 16 with random ones" in answer(STEM)
    most = rows.loc["outputs"].sort_values("gain").iloc[-1]
    assert (most.quantizer, most.setting) == ("ternary_90", "distant modes")
    gain = "{gain:.3f} of AUC over LiRA (90 % zeros of distant modes, {low:.3f}, {high:.3f})".format(**most)
    assert f"gains at most {gain}" in text(STEM)
    distant, close = (zeros.set_index("setting").loc[name] for name in ("distant modes", "close modes"))
    said = "{gain:.3f} {low:.3f}, {high:.3f}"
    assert (
        f"it gains {said.format(**distant)} on 90 % zeros of distant modes, and {said.format(**close)} on those"
        in text(STEM)
    )


def test_more_models_of_one_start_pay_on_outputs():
    rows = table("C_many").set_index(["init", "quantizer", "models"])
    most, said = rows.index.get_level_values("models").max(), "{gain:.3f} {low:.3f}, {high:.3f}"
    shared, zeros, own = (rows.loc[key] for key in (("shared", "fp32", most), ("shared", "ternary_90", most),
                                                    ("random", "fp32", most)))  # fmt: skip
    assert f"with {most} models of one start it gains {said.format(**shared)} in full precision" in text(STEM)
    assert f"and {said.format(**zeros)} on 90 % zeros" in text(STEM)
    assert f"with {most} of random ones {said.format(**own)}" in text(STEM)
    assert min(shared.low, zeros.low, own.low) > 0.02
    assert own.high < shared.low / 2  # most where they share a start
    for name in ("fp32", "ternary_90"):
        assert rows.loc[("shared", name)].gain.is_monotonic_increasing
    assert rows.LiRA.groupby(["init", "quantizer"]).agg(lambda auc: auc.max() - auc.min()).max() < 0.02  # it is done


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


def said_of(row, value, low="low", high="high"):
    """Return a number with its interval as ``text`` gives it, without brackets."""
    return f"{row[value]:.2f} {row[low]:.2f}, {row[high]:.2f}"


def test_the_shares_of_the_exact_models_are_as_the_title_says():
    rows = table("C_shares")
    share = (rows.advantage / rows.exact).groupby(rows.attack).mean().drop("likelihood_ratio")
    assert set(share.nlargest(2).index) == {"lira_offline", "difficulty"}


def test_the_same_records_are_found_by_other_groups():
    rows = table("C_stability")
    cells = rows.drop_duplicates(["setting", "init"]).set_index(["setting", "init"])
    overlap = {place: said_of(row, "overlap", "overlap_low", "overlap_high") for place, row in cells.iterrows()}
    close, random = overlap["close modes", "random"], overlap["FreeSolv", "random"]
    assert f"by {close} on close modes and {random} on FreeSolv with random" in text(STEM)
    assert f"by {overlap['close modes', 'shared']} and {overlap['FreeSolv', 'shared']} with a shared one" in text(STEM)
    assert f"overlap {close} on close modes, {random} on FreeSolv" in text(STEM)
    assert (cells["by chance"].round(2) == 0.05).all()
    assert (cells.overlap_low > 4 * cells["by chance"]).all()  # far beyond chance, as the title says
    for key in ("close modes", "FreeSolv"):
        assert cells.overlap_low[key, "random"] < cells.overlap_high[key, "shared"]
        assert cells.overlap_low[key, "shared"] < cells.overlap_high[key, "random"]


def test_how_many_records_all_groups_find_and_how_many_are_exposed_beyond_doubt():
    rows = table("C_stability")
    rows = rows.assign(every=rows.share == 1, clear=rows.low > 0).groupby(["init", "setting"])
    every, size, clear = rows.every.sum(), rows.size(), rows.clear.mean()
    assert (
        f"find {every['random', 'close modes']} of {size['random', 'close modes']} records of close modes and "
        f"{every['random', 'FreeSolv']} of {size['random', 'FreeSolv']} of FreeSolv with random initialisations, "
        f"{every['shared', 'close modes']} and {every['shared', 'FreeSolv']} with shared ones"
    ) in text(STEM)
    assert f"no more than {100 * clear[:, 'FreeSolv'].max():.0f} % of the records are exposed" in text(STEM)
    assert clear[:, "FreeSolv"].max() < clear[:, "close modes"].min()


def test_the_worst_records_fall_where_they_are_judged_on_other_models():
    five = table("C_worst").query("worst == 5").set_index(["init", "setting"])
    row = five.loc["random", "FreeSolv"]
    assert (
        f"advantage of {row.picked:.2f} on the models that picked them and {said_of(row, 'judged')} on others, "
        f"a fall of {said_of(row, 'falls', 'falls_low', 'falls_high')}"
    ) in text(STEM)
    assert f"fall from {row.picked:.2f} to {said_of(row, 'judged')}" in text(STEM)
    ends = [f"{five.falls[init].min():.2f} to {five.falls[init].max():.2f}" for init in ("random", "shared")]
    assert "the fall is {} with random initialisations and {} with the shared".format(*ends) in text(STEM)
    assert (five.falls_low > 0).groupby("init").sum().to_dict() == {"random": 3, "shared": 0}
    assert (five.low > five["all records"]).all()


def test_the_single_worst_record_and_the_null():
    single = table("C_worst").query("worst == 1").set_index(["init", "setting"])
    null, falls = single["null picked"], single["null picked"] - single["null judged"]
    said = f"seems to have {null.min():.2f} to {null.max():.2f}, and has {falls.mean():.2f} less on average"
    assert said in text(STEM)
    assert falls.mean() > single.falls.mean()
    row = single.loc["random", "distant modes"]
    assert f"{said_of(row, 'judged')} beside {row['all records']:.2f}" in text(STEM)
    assert (single.low > single["all records"]).sum() == len(single) - 1
    assert row.low < row["all records"]


def test_what_one_canary_shows():
    rows = table("C_canary").set_index(["quantizer", "init"])
    full, sign, zeros = ([rows.epsilon[name, init] for init in ("shared", "random")] for name in
                         ("fp32", "sign", "ternary_90"))  # fmt: skip
    assert rf"\varepsilon \ge {full[0]:.2f}$ with the shared initialisation and {full[1]:.2f} with random" in text(STEM)
    assert "90 % zeros only {:.2f} and {:.2f}".format(*zeros) in text(STEM)
    assert "Signs give {:.2f} and {:.2f}".format(*sign) in text(STEM)
    assert f"{full[0]:.2f}$ in full precision and {sign[0]:.2f} for signs, {zeros[0]:.2f} for 90 % zeros" in text(STEM)
    assert abs(rows.ceiling - full[0]).max() < 1e-6
    at_once = rows["at once"]["ternary_90"]
    assert f"The {zeros[1]:.2f} of 90 % zeros" in text(STEM)
    assert at_once["random"] == 0
    assert f"the {zeros[0]:.2f} with the shared one then is {at_once['shared']:.2f}" in text(STEM)


def test_the_null_of_the_canary_claims_nothing():
    rows = table("C_canary")
    assert (rows.null == 0).all()
    assert (rows["null above 0"] <= 0.05).all()
    assert f"Of {100 * len(rows)} nulls {100 * rows['null above 0'].sum():.0f} claims anything" in text(STEM)

"""What the figures of a notebook decide, as words: for the runs with a class's parameters, which must decide the same.

Each function reads the tables of a folder of figures and returns statement -> verdict. Numbers may differ; a verdict is
what the intervals say: "more", "less" or "undecided" of a difference, "yes" or "no" of the rest.
"""

import pandas as pd


def compare(one, other):
    """Return whether the first number with an interval lies above the second one, beyond both intervals."""
    return "more" if one.low > other.high else "less" if one.high < other.low else "undecided"


def against(row, bar=0.0):
    """Return on which side of a bar an interval lies."""
    return "more" if row.low > bar else "less" if row.high < bar else "undecided"


def verdicts_04(folder):
    """What all outputs tell beyond LiRA, what the weights add, and what survives in 90 % zeros."""
    rows = (
        pd.read_csv(folder / "04_two_attackers.csv").set_index(["setting", "init", "attack", "quantizer"]).sort_index()
    )
    found = {}
    for setting in ("separated modes", "overlapping modes"):
        for init in ("shared", "random"):
            here = rows.loc[setting, init]
            for name in ("fp32", "ternary_90"):
                where = f"{name}, {setting}, {init}"
                found[f"weight attack beside LiRA, {where}"] = compare(
                    here.loc["weight_regression", name], here.loc["lira", name]
                )
                found[f"all outputs beyond LiRA, {where}"] = against(here.loc["asking", name])
                found[f"weights beyond all outputs, {where}"] = against(here.loc["reading", name])
            found[f"LiRA, 90 % zeros beside full precision, {setting}, {init}"] = compare(
                here.loc["lira", "ternary_90"], here.loc["lira", "fp32"]
            )
    found["weight attack on 90 % zeros, separated modes, random"] = against(weights_of(rows), 0.5)
    shared = rows.loc["separated modes", "shared"].value
    above = shared.loc["weight_regression"].drop("control") > shared["lira", "fp32"]
    found["quantizers whose weights tell more than full precision tells LiRA (exercise 04.4)"] = int(above.sum())
    return found


def weights_of(rows):
    """Return the weight attack on 90 % zeros of separated modes with random initialisations."""
    return rows.loc["separated modes", "random", "weight_regression", "ternary_90"]


def verdicts_05(folder):
    """Which numbers rank as the strongest attack on outputs does on fresh pools, and where the survival law errs."""
    rows = pd.read_csv(folder / "05_ranking.csv").set_index(["setting", "init", "number", "quantizer"]).sort_index()
    law = pd.read_csv(folder / "05_survival_law.csv").set_index(["init", "setting", "quantizer"])
    found = {}
    for setting in ("separated modes", "overlapping modes"):
        for init in ("shared", "random"):
            tau = rows.loc[setting, init, "tau, strongest"]
            found[f"rho_pool ranks better than r, {setting}, {init}"] = compare(
                tau.loc["rho_pool"], tau.loc["r ensemble all_pairs"]
            )
            strongest = rows.loc[setting, init, "strongest"].value
            found[f"the strongest attack finds least in, {setting}, {init}"] = strongest.idxmin()
    most = law.loc["shared", "overlapping modes", "ternary_90"]
    found["the law on 90 % zeros of overlapping modes, shared"] = against(most)
    return found


def verdicts_06(folder):
    """Who wins at equal utility, by initialisation, and the cases that the prose names."""
    rows = pd.read_csv(folder / "06_saving.csv").query("slack > 0 and attack == 'strongest'")
    says = rows.pivot(index=["setting", "model"], columns="init", values="says")
    count = {init: says[init].value_counts() for init in ("shared", "random")}
    compared = {init: (says[init] != "worth nothing").sum() for init in count}
    found = {
        "stopping wins in more than four fifths, random": count["random"]["stopping wins"] > 0.8 * compared["random"]
    }
    found["quantizing wins in a quarter to a half, shared"] = (
        0.25 < count["shared"]["quantizing wins"] / compared["shared"] < 0.5
    )
    lost = says[(says.shared == "quantizing wins")].random
    found["most savings of a shared start turn round"] = (lost == "stopping wins").mean() > 0.5
    for setting in ("overlapping classes", "BBB", "FreeSolv"):
        found[f"90 % zeros, {setting}, shared"] = says.shared[setting, "ternary_90"]
    for setting in ("BBB", "FreeSolv", "noisy labels"):
        found[f"90 % zeros, {setting}, random"] = says.random[setting, "ternary_90"]
    both = pd.read_csv(folder / "06_both.csv")
    found["rounding a stopped model never costs"] = not (both.low > 0).any()
    return {name: {True: "yes", False: "no"}.get(word, word) for name, word in found.items()}


def verdicts_07(folder):
    """The price of 90 % zeros, and who gains at an equal AUC, by kind of task and initialisation."""
    price = pd.read_csv(folder / "07_price.csv").set_index(["kind", "quantizer"])
    gain = pd.read_csv(folder / "07_equal_auc.csv").set_index(["start", "kind", "quantizer"])
    found = {}
    for kind in ("binary", "regression"):
        row = price.loc[kind, "ternary_90"]
        found[f"90 % zeros keep less than 30 % of the leak, {kind}"] = "yes" if row.leak_high < 0.3 else "no"
        found[f"and less than 65 % of the utility, {kind}"] = "yes" if row.use_high < 0.65 else "no"
    for start in ("shared", "random"):
        for kind, name in (
            ("regression", "uniform_3"),
            ("regression", "sign"),
            ("regression", "ternary_33"),
            ("binary", "ternary_90"),
        ):
            found[f"gain of {name}, {kind}, {start}"] = against(gain.loc[start, kind, name])
    return found


def verdicts_09(folder):
    """GPTQ on members against LiRA, its control, and the five questions."""
    rows = pd.read_csv(folder / "09_gptq.csv", keep_default_na=False).set_index(["what", "init", "setting"])
    questions = pd.read_csv(folder / "09_questions.csv").set_index(["what", "init", "setting"])
    found = {}
    for init in ("random", "shared"):
        for setting in ("close modes", "distant modes", "BBB_Martins", "FreeSolv"):
            gptq = rows.loc["GPTQ", init, setting]
            found[f"GPTQ on members beside LiRA, {setting}, {init}"] = compare(
                gptq, rows.loc["lira_fixed", init, setting]
            )
            null = rows.loc["null", init, setting]
            found[f"control within 0.04 of a coin, {setting}, {init}"] = (
                "yes" if 0.46 < null.low <= null.high < 0.54 else "no"
            )
    for what in ("shadows quantized like the target", "both versions, not signs alone"):
        found[f"least gain of {what}"] = "more" if (questions.loc[what].value > 0).all() else "no gain somewhere"
    for what in ("codebook besides outputs", "both versions, not full precision alone"):
        found[f"largest gain of {what} below 0.005"] = "yes" if questions.loc[what].value.abs().max() < 0.005 else "no"
    return found


VERDICTS = {
    "04_attack_a_network": verdicts_04,
    "05_synthetic_mis_ranking": verdicts_05,
    "06_equal_utility": verdicts_06,
    "07_molecular_privacy_utility": verdicts_07,
    "09_attacker_knows_quantizer": verdicts_09,
}

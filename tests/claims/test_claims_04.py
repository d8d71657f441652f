"""What notebook 04 says is what its committed figure holds, and the other way round."""

import pytest
from reading import answer, table, text

STEM = "04_attack_a_network"
SETTINGS = ("separated modes", "overlapping modes")
RELEASES = ["fp32", "sign", "ternary_33", "ternary_90"]  # that the strongest attacks meet
FOUND = table("04_two_attackers").set_index(["setting", "init", "attack", "quantizer"]).sort_index()


def row(setting, init, attack, quantizer="ternary_90"):
    return FOUND.loc[setting, init, attack, quantizer]


def shown(found):
    return f"{found.value:.3f} {found.low:.3f}, {found.high:.3f}"  # prose comes without its brackets


def value(*key):
    return f"{row(*key).value:.3f}"


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("LiRA finds next to nothing in networks with 90 % zeros (AUC {})", ("shared", "lira")),
        ("the strongest attack on outputs finds more ({})", ("shared", "outputs")),
        ("the strongest on weights and outputs much ({})", ("shared", "everything")),
        ("even that finds hardly anything there ({})", ("random", "everything")),
    ],
)
def test_the_answer_quotes_the_figure(words, key):
    assert words.format(shown(row("separated modes", *key))) in answer(STEM)


def test_the_answer_holds():
    lira, outputs, everything = (row("separated modes", "shared", a) for a in ("lira", "outputs", "everything"))
    assert 0.5 < lira.high < 0.54
    assert outputs.low > lira.high + 0.01
    assert everything.low > outputs.high + 0.05
    nothing = row("separated modes", "random", "everything")
    assert nothing.low < 0.503
    assert nothing.high < 0.52


def test_the_strongest_attacks_are_never_beaten_by_what_they_choose_from():
    """But for the noise of the half that chooses, and on the releases that all attacks meet."""
    found = FOUND.value.unstack("attack").dropna().drop("control", level="quantizer")
    assert len(found) == 4 * len(RELEASES)
    assert (found.outputs > found.lira - 0.002).all()
    assert (found.everything > found[["lira", "outputs", "weight_regression"]].max(axis=1) - 0.002).all()


def test_asking_for_all_outputs_adds_most_where_lira_misses_it():
    prose = text(STEM)
    asking = FOUND.xs("asking", level="attack").drop("control", level="quantizer")
    separated = asking.loc["separated modes"]
    said = (
        "asking for all outputs adds {} in full precision, {} to sign and {} to 90 % zeros; with a random start {} in"
    )
    said += " full precision and {} to 90 % zeros"
    keys = [("shared", "fp32"), ("shared", "sign"), ("shared", "ternary_90"), ("random", "fp32")]
    quoted = [shown(separated.loc[key]) for key in [*keys, ("random", "ternary_90")]]
    assert said.format(*quoted) in prose
    assert (separated.loc["shared"].low > 0.02).all()
    assert separated.loc["random", "fp32"].low > 0.02
    overlapping = asking.loc["overlapping modes"].value
    assert f"With overlapping modes it adds at most {overlapping.max():.3f}" in prose
    assert overlapping.max() < 0.02


def test_reading_the_weights_adds_where_the_start_is_shared_only():
    prose = text(STEM)
    reading = FOUND.xs("reading", level="attack").drop("control", level="quantizer")
    said = "the weights add {} to 90 % zeros with separated modes and {} with overlapping ones"
    assert said.format(*(shown(reading.loc[name, "shared", "ternary_90"]) for name in SETTINGS)) in prose
    shared, random = (reading.xs(init, level="init") for init in ("shared", "random"))
    assert (shared.low > 0).all()
    assert (random.value.abs() < 0.005).all()
    assert shared.xs("ternary_90", level="quantizer").low.min() > 0.05


def test_what_we_saw_quotes_the_figure():
    prose = text(STEM)
    first, second = SETTINGS
    pair = value(first, "shared", "outputs", "fp32"), value(first, "shared", "lira", "fp32")
    assert "asking for all of them finds {} instead of {} in full precision".format(*pair) in prose
    attacks = ("lira", "outputs", "everything")
    said = "LiRA finds {} with separated modes, all outputs {}, weights and outputs {}; with overlapping ones {}, {}"
    said += " and {}"
    assert said.format(*(value(name, "shared", attack) for name in SETTINGS for attack in attacks)) in prose
    said = "takes the gain of the weights away: all outputs {}, with weights {}; and {} against {}"
    assert said.format(*(value(name, "random", attack) for name in SETTINGS for attack in attacks[1:])) in prose
    said = "the strongest attack falls from {} to {}, the weight attack alone from {} to {}, LiRA from {} to {}"
    falls = [(a, init) for a in ("everything", "weight_regression", "lira") for init in ("shared", "random")]
    assert said.format(*(value(first, init, attack, "fp32") for attack, init in falls)) in prose
    pairs = {
        key: row(*key, "fp32") for key in ((n, i, a) for n in SETTINGS for i in ("shared", "random") for a in attacks)
    }
    said = (
        "LiRA loses too ({:.3f} to {:.3f} in full precision, five groups), and so does the strongest attack on outputs"
    )
    said += " ({:.3f} to {:.3f}); with overlapping ones both hardly do (LiRA {:.3f} to {:.3f})"
    falls = [(first, "lira"), (first, "outputs"), (second, "lira")]
    assert said.format(*(pairs[n, i, a].value for n, a in falls for i in ("shared", "random"))) in prose
    for attack in attacks[:2]:
        assert pairs[first, "shared", attack].low > pairs[first, "random", attack].high
        assert pairs[second, "shared", attack].low < pairs[second, "random", attack].high
    looks = [value(first, "shared", "lira"), value(second, "shared", "lira"), value(first, "shared", "outputs")]
    said = "({}; {} with overlapping ones): who asks for all outputs finds {} there"
    assert said.format(*looks) in prose
    assert float(looks[0]) < 0.53 < 0.6 < float(looks[1])


def test_the_titles_of_the_panels_hold():
    full = {key: row(*key, "fp32") for key in FOUND.index.droplevel("quantizer").unique()}
    separated = {a: full["separated modes", "shared", a] for a in ("lira", "outputs", "everything")}
    assert separated["outputs"].low > separated["lira"].high
    assert separated["everything"].low > separated["outputs"].high
    reading = FOUND.xs("reading", level="attack").value["overlapping modes", "shared"].drop("control")
    assert reading.idxmax() == "ternary_90"


def test_the_control_finds_nothing():
    control = FOUND.xs("control", level="quantizer").value.unstack("attack")
    assert (abs(control[["lira", "outputs", "weight_regression", "everything"]] - 0.5) < 0.004).all(axis=None)
    assert "Dealt lists give all four attacks 0.5: in full precision, where it was run, nothing" in text(STEM)


def test_the_figure_to_read_holds_the_answer_of_the_exercise():
    shared = FOUND.loc["separated modes", "shared"].value
    weights = shared.loc["weight_regression"].drop("control")
    assert (weights > shared.loc["lira", "fp32"]).sum() == 8
    assert weights.idxmin() == "ternary_90"


def test_the_order_of_sign_and_a_third_zeros_depends_on_attacker_and_setting():
    found = FOUND.value.unstack("quantizer")
    gap = (found["sign"] - found["ternary_33"]).drop(["asking", "reading", "accuracy"], level="attack")
    shared = gap["separated modes", "shared"]
    assert shared["lira"] > 0.01
    assert abs(shared["outputs"]) < 0.005
    assert shared["everything"] < -0.01
    others = gap.drop(("separated modes", "shared", "lira"))
    assert (others < 0.003).all()
    assert (others < -0.005).sum() == 11


def test_ninety_percent_zeros_lie_lowest_on_the_roc_of_lira_and_highest_on_that_of_the_weight_attack():
    curves = table("04_roc").pivot(index="fpr", columns=["quantizer", "attack"], values="tpr")["ternary_90"]
    middle = curves[(curves.index > 0.01) & (curves.index < 0.5)]
    assert (middle["outputs"] > middle["lira"]).all()
    assert (middle["weight_regression"] > middle["outputs"] + 0.005).all()

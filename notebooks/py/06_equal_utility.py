# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     formats: notebooks///ipynb,notebooks/py///py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-all
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 06 · Is it the rounding, or is the model broken?
#
# **Question.** At equal utility, does a quantized model leak less than a full-precision model that was trained less?
#
# **Answer.** Seldom, if initialisations are random: full precision stopped at a utility at most 0.005 lower leaks
# less in 34 of 41 cases (quantizer and setting), quantizing in one, by 0.028 [0.022, 0.034] of AUC; six are
# undecided. If the stopped model may be worth nothing less, it is 28, six and seven. Rounding a model that is stopped
# as well saves most where classes overlap, 0.024 [0.015, 0.032] (LiRA). If all models share an initialisation that
# the attacker knows, quantizing leaks less in 16 of 40. (Pool game, strongest known attack on outputs, quantized
# shadows.)
#
# *Utility* is accuracy on fresh records, area under the ROC curve (BBB) or $R^2$ (FreeSolv). Needed:
# [04](04_attack_a_network.ipynb).
#
# *In the paper: section 5, privacy against performance. Figures: `06_saving`, `06_plane`, `06_start`, `06_both`.*
# **Run time** (2 cores): full 4 min, quick 25 s.

# %%
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy import stats

from qmis_utils import attacks, ensemble, figures, run
from qmis_utils.studies import stopping, synthetic

figures.use_style()

# %% tags=["parameters"]
settings: list[str] = [
    "clear classes",
    "overlapping classes",
    "noisy labels",
    "many records",
    "BBB",
    "FreeSolv",
]  # names (not empty)
names: list[str] = [
    "uniform_4",
    "uniform_3",
    "uniform_2",
    "sign",
    "ternary_33",
    "ternary_50",
    "ternary_90",
]  # quantizers (not empty)
n_seeds: int = 6  # pools, each with halves and starts (at least 2)
n_models: int = 64  # models of each (at least 24)
both_names: list[str] = ["uniform_2", "sign", "ternary_33", "ternary_50"]  # section 5
max_molecules: int = 600  # of a table (at least 60)

# %% [markdown]
# ## 1 · The answer
#
# A *run* is a pool of records, 64 random halves, and a network trained on each. All networks of a
# run have one initialisation, or *start*, that the attacker knows (*shared*), or each its own (*random*).
# Four settings are Gaussian mixtures, two are molecules (BBB and FreeSolv, RDKit descriptors).
# Full precision is stopped early; quantizers are applied after all 200 steps (molecules: 100).

# %% tags=["hide-input"]
SLACKS, sizes = (0.005, 0.0), {"n_models": n_models, "max_molecules": max_molecules}
points = [
    {"name": name, "seed": k, "init": init, "names": tuple(names), "slacks": SLACKS}
    | sizes
    for name in settings for k in range(1, n_seeds + 1) for init in ("shared", "random")
]  # fmt: skip
found = pd.concat(run.sweep(stopping.compare, points))

# %% [markdown]
# For each quantizer we read off what full precision leaks where it is stopped at the *same* utility, and subtract:
# the *extra leak* is the strongest attack's AUC on the quantized models minus that on the stopped ones. Left of zero,
# quantizing wins.


# %% tags=["hide-input"]
def extra_leak(part, slack, attack):
    """Return what each quantizer of a run leaks beyond full precision stopped early."""
    stops, released = (part[part.kind == k] for k in ("stopped", "quantized"))
    curve = stops.utility, stops[attack]
    matched = [stopping.leak_at(*curve, wanted, slack) for wanted in released.utility]
    least, most = stops.utility.iloc[[0, -1]]
    kept = (released.utility - least) / (most - least)
    extra = released[attack] - matched
    return released.assign(extra=extra, kept=kept, slack=slack, attack=attack)


runs = found.groupby(["setting", "init", "seed"], sort=False)
extra = pd.concat([extra_leak(part, slack, attack) for attack in ("strongest", "lira")
                   for slack in SLACKS for _, part in runs])  # fmt: skip

# %% [markdown]
# The rule was fixed on two pilot seeds. A stopped model may be worth 0.005 less (the *slack*). A quantizer that keeps less
# than a tenth of what training gains is *worth nothing*, not compared. Else a *case* (setting, quantizer,
# initialisation) gets the mean over seeds with Student's 95 % interval. Within ±0.01 there is no difference that matters;
# else quantizing wins below zero, stopping above, and across zero the case is undecided.

# %% tags=["hide-input"]
WORTH, MARGIN = 0.1, 0.01


def word(low, high):
    if low > -MARGIN and high < MARGIN:
        return "no difference that matters"
    if high < 0:
        return "quantizing wins"
    return "stopping wins" if low > 0 else "undecided"


def cell(part):
    mean, low, high = attacks.mean_interval(part.extra.dropna())
    kept, says = part.kept.mean(), word(low, high)
    if kept < WORTH:
        mean, low, high, says = np.nan, np.nan, np.nan, "worth nothing"
    return pd.Series(dict(extra=mean, low=low, high=high, kept=kept, says=says))


judged = extra.groupby(["attack", "slack", "setting", "init", "model"], sort=False)
judged = judged[["extra", "kept"]].apply(cell).reset_index().infer_objects()
cells = judged[(judged.slack > 0) & (judged.attack == "strongest")]


# %% tags=["hide-input"]
def draw_cells(ax, name, init, shift):
    part = cells[(cells.setting == name) & (cells.init == init)].set_index("model")
    style = figures.look(f"{init} start")
    figures.forest(ax, part.dropna(), "extra", names=names, shift=shift, **style)
    for model in part.index[part.extra.isna()]:
        place = (0.14, names.index(model) + shift)
        text = {"ha": "center", "va": "center", "color": style["color"]}
        ax.annotate("worth nothing", place, **text)


# %% tags=["hide-input", "predict"]
fig, axes = plt.subplots(2, 3, figsize=(figures.PAGE, 5), sharey=True, sharex=True)
for ax, name in zip(axes.flat, settings, strict=False):
    draw_cells(ax, name, "shared", -0.17)
    draw_cells(ax, name, "random", 0.17)
    ax.axvline(0, color="0.4", lw=0.8, ls=":")
    ax.set_title(name, loc="left")
    ax.set_yticks(range(len(names)), figures.words(names))
says = cells.says[(cells.init == "random") & (cells.says != "worth nothing")]
won = f"{(says == 'stopping wins').sum()} of {len(says)} cases"
message = f"With random initialisations stopping early leaks less in {won}"
axes[-1, 1].set_xlabel("extra leak: AUC on quantized minus AUC on stopped models")
figures.legend_above(fig, axes.flat[0], ncols=2, title=message, title_fontsize=9)
figures.save_figure(
    fig, "06_saving", data=judged, atol=0.03, derived=["says"],
    alt="What each quantizer leaks beyond full precision as useful, by initialisation.",
)  # fmt: skip

# %% [markdown]
# Orange circles lie on both sides of zero: with a shared initialisation many a quantizer leaks less than the stopped model.
# Nearly all blue squares lie at zero or to the right of it: with random initialisations the saving is gone, or reversed. How
# many cases are there of each kind, and what if a stopped model may be worth nothing less (slack 0)?

# %%
judged.groupby(["attack", "init", "slack", "says"]).size().unstack(fill_value=0)

# %% [markdown]
# With a shared initialisation one could argue either way: with the slack, quantizing wins in 16 cases, stopping in
# 11. With random ones stopping wins nearly everywhere. If nothing differed, one of 41 cases would go to quantizing by
# chance alone, and one is what it wins. (The cases of a setting share its pools and its stopped models: these are not
# 41 independent tests.) LiRA alone (`lira`) would have said the same, but for one case of 84: it gives `sign` on BBB
# with random initialisations to stopping.
#
# The slack decides some cases. Without it stopping wins 28 with random initialisations and quantizing six, five of
# them on clear classes: a network there errs once in ten thousand, and to be as good as a network of signs full
# precision must be trained nearly to its end. Noisy labels, many records, BBB and FreeSolv keep all their verdicts
# there. (A seed whose quantized models are more useful than every stop has nothing to be compared with, and drops
# out.)
#
# ## 2 · The curve of stopping early
#
# Where do these numbers come from? Take one run, and look at the full-precision models alone. *Length* counts
# training steps; a length below 1 means steps of a tenth of the usual size, so that we can stop at low utilities,
# too. From here on LiRA attacks: it takes a hundredth of the stack's time.

# %%
setting = settings[min(1, len(settings) - 1)]
one = found[(found.setting == setting) & (found.init == "random") & (found.seed == 1)]
stops = one[one.kind == "stopped"].set_index("length")
print(setting)
stops[["utility", "lira"]].T.round(3)

# %% [markdown]
# The untrained model has seen no record, so its AUC is one half. Then utility and leak grow together, until utility stops
# growing and the leak does not: the last steps buy nothing. The quantizers are applied after these. Take `sign`:

# %%
sign = one[one.model == "sign"].iloc[0]
print(f"sign: utility {sign.utility:.3f}, AUC {sign.lira:.3f}")

# %% [markdown]
# Which stopped models frame that utility? We ask for a stop that is worth as much up to 0.005. Of an accuracy of 0.86 that is
# little; on clear classes it is fifty times the errors of the whole training.

# %%
wanted = sign.utility - 0.005
after = stops[stops.utility >= wanted].iloc[0]
before = stops.loc[: after.name].iloc[-2]
for stop in (before, after):
    print(f"{stop.name:g} steps: utility {stop.utility:.3f}, AUC {stop.lira:.3f}")

# %% [markdown]
# Between the two, leak is taken as linear in utility. That is more than a convenience: whoever throws a coin and releases one
# of the two models gets exactly this utility and this leak, on average.

# %%
share = (wanted - before.utility) / (after.utility - before.utility)
stopped = before.lira + share * (after.lira - before.lira)
print(f"{share:.0%} of the way: AUC {stopped:.3f}, extra {sign.lira - stopped:+.3f}")

# %% [markdown]
# `stopping.leak_at` does the same for any utility. It keeps of the stops those that are more useful than every shorter one,
# so that the curve it reads is monotone.
#
# Now the whole plane, as a mean over the seeds: private is left, useful is up. The grey line is full precision, stopped ever
# later; marks are quantizers. A mark to the left of the line leaks less than full precision of its utility.


# %%
def half(values):
    return stats.t.ppf(0.975, values.count() - 1) * values.sem()


found["gain"] = found.strongest - found.lira
plane = found.groupby(["setting", "init", "kind", "model", "length"], sort=False)
plane = plane[["utility", "lira", "null", "gain"]].agg(["mean", half])
plane.columns = [f"{a}_{b}".removesuffix("_mean") for a, b in plane]
plane = plane.reset_index()

# %% tags=["hide-input"]
rows = [settings[min(1, len(settings) - 1)], settings[-1]]
fig, axes = plt.subplots(2, 2, figsize=(figures.PAGE, 5.6), sharex="row", sharey="row")
for line, name in zip(axes, rows, strict=True):
    for ax, init in zip(line, ("shared", "random"), strict=True):
        part = plane[(plane.setting == name) & (plane.init == init)]
        curve, marks = part[part.kind == "stopped"], part[part.kind == "quantized"]
        ax.plot(curve.lira, curve.utility, **figures.look("early stop", markersize=3))
        for row in curve.iloc[[1, 5, -1]].itertuples():
            ax.annotate(f"{row.length:g}", (row.lira, row.utility), xytext=(3, -9),
                        textcoords="offset points", color="0.3")  # fmt: skip
        for row in marks.itertuples():
            style = figures.look(row.model, markersize=6, lw=1, ls="")
            ax.errorbar(row.lira, row.utility, xerr=row.lira_half, **style)
        ax.set_title(f"{name}, {init} initialisation", loc="left")
        ax.set_xlabel("what LiRA finds (AUC)")
    line[0].set_ylabel("utility")
message = "Full precision stopped early leaks at once if its start is known"
figures.legend_above(fig, axes[0, 0], ncols=4, title=message, title_fontsize=9)
figures.save_figure(
    fig, "06_plane", data=plane, atol=0.03,
    alt="Utility against the AUC of LiRA, full precision stopped ever later as a line.",
)  # fmt: skip

# %% [markdown]
# Left, the line jumps from the untrained model to most of its leak at once, and then climbs. A quantizer that is worth
# less than full precision falls to the left of it. Right, the line starts at one half, leaks only as it learns, and the
# quantizers lie on it or to its right.
#
# The line also tells what the last steps cost. On FreeSolv with random initialisations it reaches an $R^2$ of 0.88 after 16
# steps, at an AUC of 0.66. After all 100 steps $R^2$ is 0.89, no higher than
# after 32, and the AUC 0.92.
#
# What is the strongest attack? LiRA, with a variance for each record or one for all, or a *stack*: boosted trees that
# weigh what six attacks say, fitted on shadows. Which of them, the other half of the targets decides. How much more
# does it find than LiRA? The difference of their AUC, where it is largest, with Student's half-width:

# %%
trained = plane[(plane.kind == "quantized") | (plane.model == "fp32")]
print(f"memberships of others: {trained.null.mean():.3f}")
shown = ["setting", "init", "model", "lira", "gain", "gain_half"]
trained.nlargest(6, "gain")[shown].round(3)

# %% [markdown]
# By more than 0.02 in seven of 96 releases: in five on clear classes with random initialisations, 0.032 [0.028,
# 0.035] at most, and in full precision with many records, 0.028 [0.026, 0.030] and 0.025 [0.024, 0.027]. In the
# others by less, in the mean of all by 0.010. The stopped models beside them lose as much more, so that the extra
# leak hardly moves. With memberships dealt to others the attack finds nothing.
#
# ## 3 · The alarm: two steps can leak as much as two hundred
#
# The left panel should have made us suspicious. What LiRA finds after two steps of a tenth of the usual size (*early
# stop*), and after the whole training (*fp32*):

# %%
part = found[(found.length == 0.2) | (found.model == "fp32")]
part.pivot_table(index="setting", columns=["model", "init"], values="lira").round(3)

# %% [markdown]
# Two tiny steps teach a network little. Yet with a shared initialisation LiRA then finds about as much as after the whole
# training where classes overlap (0.900 against 0.908), some four fifths of it (of the AUC above one half) on clear classes,
# noisy labels and BBB, and a third on the other two. With random initialisations it finds next to nothing (0.500 to 0.506). After
# the whole training, however, the two hardly differ, but on clear classes. So the early leak is not what training teaches.
#
# How can two tiny steps betray a training set? We train such models ourselves, with each kind of initialisation, and look at
# the *signals* that LiRA reads: one number for each model and record, high where the model is sure of the right label.

# %%
records = stopping.draw("overlapping classes", seed=1)
halves = ensemble.random_halves(64, len(records.x), np.random.default_rng(1))
signals = {}
for init in ("shared", "random"):
    models = stopping.train(records, halves, init, seed=1, steps=2, lr=0.001)
    signals[init] = attacks.signal(models.logits(records.x), records.y, records.task)

# %% [markdown]
# For each record: by how much is the signal larger in models that trained on it (the *shift*), and how much do models differ
# beyond that (the *spread*)? Medians over the records:


# %%
def shift_and_spread(values):
    inside = np.where(halves, values, np.nan)
    outside = np.where(halves, np.nan, values)
    shift = np.nanmean(inside, axis=0) - np.nanmean(outside, axis=0)
    return shift, np.nanstd(outside, axis=0)


for init, values in signals.items():
    shift, spread = np.median(shift_and_spread(values), axis=1)
    print(f"{init}: shift {shift:.4f}, spread {spread:.4f}, ratio {shift / spread:.2f}")

# %% [markdown]
# The shift is tiny and much the same in both. But with a shared initialisation nothing else differs between the models: each
# is a fixed function of its half, the spread is as tiny as the shift, and LiRA compares the two. Smaller steps would shrink
# both and change nothing. With random initialisations the spread is that of the initial weights, and the shift drowns in it.
# The picture shows it for one record, whose ratio is the median under the shared initialisation.

# %%
shift, spread = shift_and_spread(signals["shared"])
typical = int(np.argsort(shift / spread)[len(shift) // 2])

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 2.4))
drawn = []
for ax, (init, values) in zip(axes, signals.items(), strict=True):
    for name, mask, height in (("member", halves, 1), ("non-member", ~halves, 0)):
        some = values[mask[:, typical], typical]
        style = figures.look(name, markersize=4)
        ax.plot(some, np.full(len(some), height), ls="", alpha=0.5, **style)
        ax.plot(some.mean(), height, "|", color="k", ms=14)
        drawn += [(init, name, value) for value in some]
    ax.set_yticks([0, 1], ["trained\nwithout it", "trained\nwith it"])
    ax.set_ylim(-0.6, 1.6)
    ax.set_title(f"{init} initialisation", loc="left")
fig.suptitle("Only a shared start gives the record away", size=9)
fig.supxlabel("signal of one record after two small steps, a mark a model", size=8)
figures.save_figure(
    fig, "06_start", atol=0.02,
    data=pd.DataFrame(drawn, columns=["init", "models", "signal"]),
    alt="The signal of one record in models that trained on it and in others.",
)  # fmt: skip

# %% [markdown]
# Under the shared initialisation the models that trained on the record stand apart from the others, although no model has
# learnt much yet. Under random ones they are mixed. This is why a curve of stopped models with a shared initialisation
# is no fair yardstick: it says what *these* stopped models leak to an attacker who knows where they started, and nearly all
# of it is knowledge of the start.
#
# ## 4 · What survives, case by case
#
# Which quantizers still win when the initialisations are random?

# %%
wins = cells[(cells.init == "random") & (cells.says == "quantizing wins")]
wins[["setting", "model", "extra", "low", "high"]].round(3)

# %% [markdown]
# One case in 41: a network with 90 % zeros on classes that are easily told apart, by 0.028 [0.022, 0.034]. With LiRA
# alone it is 0.011 [0.004, 0.018]: the stack finds more in models that were stopped at so low a utility. Undecided
# are six: on overlapping classes `sign`, and 33, 50 and 90 % zeros, on clear classes 50 % zeros, and `sign` on BBB.
# There six seeds do not tell a quantizer from a stopped model.
#
# And what becomes of the cases that quantizing wins with a shared initialisation?

# %%
wide = cells.set_index(["setting", "model", "init"]).unstack()
won = wide.says.shared == "quantizing wins"
print(wide.says.random[won].value_counts().to_string())

# %% [markdown]
# Of 16 savings one stays, five become undecided, and ten turn round: the stopped model leaks less. The reverse does
# not occur: no case that stopping wins with a shared initialisation is won by quantizing with random ones. Without
# slack six of 18 savings stay, and eight turn round.
#
# An earlier version of this companion had matched utility with a shared initialisation only, on one seed, and had
# concluded that some quantizers are "not private only because they are broken". With a shared initialisation we find
# the same: 90 % zeros on overlapping classes leak 0.305 [0.295, 0.315] less than the stopped model, on BBB 0.154
# [0.136, 0.172] less. With random ones they leak 0.004 [-0.012, 0.021] less, which is undecided, and 0.046 [0.040,
# 0.052] more. Beside stopped models they looked private because those reveal their halves to whoever knows the start.
#
# ## 5 · Stop early and round
#
# So far the quantizers were applied after the whole training, and inherited what its last steps leak. Is the rounding itself
# worth nothing, then? Let us quantize the models of *every* stop. A quantizer now has a curve of its own, which ends
# later or lower than that of full precision, and the two are compared at equal utility: half, seven tenths and nine tenths of the
# way from the untrained model to the best stop, as far as both reach. Initialisations are random, seeds are new, the rule is
# the same, LiRA attacks.

# %%
early = [
    p | {"seed": 200 + p["seed"], "names": tuple(both_names), "slacks": (),
         "early": True}
    for p in points if p["init"] == "random" and p["seed"] <= max(n_seeds - 2, 2)
]  # fmt: skip
curves = pd.concat(run.sweep(stopping.compare, early))


def rounding(part, model):
    """Return what rounding adds to the leak at equal utility, a mean over utilities."""
    full = part[part.kind == "stopped"]
    own = pd.concat([full[:1], part[part.model == model]])
    least, most = full.utility.iloc[0], full.utility.max()
    wanted = least + np.array([0.5, 0.7, 0.9]) * (most - least)
    ours = [stopping.leak_at(own.utility, own.lira, w) for w in wanted]
    theirs = [stopping.leak_at(full.utility, full.lira, w) for w in wanted]
    return np.nanmean(np.subtract(ours, theirs))


# %%
rows = [
    (*key, model, rounding(part, model), 1.0)
    for key, part in curves.groupby(["setting", "seed"]) for model in both_names
]  # fmt: skip
rows = pd.DataFrame(rows, columns=["setting", "seed", "model", "extra", "kept"])
both = rows.groupby(["setting", "model"], sort=False)[["extra", "kept"]].apply(cell)
print(both.says.value_counts().to_string())

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.PAGE * 0.75, 3))
both = both.reset_index().infer_objects()
for i, (model, part) in enumerate(both.groupby("model", sort=False)):
    part, look = part.set_index("setting"), figures.look(model)
    figures.forest(ax, part, "extra", names=settings, shift=0.18 * (i - 1.5), **look)
ax.axvline(0, color="0.4", lw=0.8, ls=":")
ax.set_xlabel("extra leak (AUC) of models stopped and quantized")
message = "Rounding a stopped model saves little"
figures.legend_above(fig, ax, ncols=4, title=message, title_fontsize=9)
figures.save_figure(
    fig, "06_both", data=both, atol=0.02, derived=["says"],
    alt="What models stopped early and quantized leak beyond full precision as useful.",
)  # fmt: skip

# %% [markdown]
# So the rounding itself does save something: in 9 of 24 cases the interval lies below zero (one of them within ±0.01), and nowhere above. But
# it is little: 0.013 to 0.024 of AUC where classes overlap, less than 0.01 everywhere else in the mean, though intervals reach
# 0.013. The most is saved by 2 bits on overlapping
# classes, 0.024 [0.015, 0.032] (LiRA on outputs, random initialisations, four seeds). What rounding takes off the leak of
# a model that was trained to the end, stopping takes off at less cost; rounding may then add a little.
#
# ## 6 · Which initialisation is mine?
#
# *Shared* is not a mistake: it is a threat model. Whoever fine-tunes a published checkpoint, or publishes the seed with the
# code, gives the attacker the start. Then few steps protect little, and a quantizer that loses information does protect, for what
# it costs. *Random* is a network that is trained from scratch on a secret seed, such as a new head on a frozen embedding.
# Then stopping early is the cheaper protection at most utilities. What one must not do is quote a number of one
# situation in the other, or compare two releases across them.
#
# What this notebook does not say. All attacks here read outputs; whoever sees the weights may find more
# ([B, section 6](B_indicator_study.ipynb), where all models share a start). Networks have one hidden layer of 32 units and
# one optimiser. Seeds share the table of molecules, so an interval for BBB or FreeSolv speaks of other halves and other
# initialisations, not of other tables.
#
# ## What we saw
#
# - A comparison of privacy needs equal utility, and a curve of full precision to compare with: several stops, several seeds.
# - With random initialisations stopping early leaks less than quantizing in 34 of 41 cases, quantizing in one; in 28 and
#   six if the stopped model may be worth nothing less. Say how utility was matched.
# - Rounding a model that is stopped as well saves 0.024 of AUC at most in the mean of four seeds, and nothing that is
#   certain to exceed 0.01 in five of six settings.
# - With a shared, known initialisation quantizing leaks less in 16 of 40; one of these savings survives a secret start.
# - The alarm was there: where classes overlap, two steps from a shared start leak as much as two hundred. They reveal their
#   half because nothing else tells two models apart.
# - The last steps of training cost privacy and may buy nothing, as on FreeSolv with random initialisations.
# - The strongest attack known to us finds up to 0.032 of AUC more than LiRA, in stopped and quantized models alike: verdicts stay.
# - Name the initialisation with every number.
#
# ## Exercises
#
# Put your answer in the place of `None` and run the cell; the check gives a hint, not the solution.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise 06.1.** Read it off the lower right panel of `06_plane` (FreeSolv, random initialisations). Full precision after
# the whole training is at the end of the grey line. Go back along the line as far as $R^2$ falls by less than 0.01. By how much does
# the AUC of LiRA fall, to one decimal?

# %% tags=["exercise"]
answer = None  # a difference of two AUCs
exercises.check("06.1", answer)

# %% [markdown] tags=["solution"]
# The line ends at an AUC of 0.92 and an $R^2$ of 0.89. It was at 0.88 after 16 steps, at an AUC of 0.66: more than four
# fifths of the training bought little but leak.

# %% tags=["solution"]
answer = 0.3
exercises.check("06.1", answer)

# %% [markdown]
# **Exercise 06.2.** Find what the shared start reveals. Train 64 networks for *two* steps of size 0.001 on halves of 256
# records whose classes overlap, and attack them: with a shared initialisation LiRA has an AUC of about 0.9. First predict, then
# measure: what is it with random initialisations? `synthetic.prepare(synthetic.Setting("two steps", separation=4.0,
# steps=2, lr=0.001, init="random", n_models=64, seed=1))` returns a game with `x`, `y`, `models` and `members`; notebook 04
# attacks such a game in two lines. Answer to two decimals.

# %% tags=["exercise"]
answer = None  # the mean AUC over the targets
exercises.check("06.2", answer)

# %% [markdown] tags=["solution"]
# With a shared start only their halves tell two models apart. With random starts the initial weights do so far more, and two small steps add next to nothing: LiRA is left with a coin.

# %% tags=["solution"]
setting = synthetic.Setting(
    "two steps", separation=4.0, steps=2, lr=0.001, init="random", n_models=64, seed=1
)  # fmt: skip
game = synthetic.prepare(setting)
signals = attacks.signal(game.models.logits(game.x), game.y, "binary")
answer = attacks.auc(attacks.lira(signals, game.members), game.members).mean()
exercises.check("06.2", answer)

# %% [markdown]
# **Exercise 06.3.** Matching can decide. Construct two stops and a quantizer, each a pair (utility, AUC), such that the
# quantizer leaks *less* than the next stop that is at least as useful, but *more* than the curve through both stops at
# its own utility. The longer stop is more useful and leaks more.

# %% tags=["exercise"]
answer = None  # three pairs: the shorter stop, the longer stop, the quantizer
exercises.check("06.3", answer)

# %% [markdown] tags=["solution"]
# The next stop is worth more than the quantizer, so it may leak more without being worse. At utility 0.7, half way, a coin between the two stops leaks 0.6.

# %% tags=["solution"]
answer = (0.6, 0.5), (0.8, 0.7), (0.7, 0.65)
exercises.check("06.3", answer)

# %% [markdown]
# **Next:** `07_molecular_privacy_utility`.

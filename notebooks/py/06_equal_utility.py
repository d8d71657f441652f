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
# **Answer.** TODO 1
#
# A model that predicts nothing leaks nothing, so privacy is worth comparing only at equal *utility*: accuracy, area under
# the ROC curve (BBB) or $R^2$ (FreeSolv), on fresh records. You need notebook 04 (LiRA, shadow, pool).
#
# *In the paper: section 5, privacy against performance. Figures: `06_saving`, `06_plane`, `06_start`.* **Run time**
# (2 cores): full 2 min, quick 15 s.

# %%
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from qmis_utils import attacks, ensemble, figures, run
from qmis_utils.studies import stopping, synthetic

figures.use_style()

# %% tags=["parameters"]
settings: list[str] = ["clear classes", "overlapping classes", "noisy labels",
                       "many records", "BBB", "FreeSolv"]  # names (not empty)
names: list[str] = ["uniform_4", "uniform_3", "uniform_2", "sign", "ternary_33",
                    "ternary_50", "ternary_90"]  # quantizers (not empty)
n_seeds: int = 8  # pools, each with its halves and initialisations (at least 2)
n_models: int = 64  # models of each (at least 24)
n_heldout: int = 2000  # fresh records of a synthetic setting (at least 100)
max_molecules: int = 600  # molecules of a table (at least 60)

# %% [markdown]
# ## 1 · The answer
#
# A *run* is one pool of records, 64 random halves of it as training sets, and one network for each half. All networks of a
# run start from one initialisation that the attacker knows (*shared*), or each from its own that nobody knows (*random*).
# Full precision is stopped after 0.1 to 64 steps; quantizers are applied after all 200 steps (molecules: 100).

# %%
sizes = {"n_models": n_models, "n_heldout": n_heldout, "max_molecules": max_molecules}
points = [
    {"name": name, "seed": seed, "init": init, "names": tuple(names), **sizes}
    for name in settings for seed in range(1, n_seeds + 1) for init in ("shared", "random")
]  # fmt: skip
found = pd.concat(run.sweep(stopping.compare, points))
print(f"{len(points)} runs, {len(found) * n_models:,} models released and attacked")

# %% [markdown]
# For each quantizer we read off what full precision leaks where it is stopped at the *same* utility, and subtract: the
# *extra leak* is the AUC of LiRA on the quantized models minus its AUC on the stopped ones. Left of zero, quantizing wins.


# %%
def extra_leak(part, leak_at=stopping.leak_at):
    """Return what each quantizer of one run leaks beyond full precision stopped early."""
    stops, released = (part[part.kind == kind] for kind in ("stopped", "quantized"))
    matched = [leak_at(stops.utility, stops.auc, u) for u in released.utility]
    least, most = stops.utility.iloc[[0, -1]]
    kept = (released.utility - least) / (most - least)
    return released.assign(extra=released.auc - matched, kept=kept)


runs = found.groupby(["setting", "init", "seed"], sort=False)
extra = pd.concat([extra_leak(part) for _, part in runs])

# %% [markdown]
# Two rules were fixed on other seeds, before these were run. A quantizer that keeps less than a tenth of what training
# gains in utility is *worth nothing*, and is not compared. Of the others, a *cell* (setting, quantizer, initialisation)
# gets a mean over seeds with Student's 95 % interval: quantizing wins if the interval lies below zero, stopping wins if above;
# within ±0.01 there is no difference that matters; otherwise the cell is undecided.

# %%
WORTH, MARGIN = 0.1, 0.01


def word(low, high):
    if -MARGIN < low and high < MARGIN:
        return "no difference that matters"
    if high < 0:
        return "quantizing wins"
    return "stopping wins" if low > 0 else "undecided"


def cell(part):
    """Return mean, interval and verdict over the seeds of a cell."""
    mean, low, high = attacks.mean_interval(part.extra.dropna())
    kept, says = part.kept.mean(), word(low, high)
    if kept < WORTH:
        mean, low, high, says = np.nan, np.nan, np.nan, "worth nothing"
    return pd.Series(dict(extra=mean, low=low, high=high, kept=kept, says=says))


by = ["setting", "init", "model"]
cells = extra.groupby(by, sort=False)[["extra", "kept"]].apply(cell).reset_index()

# %% tags=["hide-input"]
def draw_cells(ax, name, init, shift):
    part = cells[(cells.setting == name) & (cells.init == init)].set_index("model")
    style = figures.look(f"{init} start")
    figures.forest(ax, part.dropna(), "extra", names=names, shift=shift, **style)
    for model in part.index[part.extra.isna()]:
        ax.text(0, names.index(model) + shift, "worth nothing", size=7, va="center",
                ha="center", color=style["color"])  # fmt: skip


fig, axes = plt.subplots(2, 3, figsize=(figures.PAGE, 5), sharey=True, sharex=True)
for ax, name in zip(axes.flat, settings, strict=False):
    draw_cells(ax, name, "shared", -0.17)
    draw_cells(ax, name, "random", 0.17)
    ax.axvline(0, color="0.4", lw=0.8, ls=":")
    ax.set_title(name, loc="left")
    ax.set_yticks(range(len(names)), figures.words(names))
axes[-1, 1].set_xlabel("extra leak: AUC on quantized minus AUC on stopped models")
figures.legend_above(fig, axes.flat[0], ncols=2, title="TITLE1", title_fontsize=9)
figures.save_figure(
    fig, "06_saving", data=cells, atol=0.03, derived=["says"], alt="What each quantizer leaks "
    "beyond full precision of the same utility, in six settings and for both initialisations.",
)  # fmt: skip

# %% [markdown]
# Orange circles lie on both sides of zero: with a shared initialisation a quantizer often leaks less than the stopped
# model. Blue squares lie at zero or to the right of it: with random initialisations the advantage is gone, or reversed.
# How many cells of each kind are there?

# %%
cells.groupby(["init", "says"]).size().unstack(fill_value=0)

# %% [markdown]
# TODO 2
#
# ## 2 · The curve of stopping early
#
# Where do these numbers come from? Take one run, and look at the full-precision models alone. *Length* counts training
# steps; a length below 1 means steps of a tenth of the usual size, so that we can stop at low utilities, too.

# %%
setting = settings[min(1, len(settings) - 1)]
one = found[(found.setting == setting) & (found.init == "random") & (found.seed == 1)]
stops = one[one.kind == "stopped"].set_index("length")
print(setting)
stops[["utility", "auc"]].T.round(3)

# %% [markdown]
# The untrained model has seen no record, so its AUC is one half. Then utility and leak grow together, until utility stops
# growing and the leak does not: the last steps buy nothing. This is what the quantizer is applied to. Take `sign`:

# %%
sign = one[one.model == "sign"].iloc[0]
print(f"sign: utility {sign.utility:.3f}, AUC {sign.auc:.3f}")

# %% [markdown]
# Which stopped models frame that utility? We ask for a stop that is worth as much up to 0.005, which is less than anyone
# would notice.

# %%
wanted = sign.utility - 0.005
after = stops[stops.utility >= wanted].iloc[0]
before = stops.loc[: after.name].iloc[-2]
print(f"stopped after {before.name:g} steps: utility {before.utility:.3f}, AUC {before.auc:.3f}")
print(f"stopped after {after.name:g} steps: utility {after.utility:.3f}, AUC {after.auc:.3f}")

# %% [markdown]
# Between the two, leak is taken as linear in utility. That is more than a convenience: whoever throws a coin and releases one
# of the two models gets exactly this utility and this leak, on average.

# %%
share = (wanted - before.utility) / (after.utility - before.utility)
stopped = before.auc + share * (after.auc - before.auc)
print(f"{share:.0%} of the way: AUC {stopped:.3f}; sign leaks {sign.auc - stopped:+.3f} more")

# %% [markdown]
# `stopping.leak_at` does the same for any utility. It keeps of the stops those that are more useful than every shorter one,
# so that the curve it reads is monotone.

# %%
stopping.leak_at(stops.utility, stops.auc, sign.utility)

# %% [markdown]
# Now the whole plane, as a mean over the seeds: private is left, useful is up. The grey line is full precision, stopped ever
# later; marks are quantizers. A mark to the left of the line leaks less than full precision of its utility.

# %%
axis = ["setting", "init", "kind", "model", "length"]
plane = found.groupby(axis, sort=False)[["utility", "auc"]]
plane = pd.concat([plane.mean(), plane.std().add_suffix("_sd")], axis=1).reset_index()
half = 2.36 / np.sqrt(n_seeds)  # Student's t with seven degrees of freedom

# %% tags=["hide-input"]
rows = [settings[min(1, len(settings) - 1)], settings[-1]]
units = {"FreeSolv": "$R^2$", "BBB": "AUROC"}
fig, axes = plt.subplots(2, 2, figsize=(figures.PAGE, 5.6), sharex="row", sharey="row")
for line, name in zip(axes, rows, strict=True):
    for ax, init in zip(line, ("shared", "random"), strict=True):
        part = plane[(plane.setting == name) & (plane.init == init)]
        curve, marks = (part[part.kind == kind] for kind in ("stopped", "quantized"))
        ax.plot(curve.auc, curve.utility, lw=1.2, **figures.look("early stop", markersize=3))
        for row in curve.iloc[[1, 5, -1]].itertuples():
            ax.annotate(f"{row.length:g}", (row.auc, row.utility), xytext=(3, -9),
                        textcoords="offset points", size=7, color="0.3")  # fmt: skip
        for row in marks.itertuples():
            style = figures.look(row.model, markersize=6)
            ax.hlines(row.utility, row.auc - half * row.auc_sd, row.auc + half * row.auc_sd,
                      color=style["color"], lw=1)  # fmt: skip
            ax.plot(row.auc, row.utility, ls="", **style)
        ax.set_title(f"{name}, {init} initialisation", loc="left")
        ax.set_xlabel("what LiRA finds (AUC)")
    line[0].set_ylabel(f"utility ({units.get(name, 'accuracy')})")
message = "A known start makes every stopped model leak; an unknown one makes it hide"
figures.legend_above(fig, axes[0, 0], ncols=4, title=message, title_fontsize=9)
figures.save_figure(
    fig, "06_plane", data=plane, atol=0.03,
    alt="Utility against the AUC of LiRA: full precision stopped ever later as a line, "
    "quantizers as marks, for shared and random initialisations.",
)  # fmt: skip

# %% [markdown]
# Left, the line jumps from an untrained model to nearly its full leak and then climbs straight up. Any quantizer that
# loses a little leak on the way is left of it. Right, the same line starts at one half and leaks only as it learns, and it
# takes the quantizers with it.
#
# ## 3 · The alarm: two steps leak as much as two hundred
#
# The left panel should have made us suspicious. What LiRA finds after two steps of a tenth of the usual size, and after the
# whole training:

# %%
def leak_after(length):
    """Return the mean AUC of full precision after so many steps, a column an initialisation."""
    part = found[(found.kind == "stopped") & (found.length == length)]
    return part.groupby(["setting", "init"], sort=False).auc.mean().unstack()


whole = found[(found.model == "fp32")].groupby(["setting", "init"], sort=False).auc.mean()
alarm = pd.concat({"two small steps": leak_after(0.2), "whole training": whole.unstack()}, axis=1)
alarm.round(3)

# %% [markdown]
# TODO 3
#
# How can two tiny steps betray a training set? We train such models ourselves, with each kind of initialisation, and look at
# the *signals* that LiRA reads: one number for each model and record, high where the model is sure of the right label.

# %%
records = stopping.draw("overlapping classes", seed=1, n_heldout=n_heldout)
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
    """Return both for every record, from signals (models, records)."""
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
print(f"record {typical}: ratio {shift[typical] / spread[typical]:.2f}")

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
    told = {"shared": "a known start: apart", "random": "an unknown start: mixed"}[init]
    ax.set_title(told, loc="left")
fig.supxlabel("signal of one record after two small steps, a mark a model", size=8)
figures.save_figure(
    fig, "06_start", data=pd.DataFrame(drawn, columns=["init", "models", "signal"]), atol=0.02,
    alt="The signal of one record after two small steps in models that trained on it and in "
    "others: apart under a shared initialisation, mixed under random ones.",
)  # fmt: skip

# %% [markdown]
# Under the shared initialisation the models that trained on the record stand apart from the others, although no model has
# learnt anything yet. Under random ones they are mixed. This is why a curve of stopped models with a shared initialisation
# is no fair yardstick: it says what *these* stopped models leak to an attacker who knows where they started, and nearly all
# of it is knowledge of the start.
#
# ## 4 · What survives, cell by cell
#
# Which quantizers still win when the initialisations are random?

# %%
random_cells = cells[cells.init == "random"].drop(columns="init")
wins = random_cells[random_cells.says == "quantizing wins"]
wins[["setting", "model", "extra", "low", "high", "kept"]].round(3).head(8)

# %% [markdown]
# TODO 4
#
# And what becomes of the cells that quantizing wins with a shared initialisation?

# %%
wide = cells.pivot(index=["setting", "model"], columns="init", values="says")
won = wide[wide.shared == "quantizing wins"]
won.random.value_counts().rename_axis("with random initialisations").to_frame()

# %% [markdown]
# TODO 5
#
# An earlier version of this companion had matched utility with a shared initialisation only, on one seed, and had drawn
# conclusions from it. Here they are beside the new numbers: the extra leak with both initialisations.

# %%
EARLIER = [
    ("overlapping classes", "uniform_2"), ("many records", "uniform_2"),
    ("overlapping classes", "sign"), ("overlapping classes", "ternary_33"),
    ("overlapping classes", "uniform_3"), ("overlapping classes", "ternary_50"),
    ("overlapping classes", "ternary_90"), ("clear classes", "ternary_90"),
]  # fmt: skip
both = cells.pivot(index=["setting", "model"], columns="init", values=["extra", "says"])
both.reindex(EARLIER)

# %% [markdown]
# TODO 6
#
# Does it depend on how we match? Three ways, over all cells: as above; with the next longer stop in place of the interpolated
# one; and without the small steps, so that the curve goes straight from the untrained model to the first usual step.


# %%
def next_stop(useful, leak, wanted):
    """Return the leak of the first stop that is as useful."""
    able = np.flatnonzero(np.asarray(useful) >= wanted - 0.005)
    return np.asarray(leak)[able[0]] if len(able) and able[0] else np.nan


def usual(part):
    return part[(part.length == 0) | (part.length >= 1)]


ways = {
    "interpolated": extra,
    "next longer stop": pd.concat([extra_leak(part, next_stop) for _, part in runs]),
    "usual steps only": pd.concat([extra_leak(usual(part)) for _, part in runs]),
}

# %% [markdown]
# The share of the cells that are worth something in which the quantizer leaks less, by more than 0.01, on average:

# %%
worth = cells.set_index(by).says != "worth nothing"
means = pd.DataFrame({way: e.groupby(by, sort=False).extra.mean() for way, e in ways.items()})
(means[worth] < -MARGIN).groupby("init").mean().T.round(2)

# %% [markdown]
# TODO 7
#
# ## 5 · Which initialisation is mine?
#
# *Shared* is not a mistake: it is a threat model. Whoever fine-tunes a published checkpoint, or publishes the seed with the
# code, gives the attacker the start. Then few steps protect nothing, and a quantizer that loses information does protect, for what
# it costs. *Random* is a network that is trained from scratch on a secret seed, such as a new head on a frozen embedding.
# Then stopping early is the cheaper protection at most utilities. What one must not do is quote the first number for the
# second situation, or compare two releases with another start each.
#
# What this notebook does not say: all attacks here read outputs. Whoever sees the weights sees more, and a shared start helps
# them even more ([B, section 6](B_indicator_study.ipynb)). One may also quantize *and* stop early, which we did not run.
# Networks have one hidden layer of 32 units, and one optimiser. Seeds share the table of molecules, so an interval for BBB or
# FreeSolv speaks of other halves and other initialisations, not of other tables. Of forty cells without any difference, two
# would be decided by chance.
#
# ## What we saw
#
# TODO 8
#
# ## Exercises
#
# Put your answer in the place of `None` and run the cell; the check gives a hint, not the solution.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise 06.1.** Read it off the lower right panel of `06_plane` (FreeSolv, random initialisations). Full precision after
# the whole training is at the end of the grey line. Walk back along the line without losing any utility. By how much does
# the AUC of LiRA fall, to one decimal?

# %% tags=["exercise"]
answer = None  # a difference of two AUCs
exercises.check("06.1", answer)

# %% tags=["solution"]
# TODO
answer = 0.2
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

# %% tags=["solution"]
# With a shared start only their halves tell two models apart. With random starts the
# initial weights do so far more, and two small steps add next to nothing: LiRA is left
# with a coin.
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

# %% tags=["solution"]
# The next stop is worth more than the quantizer, so it may leak more without being
# worse. At utility 0.7, half way, a coin between the two stops leaks 0.6.
answer = (0.6, 0.5), (0.8, 0.7), (0.7, 0.65)
exercises.check("06.3", answer)

# %% [markdown]
# **Next:** `07_molecular_privacy_utility`.

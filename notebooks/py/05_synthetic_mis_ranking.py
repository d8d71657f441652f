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
# # 05 · Can a number replace the attack?
#
# **Question.** Attacking nine quantizers takes hundreds of trained networks. Can a number from a few networks, without
# an attack, rank the quantizers as the attack does?
#
# **Answer.** Yes, and no theory is needed for it: in the pool game simple measures of distortion rank 13 quantizers nearly
# as the strongest attack on outputs does, the error of a network's outputs with $\tau$ = 0.949 [0.921, 0.977], our $\rho_{\rm pool}$
# with 0.975 [0.953, 0.996]; so does a fixed order learnt elsewhere, 0.952 [0.927, 0.976]; the paper's rate $r$, as we
# estimate it, has 0.617 [0.521, 0.712] (means over fourteen settings, five of them real tables, thirteen with a shared
# initialisation; pairs that the attack tells apart). On fresh pools of two more settings $\rho_{\rm pool}$ has 0.93 to 0.98.
#
# You need [notebook 04](04_attack_a_network.ipynb) for the attack. Kendall's $\tau$ compares two rankings: 1 is the same
# order, 0 none in common, $-1$ the reverse.
#
# *In the paper: the synthetic study, section 4. Figures: `05_tau`, `05_ranking`, `05_survival_law`.* **Run time** (2 cores): full 2 min, quick 15 s.

# %%
from itertools import product

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from qmis_utils import attacks, figures, indicators, quantizers, run
from qmis_utils.studies import synthetic

figures.use_style()

# %% tags=["parameters"]
seed: int = 100  # of the first pool; the others take the next numbers (at least 0)
n_pool: int = 256  # records in the pool; members are a random half (at least 8)
n_heldout: int = 2000  # fresh records, which the numbers may read (at least 10)
steps: int = 200  # full-batch Adam steps (at least 1)
n_models: int = 128  # attacked models of a pool (at least 32)
n_indicator: int = 16  # other models, which the numbers may read (at least 4)
n_pools: int = 8  # pools for each setting and initialisation (at least 2)

# %% [markdown]
# The evidence is [study B, section 11](B_indicator_study.ipynb): 13 quantizers in fourteen settings that no choice had seen,
# which differ in data (five are real tables), task, depth, width, optimizer and length of training. The reference is, for each quantizer,
# the strongest attack on outputs that we know, picked on other targets. We read the study's table;
# each number is computed from 16 models that are not attacked.

# %%
EIGHT = ["rho_pool", "function error", "fixed order", "weight error", "code entropy"]
EIGHT += ["r ensemble all_pairs", "sparsity", "r ensemble min"]
study = pd.read_csv(run.ROOT / "figures" / "B_strongest.csv")
study = study[(study.attack == "strongest") & (study.split == "judge")]
study = study[study.estimator.isin(EIGHT)]
mean = study[study.setting == "mean"].set_index("estimator").loc[EIGHT]
each = study[~study.setting.isin(["mean", "min", "hard_pairs"])]

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.PAGE * 0.8, 2.8))
labels = figures.words(EIGHT)
for row, name in enumerate(EIGHT):
    taus = each.tau[each.estimator == name]
    ax.vlines(taus, row - 0.3, row + 0.3, color="0.75", lw=1, zorder=1)
    color = figures.look(name)["color"]
    part = mean.loc[[name]].set_axis([labels[row]])
    figures.forest(ax, part, "tau", names=labels, color=color, size=5)
    ax.text(1.04, row, f"{mean.tau[name]:.2f}", va="center", fontsize=7)
ax.axvline(0, color="0.4", ls=":", lw=0.8)
ax.set(xlim=(-0.7, 1.02), xlabel=r"Kendall's $\tau$ with the strongest attack")
title = "Distortion ranks as the strongest attack does; our estimates of $r$ do not"
ax.set_title(title, loc="left")
columns = ["estimator", "setting", "tau", "low", "high"]
figures.save_figure(
    fig, "05_tau", data=study.loc[study.setting != "min", columns], atol=0.05,
    alt="Kendall's tau with the strongest attack of eight numbers over fourteen "
    "settings: rho_pool, two errors and a fixed order lie above 0.9, "
    "two estimates of r far below.",
)  # fmt: skip

# %% [markdown]
# Marks are means over the fourteen settings with their 95 % interval, grey ticks the single settings. $\tau$ counts
# *resolved* pairs only: two quantizers whose attack AUCs the experiment cannot tell apart are no evidence. The game is the pool
# game, the attacker sees outputs, and thirteen of the settings share their initialisation.
#
# ## 1 · The eight numbers
#
# - $\rho_{\rm pool}$: how much of what tells networks apart survives quantizing. Section 3 computes it.
# - *error of outputs*: how far the outputs of a network move, apart from a common factor.
# - *error of weights*: how far its weights move, relative to their length.
# - *entropy of codes*: bits per weight that the release really holds.
# - *share of zeros*, the paper's favourite: sparser should be more private.
# - *fixed order*: the mean ranking by LiRA in four *choosing* settings. It looks at no network at all.
# - the paper's rate $r$, twice. We have no text of its Algorithm 1, so these are our estimators: the one that did best
#   while choosing (end points of 16 trainings, all pairs), and the one with the minimum
#   that the theorem takes.
#
# ## 2 · Is the winner better, or luckier?
#
# $\rho_{\rm pool}$ leads. Compare it with the others setting by setting: mean difference of $\tau$, with Student's
# interval over the settings.

# %%
wide = each.pivot(index="setting", columns="estimator", values="tau")
rows = {}
for name in EIGHT[1:6]:
    gap = wide["rho_pool"] - wide[name]
    found = attacks.mean_interval(gap)
    won, lost = (gap > 0).sum(), (gap < 0).sum()
    rows[name] = {"lead": f"{found:+.3f}", "won": won, "lost": lost}
pd.DataFrame(rows).T.set_axis(figures.words(EIGHT[1:6]))

# %% [markdown]
# **The lead is shown, and small**: 0.026 [0.003, 0.049] over the error of outputs, whom $\rho_{\rm pool}$ beats in 7 settings and loses to in one;
# in the others they tie. It is one of several comparisons, and not the first: on nine other settings, with 22 quantizers and LiRA
# as the reference, the lead was 0.015 [-0.011, 0.041], and with other seeds it shrank ([B, section 3](B_indicator_study.ipynb)).
#
# Most pairs are easy: eight bits leak more than one everywhere. On *hard* pairs, whose order changes between settings,
# $\tau$ is 0.846 [0.726, 0.942] for $\rho_{\rm pool}$, 0.720 [0.549, 0.867] for the error of outputs and 0.650 [0.493, 0.789] for
# the fixed order. Whoever compares close quantizers had better take $\rho_{\rm pool}$: only its interval lies above the fixed order's $\tau$, the
# error of weights (0.622) is no better than that, and the entropy of codes (0.357) is worse.
#
# ## 3 · The numbers by hand
#
# Take one pool of notebook 04's kind: eight Gaussians with separated modes, 256 records, networks of 32 hidden units,
# shared initialisation. `spare` holds the models that only the numbers read.


# %%
SETTINGS = {"separated modes": 20.0, "overlapping modes": 4.0}


def make_setting(name, init, pool):
    """Return the setting of one pool."""
    size = {"n_pool": n_pool, "n_heldout": n_heldout, "steps": steps}
    size |= {"n_models": n_models, "n_indicator": n_indicator, "seed": seed + pool}
    return synthetic.Setting(name, separation=SETTINGS[name], init=init, **size)


# %%
game = synthetic.prepare(make_setting("separated modes", "shared", 0))
spare = game.spare

# %% [markdown]
# **The survival correlation.** Membership shows in how a network *deviates* from its siblings. So take the outputs of the
# spare models, subtract the mean over models, do the same after quantizing, and correlate the two. On held-out inputs this is
# $\rho$:


# %%
def deviations(models, x):
    """Return outputs minus their mean over models, (models, inputs)."""
    outputs = models.logits(x)
    return outputs - outputs.mean(axis=0)


# %%
full = deviations(spare, game.x_out)
for name in ("uniform_4", "sign", "ternary_90"):
    quantized = deviations(spare.quantize(name), game.x_out)
    rho = np.corrcoef(quantized.ravel(), full.ravel())[0, 1]
    print(f"{figures.words([name])[0]:12s} {rho:.3f}")

# %% [markdown]
# No label, no membership, no attack. $\rho_{\rm pool}$ makes two changes. It looks at the inputs of the pool instead of
# held-out ones. And it first removes from each network's deviations what a constant and the mean output explain: a network
# that is more confident *everywhere* says nothing about one record.
#
# **The paper's rate.** Quantized networks are codewords; the **loss gap** of two is the difference of their losses on a fresh record,
# $D_k$, with mean $\delta_k$ and variance $\sigma_k^2$. Then $r = \min_k \delta_k^2 / (2\sigma_k^2)$ against the best codeword.
# By hand for `sign`, first the losses, then the gaps:

# %%
outputs = spare.quantize("sign").logits(game.x_out)
losses = np.logaddexp(0, -attacks.signal(outputs, game.y_out, "binary"))

# %%
best = losses.mean(axis=1).argmin()
gaps = np.delete(losses - losses[best], best, axis=0)
rates = gaps.mean(axis=1) ** 2 / (2 * gaps.var(axis=1, ddof=1))
helper = indicators.estimate_rate(losses, "min").value
noise = 1 / (2 * n_heldout)
print(f"r {rates.min():.1e}, by the helper {helper:.1e}, sampling noise {noise:.1e}")

# %% [markdown]
# What does theory promise of $r$? For the minimiser of a loss over a *fixed codebook*, $-\log\Delta_n$ is determined by
# Cramér's rate $I$ ([01](01_theory_derivation.ipynb)). $r$ is the second-order version of $I$, exact for normal
# loss gaps only, and ranks such codebooks less well than $I$ does. A trained and then rounded network is not the
# minimiser over any codebook, and [02](02_many_weights.ipynb) shows that its many weights do not forget exponentially at all. So on
# networks $r$ is not an estimate of leakage, whatever its size.
#
# ## 4 · Fresh pools, both initialisations
#
# Study B has one pool a setting. Here we look at two settings in depth: fresh pools, with separated modes (easy, full
# accuracy) and overlapping ones (harder, more leakage), each with a shared and with a random initialisation. One
# call trains, attacks, and computes the numbers.
#
# LiRA asks for one output a record. The reference is now the **strongest attack on outputs** that we know: `stacked_outputs` of
# [04, section 6](04_attack_a_network.ipynb), which asks for all of them, or LiRA, whichever finds more on the *other* half
# of the models.

# %%
NUMBERS = ["rho_pool", "rho", "function error", "weight error"]
NUMBERS += ["r ensemble all_pairs", "r trajectory min"]
ATTACKED = ["lira", "stacked_outputs"]
how = {"names": quantizers.PAPER_SET, "attacked": ATTACKED, "numbers": NUMBERS}
keys = list(product(SETTINGS, ("shared", "random"), range(n_pools)))
points = [{"setting": make_setting(*key), "draws": 1} | how for key in keys]
pools = dict(zip(keys, run.sweep(synthetic.evaluate, points), strict=True))
auc = {key: found.auc["lira"] for key, found in pools.items()}
best = {key: attacks.strongest(found.auc) for key, found in pools.items()}

# %% [markdown]
# The null control, in full precision with memberships dealt to others, and what the strongest attack finds beyond LiRA, means over
# pools:

# %%
rows = {}
for key in product(SETTINGS, ("shared", "random")):
    group = [(*key, pool) for pool in range(n_pools)]
    null = [pools[k].null["stacked_outputs"].mean() for k in group]
    gain = np.array([best[k].mean(axis=0) - auc[k].mean(axis=0) for k in group])
    columns = {"null": null, "full precision": gain[:, 0], "90 % zeros": gain[:, -1]}
    rows[key] = {k: f"{attacks.mean_interval(v):+.3f}" for k, v in columns.items()}
pd.DataFrame(rows).T

# %% [markdown]
# **LiRA is not the strongest attack.** With separated modes and a shared start the strongest finds 0.041 [0.034, 0.047] more in
# full precision and 0.017 [0.010, 0.024] more in 90 % zeros; with a random start 0.025 [0.023, 0.027] and 0.004 [-0.001, 0.010].
# With overlapping modes it gains at most 0.013. (These are 128 models a pool; with twice as many it gains more:
# [04, section 6](04_attack_a_network.ipynb).)
#
# $\tau$ over resolved pairs, per pool, then the mean over pools with its interval:

# %%
rng = np.random.default_rng(seed)
rows = []
for key, found in pools.items():
    for attack, aucs in (("lira", auc[key]), ("strongest", best[key])):
        signs = indicators.resolved_pairs(aucs, rng)
        tau = {n: indicators.kendall_resolved(found.value(n), signs) for n in NUMBERS}
        rows.append({"attack": attack, "setting": key[0], "init": key[1]} | tau)
taus = pd.DataFrame(rows).groupby(["attack", "setting", "init"], sort=False)

# %% tags=["predict", "slide"]
rows = []
for (attack, *key), part in taus:
    for n in NUMBERS:
        found = attacks.mean_interval(part[n], most=1)
        rows.append((*key, f"tau, {attack}", n, *found, f"{found:.2f}"))
KEYS = ["setting", "init", "number", "quantizer"]
agreement = pd.DataFrame(rows, columns=[*KEYS, "value", "low", "high", "shown"])
shown = agreement[agreement.number == "tau, strongest"]
shown = shown.pivot(index="quantizer", columns=KEYS[:2], values="shown")
shown.loc[NUMBERS].set_axis(figures.words(NUMBERS)).rename_axis(None)

# %% [markdown]
# $\rho_{\rm pool}$ and both errors rank well in all four columns, $r$ in none. This conclusion hangs neither on the
# initialisation, unlike those about the weight attack in [04](04_attack_a_network.ipynb), nor on the attack: with LiRA
# $\rho_{\rm pool}$ has 0.93 to 0.98, the best estimate of $r$ at most 0.68.
#
# Side by side, for separated modes and a shared initialisation. A good number grows where the attack finds more.

# %%
PANELS = ["strongest", "rho_pool", "r ensemble all_pairs"]
rows = []
for setting, init in product(SETTINGS, ("shared", "random")):
    group = [(setting, init, pool) for pool in range(n_pools)]
    values = {"lira": [auc[key].mean(axis=0) for key in group]}
    values["strongest"] = [best[key].mean(axis=0) for key in group]
    values["gain"] = np.subtract(values["strongest"], values["lira"])
    for name in PANELS[1:]:
        values[name] = [pools[key].value(name) for key in group]
    for number, q in product(values, range(9)):
        interval = attacks.mean_interval([pool[q] for pool in values[number]])
        rows.append((setting, init, number, quantizers.PAPER_SET[q], *interval))
    null = [pools[key].null["stacked_outputs"].mean() for key in group]
    rows.append((setting, init, "control", "fp32", *attacks.mean_interval(null)))
ranking = pd.DataFrame(rows, columns=[*KEYS, "value", "low", "high"])

# %% tags=["hide-input", "predict"]
AXES = ["AUC on outputs", r"$\rho_{\rm pool}$", r"minus $r$"]
SAID = ["what is found", "nearly the same order", "2 bits out of order"]
here = ranking[(ranking.setting == "separated modes") & (ranking.init == "shared")]
here = here.set_index(["number", "quantizer"])
found = here.loc["strongest"].value.round(3)
order = found.sort_values(ascending=False, kind="stable").index
fig, axes = plt.subplots(1, 3, figsize=(figures.PAGE, 2.7), sharey=True)
for ax, number, label, title in zip(axes, PANELS, AXES, SAID, strict=True):
    part = here.loc[number].loc[order].set_axis(figures.words(order))
    color = figures.look("lira" if number == "strongest" else number)["color"]
    figures.forest(ax, part, "value", color=color, size=5, label="strongest attack")
    ax.set_xlabel(label)
    ax.set_title(title, loc="left")
    ax.grid(axis="y")
axes[0].plot(here.loc["lira"].value[order], range(9), "kx", ms=4, label="LiRA")
axes[0].legend(loc="upper left")
axes[2].set_xscale("symlog", linthresh=1e-3)
axes[2].set(xlim=(-0.1, 0), xticks=[-1e-1, -1e-2, -1e-3, 0])
figures.save_figure(
    fig, "05_ranking", data=pd.concat([ranking, agreement.drop(columns="shown")]),
    atol=0.05, rtol=0.05,
    alt="Nine quantizers sorted by the strongest attack's AUC on outputs, separated "
    "modes, shared initialisation: rho_pool falls from top to bottom, minus r not.",
)  # fmt: skip

# %% [markdown]
# Left is private in each panel. $\rho_{\rm pool}$ follows the attack from row to row. $r$ sets 90 % zeros apart, too, but puts the
# 2-bit grid beside full precision, where the attack finds far less.
#
# ## 5 · From a rank to an AUC
#
# Suppose the attacker's scores IN and OUT are normal, $d'$ standard deviations apart; then the AUC is
# $\Phi(d'/\sqrt 2)$ with the normal distribution function $\Phi$. If quantizing keeps the share $\rho$ of $d'$, the AUC of the
# quantized networks follows from that of full precision, the **survival law**:
# $$\mathrm{AUC}_q = \Phi(\rho\,\Phi^{-1}(\mathrm{AUC}_{fp})).$$
# One attack, in full precision, then serves all quantizers.

# %%
indicators.survival_law(np.array([1.0, 0.5, 0.1]), 0.70).round(3)

# %%
rows = []
for setting, init in product(SETTINGS, ("shared", "random")):
    group = [(setting, init, pool) for pool in range(n_pools)]
    seen = np.array([best[key].mean(axis=0) for key in group])
    kept = [np.clip(pools[key].value("rho_pool"), 0, 1) for key in group]
    said = indicators.survival_law(np.array(kept), seen[:, :1])
    for q, name in enumerate(quantizers.PAPER_SET):
        interval = attacks.mean_interval(said[:, q] - seen[:, q])
        means = seen[:, q].mean(), said[:, q].mean()
        rows.append((setting, init, name, *means, *interval))
columns = [*KEYS[:2], "quantizer", "measured", "predicted", "miss", "low", "high"]
law = pd.DataFrame(rows, columns=columns)

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 2.7), sharey=True)
places = range(len(quantizers.PAPER_SET))
for ax, setting in zip(axes, SETTINGS, strict=True):
    part = law[(law.setting == setting) & (law.init == "shared")]
    low, high = part.measured + part.low, part.measured + part.high
    ax.hlines(places, low, high, color=figures.look("rho_pool")["color"], lw=1.5)
    ax.plot(part.predicted, places, "D", mfc="white", ms=5, label="predicted")
    ax.plot(part.measured, places, "ko", ms=3.5, label="found")
    ax.set(xlabel="AUC (0.5 = nothing found)")
    ax.set_title(f"{setting}, shared start", loc="left")
    ax.grid(axis="y")
axes[0].set_yticks(places, figures.words(quantizers.PAPER_SET))
axes[0].invert_yaxis()
title = "The law mostly warns of a little more than is found"
figures.legend_above(fig, axes[0], ncols=2, title=title)
figures.save_figure(
    fig, "05_survival_law", data=law, atol=0.02,
    alt="Predicted and measured AUC of nine quantizers in two settings, shared "
    "initialisation: most predictions lie a little to the right of what is found.",
)  # fmt: skip

# %% [markdown]
# Bars are intervals of the miss over pools; found is what the strongest attack on outputs finds. To the right of it the law warns
# of more, the safe side. So it errs with overlapping modes, with shared starts (drawn) by less than 0.04, but for 90 % zeros, where
# it predicts 0.678 and 0.607 is found. With separated modes it errs by less than 0.015, but for 90 % zeros it promises too
# much (miss -0.024 [-0.036, -0.012]): against LiRA alone that had not been shown. With random
# starts and overlapping modes the miss reaches 0.058, and 0.089 for 90 % zeros. More laws and settings: [B,
# section 5](B_indicator_study.ipynb).
#
# ## 6 · Three claims of the paper
#
# Each claim is a number whose sign decides it: *reproduced* if the interval over pools lies above the threshold,
# *contradicted* if it lies below, else *undecided*. The threshold is 0 for a difference of AUCs and 0.8 for a $\tau$,
# fixed before the run. Attackers: the strongest on outputs, and LiRA; shared initialisation; pool game.


# %%
def numbers_of(setting, attack):
    """Return claim -> (its number in each pool, threshold)."""
    found = {"lira": auc, "strongest": best}[attack]
    means = [found[setting, "shared", k].mean(axis=0) for k in range(n_pools)]
    aucs = pd.DataFrame(means, columns=quantizers.PAPER_SET)
    margin = aucs.drop(columns="ternary_90").min(axis=1) - aucs["ternary_90"]
    tau = taus.get_group((attack, setting, "shared"))["r ensemble all_pairs"]
    return {
        "90 % zeros are the most private": (margin, 0),
        "sign is less private than 33 % zeros": (aucs["sign"] - aucs["ternary_33"], 0),
        "r ranks as the attack does": (tau, 0.8),
    }


# %% tags=["predict"]
verdicts = {}
for key in product(SETTINGS, ("strongest", "lira")):
    column = verdicts[key] = {}
    for claim, (values, threshold) in numbers_of(*key).items():
        found = attacks.mean_interval(values)
        word = attacks.verdict(claim, found, threshold)["verdict"]
        column[claim] = f"{word}, {found:.3f}"
pd.DataFrame(verdicts)

# %% [markdown]
# The strongest attack changes no verdict. The first claim holds, here and on average over the settings of
# [B, section 10](B_indicator_study.ipynb). But most private does not mean private:
# with a shared initialisation the weight attack of [04](04_attack_a_network.ipynb) finds much in 90 % zeros; and a broken
# model leaks nothing ([06](06_equal_utility.ipynb)). The second is no property of the two quantizers: it
# changes with the setting, the attacker and the initialisation. The third is contradicted where the interval lies below
# 0.8; nowhere does it lie above.
#
# ## What we saw
#
# Pool game, attacks on outputs.
#
# - Over fourteen settings $\tau$ with the strongest attack is 0.975 for $\rho_{\rm pool}$, 0.949 for the error of outputs, 0.952 for a fixed order,
#   0.911 for the error of weights, 0.861 for the entropy of codes, 0.617 for the best estimate of $r$, and 0.464 for the share of zeros.
# - $\rho_{\rm pool}$ leads the error of outputs by 0.026 [0.003, 0.049]: shown there, not on nine earlier settings with LiRA.
# - The ranking survives a random initialisation and the strongest attack on outputs: $\rho_{\rm pool}$ has 0.96 and 0.93 with a shared
#   one, 0.97 and 0.98 with a random one.
# - The strongest attack finds 0.041 more than LiRA with separated modes and a known start, and ranks much the same.
# - $r$ is not an estimate of leakage on networks.
# - 90 % zeros are the most private to both attacks; whether `sign` or 33 % zeros is, depends on the setting.
#
# **Limits.** Against RMIA no number ranks ([B, section 3](B_indicator_study.ipynb)). Attackers who see weights need numbers
# that read weights.

# %% [markdown]
# ## Exercises
#
# Put your answer in the place of `None` and run the cell; the check gives a hint, not the solution.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise 05.1.** A rule sets 90 % of the weights to zero and keeps the signs of the others. If both signs are equally
# frequent, what is the entropy of its codes in bits per weight? Three decimals. Compare with the 1.58 bits of its name and
# with the one bit of `sign`.

# %% tags=["exercise"]
answer = None  # bits per weight
exercises.check("05.1", answer)

# %% tags=["solution"]
shares = np.array([0.9, 0.05, 0.05])
exercises.check("05.1", -(shares * np.log2(shares)).sum())

# %% [markdown] tags=["solution"]
# Why: a code that is nearly always zero says little. Names count the levels that may occur; entropy counts what is said.

# %% [markdown]
# **Exercise 05.2.** For some record the attack's signal is normal with standard deviation 1, with mean 1 over the models
# that trained on the record and mean 0 over the others. What is the AUC of the attack against this record? Three decimals.

# %% tags=["exercise"]
answer = None  # a number
exercises.check("05.2", answer)

# %% tags=["solution"]
exercises.check("05.2", indicators.gaussian_auc(1.0))

# %% [markdown] tags=["solution"]
# Why: the AUC is the chance that an IN signal exceeds an OUT signal. Their difference is normal with mean 1 and variance 2.

# %% [markdown]
# **Exercise 05.3.** "Two bits" can be far less than two bits. Give a list of at least ten weights, none of them zero, of
# which the two-bit grid `uniform_2` sets all but *one* to zero.

# %% tags=["exercise"]
answer = None  # a list of weights
exercises.check("05.3", answer)

# %% tags=["solution"]
exercises.check("05.3", [3.0] + 11 * [0.4])

# %% [markdown] tags=["solution"]
# Why: the largest weight sets the scale, and whatever is below half of it rounds to zero. Trained layers with a few large
# weights come close to this, so no rule should be ranked by its nominal bits.

# %% [markdown]
# **Exercise 05.4.** How many independent non-members are needed so that an estimated false-positive rate near 1 % has a
# relative standard deviation of 10 %? A whole number. Compare with the 128 non-members of one target in notebook 04.

# %% tags=["exercise"]
answer = None  # a whole number
exercises.check("05.4", answer)

# %% tags=["solution"]
exercises.check("05.4", (1 - 0.01) / 0.01 / 0.1**2)

# %% [markdown] tags=["solution"]
# Why: of $n$ trials about $0.01\,n$ succeed, with standard deviation about the square root of that. One target alone
# cannot tell 1 % from 2 %.

# %% [markdown]
# **Exercise 05.5.** Build the *least* private ternary rule, to know your enemy. Write a function that maps an array of
# standard normal weights to exactly three values and keeps a correlation above 0.895 with them; 33 % zeros stay just
# below that. The rule may look at values only, not at places: the check shuffles the weights.

# %% tags=["exercise"]
answer = None  # a function of an array
exercises.check("05.5", answer)


# %% tags=["solution"]
def three_levels(weights):
    return np.sign(weights) * (abs(weights) > 0.612)


exercises.check("05.5", three_levels)

# %% [markdown] tags=["solution"]
# Why: the correlation that three cells keep is largest where they lose the least squared error: 46 % zeros. By the survival
# law this rule hides the least from an attacker who sees the weights.

# %% [markdown]
# **Next.** [06](06_equal_utility.ipynb): a broken model leaks nothing. Is it the rounding that hides, or the damage?

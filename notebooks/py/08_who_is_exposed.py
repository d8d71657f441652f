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
# # 08 · Who is exposed?
#
# **Question.** An average hides its worst case. Which records does a released model give away, are they always the same, and
# does quantizing protect *them*?
#
# **Answer.** Of a model of FreeSolv an attacker learns something on average, an exposure of 0.277 [0.251, 0.304], but nearly
# all about the most exposed twentieth of its molecules, 0.916 [0.883, 0.947]; exposure ranks molecules alike from both
# initialisations (rank correlation 0.953 [0.942, 0.960]; 88 % of the top tenth are the same); and where 90 % zeros, which
# ruin the model, hide the average, 0.014 [-0.004, 0.031], the most exposed still have 0.144 [0.072, 0.218] (pool game, LiRA
# on outputs, random initialisation).
#
# Needed: LiRA from [04](04_attack_a_network.ipynb), molecules and their *heads* (small networks on frozen representations)
# from [07](07_molecular_privacy_utility.ipynb).
#
# *In the paper: not treated. Figures: `08_exposure`, `08_exposed`, `08_protection`,
# `08_directions`.* **Run time** (2 cores): full 1 min, quick 20 s.

# %%
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from rdkit import Chem
from rdkit.Chem import Draw

from qmis_utils import attacks, figures, run
from qmis_utils.studies import molecular
from qmis_utils.theory import matrix

figures.use_style()

# %% tags=["parameters"]
representations: dict[str, str] = {
    "BACE": "ecfp4",
    "FreeSolv": "rdkit2d",
}  # table -> representation (not empty)
heads_file: str = "settings/molecular_heads.csv"  # width and weight decay of every head
max_molecules: int = 1000  # larger tables are sampled down (at least 1)
steps: int = 100  # full-batch Adam steps (at least 1)
n_models: int = 512  # attacked heads of a table, over all groups (at least 1)
n_groups: int = 8  # groups, each with initial weights of its own (at least 4)
names: list[str] = ["fp32", "uniform_2", "sign", "ternary_90"]  # releases (not empty)
top: float = 0.05  # share of the molecules that counts as the most exposed (0 to 1)
seed: int = 0  # of all that is drawn (at least 0)

# %% [markdown]
# Eight groups of heads, each trained on random halves of a pool of molecules; LiRA attacks every head with the others of its
# group as shadows. A guess is "member" where the log ratio of LiRA is above 0, a threshold that nobody chose afterwards.

# %%
given = {"max_molecules": max_molecules, "seed": seed}
pools = {t: molecular.prepare(t, how, **given) for t, how in representations.items()}

# %%
same = dict(n_models=n_models, n_groups=n_groups, n_indicator=1, steps=steps)
same |= dict(numbers=(), names=tuple(names), seed=seed)

# %%
heads, results = pd.read_csv(heads_file), {}
for start in ("random", "shared"):
    points = molecular.points(list(pools.values()), heads, start=start, **same)
    flat = run.sweep(molecular.evaluate_group, points)
    for i, task in enumerate(pools):
        results[task, start] = flat[i * n_groups : (i + 1) * n_groups]

# %% [markdown]
# The *exposure* of a molecule is counted: the share of heads with it that are called so (TPR), minus the share of heads without
# it that are called so (FPR). Half of the groups, the even ones, *pick* the most exposed molecules; the odd ones *judge*
# them, lest chance is taken for exposure.

# %%
picked, judged = {}, {}
for key, found in results.items():
    picked[key] = molecular.exposures(found[::2]).exposure
    judged[key] = molecular.exposures(found[1::2])


# %% tags=["hide-input"]
def most_exposed(key):
    """Return all molecules, the most exposed first, and those at the top."""
    order = picked[key].sort_values(ascending=False, kind="stable").index
    return order, order[: max(round(top * len(order)), 1)]


def of_groups(key, chosen, release="fp32"):
    """Return the mean exposure of molecules; groups and molecules are resampled."""
    groups = results[key][1::2]
    found = [molecular.exposures([g], release).exposure[chosen] for g in groups]
    found, rng = np.array(found), np.random.default_rng(seed)
    n, many = found.shape
    of_group = rng.multinomial(n, np.full(n, 1 / n), size=2000) / n
    of_molecule = rng.multinomial(many, np.full(many, 1 / many), size=2000) / many
    draws = ((of_group @ found) * of_molecule).sum(axis=1)
    return attacks.bootstrap_interval(found.mean(), draws)


# %% tags=["hide-input"]
rows = []
for key, groups in results.items():
    everybody, few = most_exposed(key)
    auc = attacks.mean_interval([g.auc["lira_fixed"][:, 0].mean() for g in groups])
    rows.append((*key, "AUC", len(everybody), *auc))
    for who, chosen in (("most exposed", few), ("all", everybody)):
        rows.append((*key, who, len(chosen), *of_groups(key, chosen)))
columns = ["table", "start", "what", "molecules", "value", "low", "high"]
shares = pd.DataFrame(rows, columns=columns)

# %% tags=["hide-input"]
LINES = {
    "random": ("#0072B2", "-", "random initialisation"),
    "shared": ("#D55E00", "--", "shared initialisation"),
}


def draw_distribution(ax, task, start, down):
    """Draw the share of molecules at or below each exposure, and two means."""
    color, dash, label = LINES[start]
    values, share = judged[task, start].exposure, np.linspace(0, 1, 41)
    look = {"color": color, "ls": dash, "label": label}
    sns.ecdfplot(x=values, stat="percent", ax=ax, **look)
    part = shares[(shares.table == task) & (shares.start == start)].set_index("what")
    for what, place, mark in (("most exposed", 97, "^"), ("all", 50, "o")):
        row = part.loc[what]
        ax.hlines(place - down, row.low, row.high, color=color)
        ax.plot(row.value, place - down, mark, color=color)
    value = np.quantile(values, share)
    return pd.DataFrame({"what": "quantile", "value": value, "share": share})


# %% tags=["hide-input", "slide"]
parts = [shares]
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 3.0), squeeze=False, sharey=True)
mean = shares[shares.start == "random"].pivot(index="table", columns="what")["value"]
for ax, task in zip(axes[0], pools, strict=True):
    for down, start in enumerate(LINES):
        part = draw_distribution(ax, task, start, 4 * down)
        parts.append(part.assign(table=task, start=start))
    row = mean.loc[task]
    title = "{}: {:.2f} on average,\n{:.2f} for the most exposed twentieth"
    ax.set_title(title.format(task, row["all"], row["most exposed"]), loc="left")
    ax.set_xlabel("exposure: measured TPR - FPR")
    ax.set_ylabel("% of molecules at or below")
axes[0, 0].legend(loc="lower right", fontsize=7)
alt = "Share of molecules at or below each exposure, and means with intervals."
figures.save_figure(fig, "08_exposure", pd.concat(parts).round(6), alt, atol=0.1)

# %% [markdown]
# Every line is the distribution of exposure over the molecules of a pool, in full precision. Dots (their height means
# nothing) are means over all of them, triangles means over the twentieth that the other groups picked, with 95 % intervals of
# a bootstrap that resamples the four judging groups, which are few, and the molecules (of the AUC below: Student's over eight
# groups of the same molecules, so that it is far narrower). The twentieth is 40
# of the 800 molecules of BACE and 26 of the 514 of FreeSolv. Right leaks more. Game and attacker are the same everywhere below: pool game, LiRA (pooled variance) on the
# outputs, shadows quantized as the target is. Half of the molecules of FreeSolv have an exposure below 0.2; the AUC over all of
# them, the number that is usually quoted, says nothing of the few on the right:

# %%
shares[shares.start == "random"].drop(columns="start").round(3)

# %% [markdown]
# ## 1 · Exposure is a count
#
# Take one molecule. Some of the judging heads trained on it, `n_in`, the others, `n_out`, did not. Each head gives one guess.

# %%
first = {key: found.idxmax() for key, found in picked.items()}
counts = pd.DataFrame({key: judged[key].loc[i] for key, i in first.items()}).T
counts.round(2)

# %% [markdown]
# In the table of counts stand the molecules picked first. `exposure` is `tpr - fpr`: 1 means that every guess is right, 0 is a coin. The
# interval is Newcombe's for a difference of two shares, and it is for one molecule alone. Had the same groups picked
# and judged, the luckiest of 800 molecules would have looked exposed even if none were.
#
# ## 2 · Why not compute it from a mean?
#
# A shorter way than counting looks safe. If the scores of a molecule are normal with equal variance with and without it, the distance $d'$
# of their means gives the advantage of the best threshold, $2\Phi(d'/2) - 1$. So one may average $d'^2$ over groups, or even
# over representations, and put the mean into the formula. Compare with the count.


# %% tags=["hide-input"]
def of_formula(groups):
    """Return 2 Phi(d'/2) - 1 of each molecule, from its mean d'^2 over groups."""
    both = [[g.measures[name][0] for name in ("scores", "members")] for g in groups]
    gaps = [molecular.gap(*pair) for pair in both]
    return molecular.record_advantage(np.mean(gaps, axis=0))


# %%
levels, rows = [0.1, 0.5, 0.9, 0.99], []
for (task, start), groups in results.items():
    counted = judged[task, start].exposure
    for how, values in (("formula", of_formula(groups[1::2])), ("counted", counted)):
        rows.append((task, start, how, *np.quantile(values, levels)))
columns = ["table", "start", "how", "10 %", "50 %", "90 %", "99 %"]
quantiles = pd.DataFrame(rows, columns=columns)
quantiles.round(2)

# %% [markdown]
# A column is a quantile over molecules. The formula is for the best threshold of normal scores of equal variance, which these
# are not, while the count keeps the threshold that was fixed, and assumes nothing; and it is concave in $d'^2$, so that a mean
# put in comes out larger than the mean of what was put in. They disagree most at the 90 % quantile of FreeSolv: the formula
# says 0.94, the count 0.69.
# An earlier version of this companion averaged over representations first, and printed 1.00 for half of the molecules of
# FreeSolv. Nothing but a count is quoted here.
#
# ## 3 · Whom does it hit?
#
# The five most and the five least exposed molecules of one table and one representation: FreeSolv with RDKit descriptors,
# random initialisation. The even groups chose them; the numbers are counted on the odd groups.


# %% tags=["hide-input"]
shown = list(pools)[-1]
order = most_exposed((shown, "random"))[0]
ten = [*order[:5], *order[-5:]]
cast = judged[shown, "random"].loc[ten].reset_index(names="record")
cast.insert(0, "smiles", pools[shown].smiles[cast.record])
look = Draw.MolDrawOptions()
look.useBWAtomPalette()
look.minFontSize, look.legendFontSize = 20, 28
rows = cast[["exposure", "low", "high"]].round(2).to_numpy() + 0.0
legends = ["{:.2f} [{:.2f}, {:.2f}]".format(*row) for row in rows]
mols = [Chem.MolFromSmiles(s) for s in cast.smiles]
how = dict(molsPerRow=5, subImgSize=(300, 250), legends=legends, drawOptions=look)
grid = Draw.MolsToGridImage(mols, **how, returnPNG=False).convert("L")
fig, ax = plt.subplots(figsize=(figures.PAGE, 2.8))
ax.imshow(np.asarray(grid) // 64 * 85, cmap="gray", interpolation="none")
ax.axis("off")
ax.set_title(f"{shown}, the five most exposed molecules (above) and the five least:\n"
             "measured TPR - FPR with 95 % intervals", fontsize=9)  # fmt: skip
alt = f"The five most and five least exposed molecules of {shown}, with exposure."
data = cast.drop(columns="record").round(4)
figures.save_figure(fig, "08_exposed", data, alt, rtol=0.5, atol={"*": 0.6})

# %% [markdown]
# Each structure stands under its own count: the share of heads with the molecule that were called so, minus that share among
# the heads without it, over 256 heads that had no say in the choice. An interval that reaches below 0 cannot be told from no exposure. What
# these molecules have in common cannot be read off ten pictures. [D, section 7](D_report_your_table.ipynb) ranks whole tables
# (other representations, shared initialisation): exposure goes with a label unlike that of the nearest neighbour, but a
# good part of it stays unexplained.
#
# ## 4 · Is it always the same molecules?
#
# A privacy officer could hope that nobody is exposed twice: that each training exposes some other molecule, so that no
# single donor or compound is ever singled out for certain. Eight groups have eight sets of random halves. If exposure were luck of one initialisation, the
# even groups could not say whom the odd groups expose. Rank the molecules by both, and compare (Spearman's correlation).


# %%
def agree(one, two):
    """Return the rank correlation with its interval, and the common top tenth."""
    rho = attacks.rank_correlation(one, two, np.random.default_rng(seed))
    best, again = (set(v.nlargest(len(v) // 10).index) for v in (one, two))
    return *rho, len(best & again) / len(best)


# %%
rows = []
for (task, start), found in picked.items():
    rows.append((task, start, *agree(found, judged[task, start].exposure)))
for task in pools:
    found = agree(picked[task, "random"], judged[task, "shared"].exposure)
    rows.append((task, "random to shared", *found))
columns = ["table", "start", "correlation", "low", "high", "shared_tenth"]
stable = pd.DataFrame(rows, columns=columns)
stable.round(3)

# %% [markdown]
# `shared_tenth` is the share of the ten per cent picked by one half of the groups that are in the top tenth of the other half.
# By chance it would be 0.1. In the groups of a random start every single head has initial weights of its own, and the
# ranks agree as well: whom a model exposes is a property of the pool, the representation and the attack, which all groups
# share, not of luck in training. `random to shared` compares the even groups of random starts with the odd groups of shared starts,
# which have other random halves too.
#
# There the correlation is 0.963 [0.956, 0.967] for BACE and 0.953 [0.942, 0.960] for FreeSolv, as high as between groups of one kind
# of start: the initialisation does not decide who is exposed, in full precision and to this attack. (Intervals: bootstrap over molecules, given these heads.)
#
# ## 5 · Does quantizing protect them?
#
# The average gains from 90 % zeros ([07](07_molecular_privacy_utility.ipynb)). Do the most exposed? Take the most exposed
# twentieth, as the even groups picked it in full precision, and everybody, and count again for each release.

# %%
rows = []
for key, groups in results.items():
    everybody, few = most_exposed(key)
    useful = np.mean([g.measures["utility"] for g in groups], axis=0)
    for release, use in zip(names, useful, strict=True):
        for who, chosen in (("top", few), ("all", everybody)):
            rows.append((*key, release, who, *of_groups(key, chosen, release), use))
columns = ["table", "start", "release", "who", "exposure", "low", "high", "utility"]
protection = pd.DataFrame(rows, columns=columns)

# %% tags=["hide-input"]
MESSAGES = {"BACE": "sign, the most useful, protects least"}
MESSAGES["FreeSolv"] = "no release hides the few"
KINDS = [("top", "most exposed twentieth", -0.12, "#D55E00", "^")]
KINDS += [("all", "all molecules", 0.12, "#0072B2", "o")]
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 2.8), squeeze=False, sharey=True)
for ax, task in zip(axes[0], pools, strict=True):
    part = protection[(protection.table == task) & (protection.start == "random")]
    for who, label, down, color, marker in KINDS:
        rows = part[part.who == who]
        at = np.arange(len(rows)) + down
        ax.hlines(at, rows.low, rows.high, color=color)
        ax.plot(rows.exposure, at, marker, color=color, label=label)
    ax.axvline(0, color="0.6", lw=0.8)
    ax.set_title(f"{task}: {MESSAGES.get(task, '')}", loc="left")
    ax.set_xlabel("exposure: measured TPR - FPR")
axes[0, 0].set_yticks(range(len(names)), figures.words(names))
axes[0, 0].invert_yaxis()
axes[0, 0].legend(loc="lower right", fontsize=7)
alt = "Exposure of the most exposed molecules and of all, by release."
data = pd.concat([protection, stable]).round(6)
figures.save_figure(fig, "08_protection", data, alt, atol=0.1)

# %% [markdown]
# In numbers, for random starts: the few (`top`) and everybody (`all`) under each release, and what the release is worth on
# the test molecules, whose scaffolds are new (AUROC of BACE, $R^2$ of FreeSolv).

# %%
rows = protection[protection.start == "random"]
index = ["table", "release", "utility"]
rows = rows.pivot(index=index, columns="who", values="exposure")
rows.reset_index("utility").round(3)

# %% [markdown]
# Quantizing lowers both, and the few keep their distance from the many. It lowers utility too: with 90 % zeros $R^2$ falls
# from 0.87 to 0.28 on FreeSolv and AUROC from 0.87 to 0.67 on BACE; only `sign` on BACE stays near, at 0.83. A model that was
# trained less may do as well ([06](06_equal_utility.ipynb)). With 90 % zeros an average molecule of FreeSolv is as
# good as hidden, while its most exposed twentieth, at 0.144, still gives away more than an average molecule of BACE, at
# 0.039. A release that passes an audit on average has not passed it for them.
#
# *Who* is exposed in full precision does not depend on the start; *how much* a release leaves may. From a shared start 90 %
# zeros leave the few of BACE 0.370 [0.293, 0.456], twice as much as from random ones. On FreeSolv, and with 2 bits, the
# intervals of both starts overlap.
#
# ## 6 · Whom would rounding protect, in theory?
#
# Here is one case in which a theorem says whose trace is rounded away. A *linear* model of FreeSolv, fitted by least squares
# to twelve random mixtures of its descriptors, has coefficients of known covariance $\Sigma$ under fresh noise, and a molecule $x$ with a
# surprising label shifts their mean along $u = (X^\top X)^{-1} x$. Refits tell apart "with it" and "without" by $d'^2 =
# u^\top \Sigma^{-1} u$. Theorem D ([A, section 16](A_proofs.ipynb)): rounding to a grid of step $h$ is a floor of noise under
# all directions (exactly with a subtracted dither, nearly on a plain grid of steps up to three standard deviations),
#
# $$d'^2_{\rm rounded} \approx u^\top (\Sigma + \tfrac{h^2}{12} I)^{-1} u .$$
#
# Little noise drowns what acts through *well-determined* directions, those in which refits hardly differ. The `energy` of a molecule is
# the share of its $d'^2$ in the better determined half of the directions. What is left we measure on eleven molecules whose labels
# are 2.5 standard deviations off, at a step of two standard deviations of a coefficient: 20,000 refits each around ten
# different true models.

# %%
pool, rng = pools[shown].x, np.random.default_rng(seed)
x = pool @ rng.normal(size=(pool.shape[1], 12))
covariance = np.linalg.inv(x.T @ x)
shift, step = x @ covariance, 2 * np.sqrt(np.diag(covariance)).mean()
law = matrix.noise_floor_share(shift, covariance, step**2 / 12)

# %%
values, vectors = np.linalg.eigh(covariance)
along = (shift @ vectors) ** 2 / values
energy = along[:, :6].sum(1) / along.sum(1)


# %%
def left(fits, u):
    """Return the share of d'^2 that rounding leaves a shift u."""
    rounded = np.round(fits / step)
    gap = (np.round((fits + u) / step) - rounded).mean(0)
    kept = gap @ np.linalg.solve(np.cov(rounded.T), gap)
    return kept / (u @ np.linalg.solve(covariance, u))


# %%
some = energy.argsort()[:: len(energy) // 10]
true = step * rng.uniform(-3, 3, (10, 12))
fits = [rng.multivariate_normal(t, covariance, 20_000) for t in true]
kept = [[left(f, 2.5 * shift[i]) for f in fits] for i in some]
directions = pd.DataFrame({"energy": energy, "law": law})
rows = [[*attacks.mean_interval(k, 1)] for k in kept]
directions.loc[some, ["measured", "low", "high"]] = rows

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.COLUMN, 2.6))
ax.plot(energy, law, ".", color="0.7", ms=3, label="law, all molecules")
few = directions.dropna()
error = abs(few[["low", "high"]].T - few.measured)
ax.errorbar(few.energy, few.measured, error, fmt="o", ms=4, label="measured")
ax.set(xlabel="energy in well-determined directions", ylabel="share of $d'^2$ left")
ax.legend()
ax.set_title("Rounding hides what refits determine well", loc="left")
alt = "Share left against energy: falling from 0.8 to 0.5, measured on the law."
figures.save_figure(fig, "08_directions", directions.round(5), alt, atol=0.02)

# %% [markdown]
# Grey is the law for every molecule; intervals (Student's) are over the ten true models. All eleven hold the law. At one step, in one
# model, the molecule of least energy keeps 0.802 [0.783, 0.821] of its $d'^2$, that of most energy 0.553 [0.539, 0.568]: rounding
# protects by direction, not by size.
#
# **Not so for networks.** Study B ([section 10](B_indicator_study.ipynb)) computes the same share for each record of synthetic networks, from the
# covariance of spare models, and asks whether it goes with the change of the record's exposure. It does not: for the sign, LiRA on
# outputs, the mean rank correlation over eight settings is -0.007 [-0.199, 0.185], with 4 bits 0.031 [-0.050, 0.112], and all
# twelve intervals (six releases, two attacks) reach zero. A few spare models say little of directions among thousands of weights. The law explains; to
# find *which* molecules a released network protects, count.
#
# ## What we saw
#
# - From random starts the mean exposure of FreeSolv is 0.277 [0.251, 0.304] and that of its most exposed twentieth 0.916
#   [0.884, 0.947]; of BACE 0.427 [0.406, 0.448] and 0.952 [0.941, 0.962]. In full precision shared starts give at most 0.016 more.
# - The same molecules are exposed in other groups and from the other kind of start: the rank correlation is at least 0.95.
# - From random starts 90 % zeros lower the average to 0.014 [-0.004, 0.031] (FreeSolv) and 0.039 [0.027, 0.052] (BACE), the
#   most exposed to 0.144 [0.072, 0.218] and 0.184 [0.141, 0.228]; from a shared start more is left on BACE.
# - A formula of averages overstates; exposure is counted.
# - In a linear model the covariance of refits says whose trace rounding hides (theorem D); in networks it has not found them.
#
# **Limits.** Two tables, one representation each, one attack; a stronger attack would find more.

# %% [markdown]
# ## Exercises
#
# Put your answer in the place of `None` and run the cell; solutions are in cells tagged `solution`.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise 08.1.** A molecule was in 32 heads and out of 32. LiRA called 24 of the first and 4 of the others members. What
# is its exposure, to three decimals?

# %% tags=["exercise"]
answer = None  # a number
exercises.check("08.1", answer)

# %% tags=["solution"]
# Two shares of heads, 24 of 32 with it and 4 of 32 without it: no model of the scores.
answer = 24 / 32 - 4 / 32
exercises.check("08.1", answer)

# %% [markdown]
# **Exercise 08.2.** One molecule in a hundred has exposure 1, all others 0. What is the mean exposure? And which AUC would an
# attack with this advantage over a coin have, $(1 + \text{advantage})/2$? Give the AUC to three decimals.

# %% tags=["exercise"]
answer = None  # an AUC
exercises.check("08.2", answer)

# %% tags=["solution"]
# The mean advantage is 0.01, and the AUC looks like a coin's.
answer = (1 + 0.01) / 2
exercises.check("08.2", answer)

# %% [markdown]
# **Exercise 08.3.** In half of the representations a molecule has $d'^2 = 0$, in the other half 16. By how much does
# $2\Phi(d'/2) - 1$ of the mean of $d'^2$ exceed the mean of $2\Phi(d'/2) - 1$? Give three decimals.

# %% tags=["exercise"]
answer = None  # a difference of two advantages
exercises.check("08.3", answer)

# %% tags=["solution"]
# The formula is steep near 0 and flat far out: the mean of d'^2 lands where it is high.
advantage = molecular.record_advantage(np.array([0.0, 16.0, 8.0]))
answer = advantage[2] - advantage[:2].mean()
exercises.check("08.3", answer)

# %% [markdown]
# **Next.** [10](10_fool_yourself.ipynb): ten ways to get a wrong number.

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
# # 02 · Why are networks not protected exponentially?
#
# **Question.** A mean that is rounded far from the edge of its cell forgets its training data exponentially fast
# (`01_theory_derivation`). A network is thousands of rounded numbers. Is it protected as well?
#
# **Answer.** No, because some weights always lie near an edge: if the means of the weights are spread evenly over cells
# twenty standard deviations wide, 9 % of the information about a record survives and an AUC of 0.80 falls to 0.60; were
# every mean at the centre of its cell, the AUC would be 0.50, with 1.6 × 10⁻²¹ of the information (exact values for
# independent Gaussian weights, in the population game, by the likelihood-ratio attack on the codes of all weights).
#
# **To follow** you need statements 1, 4 and 10 of `01_theory_derivation`, likelihood ratios and the central limit theorem;
# Fisher information and Stein's lemma are explained where they are used. A section has the number of its statement; the
# error bounds and the step from codebooks to rounded weights are in [A, sections 12 and 9](A_proofs.ipynb).
#
# *In the paper: only the exponent $n r$ of section 13; statements 12 to 14 are ours. Figures: `02_mean_information`, `02_survival`,
# `02_crossover`.* **Run time** (2 cores): full 15 s, quick 10 s.

# %%
import math

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy import integrate, stats

from qmis_utils import figures
from qmis_utils.theory import information, numerics

figures.use_style()

# %% tags=["parameters"]
seed: int = 0  # seed of every random draw below (at least 0)
n_weights: int = 400  # weights of the simulated release (at least 1)
n_draws: int = 10_000  # simulated releases with the record, and without (at least 1)

# %% [markdown]
# Retrain a network on fresh data and each weight varies, by one standard deviation (sd) around its *mean*. Rounding tells
# only in which *cell*, of width $w$ sd, the weight fell. We ask which share $J$ of the information about one record
# survives, on average over weights whose means lie anywhere in their cells, and what survives if all lie at the centre.


# %%
def share(edges, means):
    """J of weights of sd 1; statement 12 says what it is."""
    return information.surviving_information(edges, means, 1.0)


def spread_and_centred(w):
    """J for cells of width w: mean over 400 places in the cell, and at its centre."""
    places = (np.arange(400) + 0.5) / 400 - 0.5
    k = np.arange(-math.ceil(12 / w) - 1, math.ceil(12 / w) + 1)
    edges = np.r_[-np.inf, (k + 0.5) * w, np.inf]
    return share(edges, places * w).mean(), float(share(edges, 0.0))


# %%
widths = np.sort([20, *np.geomspace(0.3, 40, 29)])
rows = [(w, *spread_and_centred(w)) for w in widths]
shares = pd.DataFrame(rows, columns=["width", "spread", "centre"])
shares["law"] = np.tanh(1.806 / widths)

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.COLUMN, 2.6))
blue, orange = figures.COLORS[:2]
ax.plot(shares.width, shares.spread, "o", color=blue)
ax.plot(shares.width, shares.law, lw=0.9, color=blue)
ax.plot(shares.width, shares.centre, color=orange)
text = "means spread over cells\nline: tanh(1.806 / w)"
ax.text(4.6, 0.55, text, color=blue, fontsize=7)
ax.text(0.7, 0.07, "every mean at the\ncentre of its cell", color=orange, fontsize=7)
ax.set(xscale="log", yscale="log", xlim=(0.28, 45), ylim=(0.03, 1.3))
ax.set_xticks(ticks := [0.5, 1, 2, 5, 10, 20, 40], ticks)
ax.set_yticks(ticks := [0.05, 0.1, 0.2, 0.5, 1], ticks)
ax.minorticks_off()
ax.set_xlabel("width of a cell (sd of a weight)")
ax.set_ylabel("information that survives, $J$")
ax.set_title("Spread over their cells, weights keep leaking", loc="left")
alt = """Surviving information against the width of a cell. With means spread over
their cells it follows tanh(1.806/w), from width five on 1.806/w. With every mean at the
centre of its cell it collapses exponentially."""
figures.save_figure(fig, "02_mean_information", shares, alt, rtol=1e-6, atol=1e-12)

# %% [markdown]
# From $w = 5$ on the blue points fall like $1.806/w$. What that does to an attack follows from $J$ by statement 12:

# %%
rows = [spread_and_centred(w) for w in (2, 5, 10, 20)]
table = pd.DataFrame(rows, columns=["J spread", "J centred"])
table.insert(0, "w", (2, 5, 10, 20))
for name in ("spread", "centred"):
    table[f"AUC {name}"] = stats.norm.cdf(1.2 * np.sqrt(table[f"J {name}"] / 2))
table.map("{:.4g}".format)

# %% [markdown]
# The *AUC* of an attack is the chance that it gives a release with the record a higher score than a release without it: 0.5
# is guessing. Here it is 0.80 before rounding.
#
# ## 12 · The share of information that survives
#
# Let the $d$ weights be independent, $x_j \sim N(\mu_j, \mathrm{sd}_j^2)$, and let one record in the training set shift
# them by $u_j$ sd. Without rounding, the best attack compares two Gaussians at the distance $d' = \|u\|$. The release is the
# cell $[\mathrm{lo}, \mathrm{hi})$ of each weight, its ends measured from $\mu_j$ in sd.
#
# **Statement 12 (ours).** *Put* (`surviving_information`)
#
# $$J_j = \sum_{\text{cells}} \frac{(\varphi(\mathrm{lo}) - \varphi(\mathrm{hi}))^2}{\Phi(\mathrm{hi}) -
# \Phi(\mathrm{lo})} \in [0, 1]. \tag{12.1}$$
#
# *If no weight dominates, that is* $\max_j |u_j| \to 0$ *and* $\max_j u_j^2 \sum_j u_j^2 \ll (\sum_j J_j u_j^2)^2$, *the
# best attack on the cells tends to that on two Gaussians at the distance*
#
# $$d'^2 = \sum_j J_j u_j^2, \qquad \Delta = 2 \Phi(d'/2) - 1, \qquad \mathrm{AUC} = \Phi(d' / \sqrt 2). \tag{12.2}$$
#
# *An attack that is linear in dequantized values $Q(x_j)$, the best one, keeps the correlation $\rho_j =
# \mathrm{corr}(Q(x_j), x_j)$ (`survival_correlation`) of each weight's part:*
#
# $$d'^2_{\mathrm{lin}} = \sum_j \rho_j^2 u_j^2, \qquad \rho_j^2 \le J_j, \tag{12.3}$$
#
# *with equality where the values are the cells' conditional means.*
#
# *Derivation.* Given its cell, the likelihood ratio of one weight is
# $\mathbb E[e^{u x - u^2/2} \mid \text{cell}] = 1 + u S + \dots$ with the score
# $S = \mathbb E[x \mid \text{cell}] = (\varphi(\mathrm{lo}) - \varphi(\mathrm{hi})) / P(\text{cell})$.
# $S$ has mean 0 and variance $J$: that is the *Fisher information* of the cell about the shift. It is at most 1, that of $x$
# itself, because conditioning lowers a variance. The log-likelihood ratio of all weights is $\sum_j (u_j S_j - \frac12 u_j^2
# J_j)$ and small rest; by the central limit theorem it is Gaussian with variance $d'^2$ and mean $\mp d'^2/2$ without and
# with the record. Those are two Gaussians at distance $d'$, whence (12.2).
#
# *Linear attacks.* By Stein's lemma, $\mathbb E[x f(x)] = \mathbb E f'(x)$, a shift by $u_j$ moves the mean of $Q(x_j)$ by
# $u_j\, \mathrm{cov}(Q, x) = u_j \rho_j\, \mathrm{sd}(Q)$. The best weights are $u_j \rho_j / \mathrm{sd}(Q_j)$ and give
# (12.3). Finally $\mathrm{cov}(Q, x) = \mathrm{cov}(Q, S) \le \mathrm{sd}(Q) \sqrt J$. $\square$ The size of the rest, and
# how good the Gaussian is at given $u$, are in [A, section 12](A_proofs.ipynb).
#
# Two cases by hand: a sign keeps $2/\pi$, a fine grid loses $w^2/12$.

# %%
sign = np.array([-np.inf, 0, np.inf])
fine = np.r_[-np.inf, np.arange(-400, 401) * 0.1, np.inf]
print(f"sign: J = {share(sign, 0.0):.6f}, 2/pi = {2 / math.pi:.6f}")
print(f"step 0.1: 1 - J = {1 - share(fine, 0.0):.3e}, w^2/12 = {0.1**2 / 12:.3e}")

# %% [markdown]
# Now the check by simulation. A record with $\|u\| = 1.2$ is spread at random over `n_weights` weights, whose means lie
# anywhere in their cells. Two attackers see the same cells: one computes likelihood ratios; the other is linear in values
# that a power-of-two format would give, $\pm(2^{|k|} - 1)$ for the cell number $k$.


# %%
def cell_law(edges, means):
    """Log-probability (d, K) of every cell for every weight."""
    ends = edges - means[:, None]
    return numerics.log_interval(ends[:, :-1], ends[:, 1:])


# %%
def linear_scores(values, edges, means, shift):
    """Scores (d, K) of the best linear attack on the values (K,) of the cells."""
    law = np.exp(cell_law(edges, means))
    centre = (law @ values)[:, None]
    spread = np.sqrt((law * (values - centre) ** 2).sum(1))
    rho = information.survival_correlation(values, edges, means, 1.0)
    return (shift * rho / spread)[:, None] * values, np.linalg.norm(rho * shift)


# %%
def simulated_auc(scores, codes):
    """AUC of the summed scores, over all pairs of a release with and one without."""
    rows = np.arange(len(scores))
    without, inside = (scores[rows, code].sum(1) for code in codes)
    return stats.mannwhitneyu(inside, without).statistic / len(inside) ** 2


# %%
rng = np.random.default_rng(seed + 1)
shift = rng.normal(size=n_weights)
shift *= 1.2 / np.linalg.norm(shift)
noise = rng.normal(size=(2, n_draws, n_weights)).astype(np.float32)


def experiment(step):
    """Predicted distance and simulated AUC of both attacks at one cell width."""
    means = step * rng.uniform(-0.5, 0.5, n_weights)
    k = np.arange(-math.ceil(8 / step) - 1, math.ceil(8 / step) + 2)
    edges = np.r_[-np.inf, (k[1:] - 0.5) * step, np.inf]
    codes = [np.digitize(noise[i] + (means + i * shift), edges[1:-1]) for i in (0, 1)]
    ratio = cell_law(edges, means + shift) - cell_law(edges, means)
    best = math.sqrt(share(edges, means) @ shift**2)
    yield step, "likelihood ratio", best, simulated_auc(ratio, codes)
    values = np.sign(k) * (2.0 ** abs(k) - 1)
    scores, linear = linear_scores(values, edges, means, shift)
    yield step, "linear, powers of two", linear, simulated_auc(scores, codes)


# %%
steps = (0.4, 0.6, 0.8, 1, 1.5, 2, 4, 6)
rows = [row for step in steps for row in experiment(step)]
survival = pd.DataFrame(rows, columns=["step", "attack", "distance", "simulated"])
survival["predicted"] = stats.norm.cdf(survival.distance / math.sqrt(2))
values = ["predicted", "simulated"]
survival.pivot(index="step", columns="attack", values=values).round(3)

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 2.5))
error = 2 * math.sqrt(1 / (6 * n_draws))
groups = survival.groupby("attack", sort=False)
for (name, part), (mark, dash) in zip(groups, ("o-", "^:"), strict=True):
    for ax, values in zip(axes, (part.distance / 1.2, part.predicted), strict=True):
        (line,) = ax.plot(part.step, values, dash, lw=2, label=name)
    axes[1].errorbar(part.step, part.simulated, error, fmt=mark, color=line.get_color())
axes[0].set(ylim=(0, 1.02), ylabel=r"share of $d'$ that survives")
axes[0].legend(loc="lower left")
axes[0].set_title("The best attack keeps more than a linear one", loc="left")
axes[1].axhline(stats.norm.cdf(1.2 / math.sqrt(2)), color="k", lw=0.6, ls="--")
axes[1].text(6, 0.805, "before rounding", ha="right", fontsize=7)
axes[1].set(ylim=(0.5, 0.83), ylabel="AUC of the attack")
message = "Simulated (points) as predicted (lines)"
axes[1].set_title(f"{message},\nnarrow cells under a linear attack apart", loc="left")
for ax in axes:
    ax.set_xlabel("width of a cell (sd of a weight)")
alt = """Left: the share of d' that survives falls with the width of a cell, root J for
the best attack, rho below it for a linear one on powers of two. Right: predicted and
simulated AUC agree, falling from 0.80, but for the linear attack on narrow cells."""
figures.save_figure(fig, "02_survival", survival, alt, rtol=1e-4, atol=3e-3)

# %% [markdown]
# Prediction and simulation agree within the noise of the simulation, with one exception: powers of two on narrow cells. There
# a few rare cells with huge values rule the score, which is then not Gaussian; the AUC is better than its signal-to-noise
# ratio says. The likelihood ratio has no such condition. Values in the middle of each cell, or its conditional means, would
# lie on the blue line.
#
# **The survival law.** For records of equal $\|u\|$ and weights of equal $\rho$, (12.3) says $\mathrm{AUC}_q = \psi(
# \mathrm{AUC})$ with $\psi(v) = \Phi(\rho\, \Phi^{-1}(v))$: one number, $\rho$, carries the AUC of an attack over from the
# unrounded to the rounded release. Records differ, however. $\psi$ is convex above one half, so with $\bar v$ the mean AUC over
# records
#
# $$\psi(\bar v) \;\le\; \overline{\mathrm{AUC}}_q \;\le\; \bar v: \tag{12.5}$$
#
# the law, applied to a mean AUC, predicts too little attack. Whoever relies on it to release a model errs to the risk of the
# records.
#
# *Derivation.* $\psi$ has the slope $\rho\, e^{(1 - \rho^2) t^2 / 2}$ at $t = \Phi^{-1}(v)$, which increases for $v \ge
# \frac12$. The left side is Jensen's inequality, the right side is $\rho \le 1$. $\square$

# %%
rank = (np.arange(2000) + 0.5) / 2000
records = {"alike": np.full(2000, 1.2), "a tenth carries all": 6.0 * (rank < 0.1)}
records["30 % carry all"] = 3.0 * (rank < 0.3)
for name, distance in records.items():
    before = stats.norm.cdf(distance / math.sqrt(2)).mean()
    after = stats.norm.cdf(0.6 * distance / math.sqrt(2)).mean()
    law = stats.norm.cdf(0.6 * stats.norm.ppf(before))
    print(f"{name}: {before:.3f} before, {after:.3f} after rounding, law {law:.3f}")

# %% [markdown]
# ## 13 · Where the exponent changes
#
# Now let every weight be at the same distance from its nearest edge. How do many weights pass from one regime to the other?
#
# **Statement 13 (ours).** *Let $d$ independent weights have their nearest edge at $b$ sd and let the record shift each by
# $\varepsilon$ towards it; $\lambda = d\, \Phi(-b)$ is the expected number of* flips *over the edge. For $\varepsilon b$ small,
# $b \ge 2$ and $d' < 1$*
#
# $$\Delta \approx \varepsilon \sqrt{d b}\; e^{-b^2/4} (2 \pi)^{-3/4} \quad \text{while many flip, } \lambda \gg 1, \tag{13.1}$$
#
# $$\Delta \approx d\, \varepsilon\, e^{-b^2/2} / \sqrt{2 \pi} \quad \text{where flips are rare, } \lambda \ll 1. \tag{13.2}$$
#
# *The paper's exponent is $n r = b^2/2$. It holds where flips are rare, and is halved while many flip; the curves cross at
# $d\, \varphi(b) = b/(2\pi)$. For all $b$ and $\lambda$ at once,*
#
# $$\Delta \approx \min\Big( \sum_j \mathrm{TV}_j,\;\; 2 \Phi\big(\tfrac12 \sqrt{\textstyle\sum_j \chi^2_j}\big) - 1 \Big).
# \tag{13.3}$$
#
# *Derivation.* One weight flips with the probability $p_0 = \Phi(-b)$ without the record and $p_1 = \Phi(-b + \varepsilon)$
# with it. So its total variation is $\mathrm{TV}_j = p_1 - p_0 \approx \varepsilon \varphi(b)$ and its chi-square distance
# $\chi^2_j = (p_1 - p_0)^2 / (p_0 (1 - p_0)) \approx \varepsilon^2 b\, \varphi(b)$. With many flips their number is nearly
# Gaussian: (12.2) with $d'^2 = d \chi^2$ is (13.1). With rare flips a release shows none or one, and total variations add:
# (13.2). $\square$ Unequal weights are in [A, section 13](A_proofs.ipynb).
#
# The exact value is a sum over the number of flips, also for $10^5$ weights (`product_insecurity`).

# %%
rows = []
for d in (100, 10_000, 100_000):
    for b in np.linspace(0, 6, 25):
        p0, p1 = stats.norm.cdf([-b, -b + 0.03])
        laws = [[p0, 1 - p0]], [[p1, 1 - p1]]
        exact = information.product_insecurity(*laws, copies=d)
        closed = information.product_insecurity_gaussian(*laws, copies=d)
        rows.append((d, b, exact, min(d * (p1 - p0), closed)))
crossover = pd.DataFrame(rows, columns=["d", "b", "exact", "closed"])
ratio = crossover.closed / crossover.exact
print(f"(13.3) over exact: from {ratio.min():.3f} to {ratio.max():.3f}")

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.COLUMN, 2.6))
for (d, part), color in zip(crossover.groupby("d"), figures.COLORS, strict=False):
    ax.plot(part.b**2 / 2, part.exact, "o", ms=2.5, color=color)
    ax.plot(part.b**2 / 2, part.closed, lw=0.9, color=color)
    text = f"$10^{round(math.log10(d))}$ weights"
    ax.text(18.3, part.exact.iloc[-1], text, fontsize=7, color=color, va="center")
half, full = np.linspace(0, 18, 2), np.linspace(5, 18, 2)
ax.plot(half, 8 * np.exp(-half / 2), "k--", lw=0.8)
ax.text(10, 0.15, r"slope $e^{-nr/2}$", fontsize=7)
ax.plot(full, 0.02 * np.exp(-full), "k:", lw=0.9)
ax.text(4.5, 5e-7, r"slope $e^{-nr}$", fontsize=7)
ax.set(yscale="log", ylim=(1e-9, 12), xlim=(-1, 24.5))
ax.set(xlabel=r"$b^2/2$, the paper's $n r$", ylabel=r"insecurity $\Delta$")
ax.set_title("While many weights flip, the exponent is halved", loc="left")
alt = """Insecurity against n r for a hundred, ten thousand and a hundred thousand
weights, exact points on lines. Each falls with slope one half while many weights flip
and bends to slope one when flips are rare; the more weights, the later."""
figures.save_figure(fig, "02_crossover", crossover, alt, rtol=1e-5, atol=1e-14)

# %% [markdown]
# ## 14 · Many weights: no exponential protection
#
# The means of a network's weights are not all equally far from an edge. They are anywhere.
#
# **Statement 14 (ours).** *Let the means be spread over cells of width $w$ sd with a density that is flat at the scale of a
# cell, independently of the shifts, and let no shift dominate: $\max_j u_j^2 / \sum_j u_j^2 = o(1/w)$. As $d$ and $w$ grow
# with $w = o(d)$,*
#
# $$\begin{aligned} \overline J &\sim \frac1w \int_{-\infty}^{\infty} \frac{\varphi(b)^2}{\Phi(b)\, \Phi(-b)}\, db =
# \frac{1.806}{w}, \cr \frac{d'_q}{d'} &\to \sqrt{\overline J} \approx \sqrt{1.806 / w} \end{aligned} \tag{14.1}$$
#
# *(for the second line $w = o(\sqrt d)$): polynomial in $w$, not exponential. Exponential security needs* every *mean to be far
# from every edge.*
#
# *Derivation.* In a wide cell $J$ is noticeable only near one edge, where the release is the side of that edge: two cells, with
# $J(b) = \varphi(b)^2 / (\Phi(b) \Phi(-b))$. A cell has one edge per width $w$, so the average over a uniform place is the
# integral of $J(b)$ over all $b$, divided by $w$. By independence $\sum J_j u_j^2$ has the mean $\overline J \sum u_j^2$, and a
# relative variance that tends to 0 by the condition on the shifts. $\square$


# %%
def edge_information(b):
    """J of two cells whose edge is b sd from the mean."""
    tails = stats.norm.logcdf(b) + stats.norm.logcdf(-b)
    return math.exp(2 * stats.norm.logpdf(b) - tails)


constant = integrate.quad(edge_information, -30, 30)[0]
print(f"constant {constant:.4f}")

# %%
wide = shares[shares.width >= 5]
wide = wide.spread * wide.width / constant
middle = shares[shares.width.between(1, 20)]
middle = middle.spread / middle.law
print(f"w >= 5: J / (1.806/w) from {wide.min():.3f} to {wide.max():.3f}")
print(f"1 <= w <= 20: J / tanh(1.806/w) from {middle.min():.3f} to {middle.max():.3f}")

# %% [markdown]
# The width counts in sd of a weight, which shrinks like $n^{-1/2}$; so $w$ grows like $\sqrt n$, and rounding lowers $d'$ by a
# factor $n^{-1/4}$ only.
#
# **The order of the limits matters.** An average needs many means near an edge. Take 100 weights with equal shifts, draw
# their means 400 times, and widen the cells:

# %%
rng, rows = np.random.default_rng(seed + 2), []
for w in (20, 100, 1000, 10_000):
    distance = rng.uniform(0, w / 2, (400, 100))
    kept = share(sign, distance).mean(1)
    rows.append((w, math.sqrt(constant / w), *np.sqrt(np.quantile(kept, [0.5, 0.1]))))
table = pd.DataFrame(rows, columns=["w", "law", "median", "10 % quantile"])
table.map("{:.2g}".format)

# %% [markdown]
# The columns are $d'_q/d'$. At $w = 20$ the law holds; where $w$ is as large as the number of weights it begins to fail;
# far beyond, the weight nearest to its edge decides and the exponential is back. For networks $w$ stays far below the number of
# weights.
#
# ## What we saw
#
# - Of an attack on many rounded weights a share $\sqrt J$ of $d'$ survives, and $\rho \le \sqrt J$ of a linear attack; both
#   predict simulated AUCs, unless a rare cell rules the score of the linear attack.
# - With means spread over cells of width $w$, $J$ is $1.806/w$: 9 % at $w = 20$, where means at the centres would leave
#   1.6 × 10⁻²¹. That is why networks are not protected exponentially.
# - The paper's exponent $n r$ holds where flips over an edge are rare; while many weights flip it is $n r / 2$.
# - The survival law, applied to a mean AUC, predicts too little attack where a few records carry everything.
#
# **Limits.** Independent Gaussian weights, one record, shifts independent of places. Trained networks have correlated weights,
# and levels that adapt to the weights.

# %% [markdown]
# ## Exercises
#
# Put your answer in the place of `None` and run the cell; the check gives a hint, not the solution. Solutions are in cells
# tagged `solution`, which `make students` leaves out.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise 02.1.** One weight with its mean at 0 is released as one of three cells, with edges at $-b$ and $b$ sd. For which
# $b$ does the attacker keep *most* information, to two decimals? A designer wants to stay far from it. Statement 12 gives $J$
# of any cells; search over $b$.

# %% tags=["exercise"]
answer = None  # b in standard deviations, to two decimals
exercises.check("02.1", answer)

# %% tags=["solution"]
# Near b = 0 the middle cell is never hit and only the sign is left; for large b nothing
# is left. In between three cells tell more than a sign, J = 0.81 against 0.64.
b, inf, keep = np.linspace(0.05, 3, 2951), np.inf, information.surviving_information
kept = [float(keep([-inf, -x, x, inf], 0.0, 1.0)) for x in b]
exercises.check("02.1", b[np.argmax(kept)])

# %% [markdown]
# **Exercise 02.2.** At how many sd from their nearest edge do $10^5$ equal weights change from the exponent $n r / 2$ to the
# paper's $n r$? Solve the equation of statement 13, to two decimals.

# %% tags=["exercise"]
answer = None  # b in standard deviations, to two decimals
exercises.check("02.2", answer)

# %% tags=["solution"]
# The left side of d phi(b) = b / (2 pi) falls and the right side rises: there is one
# solution. It grows like sqrt(2 log d), slowly: the exponent is halved for a long time.
b = np.linspace(1, 8, 700_001)
answer = b[abs(1e5 * stats.norm.pdf(b) - b / (2 * math.pi)).argmin()]
exercises.check("02.2", answer)

# %% [markdown]
# **Exercise 02.3.** How wide must cells be, in sd, to leave one per cent of the information: if every mean is at the centre of its
# cell, and if the means are spread over the cells? Both to two digits.

# %% tags=["exercise"]
answer = None  # a pair of widths: means at the centre, means spread
exercises.check("02.3", answer)

# %% tags=["solution"]
# At the centre two edges at w/2 count and the normal tail does the work. Spread means
# need 1.806 / w = 0.01: a width that no useful quantizer has.
w, inf, keep = np.linspace(4, 10, 601), np.inf, information.surviving_information
kept = np.array([keep([-inf, -x / 2, x / 2, inf], 0.0, 1.0) for x in w])
answer = w[abs(kept - 0.01).argmin()], 1.806 / 0.01
exercises.check("02.3", answer)

# %% [markdown]
# **Exercise 02.4. Predict, then measure.** A record with $\|u\| = 1.2$ is spread at random over 2,000 weights, whose means are
# spread over cells eight sd wide. First predict the AUC of the best attack by statement 14, to two decimals, and write it down.
# Then measure it: draw means and shifts, simulate at least 2,000 releases with and 2,000 without the record, score them by the
# likelihood ratio of their cells, and compute the AUC. Give both numbers.

# %% tags=["exercise"]
answer = None  # a pair: AUC predicted, AUC measured
exercises.check("02.4", answer)

# %% tags=["solution"]
# Statement 14 gives d' = 1.2 sqrt(tanh(1.806 / 8)). The measured AUC differs by the
# noise of the simulation, about 0.01, and by the luck of the places, half of that.
predicted = stats.norm.cdf(1.2 * math.sqrt(math.tanh(1.806 / 8) / 2))
rng = np.random.default_rng(1)
means, shift = rng.uniform(-4, 4, (2000, 1)), rng.normal(size=(2000, 1))
shift *= 1.2 / np.linalg.norm(shift)
edges = np.array([-np.inf, -4, 4, np.inf])  # the next ones are too far to matter
both = means, means + shift
law = [numerics.log_interval(edges[:-1] - m, edges[1:] - m) for m in both]
scores = []
for m in both:
    codes = np.digitize(m + rng.normal(size=(2000, 2000)), edges[1:-1])
    scores.append(np.take_along_axis(law[1] - law[0], codes, 1).sum(0))
measured = stats.mannwhitneyu(scores[1], scores[0]).statistic / 2000**2
exercises.check("02.4", (predicted, measured))

# %% [markdown]
# **Next.** Networks, real attacks and the numbers that predict them: `05_synthetic_mis_ranking`.
#
# ## Appendix · Equation, section, test
#
# Each equation of this notebook with its section, and the test that fails when it is wrong; the others are in `A_proofs`
# and `01_theory_derivation`.
#
# | equation | section | test |
# |---|---|---|
# | (12.1) | 12 | `tests/theory/test_information.py::test_surviving_information_matches_high_precision_and_its_limits` |
# | (12.2) | 12 | `tests/theory/test_theory.py::test_statement_12_gaussian_limit_of_the_best_attack` |
# | (12.3) | 12 | `tests/theory/test_information.py::test_survival_correlation_is_at_most_the_surviving_information` |
# | (12.3), simulated | 12 | `tests/theory/test_theory.py::test_statement_12_linear_attack_keeps_rho` |
# | (12.5) | 12 | `tests/theory/test_theory.py::test_statement_12_survival_law_is_a_lower_bound_on_average` |
# | (13.1), (13.2) | 13 | `tests/theory/test_theory.py::test_statement_13_both_regimes` |
# | (13.3) | 13 | `tests/theory/test_theory.py::test_statement_13_closed_form` |
# | (14.1) | 14 | `tests/theory/test_theory.py::test_statement_14_mean_information` |
# | (14.1), its condition | 14 | `tests/theory/test_theory.py::test_statement_14_needs_more_weights_than_the_width` |

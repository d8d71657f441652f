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
# independent Gaussian weights, in the population game, by the likelihood-ratio attack on the codes of all weights). What
# counts is how many weights lie near edges, not how many bits are kept: of the paper's quantizers 90 % zeros leaks least,
# then the sign, then 50 % zeros, then 33 %, in theory and on networks trained from one start (which hardly separate
# the sign from 50 % zeros).
#
# **To follow** you need statements 1, 4 and 10 of `01_theory_derivation`, likelihood ratios and the central limit theorem;
# Fisher information and Stein's lemma are explained where they are used. A section has the number of its statement; the
# error bounds and the step from codebooks to rounded weights are in [A, sections 12 and 9](A_proofs.ipynb).
#
# *In the paper: only the exponent $n r$ of section 13; statements 12 to 14 and theorem C are ours. Figures:
# `02_mean_information`, `02_survival`, `02_edge_law`.* **Run time** (2 cores): full 1.5 min, quick 15 s.

# %%
import itertools
import math

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy import stats

from qmis_utils import attacks, figures, quantizers
from qmis_utils.studies import synthetic
from qmis_utils.theory import edges, information, numerics

figures.use_style()

# %% tags=["parameters"]
seed: int = 0  # seed of every random draw below (at least 0)
n_weights: int = 400  # weights of the simulated release (at least 1)
n_draws: int = 10_000  # simulated releases with the record, and without (at least 1)
n_pools: int = 5  # pools of records, each with networks of its own (at least 2)
n_models: int = 256  # networks trained on each pool (at least 8)

# %% [markdown]
# Retrain a network on fresh data and each weight varies, by one standard deviation (sd) around its *mean*. Rounding tells
# only in which *cell*, of width $w$ sd, the weight fell. We ask which share $J$ of the information about one record
# survives, on average over weights whose means lie anywhere in their cells, and what survives if all lie at the centre.


# %%
def share(cuts, means):
    """J of weights of sd 1; statement 12 says what it is."""
    return information.surviving_information(cuts, means, 1.0)


def grid(w):
    """Edges of cells of width w, one of them centred at 0, out to 12 sd."""
    k = np.arange(-math.ceil(12 / w) - 1, math.ceil(12 / w) + 1)
    return np.r_[-np.inf, (k + 0.5) * w, np.inf]


def spread_and_centred(w):
    """J for cells of width w: mean over 400 places in the cell, and at its centre."""
    places = (np.arange(400) + 0.5) / 400 - 0.5
    return share(grid(w), places * w).mean(), float(share(grid(w), 0.0))


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
alt = """Surviving information against the width of a cell. With means spread over cells
it follows tanh(1.806/w); with every mean at a centre it collapses exponentially."""
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
# *If no weight dominates, that is* $\max_j |u_j| \to 0$ *and* $\max_j u_j^2 \sum_j u_j^2 \ll (\sum_j J_j u_j^2)^2$, *and $d'$
# stays bounded, the best attack on the cells tends to that on two Gaussians at the distance $d'$; of the record $z$ alone,*
#
# $$d'^2 = \sum_j J_j u_j^2, \quad \Delta(z) = 2 \Phi(d'/2) - 1, \quad \mathrm{AUC}(z) = \Phi(d' / \sqrt 2).
# \tag{12.2}$$
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
# (12.3). Finally $\mathrm{cov}(Q, x) = \mathrm{cov}(Q, S) \le \mathrm{sd}(Q) \sqrt J$. $\square$ The proof of (12.2), and
# how good the Gaussian is at given $u$, are in [A, section 12](A_proofs.ipynb).
#
# **Independent weights are a condition, not a convenience.** Where weights vary together over retrainings, the direction of
# the record decides: a record that acts through well-determined combinations of weights is protected more than $\sum_j J_j
# u_j^2$ says, one that acts through loose combinations less, up to several times in $d'$. That is theorem D in
# [A](A_proofs.ipynb).
#
# Two cases by hand: the sign of a centred weight keeps $2/\pi$, a fine grid loses $w^2/12$.

# %%
sign = np.array([-np.inf, 0, np.inf])
print(f"sign: {share(sign, 0.0):.6f}, 2/pi = {2 / math.pi:.6f}")
print(f"fine: 1 - {1 - share(grid(0.1), 0.0):.3e}, w^2/12 = {0.1**2 / 12:.3e}")

# %% [markdown]
# Now the check by simulation. A record with $\|u\| = 1.2$ is spread at random over `n_weights` weights, whose means lie
# anywhere in their cells; the attacker computes likelihood ratios. (A linear attack is simulated in
# [A, section 12](A_proofs.ipynb).)


# %%
def cell_law(cuts, means):
    """Log-probability (d, K) of every cell for every weight."""
    ends = cuts - means[:, None]
    return numerics.log_interval(ends[:, :-1], ends[:, 1:])


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
    """Predicted and simulated AUC of the best attack at one cell width."""
    cuts, means = grid(step), step * rng.uniform(-0.5, 0.5, n_weights)
    codes = [np.digitize(noise[i] + (means + i * shift), cuts[1:-1]) for i in (0, 1)]
    ratio = cell_law(cuts, means + shift) - cell_law(cuts, means)
    best = math.sqrt(share(cuts, means) @ shift**2)
    return step, stats.norm.cdf(best / math.sqrt(2)), simulated_auc(ratio, codes)


# %%
rows = map(experiment, (0.4, 0.6, 0.8, 1, 1.5, 2, 4, 6))
survival = pd.DataFrame(rows, columns=["step", "predicted", "simulated"])

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.COLUMN, 2.3))
error = 2 * math.sqrt(1 / (6 * n_draws))
ax.plot(survival.step, survival.predicted, lw=1, label="predicted")
ax.errorbar(survival.step, survival.simulated, error, fmt="o", label="simulated")
ax.axhline(stats.norm.cdf(1.2 / math.sqrt(2)), color="k", lw=0.6, ls="--")
ax.text(6, 0.805, "before rounding", ha="right", fontsize=7)
ax.set(ylim=(0.5, 0.83), ylabel="AUC of the best attack")
ax.set_xlabel("width of a cell (sd of a weight)")
ax.legend(loc="lower left")
ax.set_title("$J$ predicts what an attack keeps", loc="left")
alt = """AUC against the width of a cell: simulated points on the predicted line, which
falls from 0.80 before rounding to 0.67 at six standard deviations."""
figures.save_figure(fig, "02_survival", survival, alt, rtol=1e-4, atol=3e-3)

# %% [markdown]
# Prediction and simulation agree within the noise of the simulation.
#
# **The survival law.** For records of equal $\|u\|$ and weights of equal $\rho$, (12.3) says $\mathrm{AUC}_q = \psi(
# \mathrm{AUC})$ with $\psi(v) = \Phi(\rho\, \Phi^{-1}(v))$: one number, $\rho$, carries the AUC of an attack over from the
# unrounded to the rounded release. Records differ, however. Measured AUCs are *pooled*: members $z$ and others $z'$ meet under
# one threshold. For likelihood ratios the chance that $z$ scores above $z'$ is $\Phi\big(\frac12 \sqrt{d_z^2 +
# d_{z'}^2}\big)$, and the pooled AUC its mean over pairs. With $\bar v$ the pooled AUC, or the mean of the records' own
# AUCs, before rounding
#
# $$\psi(\bar v) \;\le\; \overline{\mathrm{AUC}}_q \;\le\; \bar v: \tag{12.5}$$
#
# the law predicts too little attack. Whoever relies on it to release a model errs to the risk of the records.
#
# *Derivation.* Rounding takes $d$ to $\rho d$ and each pair's AUC $v$ to $\psi(v)$. $\psi$ has the slope $\rho\,
# e^{(1 - \rho^2) t^2 / 2}$ at $t = \Phi^{-1}(v)$, which increases for $v \ge \frac12$: it is convex. The left side is
# Jensen's inequality over pairs (or records), the right side is $\rho \le 1$. $\square$ (How much is missed:
# [A, from (12.6)](A_proofs.ipynb).) With $\rho = 0.6$:

# %%
rank = (np.arange(200) + 0.5) / 200
records = {"alike": np.full(200, 1.2), "a tenth carries all": 6.0 * (rank < 0.1)}
records["30 % carry all"] = 3.0 * (rank < 0.3)
for name, d in records.items():
    pairs = np.hypot.outer(d, d) / 2
    before, after = (stats.norm.cdf(k * pairs).mean() for k in (1, 0.6))
    law = stats.norm.cdf(0.6 * stats.norm.ppf(before))
    print(f"{name}: AUC {before:.3f}, then {after:.3f}, law {law:.3f}")

# %% [markdown]
# ## 13 · Where the exponent changes
#
# Now let every weight be at the same distance from its nearest edge. How do many weights pass from one regime to the other?
#
# **Statement 13 (ours).** *Let $d$ independent weights have their nearest edge at $b$ sd and let the record shift each by
# $\varepsilon$ towards it; $\lambda = d\, \Phi(-b)$ is the expected number of* flips *over the edge. For $\varepsilon b$ small,
# $b \ge 2$ and $d' < 1$*
#
# $$\Delta(z) \approx \varepsilon \sqrt{d b}\; e^{-b^2/4} (2 \pi)^{-3/4} \quad \text{while many flip, } \lambda \gg 1,
# \tag{13.1}$$
#
# $$\Delta(z) \approx d\, \varepsilon\, e^{-b^2/2} / \sqrt{2 \pi} \quad \text{where flips are rare, } \lambda \ll 1.
# \tag{13.2}$$
#
# *The paper's exponent is $n r = b^2/2$. It holds where flips are rare, and is halved while many flip; the curves cross at
# $d\, \varphi(b) = b/(2\pi)$. Exactly, with the probabilities $p_0 = \Phi(-b)$ and $p_1 = \Phi(-b + \varepsilon)$ of a flip
# without and with the record,*
#
# $$\Delta(z) = P(\mathrm{Bin}(d, p_1) > m) - P(\mathrm{Bin}(d, p_0) > m), \quad m = \Big\lfloor \frac{d \log
# \frac{1 - p_0}{1 - p_1}}{\log \frac{p_1 (1 - p_0)}{p_0 (1 - p_1)}} \Big\rfloor. \tag{13.3}$$
#
# *Derivation.* The likelihood ratio depends on the number of flips alone and rises with it. It exceeds 1 above $m$ flips: the
# best attack says "member" there. One weight has the total variation $p_1 - p_0 \approx \varepsilon \varphi(b)$ and the
# chi-square distance $\chi^2 = (p_1 - p_0)^2 / (p_0 (1 - p_0)) \approx \varepsilon^2 b\, \varphi(b)$. With many flips their
# number is nearly Gaussian: (12.2) with $d'^2 = d \chi^2$ is (13.1). Rare flips come one at a time, and total variations add:
# (13.2), up to a relative error of the order of $\lambda$. $\square$ That the smaller of $d (p_1 - p_0)$ and $2 \Phi(\sqrt{d
# \chi^2} / 2) - 1$ is at most $e^{1/(2\pi)} = 1.17$ times too large as $\varepsilon \to 0$, and the whole crossover, are in
# [A, (13.4) to (13.7)](A_proofs.ipynb). The slopes of $-\log \Delta(z)$ against $b^2/2$:


# %%
def crossing(d, b, eps=0.03):
    """(13.3): the insecurity of a record that shifts d equal weights by eps."""
    return information.flip_insecurity(*stats.norm.cdf([-b, -b + eps]), d)


# %%
table = pd.DataFrame(index=pd.Index([100, 10_000, 10**6], name="weights"))
for b in (3, 4, 5, 6):
    leak = np.array([[crossing(d, x) for d in table.index] for x in (b, b + 0.1)])
    table[f"b = {b}"] = np.log(leak[0] / leak[1]) / (b / 10 + 0.005)
table.round(2)

# %% [markdown]
# The exponent goes from half of the paper's, and less near the edge, to all of it; the more weights, the later.
#
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
# relative variance that tends to 0 by the condition on the shifts. $\square$ (The error, and means that are not flat:
# [A, (14.2), (14.3)](A_proofs.ipynb).) The first figure checks it: from $w = 5$ on $J$ is
# $1.806 / w$ within 0.5 %, and from 1 to 20 it is $\tanh(1.806/w)$ within 8 %.
#
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
    rows.append((w, math.sqrt(edges.EDGE / w), *np.sqrt(np.quantile(kept, [0.5, 0.1]))))
table = pd.DataFrame(rows, columns=["w", "law", "median", "10 % quantile"])
table.map("{:.2g}".format)

# %% [markdown]
# The columns are $d'_q/d'$. At $w = 20$ the law holds; where $w$ is as large as the number of weights it begins to fail;
# far beyond, the weight nearest to its edge decides and the exponential is back. For networks $w$ stays far below the number of
# weights.
#
# ## 15 · Sparsity or bits?
#
# Statement 14 needs neither equal cells nor a flat density.
#
# **Theorem C (ours).** *Let the means of the weights have a bounded, continuous density $f$, and let every weight vary over
# retrainings by the same $s$. For a fixed quantizer with finitely many edges $e$ (and $f$ continuous there), as $s \to 0$*
#
# $$\overline J = c_0\, s \sum_e f(e)\, (1 + o(1)), \qquad c_0 = 1.806, \tag{15.1}$$
#
# *and for fine cells of mean squared error $D$ (values at the cells' means)*
#
# $$\overline J \ge \frac{c_0\, s}{\sqrt{12 D}}\, (1 + o(1)), \tag{15.2}$$
#
# *with equality only for the uniform grid. The grid of least error for so many levels (Lloyd-Max) leaks
# $\frac{\sqrt 3}{2} 3^{1/4} = 1.14$ times that on Gaussian weights.*
#
# *Derivation.* A weight is exposed if its mean is within a few $s$ of an edge; the mean of $J$ over the places near $e$ is $s
# f(e) \int J(b)\, db$, as in statement 14. Fine cells with $\ell(x)$ edges per unit have $\overline J = c_0 s \int f \ell$
# and $12 D = \int f / \ell^2$; by Hölder $1 = \int f \le (\int f \ell)^{2/3} (\int f / \ell^2)^{1/3}$. $\square$ In full:
# [A, section 15](A_proofs.ipynb). The uniform grid is also best for given entropy of the codes (Gish and Pierce 1968). Coarse
# grids have no such formula; `private_grid` searches for the least $\sum_e f(e)$ at a given error.
#
# So a quantizer leaks by the *density of weights at its edges*. A threshold far out, as that of 90 % zeros, meets few weights; the
# one edge of the sign is where they are densest; more levels add edges. For Gaussian weights:


# %%
def on_gaussian_weights(name):
    """Error, entropy in bits, density at the edges: 4,096 weights of sd 1."""
    w = np.sort(np.random.default_rng(seed).normal(size=(50, 4096)), axis=1)
    q = quantizers.quantize(w, name)
    cuts = ((w[:, 1:] + w[:, :-1]) / 2)[np.diff(q.codes, axis=1) != 0]
    leak = stats.norm.pdf(cuts).sum() / len(w)
    return ((q.values - w) ** 2).mean(), quantizers.code_entropy(q).mean(), leak


# %% [markdown]
# Does it order trained networks? `n_models` networks (128 inputs, 32 units) on random halves of each of `n_pools` pools, all from
# the *same initialisation* within a pool, which the attacker knows, or each from its own: the pool game. The attacker regresses membership on
# the released weight matrices of the other networks (ridge penalty 0.1); biases stay out of it.


# %%
order = ["ternary_90", "sign", "ternary_50", "ternary_33"]
names = ["fp32", *order, "twn", "uniform_2", "uniform_3", "uniform_4", "lloyd_2"]
names += ["lloyd_3", "private_1", "private_2", "private_3"]


def measured(pool, how):
    """White-box AUC of every quantizer in one pool."""
    size = {"n_models": n_models, "n_indicator": 2, "seed": 100 + pool}
    game = synthetic.prepare(synthetic.Setting("", init=how.split()[0], **size))
    for name in names:
        models = game.models.quantize(name)
        seen = attacks.align(models) if "aligned" in how else models
        scores = attacks.regress_membership(seen.vectors(), game.members, [0.1])
        yield attacks.auc(scores, game.members).mean()


# %%
columns = ["distortion", "entropy_bits", "predicted"]
plain = pd.DataFrame(map(on_gaussian_weights, names), names, columns)
plain.loc["fp32"] = 0, np.nan, np.nan
starts = [f"{init} initialisation" for init in ("shared", "random")]
aucs, laws = [], []
for how in (*starts, f"{starts[1]}, aligned"):
    every = [[*measured(pool, how)] for pool in range(n_pools)]
    aucs.append(auc := pd.DataFrame(every, columns=names))
    laws.append(plain.copy())
    interval = [[*attacks.mean_interval(auc[name], 1)] for name in names]
    laws[-1][["measured", "low", "high"]] = interval
    laws[-1]["setting"] = f"pool game, {how}"
law, own = laws[0], laws[2]
law.loc[order].drop(columns="setting").round(3)

# %%
for a, b in itertools.combinations(order, 2):
    gaps = [attacks.mean_interval(aucs[i][b] - aucs[i][a]) for i in (0, 2)]
    print(f"{b} - {a}: {gaps[0]:.4f}, {gaps[1]:.4f}")

# %% tags=["hide-input"]
best = [edges.private_grid(24, D) for D in np.geomspace(0.015, 0.9, 14)]
front = pd.DataFrame([(g.distortion, g.leak) for g in best], columns=columns[::2])
front.index, front["setting"] = ["least leak"] * 14, "Gaussian weights"
data = pd.concat([*laws, front]).reset_index(names="quantizer")

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 3), layout="constrained")
axes[0].plot(front.distortion, front.predicted, "k-", lw=0.8)
axes[0].text(0.016, 0.6, "least leak", fontsize=7)
for name, row in law.drop(index="fp32").iterrows():
    look = {"ls": "", **figures.look(name)}
    axes[0].plot(row.distortion, row.predicted, **look)
    for part in (law, own):
        low, middle, high = part.loc[name, ["low", "measured", "high"]]
        error = [[middle - low], [high - middle]]
        axes[1].errorbar(row.predicted, middle, error, **look)
axes[1].text(0.16, 0.55, "own starts, aligned", fontsize=7)
axes[1].axhline(law.measured["fp32"], color="k", lw=0.6, ls="--")
axes[0].set(xscale="log", yscale="log", xlabel="mean squared error")
axes[0].set_ylabel(axes[1].set_xlabel("density at the edges").get_text())
axes[1].set(xscale="log", ylabel="white-box AUC")
axes[1].minorticks_off()
axes[1].set_xticks(ticks := [0.2, 0.5, 1, 2], ticks)
axes[0].set_title("Gaussian weights: sparse leaks least", loc="left")
axes[1].set_title("Networks: the order, one exception", loc="left")
figures.legend_above(fig, axes[0], ncols=4)
alt = """Left: density of Gaussian weights at edges against error, above the
line of the least. Right: measured AUC rises with it; near
one half for own starts."""
figures.save_figure(fig, "02_edge_law", data, alt, rtol=1e-3, atol=2e-3)

# %% [markdown]
# *Left.* No grid of up to 24 levels lies below the line. Fine uniform grids lie on it, levels by k-means above it. At the error
# of the sign (0.363) the best grid is *sparse*: three levels, 78 % zeros, 7 % less density at the edges and less entropy; a
# fourth level gains 0.02 %.
#
# *Right.* The four stand in the predicted order; five of six differences are resolved over the pools, that of 50 % zeros and
# the sign only just not: 0.007 [-0.001, 0.014]. So the paper's "sparsity matters more than bits" holds, and this is why; its
# other finding, that the sign is *less* private than 33 % zeros, is reversed here, for this attacker and a shared start: 0.770
# against 0.797. Three least-leaking levels leak less than the sign at its error: 0.737.
#
# **With a start of its own for each network** the same attack is at chance on weights as released, even unrounded: 0.501 [0.495,
# 0.508]. Matching hidden units first (`attacks.align`) brings little back, 0.539 [0.533, 0.546] unrounded, and the order with
# one exchange: 90 % zeros 0.506 [0.503, 0.510], 50 % zeros 0.523, sign 0.530, 33 % zeros 0.532 (the last two not resolved). There 50 % zeros leak *less* than the
# sign, by 0.007 [0.005, 0.010].
#
# The law of Gaussian weights gives an order, not sizes, and one quantizer is out of it: two bits have the fewest edges of all,
# far out at half the largest weight. But the largest *trained* weight is 2.1 sd, not 3.8: six in ten become zero, not 94 %, and the
# edges meet as many weights as the sign's. Sizes need the weights themselves, and their correlations: for the sign a share
# $(\Phi^{-1}(\mathrm{AUC}_q) / \Phi^{-1}(\mathrm{AUC}))^2 = 0.48$ of $d'^2$ survives, where (15.1) with the measured $s = 0.19$ sd
# says 0.14. Nor is ridge regression the best attack.
#
# ## What we saw
#
# - Of the best attack on many independent rounded weights a share $\sqrt J$ of $d'$ survives, which predicts simulated AUCs.
# - With means spread over cells of width $w$, $J$ is $1.806/w$: 9 % at $w = 20$, where means at the centres would leave
#   1.6 × 10⁻²¹. That is why networks are not protected exponentially.
# - A quantizer leaks by the density of weights at its edges. This orders 90 % zeros < sign < 50 % < 33 % zeros, and networks
#   of one start agree, if the second step is hardly resolved; at low rates a sparse grid leaks least, at high rates the uniform one.
# - The paper's exponent $n r$ holds where flips over an edge are rare; while many weights flip it is $n r / 2$.
# - The survival law, applied to a pooled AUC, predicts too little attack where a few records carry everything.
#
# **Limits.** Statements 12 to 14 and theorem C: independent Gaussian weights, one record, shifts independent of places. Trained
# networks have correlated weights. The measurement: one architecture, one attack.

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
# Near b = 0 only the sign is left, for large b nothing; between, three cells tell more.
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
# The left side of d phi(b) = b / (2 pi) falls and the right side rises: one solution.
# It grows slowly, like sqrt(2 log d).
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
# At the centre the normal tail does the work; spread means need 1.806 / w = 0.01.
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
# Statement 14: d' = 1.2 sqrt(tanh(1.806 / 8)). The simulation's noise is about 0.01.
predicted = stats.norm.cdf(1.2 * math.sqrt(math.tanh(1.806 / 8) / 2))
rng = np.random.default_rng(1)
means, shift = rng.uniform(-4, 4, (2000, 1)), rng.normal(size=(2000, 1))
shift *= 1.2 / np.linalg.norm(shift)
edges = np.array([-np.inf, -4, 4, np.inf])  # others are too far
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
# | (12.3), by simulation | 12 | `tests/theory/test_theory.py::test_statement_12_linear_attack_keeps_rho` |
# | (12.5) | 12 | `tests/theory/test_theory.py::test_statement_12_survival_law_is_a_lower_bound_on_average` |
# | (13.1), (13.2) | 13 | `tests/theory/test_theory.py::test_statement_13_both_regimes` |
# | (13.3) | 13 | `tests/theory/test_edges.py::test_the_exact_crossing_is_the_sum_over_all_flips` |
# | (14.1) | 14 | `tests/theory/test_theory.py::test_statement_14_mean_information` |
# | (14.1), its condition | 14 | `tests/theory/test_theory.py::test_statement_14_needs_more_weights_than_the_width` |
# | (15.1) | 15 | `tests/theory/test_edges.py::test_the_edge_law_is_the_mean_of_j_over_gaussian_weights` |
# | (15.2) | 15 | `tests/theory/test_edges.py::test_the_high_rate_bounds_hold_for_every_density_of_levels` |
# | (15.2), k-means | 15 | `tests/theory/test_edges.py::test_lloyd_max_is_max_s_table_and_leaks_more_than_the_uniform_grid` |

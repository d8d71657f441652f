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
# # 01 · How fast does membership fade when a release is rounded?
#
# **Question.** Somebody publishes a number that was computed from $n$ records. How much does it tell whether *your*
# record was among them, and how much less does it tell once it is rounded?
#
# **Answer.** The best attack gains $1/(\pi\sqrt n)$ from an unrounded mean, and rounding multiplies this by
# $e^{-n b^2/2}$, where $b$ is the distance from the true mean to the nearest edge of a cell: at $n = 1000$ it gains
# 0.0101 without rounding, 0.0000022 at $b = 0.13$, and 0.0101 again on an edge (exact values for Gaussian data, in the
# population game, by the likelihood-ratio attack).
#
# **To follow** you need the normal distribution and the central limit theorem. Section 5 uses Cramér's theorem on large
# deviations and says what it says. A section has the number of its statement; statements 3, 6, 8 and 9 and all fine
# print are in [A, the proofs](A_proofs.ipynb), statements 12 to 14 in `02_many_weights`.
#
# *In the paper: sections 2 and 3 of Aubinais et al. (AISTATS 2026, arXiv 2502.06567), Theorem 3.1 in section 5 here;
# statements 10 and 11 and the bounds (5.1) are ours. Figures: `01_three_laws`, `01_phase_diagram`,
# `01_utility_frontier`.* **Run time** (2 cores): full 35 s, quick 20 s.

# %%
import itertools
import math
import os

import ipywidgets
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy import special, stats

from qmis_utils import figures
from qmis_utils.theory import numerics, rates, security

figures.use_style()

# %% tags=["parameters"]
seed: int = 0  # seed of every random draw below (at least 0)
n_simulations: int = 200_000  # games played in section 1 (at least 1)
n_sizes: int = 24  # training-set sizes in the map of section 10 (at least 2)

# %% [markdown]
# The data are $n$ draws (`n`) from a normal law of standard deviation 1; the release is their mean, or their mean
# rounded to the multiples of a `step`. The *insecurity* $\Delta_n$ is what the best attack gains over a coin, from 0 to
# 1; section 1 defines it. The helpers compute it exactly, even where it is $10^{-1000}$, hence `log=True`.


# %%
def log_law(n, b):
    """The logarithm of 1 / (pi sqrt n) times exp(-n b^2 / 2)."""
    return -n * b**2 / 2 - np.log(np.pi * np.sqrt(n))


n = np.geomspace(1, 10**7, 36).round().astype(int)
unrounded = [security.full_precision_insecurity(size, 1, log=True) for size in n]
grids = {"on an edge": (0.5, 0.25), "0.13 from an edge": (0.5, 0.12)}
grids["step $n^{-1/4}$"] = n**-0.25, 0.0

# %%
columns = {"n": n, "exact": unrounded, "law": log_law(n, 0)}
parts = {"unrounded": pd.DataFrame(columns)}
for name, (step, mean) in grids.items():
    exact = security.gaussian_mean_insecurity(n, step, mean, log=True)
    columns = {"n": n, "exact": exact, "law": log_law(n, step / 2 - mean)}
    parts[name] = pd.DataFrame(columns)
laws = pd.concat(parts, names=["release"]).reset_index("release")

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.COLUMN, 2.8))
places = [(200, -0.6), (4e4, -2.3), (8, -9), (3e4, -8)]
for i, (name, part) in enumerate(parts.items()):
    color, part = figures.COLORS[i], part / [1, math.log(10), math.log(10)]
    ax.plot(part.n, part.exact, "o+^o"[i], color=color, ms=3 + 3 * (i == 1))
    ax.plot(part.n, part.law.clip(lower=-20), lw=0.8, color=color)
    ax.text(*places[i], name, color=color, fontsize=7)
ax.text(1, -12, "points exact, lines law", fontsize=7)
ax.set(xscale="log", ylim=(-12.5, 0.3), xlabel="training-set size $n$")
ax.set_ylabel(r"$\log_{10}$ insecurity $\Delta_n$")
ax.set_title(r"Rounding multiplies the leak by $e^{-nb^2/2}$", loc="left")
alt = """Log insecurity of a mean against n, exact points on lines of the law. Unrounded
and on an edge fall like one over root n, 0.13 from an edge falls exponentially."""
figures.save_figure(fig, "01_three_laws", data=laws, rtol=1e-7, atol=1e-9, alt=alt)

# %% [markdown]
# Three ways to fade in one formula: like $n^{-1/2}$ where $b = 0$, exponentially where $b$ is fixed, in between where the
# grid gets finer with $n$. The rest derives it.
#
# ## 1 · What the best attack can gain
#
# Samples $Z_1, \dots, Z_n$ are independent with law $P$. An algorithm turns them into a release $\hat\theta_n$
# (`theta`); it treats all samples alike and may toss coins. The attacker knows the algorithm, $P$ and the release. It is
# shown one record $z$ and must say whether $z$ was used: a fair coin has chosen between $z = Z_1$, a member, and a fresh
# $z \sim P$. This is the *population game*: of the other $n - 1$ samples the attacker knows only their law.
#
# **Statement 1.** *The largest accuracy of any attack is $(1 + \Delta_n)/2$ with the* insecurity (`insecurity`)
#
# $$\begin{aligned} \Delta_n &= \mathrm{TV}\big(\mathcal L(\hat\theta_n, Z_1),\; \mathcal L(\hat\theta_n) \times P\big)
# \cr &= \tfrac12\, \mathbb E_Z \sum_k \big| P(\hat\theta_n = k \mid Z_1 = Z) - P(\hat\theta_n = k) \big|,
# \end{aligned} \tag{1.1}$$
#
# *and the likelihood-ratio attack attains it. Membership inference security is* $\mathrm{MIS}_n = 1 - \Delta_n$ (`mis`).
#
# *Derivation.* Let $p_1$ and $p_0$ be the laws of the pair (release, record) for members and for others. An attack that
# says "member" on a set $S$ is right with probability $\frac12 p_1(S) + \frac12 (1 - p_0(S)) = \frac12 + \frac12 (p_1(S) -
# p_0(S))$. The total variation (TV) of two laws is the largest difference of the probabilities that they give to a set;
# here it is reached at $\{p_1 > p_0\}$, the likelihood-ratio attack. The second line sums $|p_1 - p_0| / 2$. $\square$
#
# We list all data sets of three coin flips that show a one with probability 0.3. The release is the nearest of three
# *codewords* to their mean; a *codebook* is the list of values that a release may take.

# %%
p, codebook = 0.3, np.array([0.2, 0.5, 0.9])
joint = np.zeros((3, 2))  # codeword, first flip
for data in itertools.product([0, 1], repeat=3):
    k = abs(codebook - np.mean(data)).argmin()
    joint[k, data[0]] += np.prod([p if z else 1 - p for z in data])
product = np.outer(joint.sum(1), [1 - p, p])

# %%
table = pd.DataFrame(index=pd.Index(codebook, name="codeword"))
for z in (0, 1):
    table[f"p1, z = {z}"], table[f"p0, z = {z}"] = joint[:, z], product[:, z]
table["sum of |p1 - p0|"] = abs(joint - product).sum(1)
table.round(4)

# %% [markdown]
# Half the sum of the last column is $\Delta_3$. A helper finds the same number without a list.
# With $m_k$ the largest number of ones for which codeword $k$ wins,
#
# $$\Delta_n = 2 p (1 - p) \max_k P\big(\mathrm{Bin}(n - 1, p) = m_k\big). \tag{1.2}$$
#
# *Derivation.* Let $F$ and $f$ be the distribution function and the probabilities of $\mathrm{Bin}(n - 1, p)$. The count
# is at most $m$ with probability $F(m)$ if $Z_1 = 0$ and $F(m - 1)$ if $Z_1 = 1$; the two differ by $f(m)$. So (1.1)
# becomes $p (1-p) \sum_k |f(m_k) - f(m_{k-1})|$ with zeros at both ends. Binomial probabilities rise, then fall: the sum
# is twice its largest term. $\square$

# %%
listed = abs(joint - product).sum() / 2
helper = security.bernoulli_insecurity(3, p, codebook)
print(f"{listed:.6f}, {helper:.6f}")

# %% [markdown]
# Now we play. The attacker says "member" where $p_1 > p_0$; its accuracy must be near $(1 + \Delta_3)/2$.

# %%
rng = np.random.default_rng(seed)
data = rng.random((n_simulations, 3)) < p
word = abs(codebook[:, None] - data.mean(1)).argmin(0)
member = rng.random(n_simulations) < 0.5
z = np.where(member, data[:, 0], rng.random(n_simulations) < p).astype(int)
right = ((joint > product)[word, z] == member).mean()
error = 1.96 * math.sqrt(right * (1 - right) / n_simulations)
print(f"{right:.4f} ± {error:.4f}, predicted {(1 + helper) / 2:.4f}")

# %% [markdown]
# ## 2 · Rounding afterwards cannot hurt, unless it looks at the data
#
# **Statement 2.** *If the quantizer $Q$ reads only $\hat\theta_n$ (it may be random, and may take its scale from
# $\hat\theta_n$), then the insecurity of $Q(\hat\theta_n)$ is at most that of $\hat\theta_n$. A quantizer that reads the
# training data once more has no such guarantee.*
#
# *Derivation.* Every attack on $Q(\hat\theta_n)$ is also an attack on $\hat\theta_n$: apply $Q$ first. So the best attack
# on $\hat\theta_n$ is at least as good. $\square$
#
# Here is a Gaussian mean of 100 samples, whose true value is 0.3, rounded to multiples of a step: its insecurity as a
# share of the unrounded one.

# %%
steps = np.array([0.05, 0.1, 0.2, 0.3, 0.6])
unrounded = security.full_precision_insecurity(100, 1)
rounded = security.gaussian_mean_insecurity(100, steps, 0.3)
for step, share in zip(steps, rounded / unrounded, strict=True):
    print(f"step {step}: share {share:.3f}")

# %% [markdown]
# No share exceeds 1, but they do not fall steadily. Two grids can be compared if one is a function of the other. Tripling
# the step merges whole cells and cannot hurt. Doubling it moves the edges and may hurt: steps 0.2 and 0.6 have an edge
# exactly at 0.3. "Fewer bits are safer" is not a theorem.
#
# **A warning: calibration.** Let the algorithm release the constant 0, which tells nothing. Let $Q$ set its scale to the
# largest training sample. For ten coin flips with $P(1) = 0.1$ the scale tells whether any flip was a one:

# %%
flips, p = 10, 0.1
none, none_given_zero = (1 - p) ** flips, (1 - p) ** (flips - 1)
calibrated = p * none + (1 - p) * (none_given_zero - none)
print(f"with calibrated scale {calibrated:.4f}")

# %% [markdown]
# Statement 2 does not speak of *training* in a quantized space: the best codeword for the data is not a function of the
# unrounded minimiser. Section 5 treats that case. A bound for any release of few bits is statement 3,
# [A, section 3](A_proofs.ipynb).
#
# ## 4 · Full precision: the square-root law
#
# **Statement 4.** *Let $\hat\theta_n$ be the mean of $n$ samples in a fixed dimension $d$, with mean $\mu$ and
# covariance $V$, and let the sum of finitely many samples have a density. Then*
#
# $$\Delta_n \sim \frac{\mathbb E \| V^{-1/2} (Z - \mu) \|}{\sqrt{2 \pi n}}, \tag{4.1}$$
#
# *which for Gaussian data is $1/(\pi \sqrt n)$ in one dimension and $\mathbb E \|N(0, I_d)\| / \sqrt{2\pi n}$ in $d$.*
#
# *Derivation.* The mean is close to $N(\mu, V/n)$. To know $Z_1 = z$ moves its centre by $(z - \mu)/n$, which is $u =
# V^{-1/2}(z - \mu)/\sqrt n$ in units of its standard deviation. Two unit Gaussians at distance $\|u\|$ have the total
# variation $2\Phi(\|u\|/2) - 1 \approx \|u\|/\sqrt{2\pi}$. Average over $z$. $\square$ That the normal law may stand for
# the true one at this small scale needs the density, and is proved with the general statement in
# [A, section 4](A_proofs.ipynb).

# %%
table = pd.DataFrame(index=pd.Index([10, 1000, 10**5, 10**7], name="n"))
for d in (1, 2, 10):
    mean_norm = stats.chi(d).mean()  # E ||N(0, I_d)||
    law = mean_norm / np.sqrt(2 * np.pi * table.index)
    exact = np.array([security.full_precision_insecurity(n, d) for n in table.index])
    table[f"d = {d}: exact / law"] = exact / law
table.round(6)

# %% [markdown]
# More coordinates leak more, like $\sqrt{d/n}$: $\mathbb E \|N(0, I_d)\|$ grows like $\sqrt d$. Asymptotic normality alone
# would not do. A mean of samples that are 0, 1 or $\sqrt 2$ reveals how often each occurred, and leaks 1.56 times what
# (4.1) says ([A, section 4](A_proofs.ipynb)).
#
# ## 5 · A fixed codebook: the exponential law
#
# Now the algorithm chooses among codewords $\theta_1, \dots, \theta_K$ the one of least total loss on the data. Let
# $\theta_1$, the *home codeword*, have the least expected loss; the others are *runners-up*. The *loss gap* $D_k =
# \ell(\theta_k, Z) - \ell(\theta_1, Z)$ (`gap`) has a mean $\delta_k > 0$ and a variance $\sigma_k^2$. Runner-up $k$ beats
# home when the sum of $n$ gaps is negative; a *tie rule* decides if it is zero. Cramér's theorem says that this has the
# probability $e^{-n I_k + o(n)}$ with the rate (`cramer_rate`)
#
# $$I_k = - \inf_{t \ge 0} \log \mathbb E\, e^{-t D_k}. $$
#
# **Statement 5.** *If the minimiser of the expected loss is unique and the gaps are bounded, then $\frac1n \log \Delta_n
# \to -\min_k I_k$. Nothing but the joint law of the losses decides. If $P(D_k < 0) = 0$, then $I_k = -\log P(D_k = 0)$,
# infinite if that is zero, and such a $k$ counts only where the tie rule prefers it to $\theta_1$.*
#
# *Derivation.* We put $\Delta_n$ between two multiples of the chance of a wrong codeword, for every $n$:
#
# $$\max_{k \ge 2}\; \frac{\delta_k\, P(\hat\theta_n = k)}{\max D_k - \min D_k} \;\le\; \Delta_n \;\le\; 2\,
# P(\hat\theta_n \ne 1). \tag{5.1}$$
#
# *Right side.* $\Delta_n$ is the sum over $k$ of the positive parts of $p_1 - p_0$. For a runner-up that is at most
# $P(\hat\theta_n = k)$; for home it is at most $P(\hat\theta_n \neq 1)$. *Left side.* A function $f$ with values in an
# interval of length 1 cannot have means that differ by more than $\Delta_n$. Take $f = -D_k(z) / (\max D_k - \min D_k)$
# where $\hat\theta_n = k$, and a constant elsewhere. For a fresh record the mean of $D_k$ is $\delta_k$. For a member it
# is at most 0: all members are alike, and the sum of their gaps is at most 0 because $k$ won.
#
# So $\Delta_n$ and the chance of a wrong codeword have the same rate, and by Cramér's theorem it is the smallest $I_k$.
# $\square$ Unbounded gaps are in [A, section 5](A_proofs.ipynb).
#
# Four codewords and three kinds of samples, with random losses. The *Gaussian rate* $r_k = \delta_k^2 / (2 \sigma_k^2)$
# (`gaussian_rate`), from which the paper makes its indicator, sees two moments of the gap only.

# %%
losses = np.random.default_rng(seed + 1).random((4, 3))
probs = np.array([0.5, 0.3, 0.2])
losses = losses[(losses @ probs).argsort()]  # home first
gaps = losses[1:] - losses[0]
table = pd.DataFrame({"mean gap": gaps @ probs}, index=["k = 2", "k = 3", "k = 4"])
table["I"] = [rates.cramer_rate(gap, probs) for gap in gaps]
table["r"] = [rates.gaussian_rate(gap, probs) for gap in gaps]
table.round(4)


# %%
def bounds(n):
    """Both sides of (5.1), by listing all counts."""
    counts = numerics.count_vectors(n, 3)
    chance = stats.multinomial.pmf(counts, n, probs)
    wrong = np.bincount((counts @ losses.T).argmin(1), chance, 4)[1:]
    return (gaps @ probs / np.ptp(gaps, axis=1) * wrong).max(), 2 * wrong.sum()


# %%
rows = []
for n in (20, 80, 200):
    exact = security.finite_support_insecurity(losses, probs, n)
    rows.append((n, *bounds(n), exact))
table = pd.DataFrame(rows, columns=["n", "lower", "upper", "exact"])
table["-log(exact) / n"] = -np.log(table.exact) / table.n
table

# %% [markdown]
# The exact value lies between the bounds, and the last column falls towards the smallest $I$. What is left is the
# constant and the power of $n$, which a rate ignores; [A, section 6](A_proofs.ipynb) finds both.
#
# ## 7 · Ties: the exponential law switches off
#
# **Statement 7.** *If exactly two codewords share the least expected loss and their gap $D$ has standard deviation
# $\sigma > 0$, then*
#
# $$\Delta_n \sim \frac{\mathbb E |D|}{\sigma \sqrt{2 \pi n}}. \tag{7.1}$$
#
# *Derivation.* Given $Z_1 = z$, the second codeword wins if the other $n - 1$ gaps sum to less than $-D(z)$, which by the
# central limit theorem has the probability $\Phi(-D(z) / (\sigma\sqrt n)) \approx \frac12 - D(z) / (\sigma\sqrt{2\pi n})$.
# The two codewords change by the same amount in opposite directions, so (1.1) has two equal halves. All others are
# exponentially rarer. $\square$ (At the scale of one gap this too needs a local limit theorem; on a lattice it holds for
# shifts by whole spans.)

# %%
tied, tied_probs = [[0, 1, 2], [1, 0, 2], [3, 3, 3]], [0.3, 0.3, 0.4]
for n in (10, 100, 1000):
    law = 0.6 / math.sqrt(0.6 * 2 * math.pi * n)  # E|D| = sigma^2 = 0.6
    exact = security.finite_support_insecurity(tied, tied_probs, n)
    print(f"n = {n}: exact / law = {exact / law:.4f}")

# %% [markdown]
# A surprise: a Gaussian mean on the edge of two cells has $\mathbb E|D| / \sigma = \sqrt{2/\pi}$, so (7.1) is
# $1/(\pi\sqrt n)$, the *full-precision* law. One bit leaks all there is, because the best attack on an unrounded mean asks
# only on which side of the true mean it fell.

# %%
on_edge = security.gaussian_mean_insecurity(10**6, 0.5, 0.25)
unrounded = security.full_precision_insecurity(10**6, 1)
print(on_edge, unrounded)

# %% [markdown]
# ## 10 · The phase diagram
#
# **Statement 10 (ours).** *For the Gaussian mean let $b$ be the distance from the true mean to the nearest cell edge, in
# units of the standard deviation $\sigma$ of a sample. As $n \to \infty$ with $b \to 0$, whatever the step,*
#
# $$\Delta_n \sim \frac{1}{\pi \sqrt n}\; e^{-n b^2 / 2} . \tag{10.1}$$
#
# *The insecurity is that of full precision where the step is far below $\sigma/\sqrt n$, half of it where $b =
# 1.18\,\sigma/\sqrt n$, exponentially small beyond, and that of full precision again on the* ridges $b = 0$.
#
# *Derivation.* Let $e_k$ be the edges, measured from the true mean in standard deviations of the released mean. A sample
# $x$ moves the mean by $x/\sqrt n$ of these: cell $k$ changes by $\frac{x}{\sqrt n} (\varphi(e_k) - \varphi(e_{k+1}))$ to
# first order. So (1.1) is $\frac{\mathbb E|X|}{2\sqrt n} \sum_k |\varphi(e_k) - \varphi(e_{k+1})|$. The normal density
# rises, then falls: the sum is twice its largest value, at the nearest edge, where $e = \sqrt n\, b$. With $\mathbb E |X|
# = \sqrt{2/\pi}$ this is (10.1). $\square$ It is the trick of (1.2) once more. At fixed $b$ the constant differs a little:
# [A, (6.3)](A_proofs.ipynb).
#
# The check: exact value over law for the curves of the first figure.

# %%
laws["ratio"] = np.exp(laws.exact - laws.law)
table = laws.pivot(index="n", columns="release", values="ratio")
table.iloc[::7].round(4)

# %% [markdown]
# The ratio tends to 1, but at the fixed distance $b = 0.13$ to a constant near it. Now the map: exact values for many sizes,
# steps and six means.

# %%
sizes = np.unique(np.geomspace(1, 10**5, n_sizes).round().astype(int))
steps = [0.05, 0.06, 0.07, 0.08, 0.1, 0.12, 0.15, 0.2, 0.24, 0.3, 0.4, 0.5]
steps += [0.6, 0.7, 0.8, 1, 1.2, 1.5, 1.8, 2, 2.2, 2.5, 2.8, 3]
means = [0, 0.1, 0.12, 0.25, 0.3, 0.5]
points = itertools.product(sizes, steps, means)
diagram = pd.DataFrame(points, columns=["n", "step", "mean"])
columns = (diagram[name].to_numpy() for name in diagram)
diagram["insecurity"] = security.gaussian_mean_insecurity(*columns)
unrounded = {n: security.full_precision_insecurity(n, 1) for n in sizes}
diagram["full_precision"] = diagram.n.map(unrounded)

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 2.8), sharey=True)
fine, ticks = np.geomspace(0.05, 3, 4000), [0.05, 0.1, 0.2, 0.5, 1, 2]
for ax, mean in zip(axes, (0, 0.3), strict=True):
    part = diagram[diagram["mean"] == mean].pivot(index="step", columns="n")
    share = np.log10((part.insecurity / part.full_precision).clip(lower=1e-6))
    image = ax.pcolormesh(sizes, steps, share, cmap="cividis", vmin=-6, rasterized=True)
    b = fine / 2 - abs(fine * np.round(mean / fine) - mean)
    for kept, line in (("1/2", "w-"), ("1/1000", "w--"), ("1/1000000", "w:")):
        size = 2 * math.log(int(kept[2:])) / np.maximum(b, 1e-9) ** 2
        ax.plot(size, fine, line, lw=1, label=kept)
    ax.set(xscale="log", yscale="log", xlim=(1, 1e5), ylim=(0.05, 3))
    ax.set_yticks(ticks, ticks)
    ax.set(xlabel="training-set size $n$")
    ax.set_title(f"true mean {mean}", loc="left")
axes[0].set_ylabel(r"grid step (units of $\sigma$)")
axes[0].legend(title="law", labelcolor="w", loc="lower left").get_title().set_color("w")
axes[1].text(1.3, 0.19, "ridges at 0.6, 0.2, 0.12, ...", fontsize=7)
fig.colorbar(image, ax=axes, label=r"$\log_{10}$ exact share of unrounded $\Delta_n$")
fig.suptitle("A coarse step hides membership, but not on the ridges", fontsize=8)
alt = """Maps over training-set size and grid step of the exact share of the unrounded
insecurity, with lines of the law. Below a diagonal the share is 1, above it collapses;
for mean 0.3 bright ridges cross the dark."""
figures.save_figure(fig, "01_phase_diagram", diagram, alt, rtol=1e-5, atol=1e-300)

# %% [markdown]
# The diagonal band between the first and the last line is narrow: from half to a millionth the step grows by a factor
# $\sqrt{\log 10^6 / \log 2} = 4.5$. All privacy is decided there, and by where the mean happens to lie.
#
# **Move through it.** In a live notebook the next cell has sliders (a recorded run has nobody to move them): exact values
# and the law (10.1) against the step. The peaks are ridges.


# %%
def cut(n=1000, mean=0.3):
    """Draw exact insecurity and law against the step."""
    step = np.geomspace(0.03, 3, 200)
    b = step / 2 - abs(step * np.round(mean / step) - mean)
    plt.loglog(step, security.gaussian_mean_insecurity(n, step, mean))
    plt.loglog(step, np.exp(log_law(n, b)), "k:")
    plt.show()


if "QMIS_RUN" not in os.environ:
    narrow = {"max_width": "20em"}  # fits a telephone
    size = ipywidgets.IntSlider(1000, 1, 10_000, layout=narrow)
    place = ipywidgets.FloatSlider(0.3, min=0, max=1, layout=narrow)
    ipywidgets.interact(cut, n=size, mean=place)

# %% [markdown]
# ## 11 · What does the accuracy cost? Rounding against noise
#
# The classical protection adds noise $N(0,\tau^2)$. To compare at equal accuracy we shift the grid by a random offset $U$,
# released as well: *dithering*. The release $X$ is then uniform within $h/2$ of the mean and $U=X\bmod h$: we release the
# mean plus *uniform noise* (Schuchman 1964).
#
# **Statement 11.** *Dithered rounding to step $h$ and noise of variance $\tau^2=h^2/12$ have the same mean squared error,
# $\sigma^2/n+h^2/12$. As $n\to\infty$ with $w=h\sqrt n/\sigma$ fixed, for* **one coordinate**
#
# $$\frac{\Delta^{\text{rounded}}}{\Delta^{\text{noise}}}\to\frac{\sqrt{2\pi}}w\,
# \mathrm{erf}\Big(\frac{w}{2\sqrt2}\Big)\sqrt{1+\frac{w^2}{12}},\tag{11.1}$$
#
# *which falls from 1 to $\sqrt{\pi/6}=0.7236$: rounding is never less secure than noise, and at most 28 % less insecure.*
#
# *Derivation.* The offset is public: average (10.1) over the place of the mean, $\frac{1}{\pi\sqrt n}\frac2w\int_0^{w/2}
# e^{-b^2/2}db$. Noise dilutes the shift of section 4: $\frac1{\pi\sqrt n}(1+w^2/12)^{-1/2}$. Divide. With $x=w/\sqrt8$ the
# ratio falls if $\mathrm{erf}(x)>\frac2{\sqrt\pi}e^{-x^2}(x+\frac23x^3)$: two terms of a positive series. $\square$
#
# **Many coordinates reverse the order.** There Fisher information $J$ counts (`02_many_weights`). Gaussian noise has the least
# of its variance, $1/(1+w^2/12)$; rounding has $1.806/w$. For wide steps *(theorem B, [A](A_proofs.ipynb))*
#
# $$d'_{\text{rounded}}/d'_{\text{noise}}\sim\sqrt{0.1505\,w}.\tag{11.2}$$
#
# Unbiased rounding up or down at random, with secret coins, keeps $J\sim2(\log w+1.20)/w^2$: nearly noise.
#
# The check is exact, at $n=100$, with a mean at any `place` of its cell, 0 the centre and 0.5 the edge.

# %%
from qmis_utils.theory import edges

n, (nodes, weights) = 100, np.polynomial.legendre.leggauss(24)


def rounding(place, h):
    """n times error, and insecurity."""
    k = np.arange(-60, 61)[:, None] - place
    upper, lower = (stats.norm.cdf((k + side) * h * 10) for side in (0.5, -0.5))
    leak = security.gaussian_mean_insecurity(n, h, place * h)
    return n * ((upper - lower) * (h * k) ** 2).sum(0), leak


# %%
rows = []
for w in np.geomspace(0.3, 40, 24):
    h = w / math.sqrt(n)
    noise = security.gaussian_noise_insecurity(n, h / math.sqrt(12))
    error, leak = (values @ weights / 2 for values in rounding((nodes + 1) / 4, h))
    rows += [("noise", w, 1 + w**2 / 12, noise), ("dithered", w, error, leak)]
    for name, place in (("at centre", 0), ("on edge", 0.5)):
        error, leak = rounding(np.array([place]), h)
        rows.append((name, w, error[0], leak[0]))
frontier = pd.DataFrame(rows, columns=["rule", "w", "n_mse", "insecurity"])

# %%
table = frontier.pivot(index="w", columns="rule", values="insecurity")
table, w = pd.DataFrame({"one": table.dithered / table.noise}), table.index
unit = np.sqrt(1 + w**2 / 12)
table["law"] = special.erf(w / 8**0.5) / w * math.sqrt(2 * np.pi) * unit
kept = [edges.noise_information("uniform", x / 12**0.5) for x in w]
table["many"] = np.sqrt(kept) * unit
kept = [edges.stochastic_information(x / 2**0.5) for x in w]
table["random"] = np.sqrt(kept) * unit
table.iloc[[0, 8, 12, 16, 20, 23]].round(4)

# %% [markdown]
# All over noise of equal error. For one coordinate ratio and law agree, but for a little at wide steps. Without the dither
# there is a lottery: a mean at the centre of its cell leaks exponentially little, one on an edge pays for nothing.

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.COLUMN, 2.7))
places = iter([(0.0105, 9), (0.0033, 8), (0.0015, 0.12), (0.0165, 40)])
for name, part in frontier.groupby("rule", sort=False):
    line = ax.plot(part.insecurity, part.n_mse)[0]
    ax.text(*next(places), name, color=line.get_color(), fontsize=7)
ax.set(xscale="log", yscale="log", xlim=(1e-3, 0.06), ylim=(0.05, 300))
ax.minorticks_off()
ax.set(xlabel="insecurity, $n=100$", ylabel="$n$ times squared error")
ax.set_title("One number: dithering gains ≤ 28 %", loc="left")
alt = """Error against insecurity: dithered rounding left of noise, a mean at the centre
of its cell far left, on an edge right."""
figures.save_figure(fig, "01_utility_frontier", frontier, alt, rtol=1e-5, atol=1e-12)

# %% [markdown]
# ## What we saw
#
# - The best attack gains exactly $\Delta_n$. Rounding afterwards never helps it; a quantizer calibrated on the data may.
# - Full precision leaks like $n^{-1/2}$, the best codeword of a fixed codebook like $e^{-n I}$. For a Gaussian mean both
#   are $\frac{1}{\pi\sqrt n} e^{-n b^2/2}$: at $n = 1000$, 0.0101 for $b = 0$ and 0.0000022 for $b = 0.13$.
# - On an edge, one bit leaks everything that the unrounded mean leaks.
# - For one number dithered rounding is at most 28 % better than noise of equal error; for many, noise wins. Exponential
#   security without the dither is luck in the place of the mean.
#
# **Limits.** One number or one codeword, independent samples, an attacker who knows $P$. Networks round thousands of
# weights.

# %% [markdown]
# ## Exercises
#
# Put your answer in the place of `None` and run the cell; the check gives a hint, not the solution. Solutions are in cells
# tagged `solution`, which `make students` leaves out.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise 01.1.** "Fewer bits are safer" is false by far more than a few per cent. With `mean` 0.3 and $n = 1000$, find a
# step between 0.2 and 0.6 at which *doubling* the step multiplies $\Delta_{1000}$ by more than 100. The cut of section 10
# shows why there are such steps.

# %% tags=["exercise"]
answer = None  # a step
exercises.check("01.1", answer)

# %% tags=["solution"]
# At step 0.3 a grid point lies on the mean, the edges as far away as can be.
# Doubling to 0.6 puts an edge exactly on the mean: a ridge.
answer = 0.3
exercises.check("01.1", answer)

# %% [markdown]
# **Exercise 01.2.** Section 2 has a quantizer whose scale is the largest training sample, which makes a constant leak. Find
# the worst case: choose a number of coin flips, at least two, and the probability of a one, such that the calibrated
# constant has an insecurity above 0.29. One line of section 2 computes it; maximise by hand or by search.

# %% tags=["exercise"]
answer = None  # a pair: number of flips, probability of a one
exercises.check("01.2", answer)

# %% tags=["solution"]
# One bit says most about a flip when there are few others: take two flips. The
# insecurity is then 2 p (1 - p)^2, largest at p = 1/3, where it is 8/27 = 0.296.
answer = (2, 1 / 3)
exercises.check("01.2", answer)

# %% [markdown]
# **Exercise 01.3.** A rate alone is a poor promise where $n b^2$ is small. For the Gaussian mean 0.12 on the grid of step 0.5,
# what is the smallest training-set size whose *exact* insecurity is below 0.001? Compare it with the size at which the bare
# $e^{-n b^2/2}$ falls below 0.001. The exact insecurity falls steadily with $n$ here.

# %% tags=["exercise"]
answer = None  # a whole number
exercises.check("01.3", answer)

# %% tags=["solution"]
# The bare rate asks for 818 samples, 2.4 times as many. It forgets the factor
# 1 / (pi sqrt n), which alone is worth a factor of nearly 60 here.
sizes = np.arange(1, 1000)
leak = security.gaussian_mean_insecurity(sizes, 0.5, 0.12)
answer = sizes[leak < 1e-3][0]
exercises.check("01.3", answer)

# %% [markdown]
# **Exercise 01.4.** The Gaussian rate $r$ sees two moments of the loss gap. Make it fail badly: give a gap with at most four
# values and their probabilities, positive on average and sometimes negative, such that $r$ is more than *three* times the
# true rate $I$. Whoever trusts $r$ there expects an exponent three times too large.

# %% tags=["exercise"]
answer = None  # a pair of lists: gaps, probabilities
exercises.check("01.4", answer)

# %% tags=["solution"]
# A few samples with a very negative gap overturn many with a small positive one.
# A variance hardly notices the few, but they are what chance supplies easily.
gap, law = [-40.0, 1.0], [0.001, 0.999]
print(f"r = {rates.gaussian_rate(gap, law):.4f}, I = {rates.cramer_rate(gap, law):.4f}")
exercises.check("01.4", (gap, law))

# %% [markdown]
# **Next.** `02_many_weights`: a network rounds thousands of numbers, and the exponential is gone.
#
# ## Appendix · Equation, section, test
#
# Each equation of this notebook with its section, and the test that fails when it is wrong; the others are in `A_proofs`
# and `02_many_weights`.
#
# | equation | section | test |
# |---|---|---|
# | (1.1) | 1 | `tests/theory/test_theory.py::test_statement_01_likelihood_ratio_attack_is_optimal` |
# | (1.2) | 1 | `tests/theory/test_security.py::test_bernoulli_matches_the_general_engine` |
# | statement 2 | 2 | `tests/theory/test_theory.py::test_statement_02_post_processing_cannot_hurt` |
# | statement 2, calibration | 2 | `tests/theory/test_theory.py::test_statement_02_calibration_can_hurt` |
# | (4.1) | 4 | `tests/theory/test_security.py::test_full_precision_follows_the_square_root_law` |
# | (5.1) | 5 | `tests/theory/test_theory.py::test_statement_05_squeeze_holds_on_random_problems` |
# | statement 5 | 5 | `tests/theory/test_theory.py::test_statement_05_exponential_rate` |
# | (7.1) | 7 | `tests/theory/test_theory.py::test_statement_07_ties_follow_the_square_root_law` |
# | (10.1) | 10 | `tests/theory/test_theory.py::test_statement_10_rounding_multiplies_by_exp_minus_n_r` |
# | (11.1) | 11 | `tests/theory/test_theory.py::test_statement_11_dithered_rounding_against_noise` |
# | (11.2) | 11 | `tests/theory/test_edges.py::test_the_order_reverses_between_one_coordinate_and_many` |

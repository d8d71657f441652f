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
# **To follow** you need the normal law and the central limit theorem; section 5 says what Cramér's theorem says. A section
# has the number of its statement; statements 3, 6, 8, 9 and all fine print are in [A, the proofs](A_proofs.ipynb), 12
# to 14 in `02_many_weights`.
#
# *In the paper: sections 2 and 3 of Aubinais et al. (AISTATS 2026, arXiv 2502.06567), Theorem 3.1 in section 5;
# statements 10 and 11 and theorems A and E are ours, and A says what they rest on. Figures: `01_three_laws`, `01_bits`,
# `01_one_geometry`, `01_phase_diagram`, `01_utility_frontier`.*
# **Run time** (2 cores): full 45 s, quick 25 s.

# %%
import itertools
import math
import os

import ipywidgets
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from scipy import special, stats

from qmis_utils import attacks, figures
from qmis_utils.theory import bits, geometry, rates, security

figures.use_style()

# %% tags=["parameters"]
seed: int = 0  # seed of every random draw below (at least 0)
n_simulations: int = 200_000  # games played in section 1 (at least 1)
n_sizes: int = 24  # training-set sizes in the map of section 10 (at least 2)

# %% [markdown]
# The data are $n$ draws (`n`) from a normal law of standard deviation 1; the release is their mean, or their mean
# rounded to the multiples of a `step`. The *insecurity* $\Delta_n$ is what the best attack gains over a coin, from 0 to
# 1 (section 1). The helpers compute it exactly, even where it is $10^{-1000}$, hence `log=True`.


# %%
def to_edge(step, mean):
    """The distance b from the mean to the nearest edge of a cell."""
    return step / 2 - abs(step * np.round(mean / step) - mean)


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
    columns = {"n": n, "exact": exact, "law": log_law(n, to_edge(step, mean))}
    parts[name] = pd.DataFrame(columns)
laws = pd.concat(parts, names=["release"]).reset_index("release")

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.COLUMN, 2.8))
places = [(200, -0.6), (4e4, -2.3), (3, -9), (3e4, -8)]
for i, (name, part) in enumerate(parts.items()):
    color, part = figures.COLORS[i], part / [1, math.log(10), math.log(10)]
    ax.plot(part.n, part.exact, "o+^o"[i], color=color, ms=3 + 3 * (i == 1))
    ax.plot(part.n, part.law.clip(lower=-20), lw=0.8, color=color)
    ax.text(*places[i], name, color=color, fontsize=7)
ax.set(xscale="log", ylim=(-12.5, 0.3))
ax.set_xlabel("training-set size $n$ (points exact, lines law)")
ax.set_ylabel(r"$\log_{10}$ insecurity $\Delta_n$")
ax.set_title(r"Rounding multiplies the leak by $e^{-nb^2/2}$", loc="left")
alt = """Log insecurity of a mean against n, exact points on lines of the law. Unrounded
and on an edge: one over root n; 0.13 from an edge: exponential."""
figures.save_figure(fig, "01_three_laws", data=laws, rtol=1e-7, atol=1e-9, alt=alt)

# %% [markdown]
# Three ways to fade in one formula: like $n^{-1/2}$ where $b = 0$, exponentially where $b$ is fixed, in between where the
# grid gets finer with $n$.
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
# $$\begin{aligned}\Delta_n &=\mathrm{TV}\big(\mathcal L(\hat\theta_n, Z_1),\;\mathcal L(\hat\theta_n)\times P\big)
# \cr &=\tfrac12\,\mathbb E_Z\sum_k\big| P(\hat\theta_n=k\mid Z_1=Z)-P(\hat\theta_n=k)\big|,
# \end{aligned}\tag{1.1}$$
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

joint.round(4), product.round(4)

# %% [markdown]
# That is $p_1$, then $p_0$: rows are codewords, columns records. Half the summed difference is $\Delta_3$. A helper finds
# it without a list. With $m_k$ the largest number of ones for which codeword $k$ wins,
#
# $$\Delta_n=2 p (1-p)\max_k P\big(\mathrm{Bin}(n-1, p)=m_k\big).\tag{1.2}$$
#
# *Derivation.* The count is at most $m$ if the other $n - 1$ flips have at most $m$ ones, for $Z_1 = 0$, or at most $m -
# 1$, for $Z_1 = 1$. The two chances differ by $\beta_m = P(\mathrm{Bin}(n - 1, p) = m)$. So (1.1) becomes $p (1-p)
# \sum_k |\beta_{m_k} - \beta_{m_{k-1}}|$ with zeros at both ends. Binomial probabilities rise, then fall: the sum is
# twice its largest term. $\square$

# %%
helper = security.bernoulli_insecurity(3, p, codebook)
print(f"{abs(joint - product).sum() / 2:.6f}, {helper:.6f}")

# %% [markdown]
# Now we play. The attacker says "member" where $p_1 > p_0$, more often of members than of others by nearly $\Delta_3$:

# %%
rng = np.random.default_rng(seed)
data = rng.random((n_simulations, 3)) < p
word = abs(codebook[:, None] - data.mean(1)).argmin(0)
fresh = rng.random(n_simulations) < p
yes = [(joint > product)[word, 1 * z] for z in (data[:, 0], fresh)]
gain = attacks.mean_interval(1.0 * yes[0] - yes[1])
print(f"{gain:.4f}, predicted {helper:.4f}")

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
# A Gaussian mean of 100 samples, true value 0.3, rounded to multiples of a step: insecurity as a share of the unrounded.

# %%
steps = [0.05, 0.1, 0.2, 0.3, 0.6]
share = security.gaussian_mean_insecurity(100, steps, 0.3)
share /= security.full_precision_insecurity(100, 1)
pd.Series(share, pd.Index(steps, name="step")).round(3)

# %% [markdown]
# No share exceeds 1, but they do not fall steadily. Tripling the step merges whole cells and cannot hurt. Doubling it
# moves the edges and may: steps 0.2 and 0.6 have an edge exactly at 0.3. "Fewer bits are safer" is not a theorem.
#
# **A warning: calibration.** Let the algorithm release the constant 0, which tells nothing. Let $Q$ set its scale to the
# largest training sample. For ten coin flips with $P(1) = 0.1$ the scale tells whether any flip was a one, which
# gives $\Delta_n = 2 \cdot 0.1 \cdot 0.9^{10} = 0.070$.
#
# A one excludes the answer "none", so $\Delta_n = 2\, P(Z = 1)\, P(\text{none})$. Statement 2 does not speak of *training*
# in a quantized space: the best codeword is no function of the unrounded minimiser (section 5).
#
# ## 3 · What the number of bits allows
#
# **Theorem A.** *For every algorithm that treats its samples alike, every law of the data and every $n$, with $P_k$ the
# probability that value $k$ is released and any $k_0$,*
#
# $$\begin{aligned}\Delta_n &\le\sum_{k\ne k_0}P_k\min\Big(2,\sqrt{\tfrac2n\log\tfrac1{P_k}}\Big), \cr\Delta_n
# &\le\sum_kP_k\,W\Big(\tfrac1n\log\tfrac1{P_k}\Big)\le W\Big(\tfrac{\log K}n\Big),\end{aligned}\tag{3.2}$$
#
# *where $K$ is the number of values and $W(R)<1$ (`sharp_pinsker`) the largest total variation of two laws whose
# Kullback-Leibler divergence is at most $R$.*
#
# *Idea.* To see value $k$ tells $\log(1/P_k)$ about the whole training set, at most $1/n$ of that about one sample. Over
# many values this is at most $\sqrt{\log K / (2n)}$, the usual bound by Pinsker's inequality; where one value is almost
# sure it is hardly more than the chance of the others; and it is below 1 where Pinsker's is not, from $\log K = 2n$ on.
# Proof and sources: [A, section 3](A_proofs.ipynb).
#
# **A calculator.** Count *every* number released. A network with 128 inputs, 32 hidden units and one output, at one bit
# a weight, still has 33 biases and two scales in 32 bits each. `prior` is the share of members among the records shown.

# %%
for n in (128, 10_000, 10**6):
    print(n, bits.bits_bound(n, weights=4096 + 32, bits=1, floats=33 + 2, prior=0.5))

# %% [markdown]
# At $n = 128$ this is no comfort, nor can another bound from bits alone be: *random codes* (each sample shows $K$ coins; the
# release says which showed most heads) reach $W$ as $n$ grows. For one bit the largest $\Delta_n$ is known exactly, about
# $1 / \sqrt{2 \pi n}$.

# %%
x, n = np.geomspace(1e-3, 8, 80), np.array([1, 3, 10, 30, 100, 300, 1000])
R, p = x * math.log(2), np.geomspace(0.003, 0.5, 50)
lines = pd.DataFrame({"Pinsker": np.sqrt(R / 2).clip(max=1)}, x)
lines["W, theorem A"] = bits.sharp_pinsker(R)
code = np.vectorize(bits.random_code_insecurity)
lines["random codes, n = 100"] = code(100, 100 * R[:, None], p).max(1)
dots = pd.DataFrame({"one bit, largest": map(bits.one_bit_capacity, n)}, 1 / n)
dots["majority of coins"] = [security.bernoulli_insecurity(k, 0.3, [0, 1]) for k in n]

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.COLUMN, 2.5))
lines.plot(ax=ax, logx=True, style=["-", "-", "--"])
dots.plot(ax=ax, logx=True, style=["o", "^"], ms=3)
ax.set(xlabel="bits released per sample", ylabel=r"insecurity $\Delta_n$")
ax.set_title("Bits protect while they are few per sample", loc="left")
frame = pd.concat([lines, dots]).rename_axis("bits").reset_index()
alt = """Insecurity against bits per sample: Pinsker reaches one at 2.9, W stays below;
random codes of 100 samples nearly reach W; coins stay far below."""
figures.save_figure(fig, "01_bits", frame, alt, rtol=1e-7)

# %% [markdown]
# ## 4 · Full precision: the square-root law
#
# **Statement 4.** *Let $\hat\theta_n$ be the mean of $n$ samples in a fixed dimension $d$, with mean $\mu$ and
# covariance $V$, and let the sum of finitely many samples have a density. Then*
#
# $$\Delta_n\sim\frac{\mathbb E\| V^{-1/2} (Z -\mu)\|}{\sqrt{2\pi n}},\tag{4.1}$$
#
# *which for Gaussian data is $1/(\pi \sqrt n)$ in one dimension and $\mathbb E \|N(0, I_d)\| / \sqrt{2\pi n}$ in $d$.*
#
# *Derivation.* The mean is close to $N(\mu, V/n)$. To know $Z_1 = z$ moves its centre by $(z - \mu)/n$, which is $u =
# V^{-1/2}(z - \mu)/\sqrt n$ in units of its standard deviation. Two unit Gaussians at distance $\|u\|$ have the total
# variation $2\Phi(\|u\|/2) - 1 \approx \|u\|/\sqrt{2\pi}$. Average over $z$. $\square$ (Proof and
# counter-example without a density: [A, section 4](A_proofs.ipynb).)
#
# ## 5 · A fixed codebook: the exponential law
#
# Now the algorithm chooses among codewords $\theta_1, \dots, \theta_K$ the one of least total loss on the data. Let
# $\theta_1$, the *home codeword*, have the least expected loss; the others are *runners-up*. The *loss gap* $D_k =
# \ell(\theta_k, Z) - \ell(\theta_1, Z)$ (`gap`) has a mean $\delta_k > 0$ and a variance $\sigma_k^2$. Runner-up $k$ beats
# home when the sum of $n$ gaps is negative; a *tie rule* decides if it is zero. Cramér's theorem says that this has the
# probability $e^{-n I_k + o(n)}$ with the rate (`cramer_rate`)
#
# $$I_k=-\inf_{t\ge 0}\log\mathbb E\, e^{-t D_k}. $$
#
# **Statement 5.** *If the minimiser of the expected loss is unique and the gaps are bounded, then $\frac1n \log \Delta_n
# \to -\min_k I_k$. Nothing but the joint law of the losses decides. If $P(D_k < 0) = 0$, then $I_k = -\log P(D_k = 0)$,
# infinite if that is zero, and such a $k$ counts only where the tie rule prefers it to $\theta_1$.*
#
# *Derivation.* We put $\Delta_n$ between two multiples of the chances $P_k = P(\hat\theta_n = k)$, for every $n$:
#
# $$\sum_{k\ge2}\frac{\delta_k\,P_k}{\max D_k-\min D_k}\;\le\;\Delta_n\;\le\;\sum_{k\ge2}P_k\min\Big(2,
# \sqrt{\tfrac2n\log\tfrac1{P_k}}\Big).\tag{5.1}$$
#
# *Right side.* Theorem A, without the home codeword. *Left side.* A function $f$ whose values for each release lie in
# an interval of length 1 cannot have means that differ by more than $\Delta_n$. Take $f = -D_k(z) / (\max D_k - \min
# D_k)$ where $\hat\theta_n = k \ge 2$, and 0 at home. For a fresh record the mean of $D_k$ is $\delta_k$. For a member
# it is at most 0: all members are alike, and the sum of their gaps is at most 0 because $k$ won.
#
# So $\Delta_n$ and the chance of a wrong codeword have the same rate, and by Cramér's theorem it is the smallest $I_k$.
# $\square$ (Stronger, unbounded gaps, tables: [A, section 5](A_proofs.ipynb).)
#
# Four codewords, three kinds of samples, random losses. The *Gaussian rate* $r_k=\delta_k^2/(2\sigma_k^2)$
# (`gaussian_rate`), from which the paper makes its indicator, sees two moments of the gap only.

# %%
losses = np.random.default_rng(seed + 1).random((4, 3))
probs = np.array([0.5, 0.3, 0.2])
losses = losses[(losses @ probs).argsort()]  # home first
gaps = losses[1:] - losses[0]
rows = [(rates.cramer_rate(g, probs), rates.gaussian_rate(g, probs)) for g in gaps]
pd.DataFrame(rows, index=[2, 3, 4], columns=["I", "r"]).round(4)

# %%
for n in (20, 80, 200):
    print(n, -math.log(security.finite_support_insecurity(losses, probs, n)) / n)

# %% [markdown]
# $-\frac1n\log\Delta_n$ falls towards the smallest $I$. What is left is the constant and the power of $n$;
# [A, section 6](A_proofs.ipynb) finds both, for a fixed problem as $n$ grows: no value of $n I$ makes them safe.
#
# **Or rounding afterwards?** *Theorem E. Let the unrounded estimate be near normal, of covariance $V/n$, and the release
# its nearest codeword in a metric $M$. On grids whose step falls slowly with $n$ the rate is half the squared distance, in
# the metric $V^{-1}$, from the optimum to the edge of its cell. On a codeword of a well-specified model, $V^{-1}=H$ the
# Hessian, each rate is at most the next:* rounding each *weight ($M=I$);* greedy *rounding, which adapts later weights to
# each error, as GPTQ does;* training *over the grid ($M=H$).* Proof: [A, section 9](A_proofs.ipynb). Exact, for means of 40
# samples of five kinds:

# %%
n, turn = 40, 0.4 * np.pi * np.arange(5)
kinds = math.sqrt(2) * np.c_[np.cos(turn), np.sin(turn)]  # of covariance I
grid = np.array([*np.ndindex(5, 5)]) - 2


# %%
def way(M, V, step):
    """The rate times n and the exact insecurity of the codeword nearest in M."""
    apart = step * grid[:, None] - kinds @ np.linalg.cholesky(V).T
    losses = np.einsum("kzi,ij,kzj->kz", apart, M, apart)
    rate = geometry.codebook_rate([0, 0], step * grid, M, M @ V @ M).min()
    return n * rate, security.finite_support_insecurity(losses, [0.2] * 5, n)


# %%
rows, shapes = [], ((1, -0.9), (1, 0.5), (0.5, 0.35))
for (v, c), hessian, nr in itertools.product(shapes, ("right", "wrong"), (2, 4, 6)):
    V = np.array([[v, c], [c, 1]])
    H = np.linalg.inv(V)
    adapt = np.array([[1e3, 0], [H[0, 1] / H[1, 1], 1]])  # first weight first
    V = V if hessian == "right" else np.eye(2)
    for name, M in (("each", np.eye(2)), ("greedy", adapt.T @ adapt), ("training", H)):
        rows.append((hessian, c, nr, name, *way(M, V, math.sqrt(8 * nr / n))))
plane = pd.DataFrame(rows, columns=["Hessian", "c", "size", "way", "nr", "insecurity"])

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.COLUMN, 2.6))
x, law = np.array([0.3, 8]), r"$e^{-nr}/\pi\sqrt{n}$"
ax.semilogy(x, np.exp(-x) / np.pi / n**0.5, "k", lw=0.8, label=law)
sns.scatterplot(plane, x="nr", y="insecurity", hue="way", style="Hessian", ax=ax)
ax.set(xlabel="$n$ times the rate", ylabel=r"insecurity $\Delta_n$")
ax.set_title("The Hessian protects, if it is right", loc="left")
alt = """Exact insecurity of three ways to a grid on the falling line of theorem E."""
figures.save_figure(fig, "01_one_geometry", plane, alt, rtol=1e-6)

# %% [markdown]
# The line is $e^{-nr}/(\pi\sqrt n)$, the leak over one pair of edges; a cell has two or three. With the right Hessian greedy
# rounding leaks less than rounding each weight, and training no more than greedy rounding. With a wrong one ($V=I$,
# correlation 0.9 in $H$) both have 0.5525 of the rate, and leak up to 11 times as much. Off a codeword there is no order.
#
# ## 7 · Ties: the exponential law switches off
#
# **Statement 7.** *If exactly two codewords share the least expected loss and their gap $D$ has standard deviation
# $\sigma > 0$, then*
#
# $$\Delta_n\sim\frac{\mathbb E |D|}{\sigma\sqrt{2\pi n}}.\tag{7.1}$$
#
# *Derivation.* Given $Z_1 = z$, the second codeword wins if the other $n - 1$ gaps sum to less than $-D(z)$, which by the
# central limit theorem has the probability $\Phi(-D(z) / (\sigma\sqrt n)) \approx \frac12 - D(z) / (\sigma\sqrt{2\pi n})$.
# The two codewords change by the same amount in opposite directions, so (1.1) has two equal halves. All others are
# exponentially rarer. $\square$ (The local limit, more than
# two codewords, exact values: [A, section 7](A_proofs.ipynb).)
#
# A surprise: a Gaussian mean on the edge of two cells has $\mathbb E|D|/\sigma=\sqrt{2/\pi}$, so (7.1) is
# $1/(\pi\sqrt n)$, the *full-precision* law: the best attack on an unrounded mean asks only on which side of the true
# mean it fell.

# %% [markdown]
# ## 10 · The phase diagram
#
# **Statement 10 (ours).** *For the Gaussian mean let $b$ be the distance from the true mean to the nearest cell edge, in
# units of the standard deviation $\sigma$ of a sample. As $n \to \infty$ with $b \to 0$, whatever the step,*
#
# $$\Delta_n\sim\frac{1}{\pi\sqrt n}\; e^{-n b^2 / 2} .\tag{10.1}$$
#
# *The insecurity is that of full precision where the step is far below $\sigma/\sqrt n$, half of it where $b\sqrt n=
# 1.18$, exponentially small beyond, and that of full precision again on the* ridges $b=0$.
#
# *Derivation.* Let $e_k$ be the edges, measured from the true mean in standard deviations of the released mean. A sample
# $x$ moves the mean by $x/\sqrt n$ of these: cell $k$ changes by $\frac{x}{\sqrt n} (\varphi(e_k) - \varphi(e_{k+1}))$ to
# first order. So (1.1) is $\frac{\mathbb E|X|}{2\sqrt n} \sum_k |\varphi(e_k) - \varphi(e_{k+1})|$. The normal density
# rises, then falls: the sum is twice its largest value, at the nearest edge, where $e = \sqrt n\, b$. With $\mathbb E |X|
# = \sqrt{2/\pi}$ this is (10.1). $\square$  In full:
# [A, section 10](A_proofs.ipynb).
#
# The first figure checks it. Now the map: many sizes, steps and six means.

# %%
sizes = np.unique(np.geomspace(1, 10**5, n_sizes).round().astype(int))
steps = [0.05, 0.06, 0.07, 0.08, 0.1, 0.12, 0.15, 0.2, 0.24, 0.3, 0.4, 0.5]
steps += [0.6, 0.7, 0.8, 1, 1.2, 1.5, 1.8, 2, 2.2, 2.5, 2.8, 3]
means = [0, 0.1, 0.12, 0.25, 0.3, 0.5]
points = itertools.product(sizes, steps, means)
diagram = pd.DataFrame(points, columns=["n", "step", "mean"])
diagram["insecurity"] = security.gaussian_mean_insecurity(*diagram.to_numpy().T)
unrounded = {n: security.full_precision_insecurity(n, 1) for n in sizes}
diagram["full_precision"] = diagram.n.map(unrounded)

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 2.8), sharey=True)
fine, ticks = np.geomspace(0.05, 3, 4000), [0.05, 0.1, 0.2, 0.5, 1, 2]
for ax, mean in zip(axes, (0, 0.3), strict=True):
    part = diagram[diagram["mean"] == mean].pivot(index="step", columns="n")
    share = np.log10((part.insecurity / part.full_precision).clip(lower=1e-6))
    image = ax.pcolormesh(sizes, steps, share, cmap="cividis", vmin=-6, rasterized=True)
    b = np.maximum(to_edge(fine, mean), 1e-9)
    for kept, line in (("1/2", "w-"), ("1/1000", "w--"), ("1/1000000", "w:")):
        size = 2 * math.log(int(kept[2:])) / b**2
        ax.plot(size, fine, line, lw=1, label=f"law: {kept}")
    ax.set(xscale="log", yscale="log", xlim=(1, 1e5), ylim=(0.05, 3))
    ax.set_yticks(ticks, ticks)
    ax.set(xlabel="training-set size $n$")
    ax.set_title(f"true mean {mean}", loc="left")
axes[0].set_ylabel(r"grid step (units of $\sigma$)")
axes[0].legend(labelcolor="w", loc="lower left")
fig.colorbar(image, ax=axes, label=r"$\log_{10}$ exact share of unrounded $\Delta_n$")
fig.suptitle("A coarse step hides membership, but not on the ridges", fontsize=8)
alt = """Share of the unrounded insecurity over training-set size and grid step, with
lines of the law: 1 below a diagonal, tiny above; for mean 0.3 with bright ridges."""
figures.save_figure(fig, "01_phase_diagram", diagram, alt, rtol=1e-5, atol=1e-300)

# %% [markdown]
# The diagonal band is narrow: from half to a millionth the step grows by a factor $\sqrt{\log 10^6/\log 2}=4.5$. All
# privacy is decided there, and by where the mean happens to lie.
#
# **Move through it.** In a live notebook the next cell has sliders: exact values and law against the step. Peaks are ridges.


# %%
def cut(n=1000, mean=0.3):
    """Draw exact insecurity and law against the step."""
    step = np.geomspace(0.03, 3, 200)
    plt.loglog(step, security.gaussian_mean_insecurity(n, step, mean))
    plt.loglog(step, np.exp(log_law(n, to_edge(step, mean))), "k:")
    plt.show()


if "QMIS_RUN" not in os.environ:
    narrow = {"max_width": "20em"}  # telephones
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
# ratio falls if $\mathrm{erf}(x)>\frac2{\sqrt\pi}e^{-x^2}(x+\frac23x^3)$: two terms of a positive series.
# $\square$ (In full: [A, section 11](A_proofs.ipynb).)
#
# **Many coordinates reverse the order.** There Fisher information $J$ counts (`02_many_weights`). Gaussian noise has the least
# of its variance, $1/(1+w^2/12)$; rounding has $1.806/w$. For wide steps *(theorem B, [A](A_proofs.ipynb))*
#
# $$d'_{\text{rounded}}/d'_{\text{noise}}\sim\sqrt{0.1505\,w}.\tag{11.2}$$
#
# Unbiased rounding up or down at random, with secret coins, keeps $J\sim2(\log w+1.20)/w^2$: nearly noise.
#
# The check is exact, at $n=100$.

# %%
from qmis_utils.theory import edges

n, x = 100, stats.norm.ppf((np.arange(10_000) + 0.5) / 10_000)
places = np.r_[(np.arange(24) + 0.5) / 48, 0, 0.5]  # in the cell

# %%
rows = []
for w in np.geomspace(0.3, 40, 24):
    h = w / math.sqrt(n)
    noise = security.gaussian_noise_insecurity(n, h / math.sqrt(12))
    *leak, centre, edge = security.gaussian_mean_insecurity(n, h, h * places)
    unit = 1 + w**2 / 12
    rows += [("noise", w, unit, noise), ("dithered", w, unit, np.mean(leak))]
    error = [w**2 * np.mean((np.round(x / w + p) - p) ** 2) for p in (0, 0.5)]
    rows += [("at centre", w, error[0], centre), ("on edge", w, error[1], edge)]
frontier = pd.DataFrame(rows, columns=["rule", "w", "n_mse", "insecurity"])

# %%
table = frontier.pivot(index="w", columns="rule", values="insecurity")
table = table.iloc[[0, 8, 12, 16, 20, 23]]
w, unit = table.index, np.sqrt(1 + table.index**2 / 12)
table = pd.DataFrame({"one": table.dithered / table.noise})
table["law"] = special.erf(w / 8**0.5) / w * math.sqrt(2 * np.pi) * unit
kept = [edges.noise_information("uniform", x / 12**0.5) for x in w]
table["many"] = np.sqrt(kept) * unit
kept = [edges.stochastic_information(x / 2**0.5) for x in w]
table["random"] = np.sqrt(kept) * unit
table.round(4)

# %% [markdown]
# All over noise of equal error. For one coordinate ratio and law agree, but for a little at wide steps. Without the dither
# there is a lottery: a mean at the centre of its cell leaks exponentially little, one on an edge pays for nothing.

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.COLUMN, 2.7))
sns.lineplot(frontier, x="insecurity", y="n_mse", hue="rule", estimator=None, ax=ax)
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
# - Bits alone bound it by $W(\log K/n)$, and no better: a network of several bits per sample has no such protection.
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
# Put your answer in the place of `None` and run the cell; the check gives a hint. Solutions are in cells tagged
# `solution`, which `make students` leaves out.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise 01.1.** "Fewer bits are safer" is badly false. With `mean` 0.3 and $n = 1000$, find a step between 0.2 and 0.6
# at which *doubling* it multiplies $\Delta_{1000}$ by more than 100. The cut of section 10 shows why there are such steps.

# %% tags=["exercise"]
answer = None  # a step
exercises.check("01.1", answer)

# %% tags=["solution"]
# At step 0.3 the mean is a grid point; doubling puts an edge on it: a ridge.
answer = 0.3
exercises.check("01.1", answer)

# %% [markdown]
# **Exercise 01.2.** In section 2 a scale makes a constant leak. Find the worst case: a number of coin flips, at least two,
# and the probability of a one, such that the calibrated constant has an insecurity above 0.29. The formula of
# section 2 computes it; no bit does worse on as many flips (section 3).

# %% tags=["exercise"]
answer = None  # a pair: number of flips, probability of a one
exercises.check("01.2", answer)

# %% tags=["solution"]
# Few other flips: 2 p (1 - p)^2 is largest at p = 1/3, where it is 8/27 = 0.296.
answer = (2, 1 / 3)
exercises.check("01.2", answer)

# %% [markdown]
# **Exercise 01.3.** A rate alone is a poor promise where $nb^2$ is small. For the Gaussian mean 0.12 on the grid of step 0.5,
# what is the smallest training-set size whose *exact* insecurity, which falls steadily with $n$ here, is below 0.001?
# Compare with the bare $e^{-nb^2/2}$.

# %% tags=["exercise"]
answer = None  # a whole number
exercises.check("01.3", answer)

# %% tags=["solution"]
# The bare rate asks for 818, 2.4 times as many: it forgets 1 / (pi sqrt n).
sizes = np.arange(1, 1000)
leak = security.gaussian_mean_insecurity(sizes, 0.5, 0.12)
answer = sizes[leak < 1e-3][0]
exercises.check("01.3", answer)

# %% [markdown]
# **Exercise 01.4.** Make the Gaussian rate fail badly: give a gap with at most four values and their probabilities,
# positive on average and sometimes negative, such that $r$ is more than *three* times the true rate $I$.

# %% tags=["exercise"]
answer = None  # a pair of lists: gaps, probabilities
exercises.check("01.4", answer)

# %% tags=["solution"]
# A few very negative gaps, which a variance hardly notices, overturn many others.
gap, law = [-40.0, 1.0], [0.001, 0.999]
exercises.check("01.4", (gap, law))

# %% [markdown]
# **Next.** `02_many_weights`: a network rounds thousands of numbers, and the exponential is gone.
#
# ## Appendix · Equation, section, test
#
# The test that fails when an equation is wrong; others: `A_proofs`, `02_many_weights`.
#
# | equation | section | test |
# |---|---|---|
# | (1.1) | 1 | `tests/theory/test_theory.py::test_statement_01_likelihood_ratio_attack_is_optimal` |
# | (1.2) | 1 | `tests/theory/test_security.py::test_bernoulli_matches_the_general_engine` |
# | statement 2 | 2 | `tests/theory/test_theory.py::test_statement_02_post_processing_cannot_hurt` |
# | statement 2, calibration | 2 | `tests/theory/test_theory.py::test_statement_02_calibration_can_hurt` |
# | (3.2) | 3 | `tests/theory/test_bits.py::test_theorem_a_bounds_hold_on_300_random_problems` |
# | (3.2), sharp | 3 | `tests/theory/test_bits.py::test_theorem_a_is_sharp_random_codes_reach_w` |
# | (4.1) | 4 | `tests/theory/test_security.py::test_full_precision_follows_the_square_root_law` |
# | (5.1) | 5 | `tests/theory/test_bits.py::test_theorem_a_lower_bound_for_erm` |
# | statement 5 | 5 | `tests/theory/test_theory.py::test_statement_05_exponential_rate` |
# | theorem E | 5 | `tests/theory/test_geometry.py::test_theorem_e_order_on_a_codeword` |
# | (7.1) | 7 | `tests/theory/test_theory.py::test_statement_07_ties_follow_the_square_root_law` |
# | (10.1) | 10 | `tests/theory/test_theory.py::test_statement_10_rounding_multiplies_by_exp_minus_n_r` |
# | (11.1) | 11 | `tests/theory/test_theory.py::test_statement_11_dithered_rounding_against_noise` |
# | (11.2) | 11 | `tests/theory/test_edges.py::test_the_order_reverses_between_one_coordinate_and_many` |

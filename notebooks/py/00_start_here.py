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
# # 00 · Start here
#
# Quantizing a model, storing each weight in a few bits, saves memory and time. What does it do to the privacy of the
# people or molecules in the training data? This page says in one example and one figure what is measured, then where
# to find what, and how to run it all on your own data.
#
# **In the paper.** Section 2 (definitions) of Aubinais, Formont, Piantanida and Gassiat, *An Indicator of Membership
# Inference Security in Post-Training Quantized Models*, AISTATS 2026, arXiv 2502.06567. This companion is independent
# work; what is the paper's and what is ours is said wherever it matters.
#
# **Figures made.** `00_what_is_mis`.
#
# **You will learn**
#
# 1. what membership inference security (MIS) is, on an example small enough to compute exactly;
# 2. why rounding a released number can protect the data behind it;
# 3. the words and symbols that every notebook and every helper uses;
# 4. how to run a notebook, change a parameter, and put in your own table.
#
# **Prerequisites.** The normal distribution, and Python.
#
# **Run time** (2 cores): full 5 s, quick 5 s.

# %%
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy.stats import norm

from qmis_utils import attacks, figures
from qmis_utils.theory import security

figures.use_style()

# %% tags=["parameters"]
seed: int = 0  # of the simulated attack (at least 0)
n: int = 10  # training-set size (at least 1)
mean: float = 0.3  # true mean of the data
step: float = 1.0  # grid on which the quantized mean is released
z: float = 2.3  # the record whose membership is in question, in the first two panels
trials: int = 40_000  # simulated attacks per grid step (at least 1)

# %% [markdown]
# ## One number, ten people
#
# Ten people each hold a number; the numbers are drawn from $P = N(\mu, 1)$ (`mean`). We "train" the smallest model
# there is, the sample mean $\hat\theta_n$ (`theta`), and release it. An attacker knows $P$, sees the release, and
# holds one more number $z$. Was $z$ among the ten (IN), or is it a fresh draw (OUT)?
#
# If $z$ was in, the mean was pulled towards it by a tenth of its distance. Those two laws of the release are all that
# any attack can ever use:

# %%
out_law = norm(mean, 1 / np.sqrt(n))
in_law = norm(mean + (z - mean) / n, np.sqrt(n - 1) / n)
print(f"OUT: N({out_law.mean():.2f}, {out_law.std():.3f}^2)   IN: N({in_law.mean():.2f}, {in_law.std():.3f}^2)")

# %% [markdown]
# Now quantize: release the nearest multiple of `step`, $Q(\hat\theta_n)$, instead. The same two laws become two rows
# of probabilities over a few grid points (the `codebook`), and they look much more alike.

# %%
codebook = step * np.arange(-2, 4)
edges = np.append(codebook - step / 2, codebook[-1] + step / 2)
bars = pd.DataFrame({"release": codebook, "OUT": np.diff(out_law.cdf(edges)), "IN": np.diff(in_law.cdf(edges))})
bars.round(4)

# %% [markdown]
# ## Insecurity and MIS
#
# How well can the *best possible* attack tell the two apart, on average over records? The answer is a total variation
# distance, the **insecurity** $\Delta_n$ (`insecurity`):
#
# $$\Delta_n = \mathrm{TV}\big(\mathrm{law}(\hat\theta_n, Z_1),\; \mathrm{law}(\hat\theta_n) \otimes P\big), \qquad
# \mathrm{MIS}_n = 1 - \Delta_n .$$
#
# An attacker who must guess IN or OUT after a fair coin chose which is right with probability at most $(1 + \Delta_n)/2$.
# MIS $= 1$ means that no attack beats a coin; MIS $= 0$ that some attack is always right. For this example the companion
# computes $\Delta_n$ exactly, with the release as it is and with the release rounded.

# %%
exact = {"full precision": security.full_precision_insecurity(n, 1)}
exact[f"step {step:g}"] = security.gaussian_mean_insecurity(n, step, mean)
pd.DataFrame({"insecurity": exact, "mis": {k: 1 - v for k, v in exact.items()}}).round(4)

# %% [markdown]
# ## Do not believe a formula: attack it
#
# The best attack says IN when the release is likelier given $z$ than without it. We play the game `trials` times at
# each grid step: flip a coin, train, round, let the attacker guess, count. Twice the accuracy minus one estimates
# $\Delta_n$; its interval is Clopper and Pearson's for a binomial count.


# %%
def probabilities(released, width, records):
    """Return P(release) without and with each record in the training set."""
    cells = released[:, None] + width * np.array([-0.5, 0.5])
    without = np.diff(norm.cdf(cells, mean, 1 / np.sqrt(n)))
    centre = mean + (records - mean)[:, None] / n
    return without[:, 0], np.diff(norm.cdf(cells, centre, np.sqrt(n - 1) / n))[:, 0]


# %% [markdown]
# One simulated game per trial; the attacker never sees the coin.


# %%
def simulate(width, rng):
    """Play the membership game at one grid step; return the measured advantage with its interval."""
    records, member = mean + rng.normal(size=trials), rng.random(trials) < 0.5
    theta = mean + rng.normal(size=trials) / np.sqrt(n)
    theta_in = mean + (records - mean) / n + rng.normal(size=trials) * np.sqrt(n - 1) / n
    released = width * np.rint(np.where(member, theta_in, theta) / width)
    without, given = probabilities(released, width, records)
    hits = int(((given > without) == member).sum())
    return [2 * p - 1 for p in attacks.clopper_pearson(hits, trials)]


# %%
rng = np.random.default_rng(seed)
widths = np.array([0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0])
games = pd.DataFrame([simulate(w, rng) for w in widths], columns=["measured", "low", "high"])
games.insert(0, "step", widths)
games["exact"] = [security.gaussian_mean_insecurity(n, w, mean) for w in widths]
games.round(4)

# %% [markdown]
# The measured advantage agrees with the exact insecurity up to sampling noise: of eight intervals at 95 % one may well
# miss, so we ask for six and print how many hold.

# %%
inside = ((games.low <= games.exact) & (games.exact <= games.high)).sum()
assert inside >= 6
print(f"{inside} of {len(games)} intervals hold the exact value")

# %% [markdown]
# ## The whole story in one figure
#
# Left: the two laws of the exact mean. Middle: the same after rounding. Right: insecurity against the grid step. It
# falls as the grid gets coarser than the noise of the mean, $1/\sqrt n$, but not steadily: it rises again where the
# true mean comes to lie near a cell edge, as it does at the step that makes the mean sit halfway between two grid
# points.

# %%
fine = np.linspace(0, 1.6, 400)[1:]
curve = pd.DataFrame({"step": fine * 1.3, "exact": security.gaussian_mean_insecurity(n, fine * 1.3, mean)})
grid = np.linspace(-0.9, 1.5, 200)
fig, (left, middle, right) = plt.subplots(1, 3, figsize=(figures.PAGE, 2.3), width_ratios=[1, 1, 1.4])
for law, label, color in [(out_law, "OUT", figures.COLORS[0]), (in_law, "IN", figures.COLORS[1])]:
    left.plot(grid, law.pdf(grid), color=color)
    left.fill_between(grid, law.pdf(grid), color=color, alpha=0.2, lw=0, label=label)
    middle.bar(bars.release + (0.15 if label == "IN" else -0.15) * step, bars[label], 0.3 * step, color=color)
left.set(xlabel="released mean", ylabel="density", title="full precision")
left.legend(loc="upper left")
middle.set(xlabel="released mean", ylabel="probability", title=f"rounded, step {step:g}", xlim=(-1.6, 2.6))
right.plot(curve.step, curve.exact, color="black", label="exact")
right.vlines(games.step, games.low, games.high, color=figures.COLORS[2])
right.plot(games.step, games.measured, "o", color=figures.COLORS[2], label="best attack, simulated")
right.axhline(exact["full precision"], color="0.4", ls=":", lw=0.8)
right.set(xlabel="grid step", ylabel=r"insecurity $\Delta_n$", title=f"n = {n}", ylim=(0, None))
right.legend(loc="lower left")
figures.save_figure(
    fig, "00_what_is_mis", data=pd.concat([games, curve]), rtol=1e-6, atol=1e-9,
    alt="Laws of a released mean with a record in and out, exact and rounded; exact insecurity against the grid step, "
    "with the simulated best attack on the curve.",
)  # fmt: skip

# %% [markdown]
# ## The map
#
# | notebook | question |
# |---|---|
# | `00_start_here` | what is MIS? |
# | `01_theory_derivation` | what does theory say about quantizers, and is it exact? |
# | `02_many_weights` | where theory meets networks: what survives when many weights are rounded? |
# | `05_synthetic_mis_ranking` | do cheap numbers rank quantizers as a strong attack does? |
# | `B_indicator_study` | over many settings: which cheap number can be trusted, against which attacker? |
# | `07_molecular_privacy_utility` | what does privacy cost on real molecules? |
# | `C_attack_families` | how near do the attacks of the field come to the truth, and how are they reported? |
# | `14_audit_your_model` | what would quantizing a model of your own give away? |
#
# The helpers in `qmis_utils` are rooms, each of a few short modules: `theory` (exact insecurity, decay rates, what survives
# rounding), `quantizers` (codes and scales), `ensemble` (many small networks as one batch), `attacks` (what an attacker sees,
# the catalogue of attacks, how they are judged), `indicators` (the paper's $r$, the survival correlations and their laws,
# rank agreement), `assess` (the one engine: a game, releases, attacks and cheap numbers, and what they say of each other),
# `molecules` (tables, cleaning, splits, representations), `studies` (the inside of `B` and `07`), `audit` (a model of your
# own); and, without science, `figures`, `exercises`, `run` with `runner`, and `store`. Outside a room one asks it for a name:
# `from qmis_utils import attacks`, then `attacks.auc`. `CONTRIBUTING.md` says which one file to touch to add a thing.
#
# ## The vocabulary
#
# | symbol | code name | meaning |
# |---|---|---|
# | $Z, P, n$ | `z`, `n` | a sample, its law, the training-set size |
# | $A, \hat\theta_n$ | `theta` | learning algorithm, and its output on $n$ independent samples |
# | $Q, \theta_k, K$ | `codebook`, `K` | quantizer, its codewords, and their number |
# | $\ell(\theta, z)$ | `losses` (K, m) | loss of $K$ codewords on $m$ samples |
# | $\Delta_n$ | `insecurity` | total variation above; the best attack is right with probability $(1 + \Delta_n)/2$ |
# | $\mathrm{MIS}_n$ | `mis` | $1 - \Delta_n$, in $[0, 1]$; 1 = no attack beats a coin |
# | $D_k = \ell(\theta_k, Z) - \ell(\theta_1, Z)$ | `gap` | loss gap to $\theta_1$, the best codeword in the population |
# | $\delta_k, \sigma_k^2$ | `gap_mean`, `gap_var` | mean and variance of $D_k$ |
# | $I_k$ | `cramer_rate` | $-\inf_{t \ge 0} \log E\, e^{-t D_k}$, the exact exponential rate |
# | $r_k = \delta_k^2 / (2 \sigma_k^2)$ | `gaussian_rate` | its second-order version; $r_Q = \min_k r_k$ is the paper's indicator |
# | $\rho$ | `survival_rho` | correlation of quantized with full-precision deviations (ours) |
# | IN / OUT | `members`, `nonmembers` | samples used / not used in training |
#
# ## How to run, change, and put in your own data
#
# From the top folder of the repository:
#
# | you want to | command |
# |---|---|
# | regenerate every figure | `make figures` |
# | read and play in JupyterLab | `make lab` |
# | run one notebook | `.venv/bin/python -m qmis_utils.run notebooks/00_start_here.ipynb` |
# | change a parameter | `... -p n 50 -p step 0.5` (names and types as in the cell tagged `parameters`) |
# | read all of it as a book | `make book`, then open `build/book/index.html` |
# | use your own molecules | `.venv/bin/python -m qmis_utils.run 07 -p tasks '["csv:/path/to/my.csv"]' -p smiles_column SMILES -p label_column y` |
#
# A run with changed parameters writes to `build/`, never over the committed figures. A table of your own stays where it
# is: keep it outside the repository.
#
# ## What we saw
#
# The best attack on ten numbers' mean is only a little better than a coin, rounding makes it worse still, and coarser
# is not always safer. That is the whole subject: how fast insecurity falls with $n$ and with the quantizer, and how
# to find out cheaply for models whose $\Delta_n$ nobody can compute.
#
# **Limits.** One dimension, a known law, one record at a time; networks come in notebook 05.

# %% [markdown]
# ## Exercises
#
# Put your answer in the place of `None` and run the cell: the check tells right from wrong and gives a hint. It knows
# right answers by a hash or by what they can do, so its source gives nothing away. Solutions are in cells tagged
# `solution`; `make students` writes notebooks without them.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise 00.1.** A company plays the membership game against its own release, with the best attack that exists. The
# attack is right in 56 % of a very long series of games in which a fair coin chose between member and non-member. What is
# the MIS of the release?

# %% tags=["exercise"]
answer = None  # a number
exercises.check("00.1", answer)

# %% tags=["solution"]
answer = 1 - (2 * 0.56 - 1)
exercises.check("00.1", answer)

# %% [markdown]
# **Exercise 00.2.** Move the true mean to 0.5, onto a cell edge of the grid with step 1, and keep $n = 10$. By which factor
# does rounding change the insecurity of the exact mean? Give the rounded insecurity divided by the full-precision one, and
# ask yourself why so little is gained.

# %% tags=["exercise"]
answer = None  # a number
exercises.check("00.2", answer)

# %% tags=["solution"]
answer = security.gaussian_mean_insecurity(10, 1.0, 0.5) / security.full_precision_insecurity(10, 1)
exercises.check("00.2", answer)

# %% [markdown]
# **Exercise 00.3.** Coarser is not always safer. For 100 people and a true mean of 0.3, find two grid steps, the first
# finer than the second, such that the *coarser* one has an insecurity more than 1.2 times that of the finer one. Many
# pairs are right; the figure above shows where to look.

# %% tags=["exercise"]
answer = None  # a pair: finer step, coarser step
exercises.check("00.3", answer)

# %% tags=["solution"]
answer = (0.3, 0.6)  # 0.6 puts an edge on the mean, 0.3 a grid point
exercises.check("00.3", answer)

# %% [markdown]
# **Exercise 00.4.** Who is most exposed? Write a function of a record $z$ that returns the total variation between the laws
# of the rounded mean (step 1, ten people, true mean 0.3) with $z$ in and without it. Averaged over records it must give
# $\Delta_{10}$, which is how the check knows it. Then look at a record far from the mean. The law with the record in has the
# standard deviation $\sqrt{9}/10$, because only nine people are still random, and its mean is pulled by a tenth of the
# distance. Take enough grid points that no probability is lost.

# %% tags=["exercise"]
answer = None  # a function of z
exercises.check("00.4", answer)

# %% tags=["solution"]
cell_edges = np.arange(-20, 21) + 0.5
law_without = np.diff(norm.cdf(cell_edges, 0.3, 1 / np.sqrt(10)))


def exposure(z):
    law_with = np.diff(norm.cdf(cell_edges, 0.3 + (z - 0.3) / 10, np.sqrt(9) / 10))
    return abs(law_with - law_without).sum() / 2


exercises.check("00.4", exposure)

# %% [markdown]
# **To go further**, without a check.
#
# 1. Set `mean` to 0.5 and 0.0 and rerun. At which steps does rounding help less, and why?
# 2. Set `n` to 100. How do the grid steps at which the curve falls move?
# 3. Average the advantage of the attack over records $|z - \mu| > 2$ only. Who is most exposed?
#
# **Next:** `01_theory_derivation`.

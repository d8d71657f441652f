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
# # 00 · Start here: one game, ten results
#
# **Question.** Ten people's numbers are averaged, and the mean is published, exact or rounded. How well can somebody who
# sees it tell whether *your* number was among the ten?
#
# **Answer.** For a number two standard deviations from the mean, the best possible guess is right in 62.8 % of cases when
# the mean is exact, and in 56.2 % when it is rounded to multiples of 1.5; a coin is right in 50 %. These values are exact;
# 40,000 simulated games at that step give an insecurity of 0.035 [0.025, 0.045] over all records, exactly 0.037.
#
# Quantizing a model, storing each weight in a few bits, is such a rounding of millions of numbers at once. What it does to
# the privacy of the people or molecules behind the model is the subject of this companion. You need to know the normal
# distribution, and some Python.
#
# *In the paper: section 2 of Aubinais, Formont, Piantanida and Gassiat, AISTATS 2026, arXiv 2502.06567; this companion is
# independent work. Figure: `00_what_is_mis`.* **Run time** (2 cores): full 5 s, quick 5 s.

# %%
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy.stats import norm

from qmis_utils import attacks, figures
from qmis_utils.theory import security

figures.use_style()

# %% tags=["parameters"]
seed: int = 0  # of the simulated games (at least 0)
n: int = 10  # people behind the mean, the training-set size (at least 1)
mean: float = 0.3  # true mean of the law that all numbers come from
step: float = 1.5  # the published mean is rounded to multiples of it
z: float = 2.3  # the number whose membership is in question, in the first two panels
trials: int = 40_000  # simulated games per step (at least 1)

# %% [markdown]
# Two laws are all that any attacker can ever use: that of the mean without $z$ (OUT), and that of the mean with it (IN),
# which is pulled towards $z$ by a tenth of its distance.

# %%
out_law = norm(mean, 1 / np.sqrt(n))
in_law = norm(mean + (z - mean) / n, np.sqrt(n - 1) / n)
print(f"OUT: N({out_law.mean():.2f}, {out_law.std():.3f}^2)")
print(f"IN:  N({in_law.mean():.2f}, {in_law.std():.3f}^2)")

# %% [markdown]
# Rounding turns both into a few probabilities, one for each multiple of `step`.

# %%
codebook = step * np.arange(-4, 5)
edges = np.append(codebook - step / 2, codebook[-1] + step / 2)
bars = pd.DataFrame({"release": codebook})
bars["OUT"] = np.diff(out_law.cdf(edges))
bars["IN"] = np.diff(in_law.cdf(edges))

# %% [markdown]
# Half the summed difference of the two laws is their *total variation*. The best guess says IN wherever IN is likelier,
# and is right with probability one half plus half of that.

# %% tags=["hide-input"]
grid = np.linspace(-2.7, 3.3, 60_001)
exact_tv = abs(out_law.pdf(grid) - in_law.pdf(grid)).sum() * (grid[1] - grid[0]) / 2
rounded_tv = abs(bars.OUT - bars.IN).sum() / 2
right = {"exact": (1 + exact_tv) / 2, "rounded": (1 + rounded_tv) / 2}

# %% [markdown]
# How much is that over *all* records $z$, not one? The third panel below averages over them. Its curve is exact; the
# dots are games that we play: flip a coin, draw ten numbers, round their mean, let the best attacker guess, count.


# %% tags=["hide-input"]
def probabilities(released, width, records):
    """Return P(release) without and with each record among the n."""
    cells = released[:, None] + width * np.array([-0.5, 0.5])
    without = np.diff(norm.cdf(cells, mean, 1 / np.sqrt(n)))
    centre = mean + (records - mean)[:, None] / n
    within = np.diff(norm.cdf(cells, centre, np.sqrt(n - 1) / n))
    return without[:, 0], within[:, 0]


# %% tags=["hide-input"]
def play(width, rng):
    """Play the game at one step; return twice the share of right guesses minus one."""
    records, member = mean + rng.normal(size=trials), rng.random(trials) < 0.5
    others = rng.normal(size=trials)
    theta_out = mean + others / np.sqrt(n)
    theta_in = mean + (records - mean) / n + others * np.sqrt(n - 1) / n
    released = width * np.rint(np.where(member, theta_in, theta_out) / width)
    without, within = probabilities(released, width, records)
    hits = int(((within > without) == member).sum())
    return [2 * share - 1 for share in attacks.clopper_pearson(hits, trials)]


# %% tags=["hide-input"]
rng = np.random.default_rng(seed)
steps = np.array([0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0])
columns = ["measured", "low", "high"]
games = pd.DataFrame([play(width, rng) for width in steps], columns=columns)
games.insert(0, "step", steps)
games["exact"] = [security.gaussian_mean_insecurity(n, w, mean) for w in steps]


# %% tags=["hide-input"]
def draw_laws(left, middle):
    """Draw both laws, exact and rounded."""
    shown = grid[17_000:43_000:200]
    for law, name, color in [(out_law, "OUT", "#0072B2"), (in_law, "IN", "#D55E00")]:
        left.fill_between(shown, law.pdf(shown), color=color, alpha=0.25, lw=0)
        left.plot(shown, law.pdf(shown), color=color, label=name)
        side = step * (0.13 if name == "IN" else -0.13)
        middle.bar(bars.release + side, bars[name], 0.26 * step, color=color)
    title = "{}: best guess right\nin {:.1%} [z = {:g}]"
    left.set(xlabel="published mean", ylabel="density", ylim=(0, 1.9))
    left.set_title(title.format("Exact", right["exact"], z), loc="left")
    left.legend(loc="upper left", ncols=2, handlelength=1)
    middle.set(xlabel="published mean", ylabel="probability")
    middle.set(xlim=(-2.4, 2.4), ylim=(0, 1))
    middle.set_title(title.format("Rounded", right["rounded"], z), loc="left")


# %% tags=["hide-input"]
fine = np.linspace(0, 2.08, 400)[1:]
exact = security.gaussian_mean_insecurity(n, fine, mean)
curve = pd.DataFrame({"step": fine, "exact": exact})


def draw_average(ax):
    """Draw the insecurity over all records against the step."""
    ax.plot(curve.step, curve.exact, color="black", label="exact")
    ax.vlines(games.step, games.low, games.high, color="#009E73")
    ax.plot(games.step, games.measured, "o", color="#009E73", label="played")
    ax.axvline(step, color="0.6", ls=":", lw=1)
    ax.set(xlabel="step of the rounding", ylim=(0, 0.128), xlim=(0, 2.1))
    ax.set_ylabel(r"insecurity $\Delta_n$, over all $z$")
    ax.set_title("Over all records it falls\nonce the step is coarse", loc="left")
    ax.legend(loc="lower left")


# %% tags=["hide-input", "slide"]
fig, axes = plt.subplots(1, 3, figsize=(figures.PAGE, 2.5), width_ratios=[1, 1, 1.4])
draw_laws(*axes[:2])
draw_average(axes[2])
laws = pd.DataFrame({"release": list(right), "z": z})
laws["best_guess_right"] = list(right.values())
figures.save_figure(
    fig,
    "00_what_is_mis",
    data=pd.concat([games, curve, laws]),
    rtol=1e-6,
    atol=1e-9,
    alt="Laws of a published mean with a record in and out: exact, where they differ, "
    "and rounded to 1.5, where they nearly agree. Third panel: exact insecurity over "
    "all records against the step, with played games; the shown step is marked.",
)

# %% [markdown]
# ## The game, in words
#
# A *training algorithm* turns $n$ samples $Z_1, \dots, Z_n$ from a law $P$ into parameters $\hat\theta_n$ (`theta`); here
# it takes their mean. A *quantizer* $Q$ maps them to one of $K$ codewords (`codebook`). What leaves the building is the
# *release*: here $Q(\hat\theta_n)$, for a network its codes, scales, biases, or only its outputs. Everything published counts.
#
# The *membership game*: a fair coin decides whether the attacker is handed a record that was trained on (a member, IN) or
# a fresh one (OUT). It guesses. The **insecurity** $\Delta_n$ (`insecurity`) is how far the best possible guess beats the coin:
#
# $$\Delta_n = \mathrm{TV}\big(\mathrm{law}(\hat\theta_n, Z_1),\; \mathrm{law}(\hat\theta_n) \otimes P\big), \qquad
# \mathrm{MIS}_n = 1 - \Delta_n .$$
#
# The best guess is right with probability $(1 + \Delta_n)/2$. **Membership inference security** $\mathrm{MIS}_n$ (`mis`) is 1
# when no attack beats a coin, and 0 when some attack is always right. For our mean both are computed exactly:

# %%
values = {"exact mean": security.full_precision_insecurity(n, 1)}
values[f"rounded to {step:g}"] = security.gaussian_mean_insecurity(n, step, mean)
table = pd.DataFrame({"insecurity": values})
table["mis"] = 1 - table.insecurity
table.round(4)

# %% [markdown]
# And here are the probabilities of the middle panel: with the record in, the mean is rounded up to 1.5 more often.

# %%
bars[bars.OUT > 5e-5].round(4)

# %% [markdown]
# The played games agree with the exact curve up to sampling noise: each has a 95 % interval, so
# of eight intervals one may well miss.

# %%
games.round(4)

# %%
inside = ((games.low <= games.exact) & (games.exact <= games.high)).sum()
print(f"{inside} of {len(games)} intervals hold the exact value")

# %% [markdown]
# The curve falls late. The mean has a standard deviation of $1/\sqrt n = 0.32$, and with a step as large as that almost
# nothing is gained; it falls steadily from about $2.4/\sqrt n$ on. Before that it dips and rises again (steps 0.35 to 0.6), where the
# true mean comes to lie near the edge of a cell, so that a single record can push the release across.

# %%
coarse = pd.DataFrame({"step": np.array([1.0, 2.4, 4.0, 6.0]) / np.sqrt(n)})
lost = security.gaussian_mean_insecurity(n, coarse.step.to_numpy(), mean)
coarse["share of insecurity left"] = lost / values["exact mean"]
coarse.round(3)

# %% [markdown]
# That is the *population game*: the attacker knows $P$, and the other $n - 1$ samples are fresh. Attacks on networks are
# mostly run in the *pool game*: members are a random half of a known list of records, the pool. An attacker knows more
# there, and can find more; no number of one game is compared with a number of the other without saying so.
#
# ## The vocabulary
#
# | word or symbol | code name | meaning |
# |---|---|---|
# | $Z, P, n$ | `z`, `n` | a sample, its law, the training-set size |
# | $Q, \theta_k, K$ | `codebook`, `K` | quantizer, its codewords, their number |
# | release | `release` | what is published: codes, scales, biases, outputs, labels |
# | member, non-member; IN, OUT | `members` | a record used, not used in training |
# | pool | `n_pool` | the records any of which may be a member |
# | target, shadow | `models` | the attacked model; a model that the attacker trains to learn how targets behave |
# | initialisation | `init` | weights before training: shared (the attacker knows them) or random |
# | setting; group | `setting`, `group` | data and training, fixed in advance; models that share pool and initialisation |
# | signal | `signals` | what an attack computes from one model and one record, such as a logit |
# | LiRA | `attacks.lira` | likelihood ratio of a signal under IN and OUT shadows |
# | RMIA | `attacks.rmia` | compares a record's loss with that of many others |
# | weight attack | `weight_regression` | guesses membership from the weights themselves |
# | TPR, FPR | `tpr`, `fpr` | share of members called members; of non-members called members |
# | AUC | `auc` | probability that a member scores above a non-member; 0.5 = a coin |
# | advantage; exposure | `advantage` | TPR minus FPR over all records; of one record |
# | $D_k = \ell(\theta_k, Z) - \ell(\theta_1, Z)$ | `gap` | loss gap to the best codeword $\theta_1$; mean $\delta_k$, variance $\sigma_k^2$ |
# | $I_k$ | `cramer_rate` | $-\inf_{t \ge 0} \log E\, e^{-t D_k}$, the exact exponential rate |
# | $r_k = \delta_k^2 / (2 \sigma_k^2)$ | `gaussian_rate` | its second-order version; $r = \min_k r_k$ is the paper's indicator |
# | $\rho$, $\rho_{\rm pool}$ | `rho`, `rho_pool` | correlation of quantized with full-precision outputs over models (ours) |
# | $\rho_{\rm w}$ | `rho_w` | the same for weights |
# | $\tau$; resolved pair | `tau` | rank agreement, 1 = same order; two quantizers whose difference is beyond its noise |
# | null | `null` | the same attack where membership was dealt by chance: what "finds nothing" looks like |
#
# ## Ten results
#
# Where this leads, once the mean is a network. Each line names the notebook that makes it; the
# page *Ten results* of the book adds the figures.
#
# 1. **A rounded mean forgets exponentially, except on an edge.** From the mean of a thousand numbers the best attack
#    gains 0.0101. Rounded, with the true mean 0.13 standard deviations of one number from the nearest edge of a cell,
#    it gives only 0.0000022 away; with the true mean on an edge 0.0101, as if it had not been rounded (exact values,
#    population game, the attacker sees the mean). [01, section 5](01_theory_derivation.ipynb), evidence in [A,
#    section 6](A_proofs.ipynb)
# 2. **A network does not forget exponentially.** A rounded mean forgets exponentially fast, a network of many rounded
#    weights does not, because some of them always lie near an edge: with their means spread evenly over cells 20
#    standard deviations wide, 9 % of the information about a record is left; with every mean at the centre of its
#    cell it would be a share of 1.6 × 10⁻²¹ (exact values for independent weights, population game, the attacker sees
#    all weights). [02, section 14](02_many_weights.ipynb), evidence in [A, section 9](A_proofs.ipynb)
# 3. **Looking private to one attack is no privacy.** With separated modes, networks with 90 % zeros hide their
#    members from LiRA, which looks at one output a record (AUC 0.523 [0.516, 0.530]). Where the attacker knows the
#    initial weights, the strongest attack on all outputs finds 0.561 [0.555, 0.568], the strongest on outputs and
#    weights 0.651 [0.642, 0.660]; with random ones that finds hardly anything (0.504 [0.501, 0.508]). In full
#    precision LiRA finds 0.692 [0.676, 0.708], all outputs tell 0.788 [0.775, 0.801] (pool game, shared initial
#    weights unless said otherwise, 256 networks a group). [04, section 8](04_attack_a_network.ipynb), evidence in
#    [B, section 6](B_indicator_study.ipynb)
# 4. **Plain measures of distortion rank quantizers, the rate r does not.** Plain measures of distortion rank
#    quantizers nearly as the strongest attack does: the error of a network's outputs agrees with its order by $\tau$ =
#    0.949 [0.921, 0.977], our $\rho_{\rm pool}$ by 0.975 [0.953, 0.996], a fixed order that looks at no network by
#    0.952 [0.927, 0.976], and the paper's rate $r$, as we estimate it, by 0.617 [0.521, 0.712] (pool game, the
#    strongest attack known to us on outputs, fourteen settings, thirteen of them with a shared initialisation).
#    [05, section 1](05_synthetic_mis_ranking.ipynb), evidence in [B, section 11](B_indicator_study.ipynb)
# 5. **At equal utility, most of what rounding saves rests on a known start.** A model that predicts nothing leaks
#    nothing, so compare at equal utility. With random initial weights, full precision that was stopped early then
#    leaks less than the quantized model in 34 of 41 cases, and quantizing leaks less in 1 (in 28 and 6 if the
#    stopped model may be worth nothing less, instead of 0.005); where all models share initial weights that the
#    attacker knows, quantizing leaks less in 16 of 40 (pool game, the strongest attack known to us on outputs, six
#    settings, seven quantizers). [06, section 1](06_equal_utility.ipynb)
# 6. **On molecules privacy has its price.** Heads on molecules with 90 % zeros keep 17 % [12, 23] of an attack's
#    advantage over a coin in classification and 56 % [52, 59] of their utility; in regression 11 % [7, 15] and 23 %
#    [18, 26] (pool game, LiRA on outputs, shared initialisation). [07, section
#    4](07_molecular_privacy_utility.ipynb), evidence in [D, section 5](D_report_your_table.ipynb)
# 7. **GPTQ betrays the records that it was calibrated on.** Whoever holds a model before and after GPTQ finds the
#    records that it was calibrated on, without a single shadow model: AUC 0.996 [0.995, 0.997] on synthetic records,
#    0.706 [0.687, 0.726] on drugs (BBB_Martins; pool game, first layer, 3 bits, random initialisation). [09, section
#    1](09_attacker_knows_quantizer.ipynb)
# 8. **Most mistakes report too much.** Of ten common mistakes in an evaluation eight report too much and two too
#    little. The largest is to quote a start that the attacker knows where it is secret: after two small training
#    steps the attack finds 36.9 [28.6, 52.4] times what it finds with random starts. Shadows that are not quantized
#    find 0.41 [0.33, 0.51] of what quantized ones find (pool game, LiRA on outputs, 90 % zeros; random
#    initialisation but for the first). [10](10_fool_yourself.ipynb)
# 9. **A simple attack is a weak lower bound.** Of what the best attack finds in a mean of Gaussian records with 64
#    dimensions the loss threshold finds 100 % at two records and 24 % [21, 28] at forty (population game, exact
#    reference, the attacker sees the mean): an attack is a lower bound, and one that finds little proves little. [C,
#    section 4](C_attack_families.ipynb)
# 10. **An average hides its worst case.** From heads on the molecules of FreeSolv an attacker learns something on
#     average, an exposure (TPR minus FPR for one molecule) of 0.277 [0.251, 0.304], but nearly all about the most
#     exposed twentieth, 0.916 [0.883, 0.947]; where 90 % zeros hide the average, 0.014 [−0.004, 0.031], these still
#     have 0.144 [0.072, 0.218] (pool game, LiRA on outputs, random initialisation). [08, section
#     5](08_who_is_exposed.ipynb), evidence in [D, section 7](D_report_your_table.ipynb)
#
# ## How to run it, and on your own data
#
# | you want to | command, in the top folder |
# |---|---|
# | regenerate every figure | `make figures` |
# | read and play in JupyterLab | `make lab` |
# | run one notebook, a parameter changed | `.venv/bin/python -m qmis_utils.run 00 -p n 50 -p step 0.5` |
# | use your own molecules | `.venv/bin/python -m qmis_utils.run D -p tasks '["csv:/path/to/my.csv"]' -p smiles_column SMILES -p label_column y` |
# | audit your own torch model | notebook `14_audit_your_model` |
#
# A run with changed parameters writes to `build/`, never over the committed figures. Keep a table
# of your own outside the repository.
#
# ## What we saw
#
# - The best guess about one record is right in 62.8 % of cases from the exact mean and in 56.2 % from the rounded one.
# - Rounding protects only once its step is coarse against the noise of the release, and a coarser grid is not always safer.
# - That is the whole subject: how fast insecurity falls with $n$ and with the quantizer, and how to find out for models
#   whose $\Delta_n$ nobody can compute.
#
# **Limits.** One dimension, a known law, one record at a time.

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
# the MIS of the release, to three decimals?

# %% tags=["exercise"]
answer = None  # a number
exercises.check("00.1", answer)

# %% tags=["solution"]
# A coin is right in half of the games, so twice what exceeds one half is Delta.
# MIS is what is missing to a perfect attack, not the share of wrong guesses.
answer = 1 - (2 * 0.56 - 1)
exercises.check("00.1", answer)

# %% [markdown]
# **Exercise 00.2.** Move the true mean to 0.5, onto a cell edge of the grid with step 1, and keep $n = 10$. By which factor
# does rounding change the insecurity of the exact mean? Give the rounded insecurity divided by the full-precision one, to
# two decimals, and ask yourself why so little is gained.

# %% tags=["exercise"]
answer = None  # a number
exercises.check("00.2", answer)

# %% tags=["solution"]
# The mean sits on an edge, so the release is nearly one fair bit: which side of it?
# A record pushes that bit most, so it keeps most of what the exact mean says.
rounded = security.gaussian_mean_insecurity(10, 1.0, 0.5)
answer = rounded / security.full_precision_insecurity(10, 1)
exercises.check("00.2", answer)

# %% [markdown]
# **Exercise 00.3.** Coarser is not always safer. For 100 people and a true mean of 0.3, find two grid steps, the first
# finer than the second, such that the *coarser* one has an insecurity more than 1.2 times that of the finer one. Many
# pairs are right; the figure above shows where to look.

# %% tags=["exercise"]
answer = None  # a pair: finer step, coarser step
exercises.check("00.3", answer)

# %% tags=["solution"]
# Step 0.6 puts an edge on the mean, so that any record can push the release across.
# Step 0.3 puts a grid point there: the release must move by half a step to change.
answer = (0.3, 0.6)
exercises.check("00.3", answer)

# %% [markdown]
# **Exercise 00.4.** Who is most exposed? Write a function of a record $z$ that returns the total variation between the laws
# of the rounded mean (step 1, ten people, true mean 0.3) with $z$ in and without it. Averaged over records it must give
# $\Delta_{10}$; the check looks at five records. Then look at a record far from the mean. The law with the record in has the
# standard deviation $\sqrt{9}/10$, because only nine people are still random, and its mean is pulled by a tenth of the
# distance. Take enough grid points that no probability is lost.

# %% tags=["exercise"]
answer = None  # a function of z
exercises.check("00.4", answer)

# %% tags=["solution"]
# For one record both laws are known: half their summed difference is the advantage.
# Far from the mean it tends to one: such a record cannot hide in a mean of ten.
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
# **Next.** `01_theory_derivation`.

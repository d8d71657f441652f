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
# # 03 · What is the true MIS of a trained, quantized network?
#
# **Question.** Attacks give lower bounds. How much does the *best possible* attack gain from a network that was really
# trained and then quantized, and which cheap number predicts it?
#
# **Answer.** It can be computed exactly for small networks on data of few kinds, one training for each training set. There, the
# codes of `sign` give the best attack an insecurity of 0.108 of the 0.169 that full precision gives, those of 4 bits 0.168, and
# any codes with one float scale all of it. Of all numbers that need no attack, $\sqrt J$ (02, statement 12) ranks 22 quantizers
# most nearly as the truth does (Kendall's $\tau$ = 0.86 [0.84, 0.88] over 20 problems that chose nothing); the best of our ten
# estimators of the paper's $r$ reaches 0.16 [0.02, 0.29].
#
# You need statement 1 of `01_theory_derivation`, the insecurity $\Delta_n = 1 - \mathrm{MIS}_n$: the best attack is right
# with probability $(1 + \Delta_n)/2$, in the **population game**, where the other $n - 1$ samples are fresh draws. All
# networks train in full batches from one initialisation, which the attacker knows (but in section 6).
#
# *In the paper: section 5, which ranks by an attack. Figures: `03_release`, `03_scale`, `03_size`, `03_truth_tau`,
# `03_attained`, `03_secret`.* **Run time** (2 cores): full 4 min, quick 25 s.

# %%
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from qmis_utils import attacks, figures, quantizers, run
from qmis_utils.studies import exact
from qmis_utils.theory import networks

figures.use_style()

# %% tags=["parameters"]
settings: str = "settings/exact.yaml"  # the problems of section 4
n_problems: int = 20  # of each half (at least 2)
n: int = 20  # samples of a training set in sections 1 and 2 (at least 2)
sizes: list[int] = [5, 10, 20, 40, 80, 160, 300]  # of section 3 (not empty, at least 2)
shadows: int = 1000  # that the attacks of section 5 are fitted on (at least 50)
n_starts: int = 128  # initialisations of section 6, a power of two (at least 2)
n_worlds: int = 8  # problems of section 6 (at least 3)
n_records: int = 12  # records attacked with continuous data, section 2 (at least 3)
fits: int = 400  # networks with each of them, and as many without (at least 20)

# %% [markdown]
# Let there be $m$ *kinds* of samples, each with a probability. A training set of $n$ samples is then, but for its order, one of
# $\binom{n + m - 1}{m - 1}$ vectors of $m$ **counts**. Full batches see nothing else, so **one training for each is every training there is**.

# %%
teaching = exact.Problem("teaching", kinds=5, n=n, seed=1)
x, y, probs = world = exact.draw_world(teaching)
blocks = networks.enumerate_training_sets(n, teaching.kinds)
counts = np.concatenate(list(blocks))
models = exact.train(teaching, world, counts)
print(f"{len(models)} networks with {models.vectors().shape[1]} weights")

# %% [markdown]
# What leaves the building is a *release*: the codes of the quantized weights, say. If two training sets lead to the same
# codes, nobody can tell them apart; if not, everybody can. Summing over all training sets gives $\Delta_n$ exactly
# (`trained_network_insecurity`). We climb a ladder of releases, for each quantizer of the paper.

# %%
STEPS = {
    "labels": "labels",
    "two digits": "probabilities, two digits",
    "codes": "codes",
    "codes+pot": "codes, power-of-two scales",
    "codes+scale": "codes, float scales",
    "full": "all in full precision",
}

# %%
PAPER = quantizers.PAPER_SET
found, use = exact.truth(teaching, PAPER, tuple(STEPS))

# %%
rows = []
for name in PAPER:
    for step in STEPS:
        value = found[f"{name}, {step}"]
        worst = value.points.max()
        rows.append(("teaching", name, step, value.mean, worst, use[name]))
columns = ["problem", "quantizer", "released", "insecurity", "worst_point"]
release = pd.DataFrame(rows, columns=[*columns, "utility"])

# %% tags=["hide-input", "predict"]
fig, ax = plt.subplots(figsize=(figures.PAGE, 3.0))
shown = [name for name in PAPER if name != "fp32"]
marks = ["x", "+", "s", "D", "o", "|"]
looks = zip(STEPS.items(), marks, figures.COLORS, strict=False)
for (step, words), mark, color in looks:
    part = release[release.released == step].set_index("quantizer")
    at = part.insecurity[shown]
    ax.plot(at, figures.words(shown), mark, color=color, label=words, ms=5)
ax.invert_yaxis()
ax.grid(axis="y")
ax.set(xlabel=r"exact insecurity $\Delta_n$ (0: private)", xlim=(0, None))
title = "Codes hide a part; one float scale beside them gives everything away"
figures.legend_above(fig, ax, ncols=3, title=title)
alt = """Exact insecurity of six releases for eight quantizers: labels least, codes with
float scales as much as full precision."""
figures.save_figure(fig, "03_release", release.round(6), alt, atol=1e-3)

# %% [markdown]
# ## 1 · Read the ladder
#
# - **Labels** tell little, but quantizing does not make them safer: with 90 % zeros the network errs more often, and how it
#   errs depends on the data.
# - **Codes** of `sign` give away two thirds of what full precision does; those of 4 bits nearly all. More zeros need not mean
#   less leak: 50 % zeros leak more than 33 %.
# - **Power-of-two scales**, as some formats ship, add next to nothing to codes.
# - **One float scale** beside the codes, and everything is known: as much as by the counts themselves.
# - **Outputs are not a smaller release.** Two digits of the probabilities at all five kinds tell more than the codes of
#   `sign`, of a network that holds no more than these codes, its scales and float biases: outputs carry what the
#   codes alone leave out.
#
# A test sums the definition over every *ordered* training set and finds the same to twelve digits
# (`tests/theory/test_networks.py`).
#
# An average hides the record that pays most. Beside $\Delta_n$ stand the value for the most exposed kind and the utility,
# the accuracy on the law of the data:

# %%
codes = release[release.released == "codes"].set_index("quantizer")
shown = ["fp32", "uniform_4", "sign", "ternary_33", "ternary_50", "ternary_90"]
codes.loc[shown, ["insecurity", "worst_point", "utility"]].round(3)

# %% [markdown]
# The most exposed kind pays twice what the mean says. And the whole trade-off of the best attack on the codes of `sign`, its
# exact ROC:

# %%
codes = exact.ladder(models, "sign", x)["codes"]
fpr, tpr = exact.roc(codes, counts, probs)
for limit in (0.01, 0.1):
    print(f"at FPR {limit}: TPR {np.interp(limit, fpr, tpr):.4f}")
print(f"largest TPR - FPR {max(tpr - fpr):.6f}")

# %% [markdown]
# ## 2 · Why does a scale give everything away?
#
# Two reasons must be kept apart. The first belongs to our small world: a float has 23 binary digits, and there are only
# thousands of training sets, so a generic float is a *name* of its training set. We round the logarithm of the scales of
# `sign` to fewer digits.

# %%
sign = exact.ladder(models, "sign", x)
scales = sign["codes+scale"][len(sign["codes"]) :]
digits = [-1, 0, 1, 2, 3, 4, 6, 8, 12, 16]

# %%
rows = []
for digit in digits:
    rounded = tuple(np.rint(np.log2(s.astype(float)) * 2.0**digit) for s in scales)
    both = {"scales": rounded, "codes and scales": sign["codes"] + rounded}
    for part, held in both.items():
        value = networks.trained_network_insecurity(held, counts, probs)
        rows.append((digit, part, value))
scale = pd.DataFrame(rows, columns=["digits", "part", "insecurity"])

# %% [markdown]
# Twelve digits of the scales alone name every training set. The second reason is that a scale is one more number that depends on
# the data. It remains with continuous data, where no number is a name. In the population game, with fresh Gaussian training data for every network, ridge classifiers try to
# tell networks with a record from networks without, from the parts of a release.

# %%
points = [{"records": 1, "fits": fits, "seed": i} for i in range(n_records)]
parts = run.sweep(exact.continuous_records, points)
continuous, table = pd.concat(map(pd.DataFrame, parts)), {}
for key, part in continuous.groupby(["quantizer", "part"], sort=False):
    table[key] = f"{attacks.mean_interval(part.auc, most=1):.3f}"
pd.Series(table).unstack()

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.COLUMN, 2.5))
for (part, rows), mark in zip(scale.groupby("part"), "o^", strict=True):
    ax.plot(rows.digits, rows.insecurity, mark + "-", ms=4, label=part)
ax.set(xlabel="binary digits of the logarithm of a scale", ylim=(0, None))
ax.set_ylabel(r"exact insecurity $\Delta_n$")
ax.legend(loc="lower right")
ax.set_title("In a small world, few digits of a scale suffice", loc="left")
alt = """Exact insecurity of the rounded scales of sign, and of codes with them,
against their digits: from twelve on all is known."""
figures.save_figure(fig, "03_scale", scale.round(6), alt, atol=1e-3)

# %% [markdown]
# There, scales add nothing that these attackers find, in 800 networks a record: the codes of `sign` give an AUC of 0.614, with
# scales 0.613, and with biases 0.618. What the ladder shows of float scales belongs to its small world. **Whoever ships codes with
# float scales should think of the codes; whoever proves a bound must count every digit.**
#
# ## 3 · More data: does the exponential law speak?
#
# Statement 5 promises that insecurity falls exponentially for a *fixed* codebook with one best codeword. With three kinds we
# can follow networks up to hundreds of samples.

# %%
names = ["fp32", "uniform_4", "sign", "ternary_90"]
rows = []
for size in sizes:
    problem = exact.Problem("growing", kinds=3, n=size, dim=2, seed=3)
    found, _ = exact.truth(problem, names, ("codes",))
    for name in names:
        rows.append((size, name, found[f"{name}, codes"].mean))
growth = pd.DataFrame(rows, columns=["n", "quantizer", "insecurity"])

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.COLUMN, 2.5))
for name, part in growth.groupby("quantizer", sort=False):
    ax.plot(part.n, part.insecurity, ms=5, lw=0.9, **figures.look(name))
ax.set(xscale="log", yscale="log", xlabel="training-set size $n$")
ax.set_ylabel(r"exact insecurity $\Delta_n$")
figures.legend_above(fig, ax, ncols=2, title="Each falls like a power of $n$")
alt = """Exact insecurity of codes against the training-set size, four quantizers: all
fall like a power, none exponentially."""
figures.save_figure(fig, "03_size", growth.round(8), alt, rtol=0.05, atol=1e-5)

# %% [markdown]
# Up to 300 samples no release falls exponentially: all fall like $n^{-1/2}$ or a little faster, because some weights always
# lie near an edge ([02](02_many_weights.ipynb), statement 14). Only the order changes: 90 % zeros leak more than `sign`
# while data are few, and less when they are many.
#
# ## 4 · Which number ranks quantizers as the truth does?
#
# Forty problems were fixed beforehand in `settings/exact.yaml`: two, several classes and regression, one layer and two,
# Adam and SGD, short and long training, noisy labels. Half of them could be used for choosing, the other half judges. For each
# we know the truth of 22 quantizers, and every cheap number from 16 further trainings.

# %%
problems = exact.load_problems(Path(settings))
halves = [[p for p in problems if p.split == split] for split in ("choose", "judge")]
problems = [p for half in halves for p in half[:n_problems]]

# %%
results = run.sweep(exact.evaluate, [{"problem": p} for p in problems])

# %%
summary = exact.agreement(problems, results)
judging = summary[summary.split == "judge"]
codes = judging[judging.released == "codes"]
means = codes[codes.problem == "mean"].set_index("number")
few = ["sqrt_J", "rho_w", "rho_pool", "r ensemble all_pairs"]
means.loc[few, ["tau", "low", "high"]].round(2)

# %% tags=["hide-input"]
SHOWN = ["entropy of the release", "sqrt_J", "code entropy", "bits", "weight error"]
SHOWN += ["rho_w", "rho_pool", "rho", "function error", "sparsity"]
SHOWN += ["codes, table", "codes, ridge", "lira"]
SHOWN += ["r ensemble all_pairs", "r ensemble min", "r neighbourhood min"]
ours = ("attack: table", "attack: ridge", "attack: LiRA")
ours += ("$r$, all pairs", "$r$, least", "$r$, next")
WORDS = dict(zip(SHOWN[-6:], ours, strict=True))
part = means.loc[SHOWN].sort_values("tau", ascending=False)
order = list(part.index)
names = [WORDS.get(name, *figures.words([name])) for name in order]
fig, ax = plt.subplots(figsize=(figures.PAGE * 0.8, 3.6))
dots = codes[codes.number.isin(order) & ~codes.problem.isin(["mean", "min"])]
ax.plot(dots.tau, dots.number.map(order.index), ".", color="0.75", ms=4, zorder=1)
figures.forest(ax, part.set_index(pd.Index(names)), "tau")
ax.axvline(0, color="0.4", ls=":", lw=0.8)
ax.set_xlabel(r"Kendall $\tau$ with the exact $\Delta_n$ of the codes; dots: problems")
ax.grid(axis="y")
title = r"$\sqrt{J}$ ranks nearly as the truth; the paper's $r$ does not"
fig.suptitle(title, size=9)
alt = """Kendall tau of sixteen numbers with the exact insecurity of the codes on
twenty problems, with intervals: root J and nominal bits about 0.85, r about zero."""
kept = (summary.released == "codes") | summary.problem.isin(["mean", "min"])
figures.save_figure(fig, "03_truth_tau", summary[kept].round(4), alt, atol=0.15)

# %%
wide = judging[(judging.problem == "mean") & judging.number.isin(SHOWN)]
wide = wide.pivot(index="number", columns="released", values="tau")
wide.loc[["entropy of the release", "sqrt_J", "bits", "rho_pool"]].round(2)

# %% [markdown]
# $\sqrt J$, the share of information that survives in the weights (02, statement 12), comes nearest of all that can be computed
# without the truth, hardly better than the *nominal bits*, which need no model at all; the entropy of the release, which needs
# all trainings, is the ceiling. Our ten estimators of the paper's $r$ hardly rank, as [B](B_indicator_study.ipynb) finds by
# attacks: gaps between codewords say little of the codewords that a training can reach.
#
# Attacks estimate, too (section 5). A table of simulated trainings ranks the codes as the truth does but for near ties
# ($\tau$ = 0.94), a ridge on codes with 0.87 [0.85, 0.90], LiRA with 0.39 [0.23, 0.54] only: it reads one output, and outputs
# give away other things than codes. **A ranking by LiRA is one of what outputs tell; for who ships weights it may mislead.** That is
# why $\rho_{\rm pool}$, which ranks as LiRA does in B, is not first here. (The bits bound $W(H/n)$ of
# [01](01_theory_derivation.ipynb) is a function of the entropy and ranks as it does.) And **no number ranks
# what the outputs give away**: in the column of two digits all stand at zero, for outputs depend on the float biases.
#
# Two claims of the paper, judged by the truth of the codes instead of by an attack, on the judging half.

# %%
judges = [p.split == "judge" for p in problems]
rows = []
for result in np.array(results)[judges]:
    truth = {q: result["truth"][f"{q}, codes"].mean for q in PAPER}
    zeros = truth.pop("ternary_90")
    rows.append((min(truth.values()) - zeros, truth["sign"] - truth["ternary_33"]))

# %%
claims = pd.DataFrame(rows, columns=["next less 90 % zeros", "sign less 33 % zeros"])
verdicts = [attacks.verdict(c, attacks.mean_interval(claims[c])) for c in claims]
verdicts = pd.DataFrame(verdicts).set_index("claim")
verdicts[["verdict", "estimate", "low", "high"]].round(4)

# %% [markdown]
# The paper's order of `sign` and 33 % zeros is contradicted by the truth: `sign` leaks *less*. That 90 % zeros are the most private
# rule is undecided; it is often, not always.
#
# ## 5 · How near do attacks come?
#
# Now the truth measures the attacks. Each is fitted on the same random trainings and judged by its exact advantage, the sum
# over all training sets. `lira` sees one output, the others all outputs or all codes.

# %%
NAMES = ["fp32", "uniform_4", "uniform_2", "sign", "ternary_90"]


def shares(names, **how):
    """Return what share of the exact insecurity each attack reaches."""
    points = [{"problem": p, "names": names, "shadows": shadows} | how for p in judged]
    frame = pd.concat(map(pd.DataFrame, run.sweep(exact.attained, points)))
    return frame.assign(share_of_exact=frame.advantage / frame.exact)


# %%
judged = [p for p in problems if p.split == "judge"]
attained, dealt = shares(NAMES), shares(["uniform_4"], null=True)

# %%
rows = {}
for name, part in attained.groupby("attack", sort=False):
    null = dealt[dealt.attack == name].share_of_exact
    mean = part.groupby("problem").share_of_exact.mean()
    rows[name] = [f"{attacks.mean_interval(v):.2f}" for v in (mean, null)]
pd.DataFrame(rows, ["share of the exact value", "dealt lists"]).T

# %% tags=["hide-input"]
rows = []
for key, part in attained.groupby(["quantizer", "attack"], sort=False):
    rows.append(("mean", *key, *attacks.mean_interval(part.share_of_exact, most=1)))
columns = ["problem", "quantizer", "attack", "share_of_exact"]
reached = pd.DataFrame(rows, columns=[*columns, "low", "high"])
fig, ax = plt.subplots(figsize=(figures.PAGE * 0.8, 2.8))
for i, (name, part) in enumerate(reached.groupby("attack", sort=False)):
    part = part.set_index(pd.Index(figures.words(part.quantizer)))
    look = {"color": figures.COLORS[i], "shift": 0.14 * (i - 2.5), "label": name}
    figures.forest(ax, part, "share_of_exact", **look)
ax.axvline(1, color="0.4", ls=":", lw=0.8)
ax.set_xlabel("share of the exact insecurity of what is released")
title = "Trees on the codes come near the truth; LiRA does not"
figures.legend_above(fig, ax, ncols=3, title=title)
alt = """Share of the exact insecurity that six attacks reach on five quantizers:
trees on codes near one, LiRA from a third to two thirds."""
data = pd.concat([reached, attained[columns]], ignore_index=True).round(4)
figures.save_figure(fig, "03_attained", data, alt, atol=0.12)

# %% [markdown]
# The regressions that see all codes are near the truth with 1,000 shadows: trees reach nine tenths of it on average on 19 of 20
# problems. Whoever simulates 100,000 trainings and looks the codes up, a *learned likelihood ratio*, finds 0.99 or more in every single case. LiRA, the
# standard of the field, looks at one output and finds half of what the outputs hold. On lists that were dealt anew all find nothing, so what they find
# is no artefact.
#
# ## 6 · A secret start
#
# So far the attacker knew the initialisation. Let it be one of many, each as likely, and secret. As the number grows,
# what remains? For networks of nine weights and of thirty, $n = 8$, in eight problems each.

# %%
how = {"name": "secret", "kinds": 4, "n": 8}
nine, thirty = {"dim": 2, "hidden": (3,)}, {"dim": 4, "hidden": (6,)}
both = [(s, k) for s in (nine, thirty) for k in range(n_worlds)]
worlds = [exact.Problem(**s, **how, seed=k) for s, k in both]
secret = exact.secret_table(worlds, "sign", n_starts)

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.COLUMN, 2.4))
means = secret[secret.problem == "mean"]
for (size, part), mark in zip(means.groupby("weights"), "o^", strict=True):
    ax.plot(part.starts, part.share, mark + "-", ms=4, label=f"{size} weights")
    ax.fill_between(part.starts, part.low, part.high, alpha=0.25)
ax.set(xscale="log", ylim=(0, 1.05), xlabel="initialisations it may be from")
ax.set_ylabel("share of $\\Delta_n$ that is left")
ax.legend()
ax.set_title("A secret start hides tiny networks only", loc="left")
alt = """Share of sign's insecurity left if the start is secret:
of nine weights it falls to four fifths, of thirty it stays at one."""
figures.save_figure(fig, "03_secret", secret.round(5), alt, atol=0.02)

# %% [markdown]
# An initialisation that may be any of 128 leaves 0.785 [0.742, 0.829] of what nine signs tell, and 0.999 of what thirty tell: the codes
# themselves say which it was. With more weights it takes more starts than anybody can list. **To keep the seed secret is no
# protection unless training forgets it.** (That weight attacks collapse with random initialisations,
# [04](04_attack_a_network.ipynb), is a limit of those attacks.)
#
# ## What we saw
#
# Exact values, population game, full batches, known initialisation (but for section 6).
#
# - What is released decides more than the quantizer: labels, codes, codes with scales.
# - $\sqrt J$ and the nominal bits rank codes nearly as the truth does; the paper's $r$ hardly ranks.
# - `sign` leaks less than 33 % zeros, against the paper; whether 90 % zeros leak least depends on the problem.
# - Regressions on codes reach the truth nearly, a table of simulated trainings does; LiRA reaches half, and ranks codes badly.
# - Nothing here fades exponentially with the data.
#
# **Limits.** A handful of kinds and up to 65 weights: what holds for them need not hold for a network with thousands, for which
# [B](B_indicator_study.ipynb) has attacks only. With early stopping or minibatches in random order the order of the data
# matters too, and this enumeration does not apply.

# %% [markdown]
# ## Exercises
#
# Put your answer in the place of `None` and run the cell; the check gives a hint, not the solution.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise 03.1.** Predict, then compute: the release is the vector of counts itself, no network. What is its $\Delta_n$ in
# the problem `teaching`, to three decimals?

# %% tags=["exercise"]
answer = None  # a number
exercises.check("03.1", answer)

# %% tags=["solution"]
law = exact.draw_world(exact.Problem("teaching", kinds=5, seed=1))[2]
every = next(networks.enumerate_training_sets(20, 5))
found = networks.trained_network_insecurity(every, every, law)
exercises.check("03.1", found)

# %% [markdown] tags=["solution"]
# Why: training and quantizing are post-processing of the counts, so no release gives more. A float that differs for every training
# set gives as much, because it can be looked up.

# %% [markdown]
# **Exercise 03.2.** How many networks must be trained for $n = 30$ samples of $m = 6$ kinds? Count by hand first.

# %% tags=["exercise"]
answer = None  # a whole number
exercises.check("03.2", answer)

# %% tags=["solution"]
exercises.check("03.2", networks.training_sets(30, 6))

# %% [markdown] tags=["solution"]
# Why: put the 30 samples in a row and place five bars that part the kinds: $\binom{35}{5}$ ways. Many, but one in $10^{18}$ of
# the $6^{30}$ ordered training sets; that is what makes the truth computable.

# %% [markdown]
# **Exercise 03.3.** Save the paper's claim: find a seed for which the codes of `sign` leak at least 0.005 *more* than those of
# 33 % zeros in `exact.Problem("mine", kinds=3, n=8, seed=seed)`.

# %% tags=["exercise"]
answer = None  # a seed, a whole number
exercises.check("03.3", answer)

# %% tags=["solution"]
exercises.check("03.3", 5)

# %% [markdown] tags=["solution"]
# Why: of the first 24 seeds six do it. A claim about the mean over problems is not one about each problem, and a single problem
# that was searched for proves nothing.

# %% [markdown]
# **Next.** [04](04_attack_a_network.ipynb): attacks on networks of which nobody knows the truth.

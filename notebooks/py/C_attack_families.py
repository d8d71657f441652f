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
# # C · How far do attacks get? All families under one fair protocol
#
# **Question.** How much of what the best attack finds do the attacks of the field find, on exact models and on networks?
# And is LiRA, the standard, the strongest on networks?
#
# **Answer.** On exact models the likelihood ratio finds all of $\Delta_n$, the calibrated loss 86 to 101 %, and the plain
# loss threshold, on the mean of 64 Gaussians, 100, 79, 53, 34 and 24 % at n = 2, 5, 10, 20 and 40 (population game); on
# networks (pool game, 96 models) no single family wins everywhere: a LiRA is strongest in 7 of 16 releases with the shared
# initialisation and in 13 of 16 with random ones, an attack that reads weights in 8 and in 3. A stack of attacks, fitted on
# shadows, finds more than all of them in 13 and in 11. It beats LiRA by more than 0.02 of AUC only where it reads
# weights: in 7 of 16 releases with the shared initialisation, 90 % zeros of all four settings among them (by 0.05 to 0.10), and in 1 of 16
# with random ones; from outputs, in none. With 384 models it does from outputs, too, most where they share a start.
#
# This is a study: the evidence behind notebooks 04, 06, 08, 09 and 10, not for reading in one sitting. *To follow it*, you
# need $\Delta_n$ from `01_theory_derivation`, and LiRA and the leave-one-out protocol from `04_attack_a_network`.
#
# *In the paper: the definition of membership inference security and the attack-based baseline of the synthetic study
# (Aubinais et al., AISTATS 2026, arXiv 2502.06567). The paper runs one attack; the comparison here is ours. Figures:
# `C_gap`, `C_shares`, `C_strongest`, `C_attacks`, `C_random`, `C_seeds`, `C_budget`, `C_many`, `C_stability`, `C_worst`, `C_canary`.* **Run time** (2 cores): full 7 min, quick 35 s.

# %% [markdown]
# The attacks live in the room `attacks` (`thresholds`, `scores`, `learned`, `boundary`, `weights`, `joint`), one small
# function each, with a catalogue that states source and threat model. The other modules are those of the earlier notebooks.

# %%
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy import stats

from qmis_utils import attacks, ensemble, figures
from qmis_utils.assess import utility
from qmis_utils.attacks.boundary import label_distance
from qmis_utils.attacks.learned import classify
from qmis_utils.studies import molecular
from qmis_utils.studies.stopping import Records
from qmis_utils.theory import numerics, security

figures.use_style()

# %% [markdown]
# Two groups of parameters: the exact models of the first half, then the networks of the second. `n_costly` is the number
# of targets for attacks that train or search anew for each target; all others attack every model.

# %% tags=["parameters"]
seed: int = 0  # seed of everything (at least 0)
n_draws: int = 60_000  # target pairs (one member, one not) in each exact model (at least 1)
n_references: int = 32  # shadow releases of each pair, half of them IN (at least 1)
sizes: list[int] = [2, 5, 10, 20, 40]  # training-set sizes of the gap figure (not empty, at least 1)
dim: int = 128  # input dimension of the synthetic records (at least 1)
n_pool: int = 256  # records of a synthetic pool, and of the population beside it (at least 1)
max_molecules: int = 600  # molecules taken from each table (at least 1)
representations: dict[str, str] = {"BBB_Martins": "rdkit2d", "FreeSolv": "rdkit2d"}  # molecular settings (not empty)
steps: int = 200  # full-batch Adam steps on synthetic records (at least 1)
molecule_steps: int = 100  # and on molecules (at least 1)
names: list[str] = ["fp32", "uniform_3", "sign", "ternary_90"]  # quantizers, full precision among them (not empty)
close_up: str = "sign"  # the one of them that is looked at closely
table_settings: list[str] = ["close modes", "distant modes", "BBB_Martins", "FreeSolv"]  # of the table (not empty)
n_models: int = 96  # models of every setting; each is the target in turn (at least 1)
n_costly: int = 8  # targets of the costly attacks (at least 1)
budgets: list[int] = [12, 16, 24, 32, 48, 64, 96]  # models, the target included (not empty, at least 1)
n_many: int = 384  # models of distant modes, for attacks on outputs that many models pay for (at least 64)
n_walked: int = 24  # models whose label distances are calibrated (at least 1)
n_repeats: int = 2  # further draws of pools, initialisations and memberships (at least 1)
n_seeds: int = 5  # groups of models whose finds are compared (at least 3)
n_seed_models: int = 64  # models of each group (at least 16)
n_canaries: int = 400  # trainings of the audit with a canary (at least 8)
n_deals: int = 100  # nulls of each bound of the audit (at least 1)

# %% [markdown]
# ## 1 · The game, and what "fair" means here
#
# A fair coin decides whether the attacker is handed a record $z$ that the model was trained on, or a fresh one. It
# answers with a *score*, higher for "member"; a threshold turns scores into guesses. Its **advantage** is the
# true-positive rate minus the false-positive rate, that is twice the balanced accuracy minus one, and no attack that knows
# only the law of the records can exceed the insecurity $\Delta_n$ (`insecurity`). Five rules hold for every number below.
#
# 1. *Members and non-members have one law.* Which half of a pool a model trains on is random.
# 2. *The threshold was fixed on other draws* (`attacks.advantage_held_out`): the best threshold of one half of the
#    targets judges the scores of the other half.
# 3. *A target's own membership is never read for its own scores*: shadows are all other models.
# 4. *Every attack has a null*: the same attack when memberships are dealt to other models and records.
# 5. *The shadows are quantized as the target is*, unless the attack is called non-adaptive.
#
# Here is the catalogue. `access` says what the attacker sees: predicted labels, scores, or weights. The next columns
# are its cost below: models trained beside the target, queries of the target per record, and whether the target also
# answers once on the whole population. Costly attacks run on the first `n_costly` targets only; the trajectory attack,
# whose shadows come from the same models, then has half as many of them, far fewer than the others.

# %%
COSTLY = ["quantile", "trajectory", "label_only", "label_only_boundary", "adversarial_distance"]
catalogue = pd.DataFrame([
    (name, f.access, f.shadows, f.adaptive, f.trained(n_costly if name in COSTLY else n_models), f.queries,
     not {"x_out", "losses_out"}.isdisjoint(f.needs), f.source) for name, f in attacks.ATTACKS.items()
], columns=["attack", "access", "shadows", "adaptive", "models", "queries", "population", "source"])  # fmt: skip
catalogue.set_index("attack")

# %% [markdown]
# Where a well-kept library implements a published building block we use it: gradient boosting and quantile regression
# come from scikit-learn, linear assignment from scipy. The attacks themselves are a few lines each, shorter than the
# adapters that a library of attacks would need, and they share one leave-one-out protocol that no library offers.
#
# **Part one: where the truth is known**
#
# ## 2 · Exact models: three kinds, eight games
#
# Notebook 01 computes $\Delta_n$ exactly for small algorithms: a mean on a grid, a mean in many dimensions, a finite
# codebook. We simulate their releases and let attacks loose on them, in the *population game* of the definition. It is
# played in columns: each has its own record $z$, one target trained with $z$ (row 0), one without (row 1), and
# `n_references` shadow releases, half of them IN. Every release is trained on fresh data, so that columns are
# independent and the intervals are exact, but for what some attacks estimate from all columns at once.


# %%
class Game(NamedTuple):
    """Hold losses of z under all releases (rows, columns), the exact log-likelihood ratio of both targets, Delta_n."""

    losses: np.ndarray
    ratio: np.ndarray
    exact: float
    population: np.ndarray | None = None  # p(z' | target) / p(z') of other records z', (2, Z, columns)


inside = np.broadcast_to(np.arange(n_references + 2)[:, None] % 2 == 0, (n_references + 2, n_draws))

# %% [markdown]
# **A Gaussian mean on a grid.** The release is the mean of $n$ draws of $N(\mu, 1)$, rounded to a multiple of `step`; the
# loss is $(z - \theta)^2 / 2$. The best attack compares the probability of the released cell with and without
# $Z_1 = z$: given $z$ the mean is $N\big((z + (n-1)\mu)/n,\ (n-1)/n^2\big)$. Full precision is the limit of a step
# of $10^{-6}$.


# %%
def gaussian_game(n, step, rng, mu=0.12):
    z, noise = rng.normal(mu, 1, n_draws), rng.normal(size=inside.shape)
    given = (z + (n - 1) * mu) / n
    mean = np.where(inside, given + np.sqrt(n - 1) / n * noise, mu + noise / np.sqrt(n))
    theta = step * np.rint(mean / step)
    cell = theta[:2] - step / 2, theta[:2] + step / 2
    member = numerics.log_interval(*[(edge - given) * n / np.sqrt(n - 1) for edge in cell])
    ratio = member - numerics.log_interval(*[(edge - mu) * np.sqrt(n) for edge in cell])
    exact = security.gaussian_mean_insecurity(n, step, mu)
    others = rng.normal(mu, 1, 50)
    return Game((z - theta) ** 2 / 2, ratio, exact, dominance((others[:, None] - theta[2:].ravel()[:5000]) ** 2 / 2,
                (others[:, None] - theta[:2, None]) ** 2 / 2))  # fmt: skip


# %% [markdown]
# RMIA, one of the attacks below, compares $z$ with other records $z'$: it needs $p(z' \mid \theta) / p(z')$ for the
# target's $\theta$, where $p(z')$ is a mean over 5,000 shadow releases and $p = e^{-\text{loss}}$. The Gaussian of many
# dimensions below comes without such records, so RMIA does not run there.


# %%
def dominance(losses, target_losses):
    return (np.exp(-target_losses) / np.exp(-losses).mean(axis=1)[:, None]).astype(np.float32)


# %% [markdown]
# **A Gaussian mean in many dimensions**, full precision, loss $\|z - \theta\|^2 / 2$. By symmetry only the part of
# $\theta$ along $z$ and the length of the rest matter, so that no vector has to be drawn. This is the smallest model
# that behaves like a network: the loss of a record varies far more between records than membership can move it.


# %%
def vector_game(n, d, rng):
    size = np.sqrt(rng.chisquare(d, n_draws))
    sd = np.where(inside, np.sqrt(n - 1) / n, 1 / np.sqrt(n))
    along = np.where(inside, size / n, 0) + sd * rng.normal(size=inside.shape)
    across = sd**2 * rng.chisquare(d - 1, inside.shape)
    member = ((along - size / n) ** 2 + across)[:2] * n**2 / (n - 1)
    ratio = ((along**2 + across)[:2] * n - member - d * np.log1p(-1 / n)) / 2
    return Game((size**2 - 2 * size * along + along**2 + across) / 2, ratio, security.full_precision_insecurity(n, d))


# %% [markdown]
# **A finite codebook**, in general: data of finite support, the release is the codeword of least total loss. The law of the
# codeword given one sample is a sum over all vectors of counts. Coin flips with a codebook of means are the special
# case of squared loss on $\{0, 1\}$.


# %%
def codebook_game(n, losses, probs, rng):
    z, kinds = rng.choice(len(probs), n_draws, p=probs), np.eye(len(probs), dtype=int)
    counts = rng.multinomial(n - inside.astype(int), probs) + inside[..., None] * kinds[z]
    word = security.best_codeword(losses, counts.reshape(-1, len(probs))).reshape(inside.shape)
    others = rng.choice(len(probs), 50, p=probs)
    return Game(
        losses[word, z], log_ratio(n, losses, probs)[word[:2], z], security.finite_support_insecurity(losses, probs, n),
        dominance(losses[word[2:].ravel()[:5000]][:, others].T, losses[word[:2, None], others[:, None]]),
    )  # fmt: skip


# %% [markdown]
# The ratio $P(k \mid Z_1 = z) / P(k)$ for every codeword and sample, by listing: $P(Z_1 = z \mid \text{counts})$ is the
# count of $z$ over $n$.


# %%
def log_ratio(n, losses, probs):
    every = numerics.count_vectors(n, len(probs))
    word, law = security.best_codeword(losses, every), np.exp(numerics.log_multinomial(every, probs))
    joint = [np.bincount(word, law * c / n / p, len(losses)) for c, p in zip(every.T, probs, strict=True)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.stack(joint, axis=1)) - np.log(np.bincount(word, law, len(losses)))[:, None]


# %% [markdown]
# The codebooks: coin flips with the two words 0 and 1 (one bit) or with five evenly spaced words, and four random
# codewords on four kinds of samples.

# %%
coin, P_COIN = np.arange(2.0), np.array([0.6, 0.4])
two_words, five_words = ((np.linspace(0, 1, k)[:, None] - coin) ** 2 for k in (2, 5))
draw = np.random.default_rng(3)
P_RANDOM, random_words = draw.dirichlet(np.ones(4)), draw.normal(size=(4, 4))

# %% [markdown]
# Eight games make the exact half of the table.

# %%
GAMES = {
    ("Gaussian, n 10", "fp32"): partial(gaussian_game, 10, 1e-6),
    ("Gaussian, n 10", "step 0.5"): partial(gaussian_game, 10, 0.5),
    ("Gaussian, n 10", "step 1"): partial(gaussian_game, 10, 1.0),
    ("64 Gaussians, n 64", "fp32"): partial(vector_game, 64, 64),
    ("coin flips, n 10", "5 words"): partial(codebook_game, 10, five_words, P_COIN),
    ("coin flips, n 10", "2 words"): partial(codebook_game, 10, two_words, P_COIN),
    ("random codebook, n 5", "4 words"): partial(codebook_game, 5, random_words, P_RANDOM),
    ("random codebook, n 10", "4 words"): partial(codebook_game, 10, random_words, P_RANDOM),
}
rng = np.random.default_rng(seed)
games = {key: make(rng=rng) for key, make in GAMES.items()}

# %% [markdown]
# ## 3 · Attacks on the exact models
#
# The **likelihood-ratio attack** scores by $\log P(\theta \mid Z_1 = z) - \log P(\theta)$ (`ratio`), which no attacker can
# beat. Five families need nothing but losses. With $\ell(\theta, z)$ (`losses`):
#
# - `loss`: $-\ell(\theta, z)$, one threshold for all records (Yeom et al. 2018);
# - `difficulty`: $-\ell(\theta, z)$ minus its mean over shadows without $z$, because some records are hard for every
#   model (Watson et al. 2022);
# - `lira`, `lira_fixed`: the ratio of two Gaussian densities of the signal, fitted to shadows with and without $z$, with a
#   variance each or one for all records (Carlini et al. 2022);
# - `lira_offline`: the one-sided tail probability under the shadows without $z$.


# %%
def calibrated(game):
    """Score both targets by the families that compare with shadows: rows 2, 4, .. are IN, rows 3, 5, .. OUT."""
    signals = -game.losses
    own, shadows_in, shadows_out = signals[:2], signals[2::2], signals[3::2]
    (mean_in, var_in), (mean_out, var_out) = ((s.mean(0), s.var(0, ddof=1)) for s in (shadows_in, shadows_out))

    def ratio(v_in, v_out):
        v_in, v_out = v_in + 1e-9, v_out + 1e-9  # equal shadows have no variance
        return ((own - mean_out) ** 2 / v_out - (own - mean_in) ** 2 / v_in + np.log(v_out / v_in)) / 2

    return {"loss": own, "difficulty": own - mean_out, "lira": ratio(var_in, var_out),
            "lira_fixed": ratio(var_in.mean(), var_out.mean()),
            "lira_offline": (own - mean_out) / np.sqrt(var_out + 1e-9)}  # fmt: skip


# %% [markdown]
# Two more are written out here. RMIA scores by the share of other records $z'$ that $z$ dominates,
# $P_{z'}\big(\tfrac{p(z \mid \theta) / p(z)}{p(z' \mid \theta)/p(z')} \ge 1\big)$ (Zarifzadeh et al. 2024). And the
# **shadow classifier** (Shokri et al. 2017) learns from examples what a member looks like; we let it see the loss alone
# and train it on a pair of shadow rows.


# %%
def rmia(game):
    likelihood = np.exp(-game.losses)
    ratio = likelihood[:2] / likelihood[2:].mean(axis=0)
    return (ratio[:, None] >= game.population).mean(axis=1)


def shadow_classifier(game):
    return classify(game.losses[:4, :, None], inside[:4])[:2]


# %% [markdown]
# Quantile regression is left out on purpose: on a deterministic release the loss is a function of the record, the
# conditional quantile learns that function, and nothing remains to compare. Adversarial distance and label-only attacks
# need a decision boundary, which a mean does not have.


# %%
def all_scores(game):
    scores = {"likelihood_ratio": game.ratio} | calibrated(game) | {"shadow_classifier": shadow_classifier(game)}
    return scores | ({} if game.population is None else {"rmia": rmia(game)})


exact_scores = {key: all_scores(game) for key, game in games.items()}

# %% [markdown]
# To judge them, the threshold is fixed on the first quarter of the columns and counted on the rest: true and false
# positives are then binomial, and the Clopper-Pearson interval of each rate holds exactly
# (`attacks.advantage_exact`). The likelihood ratio needs no such choice, its threshold is 0. All intervals hold
# *simultaneously* with probability 95 %: Bonferroni over all rows.


# %%
def judge(name, scores, comparisons):
    """Return AUC, advantage and its interval, the threshold fixed on the first quarter of the columns."""
    first, rest = np.split(scores, [n_draws // 4], axis=1)
    threshold = 0.0 if name == "likelihood_ratio" else attacks.best_threshold(first, inside[:2, : first.shape[1]])
    found, n = (rest > threshold).sum(axis=1), rest.shape[1]
    return attacks.auc(rest.reshape(1, -1), inside[:2, :n].reshape(1, -1))[0], *attacks.advantage_exact(
        found[0], n, found[1], n, comparisons=comparisons
    )


# %% [markdown]
# The columns `models_trained` and `model_steps` count the releases of one column that the attacker had to produce; a release
# of an exact model is one step. What all columns share is not counted: thresholds, the pooled variance of `lira_fixed`, the
# classifier, and RMIA's $p(z')$. The likelihood-ratio attacker trains nothing: it knows the law.

# %%
TRAINED = dict.fromkeys(["likelihood_ratio", "loss"], 0) | {"shadow_classifier": 2}


# %% [markdown]
# Now every attack on every game, all rows judged together.

# %%
comparisons = sum(map(len, exact_scores.values()))
exact_rows = pd.DataFrame([
    (*key, name, *judge(name, scores, comparisons), games[key].exact, TRAINED.get(name, n_references),
     TRAINED.get(name, n_references))
    for key, every in exact_scores.items() for name, scores in every.items()
], columns=["setting", "quantizer", "attack", "auc", "advantage", "low", "high", "exact", "models_trained",
            "model_steps"])  # fmt: skip


# %% [markdown]
# The advantages side by side:

# %%
exact_table = exact_rows.pivot(index="attack", columns=["setting", "quantizer"], values="advantage")
exact_table.loc[["likelihood_ratio", *exact_table.index.drop("likelihood_ratio")]].T.round(3)

# %% [markdown]
# **The executable statement.** The likelihood-ratio attack attains $\Delta_n$ within its interval, and no attack's
# interval lies above it.

# %%
best = exact_rows[exact_rows.attack == "likelihood_ratio"]
assert best.exact.between(best.low, best.high).all()
assert (exact_rows.low <= exact_rows.exact).all()
margin = (exact_rows.low - exact_rows.exact).max()
print(f"{len(exact_rows)} rows; half width up to {(exact_rows.high - exact_rows.low).max() / 2:.3f}; "
      f"the highest lower bound is {-margin:.3f} below its exact value")  # fmt: skip

# %% [markdown]
# How much of the truth does each attack find? The share advantage / $\Delta_n$, from the weakest to the strongest family
# over the games:

# %%
share = exact_rows.assign(share=exact_rows.advantage / exact_rows.exact)
share.groupby("attack").share.agg(["min", "median", "max"]).sort_values("median").round(2)

# %% [markdown]
# ## 4 · The share found against n
#
# The same with growing training sets, on the grid of step 0.5, on the random codebook and on the mean of 64 Gaussians, for
# the likelihood ratio and three attacks that ask ever less: LiRA with one variance for all records, the calibrated
# loss, and the plain loss threshold. Bars are simultaneous over this figure.

# %%
CURVES = ["likelihood_ratio", "lira_fixed", "difficulty", "loss"]
ladders = {"Gaussian mean, step 0.5": lambda n: gaussian_game(n, 0.5, rng),
           "random codebook": lambda n: codebook_game(n, random_words, P_RANDOM, rng),
           "mean of 64 Gaussians": lambda n: vector_game(n, 64, rng)}  # fmt: skip


# %% [markdown]
# One game, its attacks judged:


# %%
def rows_at(label, n):
    game = ladders[label](n)
    scores = {"likelihood_ratio": game.ratio} | calibrated(game)
    comparisons = len(ladders) * len(sizes) * len(CURVES)
    return [(label, n, name, game.exact, *judge(name, scores[name], comparisons)[1:]) for name in CURVES]


# %% [markdown]
# No attack exceeds the truth here either. The share found is the advantage over $\Delta_n$.

# %%
ladder = pd.DataFrame([row for label in ladders for n in sizes for row in rows_at(label, n)],
                      columns=["model", "n", "attack", "exact", "advantage", "low", "high"])  # fmt: skip
assert (ladder.low <= ladder.exact).all()
for number in ("advantage", "low", "high"):
    ladder[f"share_{number}"] = ladder[number] / ladder.exact

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 3, figsize=(figures.PAGE, 2.8), sharey=True)
for ax, (label, part) in zip(axes, ladder.groupby("model", sort=False), strict=True):
    for shift, (name, curve) in zip([0.94, 0.98, 1.02, 1.06], part.groupby("attack", sort=False), strict=True):
        share = curve.share_advantage
        bars = np.abs([share - curve.share_low, curve.share_high - share])
        looks = figures.look(name if name != "likelihood_ratio" else "exact", ms=4, lw=0.9)
        if name == "likelihood_ratio":
            looks |= {"label": "likelihood ratio", "marker": "."}
        ax.errorbar(curve.n * shift, share, bars, **looks)
    ax.axhline(1, color="0.4", lw=0.8)
    ax.set(xscale="log", xlabel="training-set size n")
    ax.set_title(label, loc="left", fontsize=8)
    ax.set_xticks(sizes, sizes)
    ax.minorticks_off()
axes[0].set_ylabel(r"share of $\Delta_n$ found")
axes[0].set_ylim(0, 1.5)  # intervals of tiny Delta_n reach far beyond
message = "In 64 dimensions one threshold for all records finds ever less of what is there"
figures.legend_above(fig, axes[0], ncols=4, title=message)
figures.save_figure(
    fig, "C_gap", data=ladder, atol=0.06,
    alt="Share of the exact insecurity that four attacks find against n for three exact models: the likelihood ratio finds "
    "all of it, and on the mean of 64 Gaussians the loss threshold falls from all of it to a quarter.",
)  # fmt: skip

# %% [markdown]
# The likelihood ratio finds all there is. On one-dimensional models what LiRA loses comes from a wrong Gaussian assumption
# and from noise in the shadows. In 64 dimensions the loss threshold finds everything at n = 2 and ever less as n grows,
# 100, 79, 53, 34 and 24 %: the loss varies from record to record far more than membership moves it. Attacks that ask how
# hard *this* record is stay above 95 %. A weak attack says nothing about security. The shares:

# %%
ladder.pivot(index=["model", "attack"], columns="n", values="share_advantage").loc["mean of 64 Gaussians"].round(2)

# %% [markdown]
# ## 5 · What an exact value catches
#
# An attack that exceeds $\Delta_n$ is wrong, or plays another game: see
# [10 · Ten ways to fool yourself](10_fool_yourself.ipynb). Everything below plays the *pool game*, whose attacker knows the
# pool: its advantages can exceed the $\Delta_n$ of the definition, and must not be compared with those above.

# %% [markdown]
# **Part two: networks**
#
# ## 6 · Four settings
#
# Two synthetic settings have eight Gaussian modes in $\mathbb R^d$, label by parity. In *close modes* (separation 4, the hard
# task of notebook 05) they overlap; in *distant modes* (separation 12) hardly. Two settings are molecular: blood-brain
# barrier passage, a classification, and hydration free energy, a regression, both from RDKit's descriptors. Each setting
# has a pool, whose random halves are members, and as many *population* records that no model ever trains on.


# %%
def mixture(separation, seed):
    rng = np.random.default_rng([seed, int(separation)])
    means = rng.normal(size=(8, dim)) * separation / np.sqrt(dim)
    mode = rng.integers(8, size=2 * n_pool)
    x, y = means[mode] + rng.normal(size=(2 * n_pool, dim)), mode % 2
    return Records(x[:n_pool], y[:n_pool], x[n_pool:], y[n_pool:], "binary", steps, False)


# %% [markdown]
# For molecules we split the pool of notebook 07 in two at random. Its scaffold test set is *not* used as population: its
# molecules have another law than the pool's; notebook 10 shows what that mistake does.


# %%
def molecule_pool(table, seed):
    order = np.random.default_rng(seed).permutation(len(table.x))
    own, others = order[: len(order) // 2], order[len(order) // 2 : 2 * (len(order) // 2)]
    return Records(table.x[own], table.y[own], table.x[others], table.y[others], table.kind, molecule_steps, False)


tables = {
    task: molecular.prepare(task, how, max_molecules=max_molecules, seed=seed) for task, how in representations.items()
}


def draw_settings(seed):
    drawn = {"close modes": mixture(4.0, seed), "distant modes": mixture(12.0, seed)}
    return drawn | {task: molecule_pool(table, seed) for task, table in tables.items()}


settings = draw_settings(seed)
pd.DataFrame({key: (*s.x.shape, len(s.x_out), s.task) for key, s in settings.items()},
             index=["pool", "inputs", "population", "task"])  # fmt: skip

# %% [markdown]
# One perceptron of 32 hidden units a model, trained on its random half. The **initialisation** is either *shared* by all
# models and known to the attacker, the attacker's best case, or *random*, one for each. Each number below says which; the
# first tables are for the shared one. What an attacker can observe of the quantized models is an `Evidence`: losses,
# signals, probabilities, weights.


# %%
def train(setting, n, init_seed=0, init="shared"):
    """Train n models on random halves of a setting's pool; return them with their membership."""
    members = molecular.draw_members(n, len(setting.x), np.random.default_rng([seed, init_seed, n]))
    models = ensemble.train(setting.x, setting.y, members, task=setting.task, hidden=(32,), steps=setting.steps,
                            init=init, seed=init_seed, chunk=16)  # fmt: skip
    return models, members


def observe(setting, models, members, name="fp32", shadows=None):
    shadows = shadows and models.quantize(shadows)
    return attacks.observe(models.quantize(name), setting.x, setting.y, members, setting.x_out, setting.y_out, shadows)


# %% [markdown]
# Train all of them, and look at what every attack lives on: the loss of members against that of the population.

# %%
trained = {(key, init): train(settings[key], n_models, init=init) for key in settings for init in ("shared", "random")}
evidence = {
    (key, name, init): observe(settings[key], *trained[key, init], name)
    for init in ("shared", "random") for key in settings for name in names
}  # fmt: skip
pd.DataFrame([
    (key, name, e.losses[e.members].mean(), e.losses_out.mean())
    for (key, name, init), e in evidence.items() if init == "shared"
], columns=["setting", "quantizer", "members", "population"]).pivot(index="setting", columns="quantizer").round(3)  # fmt: skip

# %% [markdown]
# ## 7 · The families, one by one
#
# Before all attacks meet all quantizers, each is introduced on one set of targets: close modes, signs, shared
# initialisation. A number is an advantage with its 95 % interval over targets (Student's $t$; the threshold from the other
# half of the targets).
#
# Targets that are each other's shadows are not quite independent: the memberships of a record in two models enter the
# scores of both alike. Where little leaks, the standard error of an attack over $M$ such targets is up to 1.7 times the naive
# one (simulated), so that `advantage_held_out` takes it $\sqrt 3$ times as large (`mutual`). All intervals of attacks with
# shadows below do the same.


# %%
over_targets = partial(attacks.mean_interval, mutual=True)

# %% [markdown]
# Costly attacks run on the first targets only.


# %%
def targets(name, seen):
    """Return the evidence on all targets, or on the first ones for a costly family."""
    return seen.take(range(n_costly)) if name in COSTLY else seen


@cache
def attack(name, seen):
    """Run a family, once on each evidence. Return its scores and the evidence they belong to."""
    part = targets(name, seen)
    return attacks.ATTACKS[name].run(part), part


# %% [markdown]
# A line per family:


# %%
def show(*wanted, seen=evidence["close modes", close_up, "shared"]):
    for name in wanted:
        scores, part = attack(name, seen)
        found = attacks.advantage_held_out(scores, part.members, attacks.ATTACKS[name].shadows)
        print(f"{name:26s} {found:+.3f}")


# %% [markdown]
# **Thresholds, no shadows.** The loss $\ell = -\log p_y$; the largest probability $\max_c p_c$ and the entropy
# $-\sum_c p_c \log p_c$, which do not even need the label; and the modified entropy $-(1 - p_y)\log p_y - \sum_{c \ne y} p_c
# \log(1 - p_c)$, which is large where the model is sure of a wrong class. With two classes it orders records as the loss,
# unless each class has a threshold of its own, which takes shadow models to learn.

# %%
show("loss", "max_confidence", "entropy", "modified_entropy", "modified_entropy_by_class")

# %% [markdown]
# **Quantile regression** asks whether the confidence is high *for a record like this*: the conditional 90 % quantile is
# fitted to the target's outputs on the population. One model per target, no shadow.

# %%
show("quantile")

# %% [markdown]
# **Shadow models** bring knowledge of how models of this kind behave. The shadow classifier learns members' outputs. The
# loss trajectory first distils the target, and reads the loss of the record along the way: a second chance to see
# how quickly the record's loss falls.

# %%
show("shadow_classifier", "trajectory")

# %% [markdown]
# **Calibration per record**: difficulty subtracts the record's mean under models without it, LiRA compares two Gaussian
# fits, RMIA counts the population records that are dominated.

# %%
show("difficulty", "lira", "lira_fixed", "lira_offline", "rmia")

# %% [markdown]
# **Labels and distances.** An attacker who sees only predicted labels adds noise to the record and counts how often its
# label survives, or walks along the decision boundary, eight rounds and some six hundred labels a record, towards the
# nearest point found at which the label changes (`label_only_boundary`). One with gradients measures the distance to the
# nearest adversarial example directly. If the walk finds as much, gradients only make this attack cheaper.

# %%
show("label_only", "label_only_boundary", "adversarial_distance")

# %% [markdown]
# None of the three reads shadows, and so they do not know which records are far from the boundary anyway. Distances can be
# calibrated as scores are, by an attacker who walks its shadows as well: LiRA on the distances of `n_walked` models.


# %%
def walked(key):
    """Return plain and calibrated label distances and LiRA on scores, of records with enough shadows, and members."""
    seen = evidence[key, close_up, "shared"].take(range(n_walked))
    seen = seen.records(attacks.enough_shadows(seen.members))
    distance = label_distance(seen.models, seen.x, seen.y, seen.x_out)
    fixed = partial(attacks.lira, members=seen.members, variant="online_fixed")
    return {"labels": distance, "labels, calibrated": fixed(distance),
            "scores, calibrated": fixed(seen.signals)}, seen.members  # fmt: skip


# %% [markdown]
# All on the same models, then the difference of the calibrated ones target by target:

# %%
walks = {}
for key in ("close modes", "BBB_Martins"):
    every, members = walked(key)
    found = {name: attacks.advantage_held_out(s, members, name != "labels") for name, s in every.items()}
    walks[key] = found["scores, calibrated"].per_target - found["labels, calibrated"].per_target
    print(f"{key}: " + "; ".join(f"{name} {advantage:.3f}" for name, advantage in found.items())
          + f"; scores - labels {over_targets(walks[key]):+.3f}")  # fmt: skip

# %% [markdown]
# Most of what scores seem to buy is calibration: with shadows walked too, labels come within 0.04 of LiRA on scores, at
# some six hundred queries a record and model.

# %% [markdown]
# **White box.** The **weight attack** is a ridge regression of membership on the released weights of the shadows
# (`weight_regression`). The influence score is
# $-(\theta - \bar\theta)^\top C^{-1} \nabla \ell(z)$, the record's gradient whitened by the covariance $C$ of weights
# over models, calibrated as LiRA. With the shared initialisation:

# %%
show("weight_regression", "influence")

# %% [markdown]
# With a random initialisation hidden units have no common order, and weights cannot be compared one by one. Aligning
# the units by permutation first restores some of it.

# %%
show("lira_fixed", "weight_regression", "weight_regression_aligned", "influence", "influence_aligned",
     seen=evidence["close modes", close_up, "random"])  # fmt: skip

# %% [markdown]
# **The whole release.** All attacks so far read the record's own output or compare weights one by one. Four families read
# more. `output_regression` regresses membership on the outputs at *all* records of the pool and the population, a black box
# of many queries; `release_regression` on these and the weights; `joint_decoder` models how every record moves the weights
# and decodes all memberships at once. A *stack* weighs several attacks by a classifier that is fitted on shadows alone: the
# loss, three LiRA, RMIA and the regression on outputs (`stacked_outputs`), or these with both attacks on weights
# (`stacked`).

# %%
show("output_regression", "release_regression", "joint_decoder", "stacked_outputs", "stacked")

# %% [markdown]
# ## 8 · Every attack against every quantizer
#
# Now the whole table, with a null beside each number: memberships dealt to other models and records. An attack
# that reads memberships runs again on these. One that reads none keeps its scores, and they are judged by these
# memberships. `model_steps` counts every model, distilled copies and quantile models too, at the setting's number of steps.


# %%
@cache
def under_null(seen):
    """Return the evidence with its memberships dealt to other models and records."""
    return seen.relabel(attacks.permuted(seen.members, np.random.default_rng(seed)))


def report(key, name, init, family):
    """Return one row of the table, the scores, and the null's AUC with its half width."""
    scores, part = attack(family, evidence[key, name, init])
    rule, false = attacks.ATTACKS[family], under_null(part)
    null = attacks.auc(rule.run(false) if rule.shadows else scores, false.members)
    found, models = attacks.advantage_held_out(scores, part.members, rule.shadows), rule.trained(len(part.members))
    row = (key, name, init, family, attacks.auc(scores, part.members).mean(), found.value, found.low, found.high,
           models, models * settings[key].steps)  # fmt: skip
    return row, scores, attacks.mean_interval(null, mutual=rule.shadows)


# %% [markdown]
# Everything that the task defines runs against models of the shared initialisation. Against random ones the cheap attacks
# run, and the variants that align hidden units.


# %%
def runs(family, seen, init):
    """Tell whether an attack belongs in the table."""
    fits = family not in COSTLY if init == "random" else not family.endswith("aligned")
    return fits and not attacks.ATTACKS[family].lacks(seen)


reported = {
    (*cell, family): report(*cell, family)
    for cell, seen in evidence.items() for family in attacks.ATTACKS
    if cell[0] in table_settings and runs(family, seen, cell[2])
}  # fmt: skip
COLUMNS = ["setting", "quantizer", "init", "attack", "auc", "advantage", "low", "high", "models_trained", "model_steps"]
network_rows = pd.DataFrame([row for row, _, _ in reported.values()], columns=COLUMNS)
len(network_rows)

# %% [markdown]
# The nulls: how many of their intervals exclude one half? Fewer than one in twenty should, since the intervals of attacks
# with shadows are widened. Attacks on one set of models share their targets and the false lists, so that bad luck shows in
# many rows at once.

# %%
null = pd.DataFrame([n for _, _, n in reported.values()], columns=["auc", "low", "high"])
off = ((null.low > 0.5) | (null.high < 0.5)).mean()
print(f"{len(null)} nulls, mean AUC {null.auc.mean():.4f}, largest distance {(null.auc - 0.5).abs().max():.4f}, "
      f"{off:.0%} of the intervals exclude one half")  # fmt: skip
assert abs(null.auc.mean() - 0.5) < 0.02

# %% [markdown]
# The strongest attack of each cell, picked on the same targets, so that its number and interval are a little too high:

# %%
CELL = ["setting", "quantizer", "init"]
strongest = network_rows.loc[network_rows.groupby(CELL, sort=False).advantage.idxmax()]
strongest[[*CELL, "attack", "advantage", "low", "high"]].round(3).reset_index(drop=True)

# %% [markdown]
# Is it really ahead of the best LiRA? Target by target, on the targets of both:


# %%
LIRA = ["lira", "lira_fixed", "lira_offline"]
advantage_of = network_rows.set_index([*CELL, "attack"]).advantage.sort_index()


def ahead(key, name, init, family):
    """Return the best LiRA of a cell and what an attack finds beyond it, with an interval over their common targets."""
    best = advantage_of[key, name, init][LIRA].idxmax()
    (_, scores, _), (_, other, _) = reported[key, name, init, family], reported[key, name, init, best]
    members = evidence[key, name, init].members[: len(scores)]
    gains = [attacks.advantage_held_out(s[: len(scores)], members).per_target for s in (scores, other)]
    return best, *over_targets(gains[0] - gains[1])


beyond = pd.DataFrame([(*cell, *ahead(*cell)) for cell in strongest[[*CELL, "attack"]].to_numpy()],
                      columns=[*CELL, "attack", "best LiRA", "ahead", "low", "high"])  # fmt: skip
beyond[~beyond.attack.str.startswith("lira")].round(3)

# %% [markdown]
# **How far is LiRA from the strongest known attack?** For each release and threat model the attack is picked on one half of the
# targets and judged on the other (`attacks.strongest`), so that no luck is counted, and so is the best of the three LiRA. All
# attacks that run on every model may be picked; `outputs` leaves out those that read weights.


# %%
def gained(*cell):
    """Return rows (setting, quantizer, init, seen, AUC of LiRA, of the strongest, gain, low, high), one a threat model."""
    ran = [name for name in attacks.ATTACKS if (*cell, name) in reported and name not in COSTLY]
    aucs = {name: attacks.auc(reported[(*cell, name)][1], evidence[cell].members)[:, None] for name in ran}
    by_lira = attacks.strongest({name: aucs[name] for name in LIRA})
    outputs = {name: auc for name, auc in aucs.items() if attacks.ATTACKS[name].access != "weights"}
    best = {"outputs": attacks.strongest(outputs), "weights": attacks.strongest(aucs)}
    return [
        (*cell, seen, by_lira.mean(), auc.mean(), *over_targets((auc - by_lira)[:, 0])) for seen, auc in best.items()
    ]


gain = pd.DataFrame([row for cell in strongest[CELL].to_numpy() for row in gained(*cell)],
                    columns=[*CELL, "seen", "LiRA", "strongest", "gain", "low", "high"])  # fmt: skip
gain.pivot(index=["init", "setting", "quantizer"], columns="seen", values=["LiRA", "strongest", "gain"]).drop(
    columns=("LiRA", "weights")).round(3)  # fmt: skip

# %% [markdown]
# A gain above 0.02 of AUC with its whole interval is one that a report should not leave out.

# %% tags=["hide-input"]
fig, axes = plt.subplots(
    1, 2, figsize=(figures.PAGE, 0.9 + 0.17 * len(names) * len(table_settings)), sharex=True, sharey=True
)
gain["release"] = gain.setting + ", " + figures.words(gain.quantizer)
releases = list(gain.release.unique())
for ax, init in zip(axes, ("shared", "random"), strict=True):
    for shift, (seen, color) in zip([-0.15, 0.15], {"outputs": 0, "weights": 1}.items(), strict=True):
        part = gain[(gain.init == init) & (gain.seen == seen)].set_index("release")
        label = "outputs seen" if seen == "outputs" else "weights seen, too"
        figures.forest(ax, part, "gain", names=releases, color=figures.COLORS[color], width=1, shift=shift, label=label)
    ax.axvline(0, color="0.4", lw=0.8)
    ax.axvline(0.02, color="0.4", lw=0.8, ls=":")
    ax.set_title(f"{init} initialisation", loc="left", fontsize=8)
    ax.set_xlabel("AUC of the strongest attack beyond LiRA's")
clear = (gain.low > 0.02).groupby([gain.seen, gain.init]).sum()
message = (f"More than 0.02 beyond LiRA: {clear['weights', 'shared']} of {len(releases)} releases with the weights of a shared "
           f"initialisation,\n{clear['weights', 'random']} with random ones, {clear['outputs'].sum()} from outputs")  # fmt: skip
figures.legend_above(fig, axes[0], ncols=2, title=message)
figures.save_figure(
    fig, "C_strongest", data=gain.drop(columns="release"), atol=0.03,
    alt="AUC of the strongest known attack less that of the best LiRA for each setting and quantizer, from outputs and with the "
    "weights, shared and random initialisations, with intervals.",
)  # fmt: skip

# %% [markdown]
# A broken model leaks nothing, so that a pale column means little without what its models are still worth: accuracy on
# the population, $R^2$ for the regression. The comparison at equal utility, with both initialisations, is
# [06 · Equal utility](06_equal_utility.ipynb).


# %%
def worth(key, init, name):
    models, setting = trained[key, init][0].quantize(name), settings[key]
    return utility(models.logits(setting.x_out), setting.y_out, setting.task).mean()


useful = pd.DataFrame({cell: {name: worth(*cell, name) for name in names} for cell in trained}).T
useful.round(3)

# %% [markdown]
# The heat map of the networks is the headline of this study: advantages in per cent, rows sorted by their mean over the
# models of the shared initialisation. Each number has an interval of 95 % of its own in `figures/C_attacks.csv`, and is a
# lower bound on what the best attack finds in the pool game. Grey: not run. A star marks attacks on `n_costly` targets
# only. Left out are attacks that order records as another one does, or nearly: modified entropy, also by class, maximal
# confidence, entropy and the shadow classifier are near the loss, and the regression on weights and outputs near the weight
# attack where weights tell at all; and label only by noise, which finds less than its better form. Their numbers are in the CSV, too.

# %%
LEFT_OUT = {"max_confidence", "modified_entropy", "entropy", "modified_entropy_by_class", "shadow_classifier", "label_only",
            "release_regression"}  # fmt: skip
shown = network_rows[~network_rows.attack.isin(LEFT_OUT)]
means = shown[shown.init == "shared"].groupby("attack").advantage.mean().sort_values(ascending=False)
order = [*means.index, *sorted(set(shown.attack) - set(means.index))]


def draw_map(ax, grid, limit):
    """Draw a frame as a heat map with all its numbers, in per cent."""
    ax.set_facecolor("0.85")
    ax.imshow(np.ma.masked_invalid(grid), cmap="Blues", vmin=0, vmax=limit, aspect="auto")
    for (i, j), value in np.ndenumerate(grid.to_numpy()):
        if np.isfinite(value):
            ax.text(j, i, f"{100 * value:.0f}", ha="center", va="center", fontsize=6.5,
                    color="w" if value > 0.55 * limit else "k", in_layout=False)  # fmt: skip
    ax.set_yticks(range(len(grid)), figures.words(grid.index))
    ax.grid(False)


# %% tags=["hide-input"]
def save_map(stem, init, title):
    part = shown[shown.init == init].assign(cell=lambda frame: frame.setting + "/" + frame.quantizer)
    rows = [name for name in order if name in set(part.attack)]
    grid = part.pivot(index="attack", columns="cell", values="advantage").reindex(rows)[part.cell.unique()]
    fig, ax = plt.subplots(figsize=(figures.PAGE, 1.5 + len(rows) / 6))
    draw_map(ax, grid, 0.9)
    ax.set_xticks(range(grid.shape[1]), figures.words([cell.split("/")[1] for cell in grid]), rotation=90, fontsize=7)
    starred = [f"{figures.words([name])[0]} *" if name in COSTLY else figures.words([name])[0] for name in rows]
    ax.set_yticks(range(len(rows)), starred, fontsize=7)
    ax.set_title(title, loc="left", pad=16)
    for at, key in enumerate(table_settings):
        ax.text((at + 0.5) * len(names) - 0.5, -0.7, key, ha="center", fontsize=7)
        ax.axvline((at + 1) * len(names) - 0.5, color="w", lw=2)
    alt = f"Heat map of the advantage in per cent of attacks against settings and quantizers, {init} initialisation."
    tolerance = {"auc": 0.03, "advantage": 0.06, "low": 0.06, "high": 0.06}
    figures.save_figure(fig, stem, data=network_rows[network_rows.init == init], atol=tolerance, alt=alt)


leads = strongest[strongest.init == "shared"].attack
save_map(
    "C_attacks",
    "shared",
    f"Shared initialisation: a stack of attacks leads in {leads.str.startswith('stacked').sum()} of {len(leads)} releases (advantage, %)",
)

# %% [markdown]
# The same for random initialisations:

# %%
save_map("C_random", "random", "Random initialisations: attacks on weights lose most, %")

# %% [markdown]
# And the exact models, as shares of $\Delta_n$ found, in per cent:

# %% tags=["hide-input"]
share = exact_rows.assign(share=exact_rows.advantage / exact_rows.exact)
share["game"] = share.setting + ", " + share.quantizer
grid = share.pivot(index="attack", columns="game", values="share")[share.game.unique()]
grid = grid.loc[grid.mean(axis=1).sort_values(ascending=False).index]
fig, ax = plt.subplots(figsize=(figures.PAGE, 3.3))
draw_map(ax, grid, 1.1)
ax.set_yticks(
    range(len(grid)), ["likelihood ratio" if a == "likelihood_ratio" else figures.words([a])[0] for a in grid.index]
)
ax.set_xticks(
    range(grid.shape[1]),
    [game.replace(", ", "\n").replace("fp32", "full prec.").replace("random ", "") for game in grid],
    fontsize=7,
)
ax.set_title(
    r"Population game: offline LiRA and the calibrated loss miss least of $\Delta_n$ (share found, %)", loc="left"
)
figures.save_figure(
    fig, "C_shares", data=exact_rows, atol={"auc": 0.03, "advantage": 0.03, "low": 0.03, "high": 0.03},
    alt=f"Heat map of the share of the exact insecurity that {len(grid)} attacks find in eight exact models.",
)  # fmt: skip

# %% [markdown]
# **Other seeds.** An interval over targets holds for the pool and the initialisation at hand. Here pool, initialisation and
# memberships are drawn anew, `n_repeats` times (of molecules the split into pool and population, so that two pools share
# about half), and three attacks run again: the plain loss, the best calibration, and the weights, aligned where the
# initialisation is random.

# %%
WATCHED = {"shared": ["loss", "lira_fixed", "weight_regression"],
           "random": ["loss", "lira_fixed", "weight_regression_aligned"]}  # fmt: skip


def judged_again(again, key, setting, init):
    """Return rows (run, setting, quantizer, init, attack, advantage, low, high) of one pool drawn anew."""
    models, members = train(setting, n_models, init_seed=1000 * again, init=init)
    rows = []
    for name in names:
        seen = observe(setting, models, members, name)
        for family in WATCHED[init]:
            rule = attacks.ATTACKS[family]
            found = attacks.advantage_held_out(rule.run(seen), members, rule.shadows)
            rows.append((again, key, name, init, family, found.value, found.low, found.high))
    return rows


# %% [markdown]
# Run 0 is the table above. Behind each of its numbers, the least and the largest over all draws:

# %%
drawn = [row for again in range(1, n_repeats + 1) for key, setting in draw_settings(seed + 1000 * again).items()
         if key in table_settings for init in WATCHED for row in judged_again(again, key, setting, init)]  # fmt: skip
watched = [attack in WATCHED[init] for attack, init in zip(network_rows.attack, network_rows.init, strict=True)]
spread = pd.DataFrame(drawn, columns=["run", *CELL, "attack", "advantage", "low", "high"])
spread = pd.concat([network_rows[watched].assign(run=0)[spread.columns], spread])
by_cell = spread.groupby([*CELL, "attack"], sort=False).advantage
by_cell.agg(["first", "min", "max"]).round(2).astype(str).agg(
    lambda row: "{} ({} to {})".format(*row), axis=1
).unstack()

# %% [markdown]
# How often does a further draw leave the interval of the first? A new draw has noise of its own, so that with honest
# intervals and no difference between pools or initialisations about one in six would, and fewer where the interval is
# widened for shared shadows.

# %%
joined = spread[spread.run > 0].merge(spread[spread.run == 0], on=[*CELL, "attack"])
outside = (joined.advantage_x < joined.low_y) | (joined.advantage_x > joined.high_y)
print(f"{outside.mean():.0%} of {len(outside)} further numbers lie outside; by attack "
      + ", ".join(f"{name} {share:.0%}" for name, share in outside.groupby(joined.attack, sort=False).mean().items()))  # fmt: skip

# %% [markdown]
# No interval over targets knows of other pools or initialisations; quote the spread over draws beside it. Large marks: the
# table, with its interval. Small ones: the further draws.

# %% tags=["hide-input"]
fig, axes = plt.subplots(2, len(table_settings), figsize=(figures.PAGE, 4.2), sharex=True, sharey=True, squeeze=False)
for (init, families), row in zip(WATCHED.items(), axes, strict=True):
    for ax, key in zip(row, table_settings, strict=True):
        for shift, family in zip([-0.25, 0, 0.25], families, strict=True):
            part = spread[(spread.setting == key) & (spread.attack == family) & (spread.init == init)]
            place, again = part.quantizer.map(names.index).astype(float) + shift, part.run > 0
            first, looks = part[~again], figures.look(family, ms=4, ls="")
            bars = first.advantage - first.low, first.high - first.advantage
            ax.errorbar(place[~again], first.advantage, bars, **looks)
            ax.plot(place[again] + 0.08, part.advantage[again], **looks | {"ms": 2, "label": None})
        ax.set_xticks(range(len(names)), figures.words(names), rotation=90, fontsize=7)
        ax.set_title(f"{key.split('_')[0]}, {init}", loc="left", fontsize=8)
    row[0].set_ylabel("advantage")
handles = {handle.get_label(): handle for ax in axes[:, 0] for handle in ax.get_legend_handles_labels()[0]}
left = outside.groupby(joined.attack).mean()
message = (f"Other pools and starts: {left['loss']:.0%} of the new numbers of the loss threshold leave its interval, "
           f"{left['lira_fixed']:.0%} of LiRA's")  # fmt: skip
figures.legend_above(fig, list(handles.values()), ncols=4, title=message)
figures.save_figure(
    fig, "C_seeds", data=spread, atol=0.06,
    alt=f"Advantage of three attacks on each quantizer, setting and initialisation, with intervals, and {n_repeats} further draws of "
    "pool, initialisation and memberships.",
)  # fmt: skip

# %% [markdown]
# ## 9 · The low end
#
# Curves of true against false positives, for single records rather than averages:
# [10 · Ten ways to fool yourself](10_fool_yourself.ipynb) and [08 · Who is exposed](08_who_is_exposed.ipynb).
#
# ## 10 · What a budget of shadows buys
#
# The same attacks with fewer models, signs and the shared initialisation. The models are cut into as many separate
# blocks as there are, so that every budget has nearly all targets. Only records with four IN and four OUT models are
# judged. The count includes the target, so the choice knows a little of its membership: at 12 models it costs `lira`
# about 0.01 of AUC (simulated; less than 0.005 from 16 on), and hardly anything to the others. The interval is Student's
# $t$ over targets.

# %%
BUDGET = ["difficulty", "lira", "lira_fixed", "rmia", "shadow_classifier"]


def in_group(key, family, models):
    """Return the AUC of a family against each model of a group whose other models are the shadows."""
    seen = evidence[key, close_up, "shared"].take(models)
    seen = seen.records(attacks.enough_shadows(seen.members, 4))
    return attacks.auc(attacks.ATTACKS[family].run(seen), seen.members)


def with_budget(key, family, k):
    groups = np.split(np.arange(n_models)[: n_models // k * k], n_models // k)
    return np.concatenate([in_group(key, family, group) for group in groups])


# %% [markdown]
# Two settings, one with a classification and one with a regression:

# %%
by_target = {(key, family, k): with_budget(key, family, k) for key in ("close modes", "FreeSolv") for family in BUDGET
             for k in budgets if k <= n_models}  # fmt: skip
budget = pd.DataFrame([(*place, *over_targets(auc)) for place, auc in by_target.items()],
                      columns=["setting", "attack", "models", "auc", "low", "high"])  # fmt: skip

# %% [markdown]
# Does a fixed variance pay while shadows are few? The gain of `lira_fixed` over `lira`, target by target:

# %%
pays = pd.DataFrame([
    (key, k, *over_targets(by_target[key, "lira_fixed", k] - by_target[key, "lira", k]))
    for key, family, k in by_target if family == "lira"
], columns=["setting", "models", "gain", "low", "high"])  # fmt: skip
pays.round(3)

# %% [markdown]
# A fixed variance pays while shadows are few; with many, variances for each record catch up (see the signs and intervals
# above).

# %%
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 2.7), sharex=True)
for ax, (key, part) in zip(axes, budget.groupby("setting", sort=False), strict=True):
    shifts = np.geomspace(0.95, 1.05, len(BUDGET))
    for (family, curve), shift in zip(part.groupby("attack", sort=False), shifts, strict=True):
        bars = curve.auc - curve.low, curve.high - curve.auc
        ax.errorbar(curve.models * shift, curve.auc, bars, **figures.look(family, ms=4, lw=0.9))
    ax.set(xscale="log", xlabel="models trained", title=f"{key}, {figures.words([close_up])[0]}")
    ax.set_xticks([b for b in budgets if b <= n_models], [str(b) for b in budgets if b <= n_models])
    ax.minorticks_off()
axes[0].set_ylabel("AUC")
fig.suptitle("Few shadows: pool the variance", fontsize=9)
axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
figures.save_figure(
    fig, "C_budget", data=budget, atol=0.04,
    alt="AUC of five attacks against the number of models trained, for close modes and FreeSolv.",
)  # fmt: skip

# %% [markdown]
# **Where more models go on paying.** LiRA asks about one output at a time, and some dozens of models answer that. The outputs at
# all other records tell of a record as well, but only a regression on many models can read them. Here are `n_many` models of
# distant modes, of each initialisation, and the first half and quarter of them: the best LiRA, and the strongest of all attacks on
# outputs that share its queries or ask for the whole pool, each picked on the other half of the targets.

# %%
ON_OUTPUTS = [*LIRA, "loss", "rmia", "output_regression", "stacked_outputs"]
many = {init: train(settings["distant modes"], n_many, init=init) for init in ("shared", "random")}


def with_many(init, name, k):
    """Return a row: the AUC of the best LiRA and of the strongest attack on outputs against k models, and the gain."""
    seen = observe(settings["distant modes"], *many[init], name).take(range(k))
    seen = seen.records(attacks.enough_shadows(seen.members))
    aucs = {family: attacks.auc(attacks.ATTACKS[family].run(seen), seen.members)[:, None] for family in ON_OUTPUTS}
    by_lira, best = attacks.strongest({name: aucs[name] for name in LIRA}), attacks.strongest(aucs)
    return init, name, k, by_lira.mean(), best.mean(), *over_targets((best - by_lira)[:, 0])


paying = pd.DataFrame([with_many(init, name, k) for init in many for name in (names[0], names[-1])
                       for k in (n_many // 4, n_many // 2, n_many)],
                      columns=["init", "quantizer", "models", "LiRA", "strongest", "gain", "low", "high"])  # fmt: skip
paying.round(3)

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 2.6), sharex=True, sharey=True)
for ax, (init, part) in zip(axes, paying.groupby("init", sort=False), strict=True):
    for shift, (name, curve) in zip([0.98, 1.02], part.groupby("quantizer", sort=False), strict=True):
        bars = curve.gain - curve.low, curve.high - curve.gain
        ax.errorbar(curve.models * shift, curve.gain, bars, **figures.look(name, ms=4, lw=0.9))
    ax.axhline(0, color="0.4", lw=0.8)
    ax.axhline(0.02, color="0.4", lw=0.8, ls=":")
    ax.set(xscale="log", xlabel="models trained")
    ax.set_title(f"distant modes, {init} initialisation", loc="left", fontsize=8)
    ax.set_xticks(list(part.models.unique()), [str(k) for k in part.models.unique()])
    ax.minorticks_off()
axes[0].set_ylabel("AUC beyond LiRA's")
at_most = paying[paying.models == n_many].set_index(["quantizer", "init"]).gain
message = (f"Outputs alone: with {n_many} models the strongest attack gains {at_most[names[0], 'shared']:.2f} over LiRA in full "
           f"precision\nwhere they share a start, {at_most[names[0], 'random']:.2f} where each has its own")  # fmt: skip
figures.legend_above(fig, axes[0], ncols=2, title=message)
figures.save_figure(
    fig, "C_many", data=paying, atol=0.03,
    alt="AUC of the strongest attack on outputs less that of the best LiRA against the number of models, for full precision and the "
    "sparsest quantizer of distant modes, shared and random initialisations, with intervals.",
)  # fmt: skip

# %% [markdown]
# ## 11 · Which records, and are they the same every time?
#
# The tenth of the records that one group of models finds overlaps with that of another by 0.69 [0.60, 0.78] on close modes and
# 0.44 [0.30, 0.58] on FreeSolv with random initialisations, by 0.67 [0.58, 0.75] and 0.35 [0.25, 0.45] with a shared one of each
# group; by chance it would be 0.05 (pool game, mean signals of outputs, signs, five groups of 64 models, intervals over groups).
#
# A record's *exposure* in nats is $d'^2$: the distance between its mean signal over models that trained on it and over the
# others, in standard deviations, squared; for Gaussian signals that is the mean log-likelihood ratio. `n_seeds` groups of
# models differ in their halves and in their initialisation: a *shared* one of each group, or *random* ones. Found means here:
# among the tenth of the records with the largest exposure. (TPR minus FPR, which assumes no law, is in
# [08](08_who_is_exposed.ipynb).)


# %%
def found_by_group(key, init):
    """Return exposure in the first group (value, low, high) and which records each group finds, (S, N)."""
    exposures = []
    for group in range(1, n_seeds + 1):
        seen = observe(settings[key], *train(settings[key], n_seed_models, group, init), close_up)
        exposures.append(attacks.exposure(seen.signals, seen.members, comparisons=len(seen.y)))
    return exposures[0], np.array([value >= np.quantile(value, 0.9) for value, _, _ in exposures])


stability = {
    (key, init): found_by_group(key, init) for init in ("shared", "random") for key in ("close modes", "FreeSolv")
}

# %% [markdown]
# `overlap` is the mean Jaccard index of what two groups find, beside that of finds by chance (`by chance`). Every group enters
# several pairs, so that the interval is Student's over jackknife pseudo-values: what the overlap says with each group, beyond
# what it says without. `beyond doubt` is the share of the records whose exposure is above zero, for all records at once.


# %%
def agreement(found):
    """Return the overlap of the finds of two groups, with its interval over groups, and its value by chance."""
    _, overlap, chance = attacks.stability(found)
    without = [attacks.stability(np.delete(found, group, axis=0))[1] for group in range(n_seeds)]
    return *attacks.mean_interval(n_seeds * overlap - (n_seeds - 1) * np.array(without), most=1), chance


rows = []
for place, ((_, low, _), found) in stability.items():
    by = found.sum(axis=0)
    rows.append((*place, *agreement(found), np.mean(low > 0), (by == n_seeds).sum(), (by > 0).sum(), len(low)))
columns = [
    "setting",
    "init",
    "overlap",
    "low",
    "high",
    "by chance",
    "beyond doubt",
    "found by all",
    "by any",
    "records",
]
same = pd.DataFrame(rows, columns=columns).set_index(["setting", "init"])
same.round(3)

# %% [markdown]
# Records in the order of their exposure in the first group, with intervals that hold for all records at once; what lies below
# 0.01 nats is drawn there. The colour says how many of the groups found the record.


# %%
def draw_exposures(ax, place):
    """Draw the exposures of a setting in falling order; return the coloured marks and the frame of what is drawn."""
    (value, low, high), found = stability[place]
    order, floor = np.argsort(-value), 1e-2
    part = pd.DataFrame({"exposure": value, "low": low, "high": high, "share": found.mean(axis=0)}).iloc[order]
    part = part.assign(rank=range(1, len(order) + 1), setting=place[0], init=place[1])
    ax.vlines(part["rank"], np.maximum(part.low, floor), part.high, color="0.8", lw=0.6, rasterized=True)
    looks = {
        "cmap": "viridis_r",
        "vmin": 0,
        "vmax": 1,
        "s": 7,
        "lw": 0,
        "zorder": 3,
        "rasterized": True,
        "antialiased": False,
    }
    dots = ax.scatter(part["rank"], np.maximum(part.exposure, floor), c=part.share, **looks)
    ax.set_yscale("log")
    ax.minorticks_off()
    ax.set_title("{}, {}: overlap {overlap:.2f}\n[{low:.2f}, {high:.2f}], by chance {by chance:.2f}".format(
        *place, **same.loc[place]), loc="left", fontsize=8)  # fmt: skip
    return dots, part


# %% tags=["hide-input"]
fig, axes = plt.subplots(2, 2, figsize=(figures.PAGE, 4.6), layout="constrained", sharex="col", sharey=True)
drawn = [draw_exposures(ax, place) for ax, place in zip(axes.ravel(), stability, strict=True)]
for ax in axes[:, 0]:
    ax.set_ylabel("exposure (nats)")
for ax in axes[1]:
    ax.set_xlabel("record, the most exposed first")
fig.colorbar(drawn[0][0], ax=axes, label="found by this share of the groups")
fig.suptitle("Who is found is a property of the record: groups agree far beyond chance", fontsize=9)
figures.save_figure(
    fig, "C_stability", data=pd.concat([part for _, part in drawn]).merge(
        same.reset_index()[["setting", "init", "overlap", "low", "high", "by chance"]].rename(
            columns={"low": "overlap_low", "high": "overlap_high"}), on=["setting", "init"]),
    rtol=0.3, atol={"exposure": 3, "low": 10, "high": 10, "share": 0.6} | dict.fromkeys(
        ["overlap", "overlap_low", "overlap_high"], 0.15),
    alt="Exposure of each record in descending order on a log axis with simultaneous intervals, coloured by the share of "
    "groups that find it, for close modes and FreeSolv, shared and random initialisations.",
)  # fmt: skip

# %% [markdown]
# Who is found is a property of the record and its pool more than of the training: all five groups find 19 of 256 records of
# close modes and 9 of 240 of FreeSolv with random initialisations, 16 and 6 with shared ones. The intervals of both kinds
# overlap, so that this hardly hangs on the initialisation. On FreeSolv no more than 13 % of the records are exposed beyond doubt,
# in their own interval for all records at once, and its finds agree less: the order of records within noise is noise.
#
# ## 12 · The worst record, picked and judged
#
# "The worst record" is the luckiest one too. The worst five records of FreeSolv have an advantage of 0.72 on the models that
# picked them and 0.48 [0.34, 0.62] on others, a fall of 0.24 [0.08, 0.40]; over the four settings the fall is 0.04 to 0.24 with
# random initialisations and 0.03 to 0.08 with the shared one (pool game, LiRA with pooled variance on outputs, signs, halves of
# 48 models).
#
# Each half of the models has only its own models as shadows, and LiRA guesses by the sign of its log-likelihood ratio. A guess
# counts +1 if it is right and -1 if not, so that the mean is the advantage. *Picked*: the records that come out worst on a
# half, judged on that half, as a report would that picks and judges on the same models. *Judged*: the same records on the
# other half. Both halves pick and both judge. The null deals the memberships to other models and records, once.


# %%
def gains(half):
    """Return +1 where LiRA guesses a membership right, -1 where not, (models, records)."""
    says = attacks.lira(half.signals, half.members, "online_fixed") > 0
    return np.where(says == half.members, 1.0, -1.0)


def worst_records(seen, n_worst):
    """Return the advantage on the worst records (picked, judged, their difference) and on all, by model."""
    halves = [seen.take(range(first, n_models, 2)) for first in (0, 1)]
    enough = np.all([attacks.enough_shadows(half.members) for half in halves], axis=0)
    right = [gains(half.records(enough)) for half in halves]
    picks = [np.argsort(by_record.mean(axis=0), kind="stable")[-n_worst:] for by_record in right]
    picked, judged = (
        np.concatenate([by_record[:, pick].mean(axis=1) for by_record, pick in zip(right, order, strict=True)])
        for order in (picks, picks[::-1])
    )
    return picked, judged, picked - judged, np.concatenate(right).mean(axis=1)


# %% [markdown]
# The interval of the single worst record is Clopper and Pearson's, since its guesses may be right in every model; of the worst
# five it is Student's over all models, widened for shared shadows. Both are given the records picked. A model counts in `falls`
# with the records that its own half picked less those that the other half picked.


# %%
def interval(judged, n_worst):
    """Return the mean over models with its interval."""
    if n_worst > 1:
        return over_targets(judged, 1)
    return tuple(2 * share - 1 for share in attacks.clopper_pearson((judged > 0).sum(), len(judged)))


rows = []
for (key, name, init), n_worst in ((cell, k) for cell in evidence for k in (1, 5) if cell[1] == close_up):
    seen = evidence[key, name, init]
    dealt = seen.relabel(attacks.permuted(seen.members, np.random.default_rng([seed, 12])))
    picked, judged, falls, everybody = worst_records(seen, n_worst)
    null_picked, null_judged = (part.mean() for part in worst_records(dealt, n_worst)[:2])
    rows.append((key, init, n_worst, picked.mean(), *interval(judged, n_worst), *over_targets(falls, 2), everybody.mean(),
                 null_picked, null_judged))  # fmt: skip
columns = ["setting", "init", "worst", "picked", "judged", "low", "high", "falls", "falls_low", "falls_high",
           "all records", "null picked", "null judged"]  # fmt: skip
worst = pd.DataFrame(rows, columns=columns)
worst.set_index(["setting", "init", "worst"]).round(2)

# %% tags=["hide-input"]
fig, axes = plt.subplots(2, 2, figsize=(figures.PAGE, 3.6), layout="constrained", sharex=True, sharey=True)
keys, color, gray = list(settings), figures.look("lira_fixed")["color"], figures.look("null")["color"]
for ax, ((n_worst, init), part) in zip(axes.ravel(), worst.groupby(["worst", "init"], sort=False), strict=True):
    at = part.setting.map(keys.index)
    figures.forest(ax, part.set_index("setting"), "judged", names=keys, color=color, label="judged on others")
    ax.plot(part.picked, at - 0.22, "D", mfc="w", mec=color, ms=4, label="where it was picked")
    ax.plot(part["all records"], at, "|", color="k", ms=8, label="all records")
    ax.plot(part["null picked"], at + 0.25, "D", mfc="w", mec=gray, ms=3, label="null, where it was picked")
    ax.plot(part["null judged"], at + 0.25, "o", color=gray, ms=3, label="null, judged on others")
    ax.set_title(
        f"{'the worst record' if n_worst == 1 else f'the worst {n_worst} records'}, {init}", loc="left", fontsize=8
    )
for ax in axes[1]:
    ax.set_xlabel("advantage")
single = worst[worst.worst == 1]
message = (f"Where it was picked, the worst record looks worse by {single.falls.mean():.2f} on average; "
           f"with nothing to find, by {(single['null picked'] - single['null judged']).mean():.2f}")  # fmt: skip
figures.legend_above(fig, axes[0, 0], ncols=5, title=message, fontsize=7)
figures.save_figure(
    fig, "C_worst", data=worst, atol=0.2,
    alt="Advantage on the worst record and the worst five of four settings, where they were picked and on the other models, "
    "with intervals, beside all records and the null, shared and random initialisations.",
)  # fmt: skip

# %% [markdown]
# The fall of the five is told apart from none in three of the four settings with random initialisations and in none with the
# shared one, where the worst records leak so much that luck adds little. Where nothing is to be found, under the null, it is
# largest: the worst record seems to have 0.40 to 0.50, and has 0.43 less on average on other models. So a worst case that was
# not judged on other models than picked it says nothing below about one half. Judged on others, the worst five still stand above
# all records in every row, with their intervals. The single worst does not on distant modes with random initialisations: 0.27
# [0.06, 0.46] beside 0.17.
#
# ## 13 · An audit with one canary
#
# A record with a flipped label gives full precision away as far as 400 trainings can show, $\varepsilon \ge 3.28$ with the
# shared initialisation and 3.26 with random ones; 90 % zeros only 0.34 and 0.08; 95 % of the nulls give 0 (95 % lower
# bounds, pool game, one canary in one pool of close modes, threshold on the output).
#
# Differential privacy with parameter $\varepsilon$ (neighbours differ by one *replaced* record) would bound the ratio of true to
# false positives by $e^\varepsilon$. An audit turns this round: train many models, half of them with one *canary*, here a record of
# the close modes whose label is flipped, and read a lower bound on $\varepsilon$ off the counts. The attacker sees the score of
# the canary. Its threshold is fixed on one half of the trainings, the counts come from the other, and both rates enter with
# their Clopper-Pearson bounds (`attacks.epsilon_lower_bound`). The canary takes the place of one member, so that all training
# sets have one size. The *ceiling* is the bound of a perfect attack on as many trainings.

# %%
pool = settings["close modes"]
x_canary, y_canary = np.vstack([pool.x, pool.x_out[:1]]), np.append(pool.y, 1 - pool.y_out[0])
rng = np.random.default_rng([seed, 13])
members, holds = ensemble.random_halves(n_canaries, len(pool.x), rng), np.arange(n_canaries) % 2 == 0
members[np.flatnonzero(holds), np.argmax(members, axis=1)[holds]] = False
fit = np.arange(n_canaries) < n_canaries // 2


# %% [markdown]
# The *null* deals anew, `n_deals` times and within each half, which trainings are said to hold the canary: an honest bound is
# then above 0 at most once in twenty.


# %%
def bound(signals, holds, level=0.95):
    """Return the lower bound on epsilon with TPR and FPR behind it, on the second half of the trainings."""
    says = signals > attacks.best_threshold(signals[fit], holds[fit])
    counts = [(says[part].sum(), part.sum()) for part in (~fit & holds, ~fit & ~holds)]
    return attacks.epsilon_lower_bound(*counts[0], *counts[1], level=level), *(k / n for k, n in counts)


deals = [np.concatenate([rng.permutation(part) for part in (holds[fit], holds[~fit])]) for _ in range(n_deals)]

# %% [markdown]
# Every release, with both initialisations. A bound holds for itself; those in `at once` hold together. `null` is what 95 % of the
# deals do not exceed, `null above 0` how many of them claim anything:

# %%
rows = []
for init in ("shared", "random"):
    with_canary = np.column_stack([members, holds])
    canaries = ensemble.train(
        x_canary, y_canary, with_canary, hidden=(32,), steps=steps, init=init, seed=seed, chunk=16
    )
    for name in names:
        signals = attacks.signal(canaries.quantize(name).logits(x_canary[-1:]), y_canary[-1:], "binary")[:, 0]
        null = np.array([bound(signals, dealt)[0] for dealt in deals])
        at_once = bound(signals, holds, 1 - 0.05 / (2 * len(names)))[0]
        rows.append((init, name, *bound(signals, holds), at_once, np.quantile(null, 0.95), (null > 0).mean()))
ceiling = attacks.epsilon_lower_bound(*[(~fit & holds).sum()] * 2, 0, (~fit & ~holds).sum())
canary = pd.DataFrame(rows, columns=["init", "quantizer", "epsilon", "tpr", "fpr", "at once", "null", "null above 0"])
canary = canary.assign(ceiling=ceiling)
canary.round(2)

# %% [markdown]
# A bound says that $\varepsilon$ is larger: its interval is open to the right.

# %% tags=["hide-input"]
fig, ax = plt.subplots(figsize=(figures.PAGE * 0.85, 2.6))
for shift, (init, part) in zip([-0.15, 0.15], canary.groupby("init", sort=False), strict=True):
    at, style = np.arange(len(names)) + shift, figures.look(f"{init} start", ls="")
    for epsilon, y in zip(part.epsilon, at, strict=True):
        arrow = {"arrowstyle": "->", "color": style["color"], "lw": 1, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (ceiling * 1.12, y), (epsilon, y), arrowprops=arrow)
    ax.plot(part.epsilon, at, **style, zorder=3)
    null_look = figures.look("null", ls="", ms=8, label="null, 95 % of the deals" if init == "shared" else None)
    ax.plot(part.null, at, **null_look)
ax.axvline(ceiling, color="0.4", lw=0.8, ls=":")
ax.annotate("ceiling", (ceiling, len(names) - 0.5), xytext=(-3, 2), textcoords="offset points", ha="right", fontsize=7)
ax.set_yticks(range(len(names)), figures.words(names))
ax.set(xlim=(-0.05, ceiling * 1.15), ylim=(len(names) - 0.5, -0.5))
ax.set_xlabel(r"95 % lower bound on $\varepsilon$ (nats)")
full, last = (canary[canary.quantizer == name].epsilon for name in ("fp32", names[-1]))
message = (rf"One canary shows $\varepsilon \geq$ {full.min():.1f} in full precision, "
           f"{last.iloc[0]:.1f} (shared) and {last.iloc[-1]:.1f} (random) for {figures.words(names[-1:])[0]}")  # fmt: skip
figures.legend_above(fig, ax, ncols=3, title=message)
figures.save_figure(
    fig, "C_canary", data=canary, atol=0.6,
    alt="Lower bound on epsilon from one canary for each release, shared and random initialisations, with null and ceiling.",
)  # fmt: skip

# %% [markdown]
# Signs give 3.23 and 3.28, as much as full precision: one bit a weight is no defence for such a record. The 0.08 of 90 % zeros
# with random initialisations does not stand if all eight bounds are to hold at once; the 0.34 with the shared one then is 0.14.
# Of 800 nulls 1 claims anything. A small bound is no proof of privacy: it is for one attack on outputs, while section 8 reads
# 90 % zeros best from the weights, and another record or pool may give more.
#
# ## 14 · Elsewhere
#
# What an attacker gains who knows the quantizer: [09](09_attacker_knows_quantizer.ipynb). Mistakes that change a result:
# [10 · Ten ways to fool yourself](10_fool_yourself.ipynb).
#
# ## What we saw
#
# - *Population game, exact models.* The likelihood ratio attains $\Delta_n$ and no attack exceeds it, with simultaneous
#   intervals. On one-dimensional models the one-sided attacks that ask how hard this record is find nearly all of it, the
#   two-sided Gaussian ratio about half; in 64 dimensions the loss threshold finds 24 % at n = 40.
# - *Pool game, networks.* No single family wins everywhere. With random initialisations a LiRA is strongest of them in 13 of
#   16 releases. With the shared one an attack that reads weights is strongest in 8 of 16, often by little.
# - **LiRA as a reference.** From outputs the strongest known attack gains at most 0.014 of AUC over LiRA (90 % zeros of
#   distant modes, [0.000, 0.029]), with 96 models of either initialisation. But LiRA is done after some dozens of models and
#   others are not: on distant modes, with 384 models of one start it gains 0.068 [0.065, 0.071] in full precision and 0.047 [0.040,
#   0.053] on 90 % zeros; with 384 of random ones 0.023 [0.021, 0.025] in full precision. With the weights of a shared
#   initialisation, 96 models, it gains 0.096 [0.077, 0.115] on 90 % zeros of distant modes, and 0.049 [0.038, 0.060] on those of
#   close modes. So with about a hundred models LiRA is nearly all that outputs say. It is too little for released weights of few
#   levels whose start is known, and for outputs against an attacker who can afford hundreds of models.
# - **What hangs on the shared initialisation: the white box.** On close modes, signs, the weight attack finds 0.313 with the
#   shared initialisation, 0.026 with random ones, and 0.113 once hidden units are aligned. Influence on weights falls less:
#   0.537, 0.051, and 0.437 aligned. So aligned influence is the attack to run where initialisations differ.
# - The strongest attack on 90 % zeros finds 0.18 to 0.22 with the shared initialisation and 0.02 to 0.12 with random ones.
#   With the shared one it reads the weights in all four settings; with random ones the aligned influence leads in three, and
#   is told apart from LiRA in one of them (BBB_Martins).
# - The same records are found by other groups of models: overlap 0.69 [0.60, 0.78] on close modes, 0.44 [0.30, 0.58] on FreeSolv
#   (pool game, outputs, signs, random initialisations; 0.05 by chance). Pick the worst records on some models and judge them on
#   others: to LiRA the worst five of FreeSolv there fall from 0.72 to 0.48 [0.34, 0.62].
# - One canary shows $\varepsilon \ge 3.28$ in full precision and 3.23 for signs, 0.34 for 90 % zeros (95 % bounds, close modes,
#   threshold on the output, shared initialisation).
# - Labels are enough for a boundary attack: on signs of close modes the walk finds 0.355, gradients 0.354, scores without
#   shadows 0.372. Calibrated by shadows, labels come within 0.04 of LiRA on scores.
# - More machinery is not more leakage: there the plain loss, 0.372, finds more than difficulty calibration, 0.212, and as
#   much as RMIA, 0.357.
# - 90 % zeros is the palest column and the least useful model: whether it is private or broken is the question of
#   [06 · Equal utility](06_equal_utility.ipynb).

# %% [markdown]
# ## Limits
#
# One architecture, pools of a few hundred records. Intervals over targets hold for the pool and initialisation at hand:
# others may leak more (section 8). Costly attacks are judged on `n_costly` targets, of the shared initialisation only, and
# their intervals say so. The attacks are ours or library calls in our protocol, not the authors' code; the golden tests of
# `tests/attacks/test_catalogue.py` and `tests/attacks/test_boundary.py` compare some of them with independent
# implementations.

# %% [markdown]
# ## Exercises
#
# Put your answer in the place of `None` and run the cell; the check gives a hint, not the solution. Solutions are in cells
# tagged `solution`, which `make students` leaves out.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise C.1.** Scores of members are normal with mean 0.8, those of non-members with mean 0, both with standard
# deviation 1. What is the largest advantage of a threshold on them, the true-positive rate minus the false-positive rate?
# Say where that threshold lies before you compute; give three decimals.

# %% tags=["exercise"]
answer = None  # a number
exercises.check("C.1", answer)

# %% [markdown] tags=["solution"]
# Two normal laws of one width cross halfway between their means, and the best threshold lies where they cross. There both
# errors have the probability that a standard normal number exceeds half the distance.

# %% tags=["solution"]
answer = 2 * stats.norm.cdf(0.8 / 2) - 1
exercises.check("C.1", answer)

# %% [markdown]
# **Exercise C.2.** *Read the figure of section 4.* On the mean of 64 Gaussians, at which of the sizes drawn does the plain loss
# threshold find about half of what the best attack finds?

# %% tags=["exercise"]
answer = None  # a training-set size
exercises.check("C.2", answer)

# %% [markdown] tags=["solution"]
# The loss of a record varies from record to record more than membership moves it, and the more so the larger $n$ is. One
# threshold for all records pays for that; an attack that asks how hard *this* record is does not.

# %% tags=["solution"]
answer = 10
exercises.check("C.2", answer)

# %% [markdown]
# **Exercise C.3.** Rates near zero cost many trials. An attack raises *no* false alarm on $n$ independent non-members. How
# large must $n$ be at least, so that the upper end of the 95 % Clopper-Pearson interval of its false-positive rate is below
# 1 %?

# %% tags=["exercise"]
answer = None  # a whole number
exercises.check("C.3", answer)

# %% [markdown] tags=["solution"]
# With no false alarm the upper end solves $(1 - p)^n = 0.025$, so that $n$ must be near $3.7 / p$. A rate quoted at 1 % from
# fewer independent non-members says nothing.

# %% tags=["solution"]
trials = np.arange(1, 2000)
upper = np.array([attacks.clopper_pearson(0, int(n)).high for n in trials])
exercises.check("C.3", trials[upper < 0.01].min())

# %% [markdown]
# **Exercise C.4.** An average hides the few. Give scores of at least ten members and ten non-members for which the AUC is
# below 0.6, so that a report of AUCs would call the model safe, and yet at least half of the members are found at a
# false-positive rate of at most 10 %.

# %% tags=["exercise"]
answer = None  # a pair of lists: scores of members, scores of non-members
exercises.check("C.4", answer)

# %% [markdown] tags=["solution"]
# Half of the members are found without any false alarm; the others score below all non-members and undo them in the AUC,
# which averages over all pairs. Look at the true-positive rate at few false positives, not at the AUC alone.

# %% tags=["solution"]
answer = ([2.0] * 5 + [-1.0] * 5, [0.0] * 10)
exercises.check("C.4", answer)

# %% [markdown]
# **To go further**, without a check.
#
# 1. Set `n_references` to 8. Which attacks of section 3 lose most, and why not the loss threshold?
# 2. Show that for two classes the modified entropy orders records as the loss does.
# 3. Give networks two hidden layers. Does aligning units still help the weight attack against random initialisations?
#
# **Next.** `14_audit_your_model` applies what was learnt to a model of your own.

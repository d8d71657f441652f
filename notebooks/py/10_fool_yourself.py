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
# # 10 · Fool yourself: ten ways to get a wrong number
#
# **Question.** Which mistakes change the result of a membership inference evaluation, in which direction, and by how much?
#
# **Answer.** Of ten common ones, one of which mixes up two games, eight report too much and two too little. The largest is to
# quote a start that the attacker knows where it is secret: after two small training steps LiRA then finds an advantage of
# 0.798, not 0.022, 36.9 [28.6, 52.4] times what it finds with random starts. Against 90 % zeros, shadows that are not
# quantized find 0.41 [0.33, 0.51] of what quantized ones find (pool game, LiRA on outputs, random initialisation but for the
# first, eight data sets).
#
# Needed: [04](04_attack_a_network.ipynb) for LiRA and its null control. The quiz below poses each mistake as a question. Guess
# before you run the next cell; the code of each is folded above the figure.
#
# *In the paper: not treated. Figures: `10_mistakes`.* **Run time** (2 cores): full 1 min, quick 15 s.

# %%
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy import stats

from qmis_utils import attacks, ensemble, figures
from qmis_utils.theory import security

figures.use_style()

# %% tags=["parameters"]
seed: int = 0  # of everything (at least 0)
n_repeats: int = 8  # data sets, each with its own pool and models (at least 2)
n_models: int = 64  # models of each, all of them targets (at least 16)
n_pool: int = 256  # records of a pool; a random half of them are members (at least 16)
dim: int = 128  # inputs of a record (at least 1)
steps: int = 200  # full-batch Adam steps (at least 1)
n_gauss: int = 64  # people behind a mean, and numbers of each (at least 2)

# %% [markdown]
# One laboratory serves all ten: records from eight overlapping Gaussian modes, labelled by the parity of the mode, and networks
# of 32 hidden units, each trained on a random half of the pool from random initial weights. Every value is an
# *advantage over a coin*: twice an AUC minus one, or a true-positive minus a false-positive rate.


# %% tags=["hide-input"]
class Lab:
    def __init__(self, number):
        self.rng, self.number = np.random.default_rng([seed, number]), number
        self.means = 4 * self.rng.normal(size=(8, dim)) / np.sqrt(dim)
        self.x, self.y = self.records()
        self.members = ensemble.random_halves(n_models, n_pool, self.rng)
        self.models = self.train()
        releases = self.models, self.models.quantize("ternary_90")
        self.signals, self.sparse = map(self.look, releases)

    def records(self, flipped=0.0):
        mode = self.rng.integers(8, size=n_pool)
        wrong = self.rng.random(n_pool) < flipped
        noise = self.rng.normal(size=(n_pool, dim))
        return self.means[mode] + noise, mode % 2 ^ wrong

    def train(self, init="random", steps=steps, lr=1e-2):
        how = dict(init=init, steps=steps, lr=lr, seed=self.number)
        return ensemble.train(self.x, self.y, self.members, **how)

    def look(self, models, x=None, y=None):
        x, y = (self.x, self.y) if x is None else (x, y)
        return attacks.signal(models.logits(x), y, "binary")

    def lira(self, signals, shadows=None):
        return attacks.lira(signals, self.members, "online_fixed", shadows=shadows)

    def found(self, scores):
        return 2 * attacks.auc(scores, self.members).mean() - 1


# %% tags=["hide-input"]
def pool_for_population(lab):
    """Play the game with a known pool; the truth is for fresh records."""
    n, values = n_gauss, []
    for _ in range(4):
        pool = lab.rng.normal(size=(2 * n, n))
        members = ensemble.random_halves(48, 2 * n, lab.rng)
        theta = members @ pool / n
        losses = ((theta[:, None] - pool) ** 2).sum(axis=2) / 2
        seen = attacks.Evidence(members, losses, task="binary")
        scores = attacks.ATTACKS["lira_fixed"].run(seen)
        values.append(attacks.advantage(scores, members).mean())
    return np.mean(values), security.full_precision_insecurity(n, n)


def two_sided(lab):
    """Call every surprise a member, not only signals that are high."""
    offline = attacks.lira(lab.signals, lab.members, "offline")
    return lab.found(abs(offline - 0.5)), lab.found(offline)


# %% tags=["hide-input"]
def threshold_on_itself(lab):
    """Report each target's largest TPR - FPR over all thresholds."""
    best = []
    for row, member in zip(lab.sparse, lab.members, strict=True):
        hit = member[np.argsort(-row)]
        tpr, fpr = np.cumsum(hit) / hit.sum(), np.cumsum(~hit) / (~hit).sum()
        best.append((tpr - fpr).max())
    return np.mean(best), attacks.advantage_held_out(lab.sparse, lab.members).value


def shifted_nonmembers(lab):
    """Take non-members from a laboratory with a noisier assay."""
    theirs = lab.look(lab.models, *lab.records(flipped=0.2))
    own = lab.signals[lab.members].reshape(n_models, -1)
    scores = np.hstack([own, theirs])
    member = np.broadcast_to(np.arange(scores.shape[1]) < own.shape[1], scores.shape)
    return 2 * attacks.auc(scores, member).mean() - 1, lab.found(lab.signals)


# %% tags=["hide-input"]
def fits_with_target(signals, members):
    """Score by two Gaussian fits that hold the target itself on its own side."""
    counts = members.sum(axis=0), (~members).sum(axis=0)
    inside = np.where(members, signals, 0).sum(axis=0) / counts[0]
    outside = np.where(members, 0, signals).sum(axis=0) / counts[1]
    return (signals - outside) ** 2 - (signals - inside) ** 2


def target_in_calibration(lab):
    """Fit both laws on all models, the target included (90 % zeros)."""
    wrong = fits_with_target(lab.sparse, lab.members)
    return lab.found(wrong), lab.found(lab.lira(lab.sparse))


def unquantized_shadows(lab):
    """Attack 90 % zeros with shadows in full precision."""
    wrong = lab.lira(lab.sparse, shadows=lab.signals)
    return lab.found(wrong), lab.found(lab.lira(lab.sparse))


# %% tags=["hide-input"]
def unequal_utility(lab):
    """Compare a poor quantized model with full precision trained to the end."""
    fresh, labels = lab.records()

    def accuracy(models):
        return ((models.logits(fresh) > 0) == labels).mean()

    goal = accuracy(lab.models.quantize("ternary_90"))
    stopped = [lab.train(steps=k, lr=1e-3) for k in (1, 2, 4, 8, 16)]
    equal = min(stopped, key=lambda models: abs(accuracy(models) - goal))
    return lab.found(lab.lira(lab.signals)), lab.found(lab.lira(lab.look(equal)))


def known_start(lab):
    """Attack models of two small steps whose initial weights the attacker knows."""
    both = [lab.train(init, steps=2, lr=1e-3) for init in ("shared", "random")]
    return [lab.found(lab.lira(lab.look(models))) for models in both]


# %% tags=["hide-input"]
def formula_of_a_mean(lab):
    """Push a mean of squared shifts through 2 Phi(d'/2) - 1; the truth is counted."""
    inside, outside = lab.members, ~lab.members
    group = [(lab.signals * m).sum(axis=0) / m.sum(axis=0) for m in (inside, outside)]
    rest = lab.signals - np.where(inside, *group)
    shift = (group[0] - group[1]) ** 2 / (rest**2).sum(axis=0) * (n_models - 2)
    right = attacks.advantage(lab.lira(lab.signals), lab.members).mean()
    return 2 * stats.norm.cdf(np.sqrt(shift.mean()) / 2) - 1, right


def too_few_nonmembers(lab):
    """Read the TPR at 1 % FPR from fifty non-members; the truth pools all targets."""
    scores, hits = lab.lira(lab.signals), []
    for row, member in zip(scores, lab.members, strict=True):
        hits.append((row[member] > row[~member][:50].max()).mean())
    return np.mean(hits), np.interp(0.01, *attacks.roc(scores, lab.members))


# %% [markdown]
# Ten functions return a wrong and a right value. Each runs in every laboratory.

# %%
MISTAKES = {
    "known start": known_start,
    "threshold on itself": threshold_on_itself,
    "unequal utility": unequal_utility,
    "pool for population": pool_for_population,
    "formula of a mean": formula_of_a_mean,
    "shifted non-members": shifted_nonmembers,
    "target in calibration": target_in_calibration,
    "too few non-members": too_few_nonmembers,
    "two-sided score": two_sided,
    "unquantized shadows": unquantized_shadows,
}
labs = [Lab(number) for number in range(n_repeats)]
pairs = {name: np.array([f(lab) for lab in labs]) for name, f in MISTAKES.items()}


# %% tags=["hide-input"]
def ratio(wrong, right):
    """Return mean(wrong) / mean(right) with Fieller's 95 % interval over data sets."""
    t = stats.t.ppf(0.975, n_repeats - 1) / np.sqrt(n_repeats)
    (a, c), (_, b) = t**2 * np.cov(wrong, right)
    w, r = wrong.mean(), right.mean()
    root = np.sqrt(max((w * r - c) ** 2 - (w**2 - a) * (r**2 - b), 0))
    ends = [(w * r - c + s * root) / (r**2 - b) for s in (-1, 1)]
    return (w, r, w / r, *ends)


columns = ["wrong", "right", "estimate", "low", "high"]
rows = [ratio(*pair.T) for pair in pairs.values()]
sizes = pd.DataFrame(rows, columns=columns, index=list(pairs))
sizes = sizes.sort_values("estimate", ascending=False)

# %% tags=["hide-input", "slide"]
fig, ax = plt.subplots(figsize=(figures.PAGE * 0.8, 3.0))
for color, side in [("#D55E00", "much"), ("#0072B2", "little")]:
    part = sizes[(sizes.estimate > 1) == (side == "much")]
    label = f"reports too {side}"
    figures.forest(ax, part, names=sizes.index, color=color, label=label, size=5)
ax.axvline(1, color="0.4", ls=":", lw=0.8)
ax.set_xscale("log")
ticks = [0.5, 1, 2, 4, 8, 16, 32]
ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
ax.minorticks_off()
ax.set_xlabel("what was reported, in units of the right value")
ax.set_title("Eight mistakes report too much, two too little", loc="left")
ax.legend(loc="lower right")
figures.save_figure(
    fig,
    "10_mistakes",
    data=sizes.reset_index(names="mistake"),
    atol=0.05,
    rtol=0.1,
    alt="Ten mistakes, the reported advantage in units of the right one, sorted, with "
    "intervals over data sets: eight report too much, two too little.",
)

# %% [markdown]
# Each mark is one mistake: the mean of what was reported, over the mean of what is right. A value of 1 is right, 2 is twice too much, 0.5 half of the truth. Lines are 95 % intervals over data sets (Fieller's, for a
# ratio of means). Every mistake below passes a review that looks at the result only; nearly all of them fail one cheap
# control, which each reveal names.
#
# ## The quiz


# %%
def reveal(name):
    """Show what was reported, what is right, and their ratio with its interval."""
    row = sizes.loc[name]
    print(f"reported {row.wrong:.3f}, right {row.right:.3f}")
    print(f"ratio {row.estimate:.2f} [{row.low:.2f}, {row.high:.2f}]")


# %% [markdown]
# **1 · Two evaluations of a model after two small training steps.** Group A starts all models, shadows and targets, from one set of
# initial weights, which the attacker is given. Group B starts each model from weights of its own. Both report what LiRA finds
# after two full-batch steps. Do they differ?

# %% tags=["predict"]
reveal("known start")

# %% [markdown]
# With a known start, a model of two full-batch steps is a deterministic function of its half of the pool, so the attack
# reads memberships without noise. With random starts the same model gives away next to nothing. *Control:* after two steps nothing
# can have been learnt by heart; a leak as large as after two hundred is an alarm. See
# [06](06_equal_utility.ipynb): conclusions about early stopping hang on this choice.
#
# **2 · A defence is compared with no defence.** The release with 90 % zeros leaks a fraction of what full precision leaks. It also
# has a lower accuracy. What does a model in full precision leak that was stopped as early as to be equally poor?

# %% tags=["predict"]
reveal("unequal utility")

# %% [markdown]
# The reported reference is full precision trained to the end (0.796); the right one is the stop, of five, nearest in accuracy
# (0.112), and 90 % zeros leak 0.106. Too large a reference flatters the *defence*: nearly all that it seemed to save was accuracy. A
# broken model leaks little, whatever broke it. *Control:* draw the privacy of stopped training beside every defence.
#
# **3 · "Max TPR - FPR per target."** To be generous to the attack, each target's threshold is chosen where it does best (loss threshold,
# 90 % zeros). Is that only generous?

# %% tags=["predict"]
reveal("threshold on itself")

# %% [markdown]
# The best of 256 thresholds looks good on pure noise, too. *Control:* the same number on memberships dealt to others, which
# should be 0 and is not; or a threshold fixed on other targets (`attacks.advantage_held_out`).
#
# **4 · All models calibrate.** Two Gaussian fits per record, one over the models that trained on it, one over the others; the target is in
# one of the two groups, where it belongs. Who would leave out one model of 64?

# %% tags=["predict"]
reveal("target in calibration")

# %% [markdown]
# Its own signal pulls the right fit towards itself, and the score reads that. *Control:* the null. With memberships dealt to
# others an honest attack has an advantage of 0:

# %%
lab = labs[0]
dealt = attacks.permuted(lab.members, np.random.default_rng(seed))
null = {
    "target in calibration": fits_with_target(lab.sparse, dealt),
    "target left out": attacks.lira(lab.sparse, dealt, "online_fixed"),
}
shown = {name: attacks.auc(scores, dealt).mean() for name, scores in null.items()}
shown = pd.Series(shown)
(2 * shown - 1).round(3).to_frame("advantage under the null")

# %% [markdown]
# **5 · The pool is known.** Members are a random half of a list of records that the attacker has. The evaluation is correct. Is the
# number the insecurity $\Delta_n$ of the definition, in which all other records are fresh? Here both are known: the release is
# the mean of 64 Gaussian records.

# %% tags=["predict"]
reveal("pool for population")

# %% [markdown]
# Given the pool, the mean of a random half has only half the variance, so that $d'$ grows by $\sqrt 2$. Nobody made an error, but the
# games differ. *Control:* an exact value: an attack that exceeds it plays another game, or is wrong.
#
# **6 · One formula for the average record.** A squared shift $d'^2$ per record, their mean, and the normal formula
# $2\Phi(d'/2) - 1$ of it: "the best attack on the average record". The right value counts, record by record.

# %% tags=["predict"]
reveal("formula of a mean")

# %% [markdown]
# The formula is concave in $d'^2$, so that a mean pushed through it exceeds the mean of what comes through; and it assumes laws that the
# records do not have. *Control:* count true and false positives per record ([08](08_who_is_exposed.ipynb)).
#
# **7 · Non-members from elsewhere.** Members are from our laboratory; for non-members we take another laboratory's records, which the
# model certainly never saw. Its assay is noisier: every fifth label is wrong. Loss threshold.

# %% tags=["predict"]
reveal("shifted non-members")

# %% [markdown]
# The threshold now tells laboratories apart. The error may have either sign: easier strangers hide members. *Control:* a *blind*
# classifier, which sees records and labels but no model, must have an AUC of 0.5.
#
# **8 · A small false-positive rate from few non-members.** "TPR at 1 % FPR", read from fifty non-members.

# %% tags=["predict"]
reveal("too few non-members")

# %% [markdown]
# Fifty non-members have no 1 %: the best that they offer is their largest score, whose true rate is about 1 in 51. (The right value
# also has one threshold for all targets.) *Control:* state the
# number of non-members; at 1 % use several hundred, at 0.1 % several thousand.
#
# **9 · Any surprise is suspicious.** Offline LiRA has shadows that never saw the record. The score is the absolute value of the
# standardised signal.

# %% tags=["predict"]
reveal("two-sided score")

# %% [markdown]
# Training pushes a record's signal *up*. A signal that is too low speaks against membership, and the absolute value calls it a
# member. This one reports too little. *Control:* look at the signals of members and non-members before scoring.
#
# **10 · Shadows as they come.** The attacker trained shadows in full precision, and attacks a release with 90 % zeros.

# %% tags=["predict"]
reveal("unquantized shadows")

# %% [markdown]
# Whoever publishes a quantizer must expect shadows that use it. *Control:* quantize shadows as the target is
# ([09](09_attacker_knows_quantizer.ipynb)).
#
# ## What we saw
#
# - Eight mistakes report too much. Two are large: a start that the attacker knows, 36.9 [28.6, 52.4] times the right value,
#   and a comparison at unequal utility, 7.1 [4.8, 13.5] times. Too large a
#   reference, the second, flatters the defence.
# - Two report too little: a two-sided score finds 0.70 [0.69, 0.71] of what the one-sided score finds, unquantized shadows
#   0.41 [0.33, 0.51] of what quantized ones find.
# - The pool is no mistake but another game: 1.34 [1.33, 1.35] times the insecurity of the definition.
# - A null control, the same evaluation with memberships dealt to others, exposes the fourth, as shown, and
#   the third (exercise 10.2).
#
# **Limits.** One kind of data and network. The sizes depend on the setting, and the directions were seen in this one only; the
# seventh may turn round.

# %% [markdown]
# ## Exercises
#
# Put your answer in the place of `None` and run the cell; solutions are in cells tagged `solution`.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise 10.1.** Find the planted bug. Two attacks map signals and members of all models, both (models, records), to
# scores. Deal the memberships of a laboratory to others (`attacks.permuted`) and decide which of the two is broken. Answer with
# its letter.


# %%
def attack_a(signals, members):
    """Compare with the mean of all other models that did not train on the record."""
    outside = np.where(members, 0, signals)
    total, count = outside.sum(axis=0), (~members).sum(axis=0)
    return signals - (total - outside) / (count - ~members)


def attack_b(signals, members):
    """Compare with the middle between the means of those with and without it."""
    inside = np.where(members, signals, 0).sum(axis=0) / members.sum(axis=0)
    outside = np.where(members, 0, signals).sum(axis=0) / (~members).sum(axis=0)
    return (signals - (inside + outside) / 2) * (inside - outside)


# %% tags=["exercise"]
answer = None  # "a" or "b"
exercises.check("10.1", answer)

# %% tags=["solution"]
# Under dealt memberships nothing can be found: an advantage is the attack's own doing.
# B's means hold the target, whose signal moves the mean of its own group towards it.
answer = "b"
exercises.check("10.1", answer)

# %% [markdown]
# **Exercise 10.2.** How good does pure noise look? A target has 128 members and 128 non-members, and scores that know nothing.
# Simulate the mean of its largest TPR - FPR over all thresholds, to two decimals.

# %% tags=["exercise"]
answer = None  # a number
exercises.check("10.2", answer)

# %% tags=["solution"]
# Sorted at random, TPR - FPR is a random walk, and its maximum is never below 0.
# Its mean shrinks like one over the root of the records: small targets look leaky.
walk = np.tile(np.repeat([1, -1], 128), (4000, 1))
walk = np.random.default_rng(0).permuted(walk, axis=1)
answer = np.maximum(walk.cumsum(axis=1).max(axis=1), 0).mean() / 128
exercises.check("10.2", answer)

# %% [markdown]
# **Exercise 10.3.** Predict, then compare with question 5. The mean of 64 Gaussian records leaks $\Delta = 0.384$ in the population
# game. If knowing the pool multiplies $d'$ by $\sqrt 2$, and $\Delta = 2\Phi(d'/2) - 1$, which advantage do you expect in the pool
# game, to two decimals?

# %% tags=["exercise"]
answer = None  # a number
exercises.check("10.3", answer)

# %% tags=["solution"]
# The mean of half of a known pool has half the variance of a mean of fresh records.
# A shift by one record is then larger by the root of two in units of the spread.
answer = 2 * stats.norm.cdf(np.sqrt(2) * stats.norm.ppf((1 + 0.384) / 2)) - 1
exercises.check("10.3", answer)

# %% [markdown]
# **Next.** `14_audit_your_model`.

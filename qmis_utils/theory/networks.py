"""The exact insecurity of trained networks: every training set of finite-support data, and what each one releases.

Training that is deterministic given how often each kind of sample occurs makes every release a function of those counts
(QMIS statement 15). There are C(n + m - 1, m - 1) of them, each is one training, and no attack enters.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from qmis_utils.theory.numerics import Interval, check_n, check_probs, log_multinomial
from qmis_utils.theory.security import release_insecurity

BLOCK = 50_000  # networks that are trained and reduced at a time
FIRST_COUNTS = 2_000  # rows of leading counts that are extended at a time


class Insecurity(NamedTuple):
    """Hold the exact insecurity of a release.

    Parameters
    ----------
    mean : float
        Delta_n, the mean over samples.
    points : array (m,)
        The same for a record of each kind: the total variation between the release's laws with and without it.
    releases : int
        How many different values are released.
    entropy : float
        Of the release, in nats.
    """

    mean: float
    points: np.ndarray
    releases: int
    entropy: float


def training_sets(n: int, m: int) -> int:
    """Return the number of training sets of n samples of m kinds, order apart: C(n + m - 1, m - 1).

    Examples
    --------
    >>> training_sets(20, 5)
    10626
    """
    return math.comb(int(check_n(n)) + m - 1, m - 1)


def enumerate_training_sets(n: int, m: int, block: int = BLOCK) -> Iterator[np.ndarray]:
    """Yield every training set of n samples of m kinds as rows of counts, a block at a time.

    Parameters
    ----------
    n, m : int
        Samples of a training set, and kinds of samples, at least 1.
    block : int
        Rows of a block, the last one apart.

    Yields
    ------
    int array (block, m)
        Rows that sum to n, together in lexicographic order; memory is that of a block.

    Raises
    ------
    ValueError
        For n, m or block below 1.

    Examples
    --------
    >>> [counts.tolist() for counts in enumerate_training_sets(2, 2, block=2)]
    [[[0, 2], [1, 1]], [[2, 0]]]
    """
    n = int(check_n(n))
    for name, value in (("m", m), ("block", block)):
        if isinstance(value, bool) or int(value) != value or value < 1:
            raise ValueError(f"{name} must be a whole number, at least 1; got {value!r}")
    waiting: list[np.ndarray] = []
    size = 0
    for rows in _extended(np.zeros((1, 0), np.int64), np.array([n]), m):
        waiting.append(rows)
        size += len(rows)
        if size >= block:
            whole = np.concatenate(waiting)
            cut = size - size % block
            yield from np.split(whole[:cut], cut // block)
            waiting, size = [whole[cut:]], size - cut
    if size:
        yield np.concatenate(waiting)


def _extended(counts, left, columns):
    """Yield the rows of counts with ``columns`` further ones that use up what is left, in lexicographic order."""
    if columns == 1:
        yield np.column_stack([counts, left])
        return
    repeat = left + 1
    value = np.arange(repeat.sum()) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    longer, rest = np.column_stack([np.repeat(counts, repeat, axis=0), value]), np.repeat(left, repeat) - value
    for at in range(0, len(longer), FIRST_COUNTS):
        part = slice(at, at + FIRST_COUNTS)
        yield from _extended(longer[part], rest[part], columns - 1)


def _rows(released, tolerance):
    """Return what is released as one row of bytes a network: (N, L) uint8; all arrays are released together."""
    arrays = released if isinstance(released, tuple | list) else (released,)
    parts = []
    for array in map(np.asarray, arrays):
        if array.dtype.kind not in "biuf" or array.ndim == 0 or len(array) != len(arrays[0]):
            raise ValueError(f"released must be arrays of numbers, a row a network; got {array.dtype} {array.shape}")
        if array.dtype.kind == "f":
            if np.isnan(array).any():
                raise ValueError("released holds NaN, which equals nothing: a training has diverged")
            array = np.rint(array / tolerance) if tolerance else array
            array = array + array.dtype.type(0)  # -0 and 0 are one value
        flat = np.ascontiguousarray(array.reshape(len(array), -1))
        parts.append(flat.view(np.uint8).reshape(len(flat), -1))
    return np.concatenate(parts, axis=1)


def _as_items(rows):
    """Return rows of bytes (N, L) as N single items, which numpy sorts and compares whole."""
    rows = np.ascontiguousarray(rows) if rows.shape[1] else np.zeros((len(rows), 1), np.uint8)
    return rows.view(f"V{rows.shape[1]}")[:, 0]


def _digest(item):
    return hashlib.blake2b(item.tobytes(), digest_size=16).digest()


def release_ids(released: ArrayLike | tuple, tolerance: float | None = None) -> np.ndarray:
    """Number the different values that networks release.

    Parameters
    ----------
    released : array (N, ...), or a tuple of such
        What N networks release; several arrays are released together.
    tolerance : float, optional
        Numbers count as equal that round to one multiple of it. None: those whose bits are equal, 0 and -0 being one.

    Returns
    -------
    int array (N,)
        Equal for networks that release the same.

    Raises
    ------
    ValueError
        For NaN, arrays that are not numbers, or of different lengths.

    Examples
    --------
    >>> release_ids(([0.0, -0.0, 1.0], [1, 1, 1])).tolist()
    [0, 0, 1]
    """
    if tolerance is not None and not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, or None for equal bits; got {tolerance!r}")
    return np.unique(_as_items(_rows(released, tolerance)), return_inverse=True)[1]


def trained_network_insecurity(
    released: ArrayLike | tuple, counts: ArrayLike, probs: ArrayLike, log: bool = False, tolerance: float | None = None
) -> float:
    """Compute the exact insecurity of what trained networks release, from one training for every training set.

    Parameters
    ----------
    released : array (N, ...), or a tuple of such
        What the network trained on each training set releases: codes, scales, outputs, labels; several arrays are
        released together.
    counts : int array (N, m)
        Every training set, as ``enumerate_training_sets`` lists them.
    probs : array (m,)
        Probabilities of the kinds of samples, all positive.
    log : bool
        Return the natural logarithm.
    tolerance : float, optional
        As in ``release_ids``.

    Returns
    -------
    float
        Delta_n, in the population game: the best attack on the release is right with probability (1 + Delta_n) / 2.

    Raises
    ------
    ValueError
        As ``release_ids`` and ``security.release_insecurity``.

    Notes
    -----
    QMIS statement 15. Training must depend on nothing but the counts: full batches and a known initialisation.

    Examples
    --------
    A release of the majority of three coin flips:

    >>> counts = next(enumerate_training_sets(3, 2))
    >>> round(trained_network_insecurity(counts[:, 1] > counts[:, 0], counts, [0.5, 0.5]), 6)
    0.25
    """
    return release_insecurity(release_ids(released, tolerance), np.asarray(counts), probs, log)


class Tally:
    """Add up the law of a release, block by block of training sets.

    Values are kept as digests of 128 bits: two different ones among millions share one with a chance below 1e-25.

    Parameters
    ----------
    probs : array (m,)
        Probabilities of the kinds of samples, all positive.
    tolerance : float, optional
        As in ``release_ids``.
    """

    def __init__(self, probs: ArrayLike, tolerance: float | None = None):
        self.probs, self.tolerance = check_probs("probs", probs), tolerance
        if not self.probs.all():
            raise ValueError("probs must be positive: leave out the samples that never occur")
        self.parts: list[dict[str, np.ndarray]] = []

    def add(self, released: ArrayLike | tuple, counts: np.ndarray) -> None:
        """Take in what the networks of some training sets release.

        Parameters
        ----------
        released : array (N, ...), or a tuple of such
        counts : int array (N, m)

        Raises
        ------
        ValueError
            As ``release_ids``, and where the two have different lengths.
        """
        counts, rows = np.asarray(counts), _rows(released, self.tolerance)
        if len(rows) != len(counts):
            raise ValueError(f"released has {len(rows)} networks, counts {len(counts)} training sets")
        items, where = np.unique(_as_items(rows), return_inverse=True)
        digests = np.frombuffer(b"".join(map(_digest, items)), "V16")
        mass = np.exp(log_multinomial(counts, self.probs))
        joint = mass[:, None] * (counts / counts[0].sum())
        self.take(_summed(digests, where, mass, joint))

    def take(self, part: dict[str, np.ndarray]) -> None:
        """Take in a block that another tally has added up, one of its ``parts``."""
        self.parts.append(part)
        if len(self.parts) > 1 and len(self.parts[-1]["mass"]) >= len(self.parts[0]["mass"]) / 8:
            self._merge()  # now and then: each merge sorts all that is in

    def _merge(self):
        digests, mass, joint = (np.concatenate([part[name] for part in self.parts]) for name in ("of", "mass", "joint"))
        self.parts = [_summed(*np.unique(digests, return_inverse=True), mass, joint)]

    def insecurity(self) -> Insecurity:
        """Return the insecurity of the release, once every training set is in.

        Raises
        ------
        ValueError
            Where training sets are missing: their probabilities do not add up to one.
        """
        self._merge()
        mass, joint = self.parts[0]["mass"], self.parts[0]["joint"]
        if abs(mass.sum() - 1) > 1e-9:
            raise ValueError(f"training sets of probability {mass.sum():.6g} are in; all must be, a block at a time")
        home = (
            mass.argmax()
        )  # its change is minus that of the others, and would lose its digits where it is almost sure
        change = np.delete(joint - mass[:, None] * self.probs, home, axis=0)
        points = (abs(change).sum(axis=0) + abs(change.sum(axis=0))) / (2 * self.probs)
        seen = mass[mass > 0]
        return Insecurity(float(points @ self.probs), points, len(seen), float(-(seen * np.log(seen)).sum()))


def _summed(digests, where, mass, joint):
    """Add up the rows of mass (N,) and joint (N, m) that belong to one value each."""
    size = len(digests)
    columns = [np.bincount(where, column, size) for column in joint.T]
    return {"of": digests, "mass": np.bincount(where, mass, size), "joint": np.stack(columns, axis=1)}


def enumerated_insecurity(
    release: Callable[[np.ndarray], Mapping[str, ArrayLike | tuple]],
    n: int,
    probs: ArrayLike,
    *,
    block: int = BLOCK,
    tolerance: float | None = None,
    folder: str | Path | None = None,
    progress: bool = False,
) -> dict[str, Insecurity]:
    """Train a network on every training set, block by block, and return the exact insecurity of each of its releases.

    Parameters
    ----------
    release : function (counts (N, m)) -> dict of name to arrays (N, ...), or tuples of such
        Trains N networks and says what each would release.
    n : int
        Samples of a training set.
    probs : array (m,)
        Probabilities of the kinds of samples, all positive.
    block : int
        Networks at a time: memory is that of a block and of what differs between releases.
    tolerance : float, optional
        As in ``release_ids``.
    folder : path, optional
        Where finished blocks are kept: called again with it, an interrupted run goes on after the last one. It
        belongs to one call, with the same release, n, probs, block and tolerance.
    progress : bool
        Show a progress bar.

    Returns
    -------
    dict of name to Insecurity

    Raises
    ------
    ValueError
        For probabilities that are no law or not positive, a folder of another enumeration, and as ``Tally.add``.
    """
    probs = check_probs("probs", probs)
    tallies: dict[str, Tally] = {}
    kept = None if folder is None else _Blocks(Path(folder), f"{n} {probs.tolist()} {block} {tolerance}")
    total = training_sets(n, len(probs))
    with tqdm(total=total, desc="training sets", unit="network", disable=not progress, leave=False) as bar:
        for at, counts in enumerate(enumerate_training_sets(n, len(probs), block)):
            found = None if kept is None else kept.read(at)
            if found is None:
                found = {}
                for name, released in release(counts).items():
                    one = Tally(probs, tolerance)
                    one.add(released, counts)
                    found[name] = one.parts[0]
                if kept is not None:
                    kept.write(at, found)
            for name, part in found.items():
                tallies.setdefault(name, Tally(probs, tolerance)).take(part)
            bar.update(len(counts))
    return {name: tally.insecurity() for name, tally in tallies.items()}


class _Blocks:
    """Keep the reduced blocks of one enumeration in a folder, each file whole or not there."""

    def __init__(self, folder, what):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        label = folder / "enumeration.txt"
        if label.exists() and label.read_text() != what:
            raise ValueError(f"folder {folder} keeps another enumeration: {label.read_text()}; give an empty one")
        label.write_text(what)

    def read(self, at):
        """Return a block, None if it is not there."""
        path = self.folder / f"{at}.npz"
        if not path.exists():
            return None
        with np.load(path) as found:
            flat = {name: found[name] for name in found.files}
        found = {}
        for name, array in flat.items():
            column, _, release = name.partition(" ")
            found.setdefault(release, {})[column] = array.view("V16") if column == "of" else array
        return found

    def write(self, at, found):
        """Keep a block."""
        flat = {f"{column} {name}": array.view(np.uint8) if column == "of" else array
                for name, part in found.items() for column, array in part.items()}  # fmt: skip
        partial = self.folder / f"{at}.partial.npz"
        np.savez(partial, **flat)
        partial.replace(self.folder / f"{at}.npz")


def sampled_insecurity(
    release: Callable[[np.ndarray], ArrayLike | tuple],
    n: int,
    probs: ArrayLike,
    samples: int = 20_000,
    *,
    proposal: ArrayLike | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> Interval:
    """Estimate the insecurity of a release from random training sets, where there are too many to list.

    Parameters
    ----------
    release : function (counts (N, m)) -> array (N, ...), or a tuple of such
        Trains N networks and says what each would release.
    n : int
        Samples of a training set.
    probs : array (m,)
        Probabilities of the kinds of samples, all positive.
    samples : int
        Training sets that are drawn and trained, at least 20.
    proposal : array (m,), optional
        Probabilities by which they are drawn, all positive; each set then has the weight P(counts) / Q(counts). None:
        ``probs``.
    tolerance : float, optional
        As in ``release_ids``.
    seed : int

    Returns
    -------
    Interval
        The value is what an attack reaches that is fitted on one half of the draws and judged on the other, both ways;
        ``low`` its lower 95 % limit, never below 0. ``high`` is the upper limit of the plug-in sum, which overestimates
        on average: values of the release that are seen once look as if they gave everything away. A release with about
        as many values as there are draws therefore has a wide interval.

    Raises
    ------
    ValueError
        For probabilities that are no law or not positive, too few samples, and as ``release_ids``.

    Notes
    -----
    QMIS statement 15. The plug-in sum is convex in the sampled law, so its mean lies above Delta_n (Jensen); an attack
    that does not know its test draws lies below on average.
    """
    probs = check_probs("probs", probs)
    drawn = probs if proposal is None else check_probs("proposal", proposal)
    if not (probs.all() and drawn.all()) or len(drawn) != len(probs):
        raise ValueError("probs and proposal must be positive, and of one length")
    if isinstance(samples, bool) or int(samples) != samples or samples < 20:
        raise ValueError(f"samples must be a whole number, at least 20; got {samples!r}")
    n = int(check_n(n))
    counts = np.random.default_rng(seed).multinomial(n, drawn, size=int(samples))
    weights = np.exp(log_multinomial(counts, probs) - log_multinomial(counts, drawn))
    ids = release_ids(release(counts), tolerance)
    change = weights[:, None] * (counts / n - probs) / 2  # (N, m); its sum over a value is half joint minus product

    def signs(rows):
        """Return the better guess (V, m), 1 member, -1 none, 0 unknown, for every value and kind."""
        return np.sign(np.stack([np.bincount(ids[rows], part, ids.max() + 1) for part in change[rows].T], axis=1))

    halves = np.arange(len(counts)) % 2 == 0
    crossed = np.concatenate([(change[~half] * signs(half)[ids[~half]]).sum(1) for half in (halves, ~halves)])
    plugged = (change * signs(slice(None))[ids]).sum(axis=1)
    value, most = crossed.mean(), plugged.mean()
    error = 1.96 * np.array([crossed.std(ddof=1), plugged.std(ddof=1)]) / math.sqrt(len(counts))
    return Interval(max(float(value), 0.0), max(float(value - error[0]), 0.0), min(float(most + error[1]), 1.0))

"""Representations: from SMILES to arrays, by a registry that a reader can extend, cached by content.

Membership always means membership of the head that is trained on a representation. What the representation itself saw
in its pretraining is stated with each (`EMBEDDERS[name].pretraining`). It favours neither members nor non-members,
since these are random halves of one pool; but a molecule that it was trained on is not new to it.
"""

import codecs
import hashlib
import io
import pickle
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from rdkit import Chem, __version__, rdBase
from rdkit.Chem import Descriptors, rdFingerprintGenerator

from qmis_utils.store import downloads
from qmis_utils.store.files import opened_atomic

CHUNK = 256  # molecules embedded at a time: bounds the memory of a table of any length

# --------------------------------------------------------------------------------------------------------- registry


@dataclass(frozen=True)
class Embedder:
    """A registered representation: `function` maps a list of n SMILES to an array (n, d)."""

    function: Callable[[list[str]], np.ndarray]
    version: str | None  # part of the cache key; None: never cached
    mixed_units: bool  # True where columns have different units, as descriptors do and counts do not
    pretraining: str  # what it was trained on, and what that means for membership
    unfit: Callable[[str], str | None] = lambda text: None  # why it would misread a SMILES or never end


EMBEDDERS: dict[str, Embedder] = {}


def embedder(
    name: str, version: str | None = None, mixed_units: bool = False, pretraining: str = "Not stated.",
    unfit: Callable[[str], str | None] = lambda text: None,
) -> Callable:  # fmt: skip
    """Register a function as the representation `name`.

    Parameters
    ----------
    name : str
        The name that `embed` will know.
    version : str, optional
        Embeddings are cached under it: change it whenever the function changes. None never caches, which suits
        a function that is still being written.
    mixed_units : bool
        Whether the columns have different units, so that `standardise` must scale each by itself.
    pretraining : str
        What the representation was trained on, and what that means for membership.
    unfit : callable, optional
        From a SMILES to the reason why a molecule is left out of the representation ("is longer than it reads"), or
        None.

    Returns
    -------
    Callable
        The decorator, which leaves the function as it is.

    Examples
    --------
    >>> @embedder("carbons")
    ... def carbons(smiles):
    ...     return np.array([[text.upper().count("C")] for text in smiles])
    >>> embed(["CCO"], "carbons")
    array([[2.]], dtype=float32)
    """

    def register(function: Callable) -> Callable:
        EMBEDDERS[name] = Embedder(function, version, mixed_units, pretraining, unfit)
        return function

    return register


def embed(smiles: Sequence[str], name: str) -> np.ndarray:
    """Embed molecules with a registered representation, from the cache where these very molecules were embedded before.

    A molecule that is left out (it does not fit the representation, RDKit cannot parse it, or the embedder raises on it
    alone) never loses the batch: its row is NaN, and a warning names the positions, for each reason.

    Parameters
    ----------
    smiles : sequence of str
        n SMILES, canonical as `molecules.load_task` returns them.
    name : str
        A name in `EMBEDDERS`.

    Returns
    -------
    array
        Array (n, d), float32, without unit.

    Raises
    ------
    ValueError
        Unknown representation.
    RuntimeError
        The embedder failed on every molecule.
    downloads.DownloadError
        The weights are not cached and cannot be fetched.
    """
    smiles = list(smiles)
    if name not in EMBEDDERS:
        raise ValueError(f"unknown representation {name!r}; valid: {', '.join(EMBEDDERS)}")
    chosen = EMBEDDERS[name]
    key = hashlib.sha256("\n".join([name, str(chosen.version), *smiles]).encode()).hexdigest()
    path = downloads.cache_dir() / "embeddings" / f"{name}-{key[:32]}.npy"
    if chosen.version is not None and path.exists():
        features = np.load(path)
    else:
        features = _compute(chosen, smiles, name)
        if chosen.version is not None:
            with opened_atomic(path) as file:
                np.save(file, features)
    for reason, positions in left_out(smiles, name, features).items():
        count = f"{len(positions)} of {len(smiles)} molecules"
        warnings.warn(f"{name} leaves out {count}, each {reason}: {positions[:10]}", stacklevel=2)
    return features


def left_out(smiles: Sequence[str], name: str, features: np.ndarray) -> dict[str, list[int]]:
    """Return which molecules a representation left out, and why.

    Parameters
    ----------
    smiles : sequence of str
        n SMILES.
    name : str
        A name in `EMBEDDERS`.
    features : array (n, d)
        Of `embed`.

    Returns
    -------
    dict of list of int
        Reason, in words that follow "each", -> positions.
    """
    reasons: dict[str, list[int]] = defaultdict(list)
    for position in np.flatnonzero(~np.isfinite(features).all(axis=1)).tolist():
        finite = (
            "one that it cannot embed" if np.isnan(features[position]).all() else "with infinite or missing numbers"
        )
        reasons[EMBEDDERS[name].unfit(smiles[position]) or finite].append(position)
    return dict(reasons)


def _compute(chosen: Embedder, smiles: list[str], name: str) -> np.ndarray:
    features = None
    with rdBase.BlockLogs():
        valid = [i for i, text in enumerate(smiles) if Chem.MolFromSmiles(text) is not None and not chosen.unfit(text)]
        for start in range(0, len(valid), CHUNK):
            positions = valid[start : start + CHUNK]
            for i, row in zip(positions, _embed_chunk(chosen.function, [smiles[i] for i in positions]), strict=True):
                if row is not None:
                    if features is None:
                        features = np.full((len(smiles), len(row)), np.nan, dtype=np.float32)
                    features[i] = row
    if features is None:
        why = next((f", the first {reason}" for text in smiles[:1] if (reason := chosen.unfit(text))), "")
        raise RuntimeError(f"the representation {name!r} failed on all of {len(smiles)} molecules{why}")
    return features


def _embed_chunk(function: Callable, smiles: list[str]) -> list[np.ndarray | None]:
    """Embed one chunk; if that raises, one molecule at a time, with None for those that fail alone."""
    try:
        return list(np.asarray(function(smiles), dtype=np.float32).reshape(len(smiles), -1))
    except (downloads.DownloadError, ImportError):  # the embedder is not there: no fault of a molecule
        raise
    except Exception:
        if len(smiles) == 1:
            return [None]
        return [row for text in smiles for row in _embed_chunk(function, [text])]


def standardise(reference: np.ndarray, *others: np.ndarray, mixed_units: bool = False) -> list[np.ndarray]:
    """Centre every column and scale all of them by one number, or each by its own if their units differ.

    One common scale leaves rare substructures rare: dividing a column that is 1 in one molecule of a thousand by its
    own standard deviation would make that molecule an outlier.

    Parameters
    ----------
    reference : array
        Array (n, d) that sets mean and scale. Take the whole pool, never the members alone: then the scaling
        carries no membership.
    others : array
        Further arrays (m, d), such as the held-out test set.
    mixed_units : bool
        Scale every column by its own standard deviation, as `EMBEDDERS[name].mixed_units` says.

    Returns
    -------
    list[array]
        All arrays, the reference first; the reference has mean 0 and mean square 1. Constant columns are 0.
    """
    mean, deviation = reference.mean(axis=0), reference.std(axis=0)
    constant = deviation <= 1e-6 * np.abs(mean)
    scale = np.where(constant, np.inf, deviation if mixed_units else np.sqrt(np.mean(np.square(deviation[~constant]))))
    return [((array - mean) / scale).astype(np.float32) for array in (reference, *others)]


# --------------------------------------------------------------------------------------------------- by rule, no model


@embedder(
    "ecfp4",
    version=f"1-rdkit{__version__}",
    pretraining="Nothing: substructures are counted by rule.",
)
def ecfp4(smiles: list[str]) -> np.ndarray:
    """Count circular substructures of radius 2 in 1,024 bins (Rogers and Hahn, 2010); stereochemistry is not seen."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    return np.stack([generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(text)) for text in smiles])


MOST_ATOMS = {"rdkit2d": 250, "minimol": 500}  # beyond, a molecule takes about a second, and soon minutes


def _too_large(name: str) -> Callable[[str], str | None]:
    """Return what says why a molecule is too large for a representation."""
    most = MOST_ATOMS[name]

    def unfit(text):  # no molecule has more atoms than letters: most need not be parsed
        mol = Chem.MolFromSmiles(text) if len(text) > most else None
        return f"of more than {most} heavy atoms" if mol and mol.GetNumHeavyAtoms() > most else None

    return unfit


_DESCRIPTORS = {name: function for name, function in Descriptors.descList if name != "Ipc"}


@embedder(
    "rdkit2d",
    version=f"2-rdkit{__version__}",
    mixed_units=True,
    unfit=_too_large("rdkit2d"),
    pretraining="Nothing: descriptors are computed by rule. A few, such as Crippen's logP, hold constants that were "
    "fitted once to public molecules.",
)
def rdkit2d(smiles: list[str]) -> np.ndarray:
    """Compute RDKit's 2D descriptors; one that is not defined for a molecule is 0.

    `Ipc` is left out: it reaches 1e17 on drug-sized molecules, and its per-atom form `AvgIpc` stays.
    """
    table = np.array([[_descriptor(f, mol) for f in _DESCRIPTORS.values()] for mol in map(Chem.MolFromSmiles, smiles)])
    return np.where(np.isfinite(table), table, 0.0)


def _descriptor(function: Callable[[Chem.Mol], float], mol: Chem.Mol) -> float:
    try:
        return float(function(mol))
    except (ValueError, ZeroDivisionError, OverflowError, RuntimeError):  # not defined for this molecule
        return np.nan


# ---------------------------------------------------------------------------------------------------------- ChemNet


CHEMNET_LENGTH = 350  # symbols, the end among them


def _cut_by_chemnet(text: str) -> str | None:
    """Say why ChemNet would read only a part of a SMILES: it takes a dot as the end, and stops at its length."""
    if "." in text:
        return "of several fragments, of which it reads one"
    if len(text) < CHEMNET_LENGTH:  # a symbol has one or two letters
        return None
    from fcd_torch.utils import get_one_hot

    symbols = int(get_one_hot(text).any(axis=1).sum())
    return f"longer than the {CHEMNET_LENGTH - 1} symbols that it reads" if symbols > CHEMNET_LENGTH else None


@embedder(
    "chemnet",
    version="2-fcd_torch1.0.7",
    unfit=_cut_by_chemnet,
    pretraining="SMILES of public molecules and their measured bioactivities (Preuer et al., 2018); the release does "
    "not list them. It may have seen a task's molecules, members and non-members alike.",
)
def chemnet(smiles: list[str]) -> np.ndarray:
    """Read the last LSTM state, 512 numbers, of ChemNet (Preuer et al., 2018), frozen."""
    import torch  # only this representation needs torch and the weights
    from fcd_torch.utils import get_one_hot

    batch = np.stack([get_one_hot(text, CHEMNET_LENGTH) for text in smiles]) / 35  # the scale that it was trained with
    with torch.inference_mode():
        return _chemnet_model()(torch.tensor(batch, dtype=torch.float32).transpose(1, 2)).numpy()


@cache
def _chemnet_model():
    import fcd_torch
    import torch
    from fcd_torch.utils import load_imported_model

    path = Path(fcd_torch.__file__).parent / "ChemNet_v0.13_pretrained.pt"
    return load_imported_model(torch.load(path, weights_only=True)).eval()


# ---------------------------------------------------------------------------------------------------------- MiniMol


@embedder(
    "minimol",
    version=f"2-minimol_onnx0.1.1-rdkit{__version__}",
    unfit=_too_large("minimol"),
    pretraining="Graphium's LargeMix (Beaini et al., 2024): about 6 million molecules with quantum properties, 1,328 "
    "PubChem assays and gene expression (Kläser et al., 2024). TDC's test molecules are not left out in the published "
    "configuration. It may have seen a task's molecules, members and non-members alike, so its utility may flatter.",
)
def minimol(smiles: list[str]) -> np.ndarray:
    """Read the pooled state, 512 numbers, of the graph network MiniMol (Kläser et al., 2024), frozen."""
    from qmis_utils.molecules import minimol as network  # only this representation needs the weights and onnxruntime

    return network.fingerprints(smiles)


# ---------------------------------------------------------------------------------------------------------- Mol2vec


@embedder(
    "mol2vec",
    version=f"1-deepmol1.2.1-rdkit{__version__}",
    pretraining="20.7 million molecules from ZINC, without labels (Jaeger et al., 2018; the released model). It may "
    "have seen a task's molecules, members and non-members alike, but no label.",
)
def mol2vec(smiles: list[str]) -> np.ndarray:
    """Sum the 300 numbers that Mol2vec (Jaeger et al., 2018) learnt for each circular substructure of radius 0 or 1."""
    vectors, position = _mol2vec_model()
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=1)
    rows = []
    for text in smiles:
        counts = generator.GetSparseCountFingerprint(Chem.MolFromSmiles(text)).GetNonzeroElements()
        words = [position.get(str(word), position["UNK"]) for word in counts]
        rows.append(np.array(list(counts.values())) @ vectors[words])
    return np.stack(rows)


@cache
def _mol2vec_model() -> tuple[np.ndarray, dict[str, int]]:
    """Return the vectors (words, 300) and the position of each word, out of the wheel deepmol (91 MB)."""
    content = downloads.read_member("deepmol", "deepmol/compound_featurization/mol2vec_models/model_300dim.pkl")
    words = _InertUnpickler(io.BytesIO(content)).load().wv
    return words.syn0, {word: i for i, word in enumerate(words.index2word)}


class _Inert:
    """Stands for an object of gensim: it holds the state that was pickled, and does nothing."""

    def __init__(self, *arguments):
        pass

    def __setstate__(self, state):
        self.__dict__.update(state if isinstance(state, dict) else {})


_ADMITTED = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "numpy.core.multiarray._reconstruct": np.empty(0).__reduce__()[0],
    "_codecs.encode": codecs.encode,  # how Python 2 pickled bytes
    "collections.defaultdict": defaultdict,
    "__builtin__.long": int,
    "__builtin__.hash": _Inert,
    "numpy.random.__RandomState_ctor": _Inert,
    "gensim.models.word2vec.Word2Vec": _Inert,
    "gensim.models.keyedvectors.KeyedVectors": _Inert,
    "gensim.models.keyedvectors.Vocab": _Inert,
    "gensim.utils.call_on_class_only": _Inert,
}


class _InertUnpickler(pickle.Unpickler):
    """Reads a pickled gensim model without gensim; a name that is not admitted, and so its code, is refused."""

    def find_class(self, module, name):
        """Return what stands for a pickled name; refuse every other."""
        if f"{module}.{name}" not in _ADMITTED:
            raise downloads.DownloadError(f"the model asks for {module}.{name}, which is not admitted")
        return _ADMITTED[f"{module}.{name}"]


BUILT_IN = dict(EMBEDDERS)  # what a reader adds is told by it, and travels with a sweep

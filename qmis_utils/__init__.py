"""QMIS, a companion to membership inference security of post-training quantized models.

This is the one door: ``PUBLIC`` names the public API, room by room. A room is imported when first asked for, and
a name's module when that name is: ``from qmis_utils.theory import security`` loads no torch.

>>> from qmis_utils import attacks
>>> attacks.auc([[0.9, 0.1]], [[True, False]])
array([1.])
"""

from importlib import import_module

PUBLIC = {  # room -> module -> names
    "theory": dict.fromkeys(
        ["security", "rates", "information", "tilted", "bits", "edges", "geometry", "matrix", "networks", "numerics"],
        "",
    ),
    "quantizers": {
        "rules": "QUANTIZERS PAPER_SET NF4_LEVELS POT4_LEVELS APOT4_LEVELS PRIVATE_EDGES Quantizer Quantized"
        " quantize fits released_bits round_stochastic round_dithered sparsity code_entropy relative_error as_array",
        "formats": "FORMATS Format E2M1_LEVELS",
        "data_aware": "quantize_activation_clip quantize_gptq",
    },
    "ensemble": {},
    "attacks": {
        "catalogue": "ATTACKS Attack",
        "evidence": "Evidence observe sample_weights",
        "scores": "VARIANTS signal signal_loss lira rmia difficulty_calibrated",
        "thresholds": "loss max_confidence entropy modified_entropy modified_entropy_by_class quantile",
        "learned": "classify distilled_losses shadow_classifier trajectory",
        "boundary": "label_distance boundary_distance label_only label_only_boundary adversarial_distance",
        "joint": "release_regression joint_decoder stacked",
        "weights": "regress_membership ridge_penalty influence_score weight_regression influence align",
        "judging": "auc advantage roc tpr_at_fpr clopper_pearson bootstrap mean_interval enough_shadows"
        " permuted halves Advantage best_threshold advantage_held_out advantage_exact epsilon_lower_bound exposure"
        " record_exposure stability MUTUAL resampled_tpr bootstrap_interval rank_correlation on_front verdict VERDICTS"
        " gain_at_equal_leak strongest",
    },
    "indicators": {
        "rate": "AGGREGATIONS estimate_rate cramer_estimates neighbours adjacent",
        "survival": "survival_rho surviving_share surviving_weights function_error edges_of over_layers",
        "weights": "edge_share edge_weights shrinkage rounding_noise noise_floor",
        "laws": "gaussian_auc survival_law simulated_signals",
        "agreement": "resolved_pairs kendall_resolved kendall_b kendall_interval",
        "estimate": "from_draws multiplicities",
    },
    "assess": {},
    "molecules": {
        "tasks": "TASKS BUNDLED Task load_task load_table table_names",
        "tables": "read_table",
        "cleaning": "clean",
        "parents": "Parent parent",
        "splits": "scaffolds scaffold_split split split_column",
        "embeddings": "EMBEDDERS Embedder embedder embed standardise",
    },
    "studies": {"synthetic": "", "tables": "", "molecular": "", "versions": ""},
    "audit": {"measure": "audit threshold_auc", "weights": "find_weights", "modules": "quantized", "report": "Report"},
    "figures": {},
    "exercises": {},
    "run": {},
}


def public(room):
    """Return the ``__getattr__`` and ``__dir__`` of a room, which find its public names in its modules."""
    modules = PUBLIC[room.rpartition(".")[2]]
    home = {name: module for module, names in modules.items() for name in names.split()}

    def find(name):
        if name in home:
            return getattr(import_module(f"{room}.{home[name]}"), name)
        if name in modules:
            return import_module(f"{room}.{name}")
        raise AttributeError(f"module {room!r} has no attribute {name!r}")

    return find, lambda: sorted([*home, *modules])


def __getattr__(name):
    if name in PUBLIC:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(PUBLIC)

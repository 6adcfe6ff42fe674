"""The order of the examples: first what most people come for."""

ORDER = (
    "plot_quickstart_pipeline.py",
    "plot_grid_search_eps.py",
    "plot_why_eight_levels.py",
    "plot_matched_activations.py",
    "plot_speed.py",
    "plot_model_file_sizes.py",
    "plot_accuracy_by_bytes.py",
    "plot_model_in_c.py",
    "plot_table_in_c.py",
    "plot_images.py",
    "plot_trained_images.py",
    "plot_compress_fitted_mlp.py",
    "plot_fit_larger_than_memory.py",
    "plot_experiment1_gaussian_mixture.py",
    "plot_experiment1_digits.py",
    "plot_learning_theory_and_net.py",
    "plot_learning_dense_and_compressed.py",
    "plot_learning_many_samples.py",
)


class Order:
    """Sort key of sphinx-gallery; a file that is not listed is an error."""

    def __init__(self, src_dir):
        self.src_dir = src_dir

    def __call__(self, filename):
        return ORDER.index(filename) if filename.startswith("plot_") else len(ORDER)

"""Draws the curve of a training run."""


def draw_training_curve(history: dict, path, title: str, headline: str = "accuracy"):
    """Writes a PNG with the loss and a metric of every epoch.

    Args:
        history: dict of equally long lists with "loss", the metric and, if the run validates,
            the two after "val_"; one value per epoch.
        path: file to write, ending in ".png".
        title: one line above the curves.
        headline: name of the metric.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    loss_axes, metric_axes = figure.subplots(1, 2)
    for axes, name, label in (
        (loss_axes, "loss", "loss"),
        (metric_axes, headline, headline.replace("_", " ")),
    ):
        for key, legend, colour in (
            (name, "training", "#8a97a8"),
            (f"val_{name}", "held out", "#c2410c"),
        ):
            values = history.get(key)
            if values:
                epochs = range(1, len(values) + 1)
                marker = "o" if len(values) < 20 else None
                axes.plot(epochs, values, color=colour, label=legend, marker=marker, markersize=3)
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    if headline.endswith("accuracy"):
        metric_axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=150)

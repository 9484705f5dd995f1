"""What a comparison says, for people: tables, plots, pictures of cells; needs neither torch, ray nor mlflow."""

from aca_ray.report.drawing import draw_genotype, draw_mixing
from aca_ray.report.plots import write_plots
from aca_ray.report.tables import to_markdown, to_text, write_tables

__all__ = ["draw_genotype", "draw_mixing", "to_markdown", "to_text", "write_plots", "write_tables"]

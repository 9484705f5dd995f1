"""The panels of the report, one per question and file, in the order of the page.

Source: Lindauer & Hutter 2020 for what a report of an architecture search must contain.
"""

from aca_ray.report.panels import (
    accuracy,
    channels,
    checklist,
    collapse,
    controls,
    cost,
    differences,
    failed,
    mixing_weights,
    pairs,
    provenance,
    random_architectures,
    true_accuracy,
    variance,
)

PANELS = (
    true_accuracy.PANEL,
    accuracy.PANEL,
    differences.PANEL,
    variance.PANEL,
    controls.PANEL,
    pairs.PANEL,
    random_architectures.PANEL,
    cost.PANEL,
    collapse.PANEL,
    channels.PANEL,
    mixing_weights.PANEL,
    provenance.PANEL,
    checklist.PANEL,
    failed.PANEL,
)

"""Colors of all plots and drawings: those of Okabe & Ito 2008 ("Color Universal Design"), for any color vision."""

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
# Without yellow: a yellow line is barely visible on white.
COLORS = (BLUE, VERMILION, GREEN, ORANGE, "#CC79A7", "#56B4E9", "#000000")
BROWN = "#9c5700"
GRAY = "#666666"
LIGHT_GRAY = "#dddddd"

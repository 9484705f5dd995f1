"""The colors that all pictures share.

Source: Okabe & Ito 2008 ("Color Universal Design"), told apart with any color vision; the grays are ours.
"""

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
# Yellow is left out: as a line on white it can't be seen.
COLORS = (BLUE, VERMILION, GREEN, ORANGE, "#CC79A7", "#56B4E9", "#000000")
BROWN = "#9c5700"
GRAY = "#666666"
LIGHT_GRAY = "#dddddd"

"""One trial in one process: search, ranking, retraining or look-up, resumed from its folder."""

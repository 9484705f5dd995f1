"""The comparison for people: tables, plots, drawings of cells; needs neither torch, ray nor mlflow.

`panels/` has one file per question of the report. Modules are imported one by one, so a trial draws its cells
(`cells`, `mixing`) without the libraries behind the plots.
"""

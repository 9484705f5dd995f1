"""The comparison for people: tables, plots, drawings of cells; needs neither torch, ray nor mlflow.

Modules are imported one by one, so a trial draws its cells (`cells`, `mixing`) without the libraries behind `plots`.
"""

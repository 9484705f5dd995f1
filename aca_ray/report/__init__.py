"""What a comparison says, for people: tables, plots, drawings of cells; needs neither torch, ray nor mlflow.

The modules are imported one by one: a trial draws its cells (`cells`, `mixing`) without the libraries behind `plots`.
"""

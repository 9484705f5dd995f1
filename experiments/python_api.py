"""A sweep from Python: a spec as a value, its results as pandas frames, its networks as torch modules.

Run it cell by cell in an editor or a notebook, or as a script: python experiments/python_api.py. It takes half a minute
on one CPU core, with images and networks that are far too small for findings.
"""

# %% A spec is a value: the editor completes it, and mistakes are reported all at once.
import torch

import aca_ray

experiment = aca_ray.ExperimentSpec(
    methods="darts",
    spaces="nasbench201",
    data={"name": "digits", "max_train_images": 128, "max_test_images": 64},
    seeds=range(2),
    epochs=2,
    network=aca_ray.NetworkSpec(channels=4, cells=3),
    batch_size=32,
    table="nasbench201",
    retraining=aca_ray.RetrainingSpec(protocol="small"),
)
spec = aca_ray.SweepSpec(name="python-api", experiment=experiment)
print(spec.to_yaml())

# %% Specs can be made in a loop and saved, for `aca-ray run` on another machine.
for channels in (4, 8):
    network = aca_ray.NetworkSpec(channels=channels, cells=3)
    wider = aca_ray.SweepSpec(
        name=f"digits-{channels}",
        experiment=aca_ray.ExperimentSpec(
            methods="darts",
            spaces="nasbench201",
            data="digits",
            seeds=range(6),
            epochs=50,
            network=network,
            table="nasbench201",
        ),
    )
    wider.save(f"digits-{channels}.yaml")

# %% Without local=True, the trials run on Ray, as many at once as the machine allows. No finished trial is run again.
result = aca_ray.run(spec, local=True)

# %% In a notebook, a result shows the summary and the first picture of its report.
print(result, result.report, sep="\n")
for sentence in result.outcome.failures if result.outcome else ():
    print(sentence)

# %% Every retrained and every looked-up network: what a paper's table is made of.
networks = result.retrainings()
print(networks.groupby(["protocol", "skip", "allocation"], dropna=False).test_accuracy.agg(["count", "mean", "std"]))

# %% Every epoch of every trial: curves.
epochs = result.epochs()
print(epochs[epochs.kind == "search"].pivot_table(index="epoch", columns="skip", values="search_valid/accuracy"))

# %% Every channel of every ranked milestone: its score, and whether the operation keeps it.
print(result.channels().groupby(["epoch", "operation"])[["score", "kept/sign"]].mean())

# %% The network with the highest accuracy, trained. The best of several seeds overestimates what the next one reaches.
best = result.best(protocol="small")
trained = result.network(best)
with torch.no_grad():
    print(best.short, trained(torch.randn(2, 1, 8, 8)).softmax(dim=1))

# %% A sweep that ran elsewhere; the storage may be an object store: aca_ray.load("cells", storage="s3://bucket/results").
again = aca_ray.load("python-api")
print([trial.state for trial in again.trials])

# %% Only the model: a published cell, ready for a training loop of your own.
model = aca_ray.build("DARTS_V2", num_classes=100, protocol={"base": "cifar", "channels": 16, "cells": 8})
print(sum(weight.numel() for weight in model.parameters()), model(torch.randn(2, 3, 32, 32)).shape)

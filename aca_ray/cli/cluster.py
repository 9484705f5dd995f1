"""doctor, submit, jobs: sweeps on a cluster."""

from __future__ import annotations

import argparse
import sys

from aca_ray.cli.checking import use_one_thread
from aca_ray.cli.codes import FAILED
from aca_ray.cli.options import Verbs, cluster_options, server_options


def add_doctor(verbs: Verbs) -> None:
    """Add the verb."""
    doctor = verbs.add_parser(
        "doctor", parents=[cluster_options()], help="check a cluster, and whether a sweep can run on it"
    )
    doctor.add_argument("spec", metavar="SPEC", nargs="?", help="sweep spec (YAML)")
    doctor.set_defaults(verb=_doctor)


def add_submit(verbs: Verbs) -> None:
    """Add the verb."""
    submit = verbs.add_parser(
        "submit", parents=[server_options()], help="run a sweep as a job of a Ray cluster; print the job id"
    )
    submit.add_argument(
        "spec",
        metavar="SPEC",
        help="sweep spec (YAML); its folder (at most 100 MiB, without what .gitignore names) is uploaded with it",
    )
    submit.set_defaults(verb=_submit)


def add_jobs(verbs: Verbs) -> None:
    """Add the verb, whose actions are verbs of their own."""
    jobs = verbs.add_parser("jobs", help="list, follow and stop submitted sweeps")
    actions = jobs.add_subparsers(required=True, metavar="ACTION")
    job_list = actions.add_parser("list", parents=[server_options()], help="list submitted sweeps, newest first")
    job_list.set_defaults(verb=_list_jobs)

    logs = actions.add_parser("logs", parents=[server_options()], help="print the output of a job")
    logs.add_argument("job", metavar="ID", help="id that submit printed")
    logs.add_argument("--follow", action="store_true", help="continue until the job ends")
    logs.set_defaults(verb=_logs)

    stop = actions.add_parser(
        "stop", parents=[server_options()], help="save the trials of a job and stop it; submit resumes it"
    )
    stop.add_argument("job", metavar="ID", help="id that submit printed")
    stop.set_defaults(verb=_stop)


def _doctor(options: argparse.Namespace) -> int:
    from aca_ray import api

    use_one_thread()
    fine = True
    for check in api.doctor(options.spec, address=options.address):
        print(f"{'ok' if check.fine else 'problem':9}{check.subject}: {' '.join(check.sentence.split())}", flush=True)
        fine = fine and check.fine
    return 0 if fine else FAILED


def _submit(options: argparse.Namespace) -> int:
    from aca_ray import api

    print(api.submit(options.spec, address=options.address))
    return 0


def _list_jobs(options: argparse.Namespace) -> int:
    from aca_ray.cluster.jobs import job_lines

    print("\n".join(job_lines(options.address)) or f"no sweeps at {options.address}")
    return 0


def _logs(options: argparse.Namespace) -> int:
    from aca_ray.cluster.jobs import write_logs

    write_logs(options.job, options.address, options.follow, sys.stdout)
    return 0


def _stop(options: argparse.Namespace) -> int:
    from aca_ray.cluster.jobs import stop

    print(f"{options.job}: {stop(options.job, options.address)}")
    return 0

"""`--demo`: the exporter against the embedded simulated Bedrock, cut off from the user's AWS configuration."""

from __future__ import annotations

import os
import time
from collections.abc import MutableMapping

from exporter import NAME
from exporter.simulator import Simulator, World, serve

CONFIG = """\
poll:
  interval: 10s
  timeout: 9s
  stale_after: 1m
targets:
  - regions: [us-east-1, us-west-2, eu-central-1]   # the account of the default credentials
    labels: {team: platform}
  - regions: [us-east-1, us-west-2, eu-central-1]   # the role's policy denies the last region
    assume_role:
      role_arn: arn:aws:iam::444455556666:role/bedrock-exporter
    labels: {team: research}
job_series:
  tags: [team, cost-center]
details:
  enabled: true
  calls_per_walk: 200      # many, so that nobody has to wait in a demo
  calls_per_second: 50
  hyperparameters: [epochCount]
"""
"""The demo's configuration: an ordinary one."""


def start(environ: MutableMapping[str, str]) -> Simulator:
    """Start the simulator and point every AWS client of this process at it; the caller closes it.

    Args:
        environ: the process's environment. All AWS and proxy variables are removed, and the user's AWS files are no
            longer read.
    """
    simulator = serve(World.demo(epoch=time.time()))
    for name in [name for name in environ if name.upper().startswith("AWS_") or name.upper().endswith("_PROXY")]:
        del environ[name]
    environ.update(
        {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": simulator.access_key_id,
            "AWS_SECRET_ACCESS_KEY": "simulated",
            "AWS_ENDPOINT_URL_BEDROCK": simulator.url,
            "AWS_ENDPOINT_URL_STS": simulator.url,
        }
    )
    return simulator


def guide(simulator_url: str, url: str, telemetry_path: str) -> str:
    """The banner for the person who started the demo, which serves at `url`."""
    metrics_url = url + telemetry_path
    return f"""\
Demo: a simulated Amazon Bedrock with two accounts in three regions runs at {simulator_url}
      Your AWS configuration is not read, and nothing leaves this machine.

  page      {url}/
  metrics   {metrics_url}

What to look at, a few seconds from now:
  curl -s {metrics_url} | grep -v '^#'
  bedrock_model_customization_jobs                        how many jobs there are, by status and type
  bedrock_model_customization_job_waiting_seconds         one job has been stuck between sub-tasks for 30 hours
  bedrock_model_customization_job_duration_seconds        grows while a job runs, and stops when it ends
  bedrock_model_customization_job_status{{status="Failed"}} one more every few minutes
  bedrock_model_customization_job_failure_info            why a job failed; the log has the whole message
  bedrock_model_customization_job_validation_loss         the final loss of a completed job, by validator
  bedrock_model_customization_job_info                    who owns a job, by its tags: tag_team, tag_cost_center
  bedrock_exporter_target_up                              0 where access is denied; the other targets go on
  bedrock_exporter_target_failure_info                    why it is down; the log says how to fix it

Next:
  dashboards and alerts for this demo     docker compose up, in docs/examples/compose
  what your own account still needs       {NAME} --doctor

Ctrl-C ends the demo.
"""

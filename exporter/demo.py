"""`--demo`: the exporter against the embedded simulated Bedrock, with nothing of the user's AWS set-up in reach."""

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
  - regions: [us-east-1, us-west-2, eu-central-1]   # which its policy denies in the last one
    assume_role:
      role_arn: arn:aws:iam::444455556666:role/bedrock-exporter
    labels: {team: research}
job_series:
  tags: [team, cost-center]
details:
  enabled: true
  calls_per_walk: 200      # many, for nobody wants to wait in a demo
  calls_per_second: 50
  hyperparameters: [epochCount]
"""
"""The configuration that the demo runs on: an ordinary one."""


def start(environ: MutableMapping[str, str]) -> Simulator:
    """Start the simulator and lead every AWS client of this process to it; the caller closes it.

    Args:
        environ: the process's environment. Every variable of AWS in it, and every proxy, is taken out, and no file
            of the user's is read from then on.
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
    """What to tell the person who started the demo, which serves at `url`."""
    metrics_url = url + telemetry_path
    return f"""\
Demo: a simulated Amazon Bedrock, two accounts in three regions, is at {simulator_url}
      Nothing of your AWS set-up is read, and nothing leaves this machine.

  page      {url}/
  metrics   {metrics_url}

What to look at, once the first walks have ended (seconds):
  curl -s {metrics_url} | grep -v '^#'
  bedrock_model_customization_jobs                        how many jobs there are, by status and type
  bedrock_model_customization_job_waiting_seconds         one job has been stuck between sub-tasks for 30 hours
  bedrock_model_customization_job_duration_seconds        grows while a job runs, stands still when it has ended
  bedrock_model_customization_job_status{{status="Failed"}} one more every few minutes
  bedrock_model_customization_job_failure_info            why a job failed; the log has the whole message
  bedrock_model_customization_job_validation_loss         how good it got
  bedrock_model_customization_job_info                    whose it is, by its tags: tag_team, tag_cost_center
  bedrock_exporter_target_up                              0 where access is denied: the other targets go on
  bedrock_exporter_target_failure_info                    why; the log says what to do about it

What is next:
  dashboards and alerts over this demo    docker compose up, in docs/examples/compose
  what your own account still needs       {NAME} --doctor

Ctrl-C ends it.
"""

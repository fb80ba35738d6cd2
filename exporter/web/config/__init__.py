"""The file of `--web.config.file`, in the format of Prometheus's exporter-toolkit → `WebConfig`."""

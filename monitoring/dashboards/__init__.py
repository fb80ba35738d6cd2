"""The Grafana dashboards, as code; `tools/dashboards.py` writes them to `helm/dashboards`.

They need no recording rules, so that they work where only the exporter is scraped.
"""

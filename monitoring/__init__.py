"""What one loads into Prometheus and Grafana, and its source: alerts, rules and their tests, dashboards."""
